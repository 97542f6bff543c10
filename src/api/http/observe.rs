use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument as _, Span};

use super::{App, caller};
use crate::api::grpc;
use crate::telemetry::RequestClass;
use crate::telemetry::trace::{self, TraceContext};

/// What is known of a request before it is answered. Nothing of it is configuration: of the URL only the
/// route is told, and that is known afterwards.
struct Seen {
    begun: Instant,
    method: Method,
    uri: Uri,
    request_id: Option<String>,
    account: Option<Arc<str>>,
    span: Span,
}

impl Seen {
    fn of(app: &App, begun: Instant, span: Span, request: &Request) -> Self {
        Seen {
            begun,
            method: request.method().clone(),
            uri: request.uri().clone(),
            request_id: caller::request_id(request.headers()),
            account: caller::account(app, request.headers()),
            span,
        }
    }

    /// Measures and logs the answer.
    fn answered(&self, app: &App, route: Option<&str>, status: StatusCode) {
        let duration = self.begun.elapsed();
        let class = class_of(&self.method, route, &self.uri);
        app.telemetry.http().answered(class, status.as_u16(), duration);
        let (method, class, status) = (method_name(&self.method), class.name(), status.as_u16());
        trace::answered(&self.span, (method, route), class, status);
        let (request_id, account) = (self.request_id.as_deref(), self.account.as_deref());
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // A level is part of what is compiled in, hence one event for each.
        macro_rules! log {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: "confgit::request",
                    method, route, class, status, duration_us, request_id, account, $message
                )
            };
        }
        if status >= 500 {
            log!(warn, "a request failed");
        } else if duration >= app.slow_request && class != RequestClass::Watch.name() {
            log!(info, "a request was slow");
        } else {
            log!(debug, "a request was answered");
        }
    }
}

/// The method, where it is one that means something here: any other is what a caller made up.
fn method_name(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "LIST", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// Answers a request that is no plain read, measures and logs it.
pub(in crate::api) async fn observed(
    app: &App,
    (begun, span): (Instant, Span),
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let seen = Seen::of(app, begun, span.clone(), &request);
    let under_way = app.telemetry.http().request();
    let mut response = answer(request).instrument(span).await;
    drop(under_way);
    let route = response.extensions_mut().remove::<MatchedPath>();
    let status =
        if grpc::is_grpc(response.headers()) { grpc::http_status(&response) } else { response.status() };
    seen.answered(app, route.as_ref().map(MatchedPath::as_str), status);
    response
}

/// Measures a plain read. The caller's tracing is the only one it has.
pub(super) fn plain_read(app: &App, (begun, span): (Instant, &Span), status: StatusCode) {
    let (class, status) = (RequestClass::PlainRead, status.as_u16());
    app.telemetry.http().answered(class, status, begun.elapsed());
    trace::answered(span, ("GET", Some("/v1/config/{*path}")), class.name(), status);
}

/// The same of one over gRPC.
pub(in crate::api) fn grpc_read(app: &App, begun: Instant, status: StatusCode) {
    app.telemetry.http().answered(RequestClass::Read, status.as_u16(), begun.elapsed());
}

/// What a request says of the trace that it belongs to.
pub(super) fn trace_context(headers: &HeaderMap) -> TraceContext<'_> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext { parent: text("traceparent"), state: text("tracestate") }
}

/// The span of a request.
pub(in crate::api) fn span_of<B>(request: &axum::http::Request<B>) -> Span {
    if !trace::is_on() {
        return Span::none();
    }
    trace::request(method_name(request.method()), trace_context(request.headers()))
}

/// Notes on an answer which route gave it.
pub(super) async fn note_route(route: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(route);
    response
}

/// What a request was about, by its route, method and URL.
fn class_of(method: &Method, route: Option<&str>, uri: &Uri) -> RequestClass {
    if let Some(method) = uri.path().strip_prefix("/confgit.v1.ConfigService/") {
        return class_of_grpc(method);
    }
    let Some(route) = route else { return RequestClass::Other };
    let reads = route.starts_with("/api/config") || route.starts_with("/v1/config");
    if reads && (has(uri, "watch") || has(uri, "wait")) {
        return RequestClass::Watch;
    }
    if method.as_str() == "LIST" {
        return RequestClass::List;
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match route {
        "/healthz"
        | "/readyz"
        | "/metrics"
        | "/api/status"
        | "/api/whoami"
        | "/api/accounts"
        | "/api/clients"
        | "/api/clients/{client}"
        | "/api/clients/{client}/acknowledge"
        | "/api/access/explain"
        | "/api/audit"
        | "/api/audit/verify" => RequestClass::Operations,
        "/api/batch" | "/api/batch/get" => RequestClass::Batch,
        _ if !is_read => RequestClass::Write,
        "/api/diff" | "/api/commits" | "/api/commits/{revision}" => RequestClass::History,
        _ if asks_for_history(uri) => RequestClass::History,
        _ if asks_for_list(uri) => RequestClass::List,
        _ => RequestClass::Read,
    }
}

/// The same of a method of gRPC.
fn class_of_grpc(method: &str) -> RequestClass {
    match method {
        "Get" => RequestClass::Read,
        "List" => RequestClass::List,
        "History" | "Diff" | "Explain" => RequestClass::History,
        "Put" | "Delete" => RequestClass::Write,
        "Apply" | "BatchGet" => RequestClass::Batch,
        "Watch" => RequestClass::Watch,
        "Acknowledge" => RequestClass::Operations,
        _ => RequestClass::Other,
    }
}

fn asks_for_history(uri: &Uri) -> bool {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    uri.path().starts_with("/api/") && matches!(last, "history" | "diff") && !has(uri, "literal")
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
            (Method::GET, Some("/api/commits/{revision}"), "/api/commits/7", RequestClass::History),
            (Method::GET, entries, "/api/config/a?watch=true", RequestClass::Watch),
            (Method::GET, Some("/v1/config/{*path}"), "/v1/config/a?wait=30s", RequestClass::Watch),
            (Method::GET, None, "/api/config/a", RequestClass::Other),
        ] {
            let parsed: Uri = uri.parse().unwrap();
            assert_eq!(class_of(&method, route, &parsed), class, "{method} {uri}");
        }
    }
}
