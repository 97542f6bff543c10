// OpenAPI has no parameter that spans several segments, so Swagger UI sends `/` as `%2F`, which is a slash
// within a key here. What a person types as the path is meant as a path: `/` parts segments, `%2F` does not.
function asPath(request) {
  const [path, ...query] = request.url.split("?");
  if (/\/(api|v1)\/config\//.test(path)) {
    request.url = [path.replace(/%(25)?2F/gi, (_, escaped) => (escaped ? "%2F" : "/")), ...query].join("?");
  }
  return request;
}

// The description speaks of one segment, and Swagger UI sends nothing that does not fit it.
function withWholePaths(description) {
  for (const { parameters = [] } of Object.values(description.paths).flatMap(Object.values)) {
    const path = parameters.find((parameter) => parameter.in === "path" && parameter.name === "path");
    if (path) delete path.schema.pattern;
  }
  return description;
}

async function show() {
  const answer = await fetch("openapi.json");
  SwaggerUIBundle({
    spec: withWholePaths(await answer.json()),
    dom_id: "#docs",
    deepLinking: true,
    filter: true,
    requestInterceptor: asPath,
    // Without this the page would ask a server elsewhere whether the description is valid.
    validatorUrl: null,
  });
}

show().catch((error) => {
  document.getElementById("docs").textContent = `openapi.json cannot be read: ${error.message}`;
});
