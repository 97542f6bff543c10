use std::time::SystemTime;

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::asked::blocking;
use super::body::Body;
use super::problem::{Problem, internal};
use super::query::Query;
use super::{App, caller};
use crate::auth::{AccountChange, AccountKind, Action, AdminGrant, ApiKey, EditAccessError, Object};
use crate::model::Timestamp;
use crate::present;
use crate::service::{ServiceError, WantedAccount};
use crate::wire;

/// The parameters of an explanation of access.
pub(super) const EXPLAIN: [&str; 5] = ["account", "action", "path", "secret", "env"];

/// For how long the keys go on that an account had, unless told; and at most.
pub(super) const GRACE_SECONDS: u64 = 3_600;
pub(super) const MOST_GRACE_SECONDS: u64 = 7_776_000;

/// `GET /api/accounts`: all accounts with what is known of their keys.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let now = now();
    let access = app.project.access();
    let accounts = access.accounts().map(|account| present::account(account, now)).collect();
    answer(StatusCode::OK, &wire::Accounts { accounts })
}

/// `POST /api/accounts`: a new account and its key, which is told this once.
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let body = Body::read(&app, request).await?;
    let wire::NewAccount { name, kind, description, teams, expires_at } = body.json()?;
    let kind = match kind.as_deref() {
        None => AccountKind::default(),
        Some(kind) => {
            AccountKind::parse(kind).ok_or_else(|| Problem::malformed("`kind` is `person` or `service`"))?
        }
    };
    let (expires_at, random) = (end(expires_at)?, random()?);
    let wanted = WantedAccount { name: name.clone(), kind, description, teams, expires_at };
    let project = app.project.clone();
    // A client that hangs up ends its request, but not this.
    let made =
        tokio::spawn(
            async move { blocking(move || project.create_account(grant, wanted, random, now())).await },
        );
    let key = made.await.map_err(Problem::stopped)???;
    answer(StatusCode::CREATED, &issued(name, &key, expires_at, None))
}

/// `POST /api/accounts/{account}/rotate`: another key; those that the account has go on for a while.
pub(super) async fn rotate(
    State(app): State<App>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let body = Body::read(&app, request).await?;
    let wire::RotateKey { grace_seconds, expires_at } = body.json()?;
    let grace = grace_seconds.unwrap_or(GRACE_SECONDS);
    if grace > MOST_GRACE_SECONDS {
        let detail = format!("`grace_seconds` is at most {MOST_GRACE_SECONDS}");
        return Err(Problem::malformed(detail));
    }
    let (expires_at, random, now) = (end(expires_at)?, random()?, now());
    let others_end_at = Timestamp::from_millis(now.as_millis() + grace as i64 * 1_000);
    let had_keys = app.project.access().account(&name).is_some_and(|found| !found.keys.is_empty());
    let (project, account) = (app.project.clone(), name.clone());
    let made = tokio::spawn(async move {
        let rotate = move || project.rotate_key(grant, (&account, others_end_at), expires_at, random, now);
        blocking(rotate).await
    });
    let (key, expires_at) = made.await.map_err(Problem::stopped)???;
    answer(StatusCode::OK, &issued(name, &key, expires_at, had_keys.then_some(others_end_at)))
}

/// `POST /api/accounts/{account}/disable`: the account is refused from now on, whatever it shows.
pub(super) async fn disable(
    State(app): State<App>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    set_disabled(app, name, request, true).await
}

/// `POST /api/accounts/{account}/enable`: it is refused no longer.
pub(super) async fn enable(
    State(app): State<App>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    set_disabled(app, name, request, false).await
}

async fn set_disabled(
    app: App,
    name: String,
    request: Request,
    is_disabled: bool,
) -> Result<Response, Problem> {
    let grant: AdminGrant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let project = app.project.clone();
    let change = AccountChange::Disable { account: name.clone(), is_disabled };
    let made = tokio::spawn(async move { blocking(move || project.change_account(grant, change)).await });
    made.await.map_err(Problem::stopped)???;
    let access = app.project.access();
    let gone = || {
        let known = access.accounts().map(|account| account.name.to_string()).collect();
        ServiceError::Account(Box::new(EditAccessError::Unknown { name: name.clone(), known }))
    };
    let account = access.account(&name).ok_or_else(gone)?;
    answer(StatusCode::OK, &present::account(account, now()))
}

/// `GET /api/access/explain`: what the rules say of an action, and which of them decides.
pub(super) async fn explain(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let asker = caller::principal(&app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &EXPLAIN)?;
    // A caller without a credential may ask where it may do anything else.
    if asker.is_anonymous() {
        asker.may_read()?;
    }
    let account = query.text("account")?.unwrap_or(&asker.account);
    let action = query.get("action").ok_or_else(|| Problem::malformed("`action` says what is to be done"))?;
    let action = Action::parse(action).ok_or_else(|| {
        let all = Action::ALL.map(Action::name).join(", ");
        Problem::malformed(format!("`{action}` is no action; there are {all}"))
    })?;
    let object = match (query.get("path"), query.text("secret")?) {
        (Some(path), None) if !action.is_about_secrets() => {
            Object::Path(path.parse().map_err(|error| Problem::no_path("`path` names no path", &error))?)
        }
        (None, Some(name)) if action.is_about_secrets() => Object::Secret(name.to_owned()),
        _ => {
            let detail = "`read`, `write`, `approve`, `govern` and `admin` are done to a `path`, `secrets:use` and \
                          `secrets:read` to a `secret`: give the one that fits";
            return Err(Problem::contradiction(detail));
        }
    };
    let core = app.project.core();
    let usual = core.environments().default_name().clone();
    let environment = query.get("env").unwrap_or(&usual);
    let explained = app.project.explain_access(&asker, account, (action, object), environment)?;
    answer(StatusCode::OK, &present::access(&explained))
}

fn issued(
    account: String,
    key: &ApiKey,
    expires_at: Option<Timestamp>,
    others_end_at: Option<Timestamp>,
) -> wire::IssuedKey {
    wire::IssuedKey {
        account,
        key: key.reveal().to_owned(),
        id: key.hash().id(),
        expires_at: expires_at.map(|at| at.to_string()),
        others_end_at: others_end_at.map(|at| at.to_string()),
    }
}

fn end(text: Option<String>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time: Timestamp = text
        .parse()
        .map_err(|_| Problem::malformed("`expires_at` is a time such as 2026-01-31T12:00:00Z"))?;
    if time <= now() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", "`expires_at` is past already"));
    }
    Ok(Some(time))
}

fn random() -> Result<[u8; 32], Problem> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| internal(&format!("the system gives no random bits: {error}")))?;
    Ok(random)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// An answer that nothing on the way keeps.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| internal(&error.to_string()))?;
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(axum::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
