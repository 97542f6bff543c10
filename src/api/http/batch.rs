use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::body::Body;
use super::problem::Problem;
use super::query::Query;
use super::read::{envelope, raw};
use super::reply::{Reply, tag_of_body};
use super::{App, caller, write};
use crate::model::{Environments, Path};
use crate::resolve::Found;
use crate::service::{Edit, EditOp, Precondition, Reading, ServiceError, Write};
use crate::wire;

/// How many edits or paths one request may have.
const MOST_ITEMS: usize = 10_000;

/// How many bytes the answer of a batch of reads may have.
const MOST_BYTES: usize = 16 << 20;

/// `POST /api/batch`: several edits, all or nothing, as one change set.
pub(super) async fn write(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let request_id = write::request_id(request.headers());
    let body = Body::read(&app, request).await?;
    let batch: wire::Batch = body.json()?;
    check_count(batch.edits.len(), "edits")?;
    let environments = &app.project.core().settings().environments;
    let edits = batch.edits.into_iter().enumerate().map(|(index, edit)| read_edit(index, edit, environments));
    let edits = edits.collect::<Result<Vec<_>, _>>()?;
    let write = Write { grant, message: batch.message, request_id, edits };
    let written = write::commit(&app, write, Some(body)).await?;
    let revisions =
        written.revisions.iter().map(|(env, revision)| (env.to_string(), revision.to_string())).collect();
    let entries = written.edits.iter().flat_map(|edit| {
        let entry = |(path, version): &(Path, _)| {
            write::path_version(path, *version, Some(edit.environment.to_string()))
        };
        edit.entries.iter().map(entry)
    });
    let body = wire::BatchWritten { sequence: written.sequence.0, revisions, entries: entries.collect() };
    let body = serde_json::to_vec(&body).map_err(|error| Problem::malformed(error.to_string()))?;
    let reply = Reply { tag: None, revision: None, sequence: written.sequence };
    Ok(reply.with(StatusCode::OK, HeaderValue::from_static("application/json"), body.into()))
}

fn read_edit(index: usize, edit: wire::BatchEdit, environments: &Environments) -> Result<Edit, Problem> {
    let at = |message: String| Problem::malformed(format!("edit {}: {message}", index + 1));
    let path: Path = edit.path.parse().map_err(|error| at(format!("`{}` is no path: {error}", edit.path)))?;
    if path.is_root() {
        return Err(at("name a path: the root cannot be written as a whole".to_owned()));
    }
    let op = match (edit.op.as_str(), edit.value) {
        ("put", Some(value)) => {
            let value =
                write::value_of(&value, "value").map_err(|_| at("`value` is not strict JSON".to_owned()))?;
            EditOp::Put { value, metadata: Box::default(), as_text: false }
        }
        ("put", None) => return Err(at("a `put` needs a `value`".to_owned())),
        ("delete", None) => EditOp::Delete,
        ("delete", Some(_)) => return Err(at("a `delete` has no `value`".to_owned())),
        (other, _) => return Err(at(format!("unknown op `{other}`; there are put and delete"))),
    };
    let precondition = match edit.if_version {
        None => Precondition::None,
        Some(0) => Precondition::Absent,
        Some(version) => Precondition::OneOf(vec![version.to_string()]),
    };
    let environment = edit.env.map_or_else(|| environments.default_name().clone(), Arc::from);
    Ok(Edit { environment, path, layer_only: true, op, precondition })
}

/// `POST /api/batch/get`: several paths as they are at one moment.
pub(super) async fn read(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let body = Body::read(&app, request).await?;
    let asked: wire::BatchGet = body.json()?;
    check_count(asked.paths.len(), "paths")?;
    let reading = app.project.core().reading(&grant);
    let env = asked.env.unwrap_or_else(|| reading.environments().default_name().to_string());
    reading.view(&env)?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for path in &asked.paths {
        let (item, length) = item(&app, &reading, &env, path)?;
        bytes += length;
        if bytes > MOST_BYTES {
            let detail =
                format!("the values together are larger than {MOST_BYTES} bytes; ask for fewer at once");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        entries.push(item);
    }
    let got = wire::BatchGot { sequence: reading.state().sequence.0, env: env.clone(), entries };
    let body = serde_json::to_vec(&got).map_err(|error| Problem::malformed(error.to_string()))?;
    let tag = Some(tag_of_body(&body));
    let reply = Reply { tag, revision: reading.revision(&env), sequence: reading.state().sequence };
    Ok(reply.json(body))
}

/// What stands at one path, and how many bytes of values that is.
fn item(app: &App, reading: &Reading, env: &str, text: &str) -> Result<(wire::BatchItem, usize), Problem> {
    let path: Path =
        text.parse().map_err(|error| Problem::malformed(format!("`{text}` is no path: {error}")))?;
    match reading.find(env, &path) {
        Ok(Found::Entry(found)) => {
            let details = reading.details(env, &path);
            let entry = envelope(env, &path, &found, details);
            Ok((wire::BatchItem::Entry(Box::new(entry)), found.entry.json().len()))
        }
        Ok(Found::Object(object)) => {
            let json = app.project.core().object_json(&path, &object);
            Ok((wire::BatchItem::Object { path: path.to_string(), value: raw(&json) }, json.len()))
        }
        Err(ServiceError::NotFound { .. }) => {
            Ok((wire::BatchItem::Missing { path: path.to_string(), missing: true }, 0))
        }
        Err(error) => Err(error.into()),
    }
}

fn check_count(count: usize, what: &str) -> Result<(), Problem> {
    match count {
        0 => Err(Problem::malformed(format!("`{what}` is empty"))),
        1..=MOST_ITEMS => Ok(()),
        _ => Err(Problem::malformed(format!("`{what}` has {count} items; the limit is {MOST_ITEMS}"))),
    }
}
