use axum::extract::Request;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tracing::Instrument as _;

use super::asked::blocking;
use super::body::Body;
use super::problem::{Problem, internal};
use super::put_body::{self, PutBody, PutType};
use super::query::Query;
use super::reply::{Reply, content_tag, tags};
use super::target::Target;
use super::{App, caller, proposals};
use crate::auth::WriteGrant;
use crate::model::Version;
use crate::present;
use crate::service::{Edit, EditOp, Precondition, Write, Written, rollback_write};
use crate::wire;

/// The parameters of a write.
pub(super) const PARAMETERS: [&str; 3] = ["env", "literal", "message"];

/// The parameters of a delete, and of a rollback.
pub(super) const DELETE: [&str; 4] = ["env", "literal", "message", "hide"];
pub(super) const ROLLBACK: [&str; 1] = ["env"];

/// `PUT /api/config/{path}`.
pub(super) async fn put(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let (target, said) = target(&app, &grant, &request, &PARAMETERS)?;
    let precondition = precondition(request.headers())?;
    let request_id = caller::request_id(request.headers());
    let kind = PutType::of(request.headers())?;
    let body = Body::read(&app, request).await?;
    let PutBody { value, metadata, as_text, message } =
        kind.read(body.bytes(), &app.project.core().limits())?;
    let op = EditOp::Put { value, metadata: Box::new(metadata), as_text };
    let edits = vec![target.edit(op, precondition)];
    let message = one_message(message, said)?;
    let written = commit(&app, Write { grant, message, request_id, edits }, Some(body)).await?;
    answer(&written, true)
}

/// `PATCH /api/config/{path}`: a merge patch or a JSON Patch on what the layer holds.
pub(super) async fn patch(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let (target, message) = target(&app, &grant, &request, &PARAMETERS)?;
    let precondition = precondition(request.headers())?;
    let request_id = caller::request_id(request.headers());
    let headers = request.headers().clone();
    let body = Body::read(&app, request).await?;
    let op = EditOp::Patch(put_body::patch(&headers, body.bytes())?);
    let edits = vec![target.edit(op, precondition)];
    let written = commit(&app, Write { grant, message, request_id, edits }, Some(body)).await?;
    answer(&written, true)
}

/// `DELETE /api/config/{path}`, with `hide=true` to hide a parent's value as well.
pub(super) async fn delete(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let (target, message) = target(&app, &grant, &request, &DELETE)?;
    let hide = Query::parse(request.uri().query(), &DELETE)?.flag("hide")?;
    let precondition = precondition(request.headers())?;
    let request_id = caller::request_id(request.headers());
    let op = if hide { EditOp::Hide } else { EditOp::Delete };
    let edits = vec![target.edit(op, precondition)];
    let written = commit(&app, Write { grant, message, request_id, edits }, ()).await?;
    answer(&written, false)
}

/// `POST /api/config/{path}/rollback`.
pub(super) async fn rollback(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let read = caller::may_read(&app, request.headers(), request.uri())?;
    let (target, _) = target(&app, &grant, &request, &ROLLBACK)?;
    let precondition = precondition(request.headers())?;
    let request_id = caller::request_id(request.headers());
    let body = Body::read(&app, request).await?;
    let wire::Rollback { to_version } = body.json()?;
    let core = app.project.core().clone();
    let write = blocking(move || {
        rollback_write(
            &core,
            (&read, grant),
            &target.environment,
            &target.path,
            Version(to_version),
            precondition,
        )
    });
    let write = Write { request_id, ..write.await?? };
    let written = commit(&app, write, ()).await?;
    answer(&written, true)
}

/// Hands a write over and waits for it. A client that hangs up ends its request, but not this: what is held, such as the
/// room that a body takes, is given back when the write is decided.
pub(in crate::api) async fn commit(
    app: &App,
    write: Write,
    held: impl Send + 'static,
) -> Result<Written, Problem> {
    let project = app.project.clone();
    let deciding = async move {
        let written = project.write(write).await;
        drop(held);
        written
    };
    let decided = tokio::spawn(deciding.in_current_span());
    Ok(decided.await.map_err(Problem::stopped)??)
}

fn target(
    app: &App,
    _grant: &WriteGrant,
    request: &Request,
    parameters: &[&str],
) -> Result<(Target, Option<String>), Problem> {
    let query = Query::parse(request.uri().query(), parameters)?;
    let environments = app.project.core().environments();
    let target = Target::parse(request.uri(), "/api/config", &query, &environments)?;
    if target.path.is_root() {
        return Err(Problem::malformed("name a path: the root cannot be written as a whole"));
    }
    let message = query.get("message").map(str::to_owned);
    Ok((target, message))
}

/// The message for the commit, which the body or the URL may give.
fn one_message(body: Option<String>, url: Option<String>) -> Result<Option<String>, Problem> {
    match (body, url) {
        (Some(_), Some(_)) => {
            Err(Problem::contradiction("`message` is in the body and in the URL; give one"))
        }
        (body, url) => Ok(body.or(url)),
    }
}

impl Target {
    fn edit(self, op: EditOp, precondition: Precondition) -> Edit {
        let Target { environment, layer_only, path, .. } = self;
        Edit { environment, path, layer_only, op, precondition }
    }
}

/// What `If-Match` and `If-None-Match` ask for (RFC 9110 section 13).
fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let list = |name: HeaderName| -> Result<Option<String>, Problem> {
        let unreadable =
            |_| Problem::malformed(format!("the header {name} holds bytes that no entity tag of ours has"));
        let values = headers.get_all(&name).iter().map(|value| value.to_str().map_err(unreadable));
        let values: Vec<&str> = values.collect::<Result<_, _>>()?;
        Ok((!values.is_empty()).then(|| values.join(",")))
    };
    match (list(IF_MATCH)?, list(IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::None),
        (Some(_), Some(_)) => {
            Err(Problem::contradiction("If-Match and If-None-Match cannot hold together; send one"))
        }
        (None, Some(star)) if star.trim() == "*" => Ok(Precondition::Absent),
        (None, Some(_)) => Err(Problem::malformed("a write takes If-None-Match: * only")),
        (Some(star), None) if star.trim() == "*" => Ok(Precondition::Present),
        (Some(list), None) => {
            Ok(Precondition::OneOf(tags(&list).map(content_tag).map(str::to_owned).collect()))
        }
    }
}

/// The answer to a write of one path; `created` says whether 201 may be the answer.
fn answer(written: &Written, created: bool) -> Result<Response, Problem> {
    if let Some(accepted) = proposals::accepted(written) {
        return accepted;
    }
    let Some(edit) = written.edits.first() else { return Err(Problem::malformed("nothing was written")) };
    let body = serde_json::to_vec(&present::written(written));
    let status =
        if created && edit.created && written.changed { StatusCode::CREATED } else { StatusCode::OK };
    let revision = written.revisions.get(&edit.environment).copied();
    let reply = Reply { tag: None, revision, sequence: written.sequence };
    let body = body.map_err(|error| internal(&error.to_string()))?;
    Ok(reply.with(status, HeaderValue::from_static("application/json"), body.into()))
}
