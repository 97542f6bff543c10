use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::asked::blocking;
use super::body::Body;
use super::problem::Problem;
use super::query::Query;
use super::reply::{Reply, tag_of_body};
use super::{App, caller, put_body, write};
use crate::model::{Environments, Path};
use crate::present;
use crate::resolve::Found;
use crate::service::{Edit, EditOp, Point, Precondition, Reading, ServiceError, Write};
use crate::wire;

/// How many edits or paths one request may have.
pub(super) const MOST_ITEMS: usize = 10_000;

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
    let environments = app.project.core().environments();
    let edits =
        batch.edits.into_iter().enumerate().map(|(index, edit)| read_edit(index, edit, &environments));
    let edits = edits.collect::<Result<Vec<_>, _>>()?;
    let write = Write { grant, message: batch.message, request_id, edits };
    let written = write::commit(&app, write, Some(body)).await?;
    let body = present::batch(&written);
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
            let value = put_body::value_of(&value, "value")
                .map_err(|_| at("`value` is not strict JSON".to_owned()))?;
            EditOp::Put { value, metadata: Box::default(), as_text: false }
        }
        ("put", None) => return Err(at("a `put` needs a `value`".to_owned())),
        ("patch", Some(value)) => {
            let value = put_body::value_of(&value, "value")
                .map_err(|_| at("`value` is not strict JSON".to_owned()))?;
            EditOp::Patch(put_body::batch_patch(value).map_err(|error| at(error.to_string()))?)
        }
        ("patch", None) => return Err(at("a `patch` needs a `value`: the patch".to_owned())),
        ("delete", None) => EditOp::Delete,
        ("delete", Some(_)) => return Err(at("a `delete` has no `value`".to_owned())),
        (other, _) => return Err(at(format!("unknown op `{other}`; there are put, delete and patch"))),
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
    let paths = asked.paths.iter().map(|text| {
        text.parse().map_err(|error| Problem::malformed(format!("`{text}` is no path: {error}")))
    });
    let paths = paths.collect::<Result<Vec<Path>, _>>()?;
    let present = app.project.core().reading(&grant);
    let env = asked.env.unwrap_or_else(|| present.environments().default_name().to_string());
    present.view(&env)?;
    let reading = match asked.at.as_deref().map(Point::parse) {
        None => present,
        Some(point) => {
            let (core, environment, paths) = (app.project.core().clone(), env.clone(), paths.clone());
            blocking(move || core.reading_at(&grant, &point, &environment, &paths)).await??
        }
    };
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for path in &paths {
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
fn item(app: &App, reading: &Reading, env: &str, path: &Path) -> Result<(wire::BatchItem, usize), Problem> {
    match reading.find(env, path) {
        Ok(Found::Entry(found)) => {
            let details = reading.details(env, path);
            let entry = present::entry(env, path, &found, details);
            Ok((wire::BatchItem::Entry(Box::new(entry)), found.entry.json().len()))
        }
        Ok(Found::Object(object)) => {
            let json = app.project.core().object_json(path, &object);
            Ok((wire::BatchItem::Object { path: path.to_string(), value: present::raw(&json) }, json.len()))
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
