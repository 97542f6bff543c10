use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::links::SentUri;
use super::problem::{Problem, internal};
use super::query::Query;
use super::{App, Site, caller};
use crate::auth::{Action, ReadGrant};
use crate::present;
use crate::service::{Status, WriteState};
use crate::wire;

/// `GET /api/status`.
pub(super) async fn status(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let status = status_of(&app, grant).await?;
    Ok(json(StatusCode::OK, &present::status(&status, &app.name)))
}

/// How the project is, for one reader. What may be seen is counted, where that is not all.
pub(super) async fn status_of(app: &App, grant: ReadGrant) -> Result<Status, Problem> {
    let project = app.project.clone();
    tokio::task::spawn_blocking(move || project.status(&grant)).await.map_err(Problem::stopped)
}

/// `GET /api/whoami`: who is calling, and what that account may do.
pub(super) async fn whoami(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let caller = caller::principal(&app, request.headers(), request.uri())?;
    let may = Action::ALL.into_iter().filter(|action| caller.rights().may_somewhere(*action));
    let body = wire::Whoami {
        account: caller.account.to_string(),
        anonymous: caller.is_anonymous(),
        may: may.map(|action| action.name().to_owned()).collect(),
        project: app.name.to_string(),
    };
    Ok(json(StatusCode::OK, &body))
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// `GET /readyz`: 200 once values of every project can be read and written, else 503; names the parts either
/// way. It says nothing about configuration, so that a probe needs no key.
pub(super) async fn readyz(State(site): State<Site>) -> Response {
    let mut projects = serde_json::Map::new();
    let mut all_ready = true;
    for app in site.apps() {
        let health = app.project.health();
        let is_ready = health.history_ready && !matches!(health.writes, WriteState::Broken(_));
        all_ready &= is_ready;
        let parts = wire::Parts::from(&health);
        projects.insert(app.name.to_string(), serde_json::json!({ "ready": is_ready, "parts": parts }));
    }
    let parts = wire::Parts::from(&site.default_app().project.health());
    let code = if all_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &serde_json::json!({ "ready": all_ready, "parts": parts, "projects": projects }))
}

/// `GET /metrics`, in the OpenMetrics text format.
pub(super) async fn metrics(State(site): State<Site>, request: Request) -> Result<Response, Problem> {
    let app = site.default_app();
    caller::may_read(app, request.headers(), request.uri())?;
    let telemetry = app.telemetry.clone();
    let text = match tokio::task::spawn_blocking(move || telemetry.encode()).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(internal(&error.to_string())),
        Err(error) => return Err(internal(&error.to_string())),
    };
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

pub(super) async fn no_route(request: Request) -> Problem {
    let sent = request.extensions().get::<SentUri>().map_or(request.uri(), |sent| &sent.0);
    let detail = format!("there is nothing at {}; values are at /v1/config/… and /api/config/…", sent.path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
}

pub(super) fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
