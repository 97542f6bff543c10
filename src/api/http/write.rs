use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tracing::Instrument as _;

use super::body::{Body, json};
use super::problem::Problem;
use super::query::Query;
use super::read::{blocking, raw};
use super::reply::{Reply, content_tag, tags};
use super::target::Target;
use super::{App, caller};
use crate::auth::WriteGrant;
use crate::model::{Value, Version};
use crate::service::{Edit, EditOp, Member, Metadata, Precondition, Write, Written, rollback_write};
use crate::wire;

/// `PUT /api/config/{path}`.
pub(super) async fn put(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let target = target(&app, &grant, &request, &["env", "literal"])?;
    let precondition = precondition(request.headers())?;
    let request_id = request_id(request.headers());
    let as_text = is_text(request.headers())?;
    let body = Body::read(&app, request).await?;
    let (value, metadata, message) =
        if as_text { text_body(body.bytes())? } else { json_body(body.bytes())? };
    let op = EditOp::Put { value, metadata: Box::new(metadata), as_text };
    let Target { environment, layer_only, path, .. } = target;
    let edits = vec![Edit { environment, path, layer_only, op, precondition }];
    let written = commit(&app, Write { grant, message, request_id, edits }, Some(body)).await?;
    answer(&written, true)
}

/// `DELETE /api/config/{path}`, with `hide=true` to hide a parent's value as well.
pub(super) async fn delete(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let target = target(&app, &grant, &request, &["env", "literal", "hide"])?;
    let hide = Query::parse(request.uri().query(), &["env", "literal", "hide"])?.flag("hide")?;
    let precondition = precondition(request.headers())?;
    let request_id = request_id(request.headers());
    let op = if hide { EditOp::Hide } else { EditOp::Delete };
    let Target { environment, layer_only, path, .. } = target;
    let edits = vec![Edit { environment, path, layer_only, op, precondition }];
    let written = commit(&app, Write { grant, message: None, request_id, edits }, None).await?;
    answer(&written, false)
}

/// `POST /api/config/{path}/rollback`.
pub(super) async fn rollback(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    let read = caller::may_read(&app, request.headers(), request.uri())?;
    let target = target(&app, &grant, &request, &["env", "literal"])?;
    let precondition = precondition(request.headers())?;
    let request_id = request_id(request.headers());
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
    let written = commit(&app, write, None).await?;
    answer(&written, true)
}

/// Hands a write over and waits for it. A client that hangs up ends its request, but not this: the room that
/// the body takes is given back when the write is decided.
pub(super) async fn commit(app: &App, write: Write, body: Option<Body>) -> Result<Written, Problem> {
    let project = app.project.clone();
    let deciding = async move {
        let written = project.write(write).await;
        drop(body);
        written
    };
    let decided = tokio::spawn(deciding.in_current_span());
    let stopped =
        |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not answer this");
    Ok(decided.await.map_err(stopped)??)
}

fn target(app: &App, _grant: &WriteGrant, request: &Request, parameters: &[&str]) -> Result<Target, Problem> {
    let query = Query::parse(request.uri().query(), parameters)?;
    let target =
        Target::parse(request.uri(), "/api/config", &query, &app.project.core().settings().environments)?;
    if target.path.is_root() {
        return Err(Problem::malformed("name a path: the root cannot be written as a whole"));
    }
    Ok(target)
}

/// Whether the body is plain text rather than JSON.
fn is_text(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(false) };
    let kind = kind.to_str().unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        // What curl says of `-d` when it is told nothing else.
        "application/json" | "application/x-www-form-urlencoded" | "" => Ok(false),
        "text/plain" => Ok(true),
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            format!("`{other}` is not taken here; send application/json or text/plain"),
        )),
    }
}

fn text_body(body: &[u8]) -> Result<(Value, Metadata, Option<String>), Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::malformed(format!("the text is not UTF-8 from byte {} on", error.valid_up_to() + 1))
    })?;
    Ok((Value::from(text), Metadata::default(), None))
}

fn json_body(body: &[u8]) -> Result<(Value, Metadata, Option<String>), Problem> {
    let put: wire::Put = json(body)?;
    let value = value_of(&put.value, "value")?;
    let text = |member: Option<Option<String>>| match member {
        None => Member::Keep,
        Some(None) => Member::Remove,
        Some(Some(text)) => Member::Set(Value::String(text)),
    };
    let schema = match &put.schema {
        None => Member::Keep,
        Some(schema) => match value_of(schema, "schema")? {
            Value::Null => Member::Remove,
            schema @ (Value::Object(_) | Value::Bool(_)) => Member::Set(schema),
            _ => return Err(Problem::malformed("`schema` is a JSON Schema: an object or a boolean")),
        },
    };
    let metadata = Metadata { description: text(put.description), owner: text(put.owner), schema };
    let described = !matches!(
        (&metadata.description, &metadata.owner, &metadata.schema),
        (Member::Keep, Member::Keep, Member::Keep)
    );
    if described && matches!(&value, Value::Object(members) if !members.is_empty()) {
        let detail = "description, owner and schema belong to an entry; this value is an object of entries";
        return Err(Problem::malformed(detail));
    }
    Ok((value, metadata, put.message))
}

/// A raw JSON value, read strictly.
pub(super) fn value_of(raw: &wire::Json, member: &str) -> Result<Value, Problem> {
    Value::from_json(raw.get()).map_err(|error| Problem::malformed(format!("`{member}`: {error}")))
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
            Err(Problem::malformed("If-Match and If-None-Match cannot hold together; send one"))
        }
        (None, Some(star)) if star.trim() == "*" => Ok(Precondition::Absent),
        (None, Some(_)) => Err(Problem::malformed("a write takes If-None-Match: * only")),
        (Some(star), None) if star.trim() == "*" => Ok(Precondition::Present),
        (Some(list), None) => {
            Ok(Precondition::OneOf(tags(&list).map(content_tag).map(str::to_owned).collect()))
        }
    }
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
}

/// The answer to a write of one path; `created` says whether 201 may be the answer.
fn answer(written: &Written, created: bool) -> Result<Response, Problem> {
    let Some(edit) = written.edits.first() else { return Err(Problem::malformed("nothing was written")) };
    let env = edit.environment.to_string();
    let head = written.revisions.get(&edit.environment).copied();
    let revision = head.map(|head| head.to_string()).unwrap_or_default();
    let sequence = written.sequence.0;
    let path = edit.path.to_string();
    let version = edit.entries.iter().find(|(path, _)| *path == edit.path).map(|(_, version)| version.0);
    let body = match version {
        Some(version) if edit.is_entry => {
            serde_json::to_vec(&wire::WrittenEntry { path, version, revision, sequence, env })
        }
        _ => {
            let entry = |(path, version): &(_, Version)| path_version(path, *version, None);
            let entries = edit.entries.iter().map(entry).collect();
            serde_json::to_vec(&wire::WrittenObject { path, entries, revision, sequence, env })
        }
    };
    let status =
        if created && edit.created && written.changed { StatusCode::CREATED } else { StatusCode::OK };
    let reply = Reply { tag: None, revision: head, sequence: written.sequence };
    let body = body.map_err(|error| Problem::malformed(error.to_string()))?;
    Ok(reply.with(status, HeaderValue::from_static("application/json"), body.into()))
}

pub(super) fn path_version(
    path: &crate::model::Path,
    version: Version,
    env: Option<String>,
) -> wire::PathVersion {
    wire::PathVersion { path: path.to_string(), version: version.0, env }
}

/// The JSON null, for values that are none.
pub(super) fn null() -> wire::Json {
    raw(b"null")
}
