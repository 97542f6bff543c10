use axum::extract::Request;
use axum::http::header::LINK;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};
use axum::response::Response;

/// The URL as the client sent it, before the project's prefix was taken off.
#[derive(Debug, Clone)]
pub(super) struct SentUri(pub Uri);

/// Whether a project's prefix was taken off.
pub(super) fn is_prefixed(request: &Request) -> bool {
    request.extensions().get::<SentUri>().is_some()
}

/// Adds `Link: <…>; rel="next"` (RFC 8288): the same request with one parameter set to where the next page
/// begins. Nothing is added at the end.
pub(super) fn with_next(
    mut response: Response,
    head: &Parts,
    (name, value): (&str, Option<&str>),
) -> Response {
    let Some(value) = value else { return response };
    let uri = head.extensions.get::<SentUri>().map_or(&head.uri, |sent| &sent.0);
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (other, text) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if other != name {
            query.append_pair(&other, &text);
        }
    }
    query.append_pair(name, value);
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(LINK, link);
    }
    response
}
