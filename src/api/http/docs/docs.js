// OpenAPI has no parameter that spans several segments, so Swagger UI sends `/` as `%2F`, which is a slash
// within a key here. What a person types as the path is meant as a path: `/` parts segments, `%2F` does not.
function asPath(request) {
  const [path, ...query] = request.url.split("?");
  if (/\/(api|v1)\/config\//.test(path)) {
    request.url = [path.replace(/%(25)?2F/gi, (_, escaped) => (escaped ? "%2F" : "/")), ...query].join("?");
  }
  return request;
}

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  filter: true,
  requestInterceptor: asPath,
  // Without this the page would ask a server elsewhere whether the description is valid.
  validatorUrl: null,
});
