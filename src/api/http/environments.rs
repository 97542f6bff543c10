use std::sync::Arc;

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::asked::blocking;
use super::body::Body;
use super::operations::status_of;
use super::page::Page;
use super::problem::{Problem, internal};
use super::query::Query;
use super::reply::{Moment, Reply};
use super::{App, caller, write};
use crate::present;
use crate::service::{NewEnvironment, ServiceError, Written, environment_rollback};
use crate::wire;

/// `GET /api/environments`: all environments, in the order of the settings.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let reading = app.project.core().reading(&grant);
    let default = reading.environments().default_name();
    let body = present::environments(default, &status_of(&app, grant).await?.branches);
    Ok(Page::json(&body, None)?.answer_whole(request.headers(), Moment::of(&reading, default)))
}

/// `GET /api/environments/{env}`: one of them.
pub(super) async fn one(
    State(app): State<App>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let reading = app.project.core().reading(&grant);
    reading.check_environment(&name)?;
    let all = present::environments("", &status_of(&app, grant).await?.branches);
    let found = all.environments.into_iter().find(|environment| environment.name == name);
    let known = || reading.environments().iter().map(|environment| environment.name.to_string()).collect();
    let found =
        found.ok_or_else(|| ServiceError::UnknownEnvironment { name: name.clone(), known: known() })?;
    Ok(Page::json(&found, None)?.answer_whole(request.headers(), Moment::of(&reading, &name)))
}

/// `POST /api/environments`: a new one, with a branch that holds nothing yet.
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let body = Body::read(&app, request).await?;
    let wire::NewEnvironment { name, branch, inherits } = body.json()?;
    let new = NewEnvironment {
        grant,
        branch: Arc::from(branch.as_deref().unwrap_or(&name)),
        name: Arc::from(name.as_str()),
        inherits: inherits.map(Arc::from),
    };
    let project = app.project.clone();
    // A client that hangs up ends its request, but not this.
    let made = tokio::spawn(async move { blocking(move || project.create_environment(new)).await });
    let written = made.await.map_err(Problem::stopped)???;
    answer(&name, &written, StatusCode::CREATED)
}

/// `POST /api/environments/{env}/rollback`: the environment's own layer as it was, as a new commit.
pub(super) async fn rollback(
    State(app): State<App>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let request_id = caller::request_id(request.headers());
    let body = Body::read(&app, request).await?;
    let wire::EnvironmentRollback { to, message } = body.json()?;
    let core = app.project.core().clone();
    let environment = name.clone();
    let write = blocking(move || environment_rollback(&core, grant, &environment, &to, message));
    let write = crate::service::Write { request_id, ..write.await?? };
    let written = write::commit(&app, write, ()).await?;
    answer(&name, &written, StatusCode::OK)
}

fn answer(environment: &str, written: &Written, status: StatusCode) -> Result<Response, Problem> {
    if written.proposal.is_some() {
        let told = present::written_environment(environment, written);
        return super::accounts::answer(StatusCode::ACCEPTED, &told);
    }
    let body = serde_json::to_vec(&present::written_environment(environment, written))
        .map_err(|error| internal(&error.to_string()))?;
    let revision = written.revisions.get(environment).copied();
    let reply = Reply { tag: None, revision, sequence: written.sequence };
    Ok(reply.with(status, HeaderValue::from_static("application/json"), body.into()))
}
