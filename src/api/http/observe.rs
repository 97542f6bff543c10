use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use crate::telemetry::RequestClass;

/// Answers a request that is no plain read, and measures it.
pub(super) async fn observed(
    app: &App,
    begun: Instant,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let under_way = app.telemetry.http().request();
    let mut response = answer(request).await;
    drop(under_way);
    let route = response.extensions_mut().remove::<MatchedPath>();
    let class = class_of(&method, route.as_ref().map(MatchedPath::as_str), &uri);
    app.telemetry.http().answered(class, response.status().as_u16(), begun.elapsed());
    response
}

/// Notes on an answer which route gave it.
pub(super) async fn note_route(route: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(route);
    response
}

/// What a request was about, by its route, method and URL.
fn class_of(method: &Method, route: Option<&str>, uri: &Uri) -> RequestClass {
    let Some(route) = route else { return RequestClass::Other };
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match route {
        "/healthz" | "/readyz" | "/metrics" | "/api/status" => RequestClass::Operations,
        "/api/batch" | "/api/batch/get" => RequestClass::Batch,
        _ if !is_read => RequestClass::Write,
        _ if asks_for_history(uri) => RequestClass::History,
        _ if asks_for_list(uri) => RequestClass::List,
        _ => RequestClass::Read,
    }
}

fn asks_for_history(uri: &Uri) -> bool {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    uri.path().starts_with("/api/") && matches!(last, "history" | "diff" | "commits") && !has(uri, "literal")
}

fn asks_for_list(uri: &Uri) -> bool {
    ["recursive", "list", "q"].iter().any(|name| has(uri, name))
}

/// Whether the query names a parameter.
fn has(uri: &Uri, name: &str) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let entries = Some("/api/config/{*path}");
        for (method, route, uri, class) in [
            (Method::GET, Some("/healthz"), "/healthz", RequestClass::Operations),
            (Method::POST, Some("/api/batch/get"), "/api/batch/get", RequestClass::Batch),
            (Method::PUT, entries, "/api/config/a/b", RequestClass::Write),
            (Method::POST, entries, "/api/config/a/rollback", RequestClass::Write),
            (Method::GET, entries, "/api/config/a/history?limit=2", RequestClass::History),
            (Method::GET, entries, "/api/config/a/history?literal=true", RequestClass::Read),
            (Method::GET, entries, "/api/config/a?env=prod&recursive=true", RequestClass::List),
            (Method::GET, Some("/v1/config/{*path}"), "/v1/config/a/history", RequestClass::Read),
            (Method::GET, Some("/v1/config/{*path}"), "/v1/config/a?env=list", RequestClass::Read),
            (Method::GET, None, "/api/config/a", RequestClass::Other),
        ] {
            let parsed: Uri = uri.parse().unwrap();
            assert_eq!(class_of(&method, route, &parsed), class, "{method} {uri}");
        }
    }
}
