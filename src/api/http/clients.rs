use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::asked::{MOST_PER_PAGE, PAGE, limit};
use super::body::Body;
use super::operations::json;
use super::problem::Problem;
use super::query::Query;
use super::{App, caller, links};
use crate::model::Sequence;
use crate::present;
use crate::wire;

/// The parameters of the list.
pub(super) const LIST: [&str; 5] = ["state", "env", "client", "after", "limit"];

/// What `state` may be.
pub(super) const STATES: [&str; 2] = ["connected", "lost"];

/// The longest name of a client, in bytes.
pub(super) const MOST_NAME_BYTES: usize = 128;

/// Reads what a client calls itself: 1 to 128 of letters, digits and `._:@-`.
pub(in crate::api) fn name(text: &str) -> Result<&str, Problem> {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
    if (1..=MOST_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_usual) {
        return Ok(text);
    }
    let detail =
        format!("a client is called by 1 to {MOST_NAME_BYTES} letters, digits and `._:@-`, not `{text}`");
    Err(Problem::malformed(detail))
}

/// `GET /api/clients`: who watches what the caller may read, and how far behind each is.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &LIST)?;
    let limit = limit(&query, PAGE, MOST_PER_PAGE)?;
    let after = query.number("after")?.unwrap_or(0);
    if i64::try_from(after).is_err() {
        return Err(Problem::malformed("`after` is the `next` of a page of this list"));
    }
    let core = app.project.core();
    let mut clients = match query.get("state") {
        None | Some("connected") => core.clients(&grant),
        Some("lost") => core.lost_clients(&grant),
        Some(other) => {
            let detail = format!("`state` is one of {}, not `{other}`", STATES.join(", "));
            return Err(Problem::malformed(detail));
        }
    };
    if let Some(environment) = query.text("env")? {
        core.reading(&grant).check_environment(environment)?;
        clients.retain(|seen| *seen.client.watched.environment == *environment);
    }
    if let Some(id) = query.get("client").map(name).transpose()? {
        clients.retain(|seen| *seen.client.id == *id);
    }
    clients.retain(|seen| seen.client.number > after);
    clients.sort_by_key(|seen| seen.client.number);
    let has_more = clients.len() > limit;
    clients.truncate(limit);
    let last = clients.last().filter(|_| has_more).map(|seen| seen.client.number.to_string());
    let body = wire::Clients {
        sequence: core.reading(&grant).sequence().0,
        clients: clients.iter().map(present::client).collect::<Vec<_>>(),
        next: last.clone(),
    };
    Ok(links::with_next(fresh(json(StatusCode::OK, &body)), &head, ("after", last.as_deref())))
}

/// `POST /api/clients/{client}/acknowledge`: a client follows a change set.
pub(super) async fn acknowledge(
    State(app): State<App>,
    UrlPath(client): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    name(&client)?;
    let wire::Acknowledge { sequence } = Body::read(&app, request).await?.json()?;
    app.project.core().acknowledge(grant.account(), &client, Sequence(sequence))?;
    Ok(fresh(json(StatusCode::OK, &wire::Acknowledged { id: client, sequence })))
}

/// `DELETE /api/clients/{client}`: a client says that it leaves, so that it is not missed.
pub(super) async fn leave(
    State(app): State<App>,
    UrlPath(client): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    app.project.core().forget_client(grant.account(), name(&client)?)?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(fresh(response))
}

fn fresh(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
