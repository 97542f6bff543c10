use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::problem::{Problem, problem_item};
use super::query::Query;
use super::{App, caller};
use crate::service::{BranchStatus, Health, WriteState};
use crate::wire;

/// `GET /api/status`.
pub(super) async fn status(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let status = app.project.status(&grant);
    let (writable, reason) = match &status.health.writes {
        WriteState::Possible if status.health.history_ready => (true, None),
        WriteState::Possible => (false, Some("the history index is being rebuilt".to_owned())),
        WriteState::Failing(reason) | WriteState::Broken(reason) => (false, Some(reason.clone())),
    };
    let body = wire::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        project: app.name.to_string(),
        sequence: status.sequence.0,
        oldest_sequence: status.oldest_sequence.0,
        writable,
        reason,
        parts: parts(&status.health),
        environments: status.branches.iter().map(environment).collect(),
    };
    Ok(json(StatusCode::OK, &body))
}

fn parts(health: &Health) -> wire::Parts {
    wire::Parts {
        index: "ready".to_owned(),
        history: if health.history_ready { "ready" } else { "rebuilding" }.to_owned(),
        history_covered: health.history_covered.0,
        waiting_writes: health.waiting_writes,
    }
}

fn environment(branch: &BranchStatus) -> wire::EnvironmentStatus {
    wire::EnvironmentStatus {
        name: branch.environment.to_string(),
        branch: branch.branch.to_string(),
        inherits: branch.inherits.as_ref().map(ToString::to_string),
        revision: branch.head.map(|head| head.to_string()),
        entries: branch.entries,
        files: branch.files,
        degraded: !branch.problems.is_empty(),
        problems: branch.problems.iter().map(problem_item).collect(),
    }
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// `GET /readyz`: 200 once values can be read and written, else 503; names the parts either way. It says
/// nothing about configuration, so that a probe needs no key.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let health = app.project.health();
    let ready = health.history_ready && !matches!(health.writes, WriteState::Broken(_));
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &serde_json::json!({ "ready": ready, "parts": parts(&health) }))
}

/// `GET /metrics`, in the OpenMetrics text format.
pub(super) async fn metrics(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    caller::may_read(&app, request.headers(), request.uri())?;
    let text = app.telemetry.encode().map_err(|error| Problem::malformed(error.to_string()))?;
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

pub(super) async fn no_route(request: Request) -> Problem {
    let detail =
        format!("there is nothing at {}; values are at /v1/config/… and /api/config/…", request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
}

pub(super) async fn wrong_method(request: Request) -> Problem {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    // Of the fixed routes the batches take POST and all others are read.
    let allow = if request.uri().path().starts_with("/api/batch") { "POST" } else { "GET, HEAD" };
    Problem::wrong_method(allow, detail)
}

fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
