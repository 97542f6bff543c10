use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::asked::blocking;
use super::body::Body;
use super::page::Page;
use super::problem::{Problem, internal};
use super::query::Query;
use super::reply::{Moment, Reply};
use super::resolved::Value;
use super::{App, caller, put_body, write};
use crate::auth::Principal;
use crate::model::{Environments, Path, bytes_of_base64};
use crate::present;
use crate::resolve::Found;
use crate::service::{
    ConfigurationFile, Content, Edit, EditOp, FileNameError, Point, Precondition, Reading, ServiceError,
    Wanted, Write,
};
use crate::wire;

/// How many bytes the answer of a batch of reads may have.
const MOST_BYTES: usize = 16 << 20;

/// So many values are written out at once.
const FEW_PATHS: usize = 64;

/// `POST /api/batch`: several edits, all or nothing, as one change set.
pub(super) async fn write(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let request_id = caller::request_id(request.headers());
    let limit = wire::MOST_BATCH_BYTES.max(app.project.core().limits().document_bytes);
    let body = Body::read_within(&app, request, limit).await?;
    let core = app.project.core().clone();
    // Millions of bytes are not read on a thread that others wait for.
    let read = tokio::task::spawn_blocking(move || {
        let (message, edits) = read_batch(&body, &core.environments())?;
        Ok::<_, Problem>((message, edits, body))
    });
    let (message, edits, body) = read.await.map_err(Problem::stopped)??;
    let write = Write { grant, message, request_id, edits };
    let written = write::commit(&app, write, Some(body)).await?;
    if written.proposal.is_some() {
        return super::accounts::answer(StatusCode::ACCEPTED, &present::batch(&written));
    }
    let body = present::batch(&written);
    let body = serde_json::to_vec(&body).map_err(|error| internal(&error.to_string()))?;
    let reply = Reply { tag: None, revision: None, sequence: written.sequence };
    Ok(reply.with(StatusCode::OK, HeaderValue::from_static("application/json"), body.into()))
}

/// The message and the edits of a batch.
pub(super) fn read_batch(
    body: &Body,
    environments: &Environments,
) -> Result<(Option<String>, Vec<Edit>), Problem> {
    let batch: wire::Batch = body.json()?;
    Ok((batch.message, read_edits(batch.edits, environments)?))
}

/// The edits, as they stand in a batch.
pub(super) fn read_edits(
    edits: Vec<wire::BatchEdit>,
    environments: &Environments,
) -> Result<Vec<Edit>, Problem> {
    check_count(edits.len(), "edits", wire::MOST_BATCH_EDITS)?;
    edits.into_iter().enumerate().map(|(index, edit)| read_edit(index, edit, environments)).collect()
}

fn read_edit(index: usize, edit: wire::BatchEdit, environments: &Environments) -> Result<Edit, Problem> {
    let at = |message: String| Problem::malformed(format!("edit {}: {message}", index + 1));
    if edit.op == "file" {
        return read_file(edit, environments, at);
    }
    if edit.file.is_some() || edit.content.is_some() || edit.encoding.is_some() {
        return Err(at("`file`, `content` and `encoding` belong to the op `file`".to_owned()));
    }
    let no_path = |error| Problem::no_path(format!("edit {}: `{}` is no path", index + 1, edit.path), &error);
    let path: Path = edit.path.parse().map_err(no_path)?;
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
        (other, _) => {
            return Err(at(format!("unknown op `{other}`; there are put, delete, patch and file")));
        }
    };
    let precondition = match edit.if_version {
        None => Precondition::None,
        Some(0) => Precondition::Absent,
        Some(version) => Precondition::OneOf(vec![version.to_string()]),
    };
    let environment = edit.env.map_or_else(|| environments.default_name().clone(), Arc::from);
    Ok(Edit { environment, path, layer_only: true, op, precondition })
}

/// An edit of a whole file; `at` says which edit of the batch is wrong.
fn read_file(
    edit: wire::BatchEdit,
    environments: &Environments,
    at: impl Fn(String) -> Problem,
) -> Result<Edit, Problem> {
    let wrong = |message: &str| at(message.to_owned());
    if !edit.path.is_empty() || edit.value.is_some() || edit.if_version.is_some() {
        return Err(wrong("a `file` has `file` and `content`, but no `path`, `value` or `if_version`"));
    }
    let name = edit.file.ok_or_else(|| wrong("a `file` needs the name of the `file`"))?;
    let file = ConfigurationFile::parse(&name).map_err(|error| match error {
        FileNameError::NoPath(error) => Problem::no_path(format!("`{name}` is no file of a path"), &error),
        error => at(format!("`{name}`: {error}")),
    })?;
    let content =
        edit.content.ok_or_else(|| wrong("a `file` needs `content`: text, or null to remove it"))?;
    let content = match (content, edit.encoding.as_deref()) {
        (Some(text), None) => Some(Bytes::from(text)),
        (Some(text), Some("base64")) => {
            let no_base64 = || wrong("`content` is no base64 (RFC 4648, with padding)");
            Some(Bytes::from(bytes_of_base64(&text).ok_or_else(no_base64)?))
        }
        (None, None) => None,
        (None, Some(_)) => return Err(wrong("a `content` of null has no `encoding`")),
        (_, Some(other)) => return Err(at(format!("unknown encoding `{other}`; there is base64"))),
    };
    let environment = edit.env.map_or_else(|| environments.default_name().clone(), Arc::from);
    Ok(Edit::file(environment, file, content))
}

/// `POST /api/batch/get`: several paths as they are at one moment.
pub(super) async fn read(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let principal = caller::principal(&app, request.headers(), request.uri())?;
    let headers = request.headers().clone();
    let body = Body::read(&app, request).await?;
    let asked: wire::BatchGet = body.json()?;
    check_count(asked.paths.len(), "paths", wire::MOST_BATCH_PATHS)?;
    let paths = asked
        .paths
        .iter()
        .map(|text| text.parse().map_err(|error| Problem::no_path(format!("`{text}` is no path"), &error)));
    let paths = paths.collect::<Result<Vec<Path>, _>>()?;
    let present = app.project.core().reading(&grant);
    let env = asked.env.clone().unwrap_or_else(|| present.environments().default_name().to_string());
    present.check_environment(&env)?;
    let reading = match asked.at.as_deref().map(Point::parse) {
        None => present,
        Some(point) => {
            let (core, environment) = (app.project.core().clone(), env.clone());
            // What references name may stand anywhere.
            let paths = if asked.resolve { vec![Path::root()] } else { paths.clone() };
            blocking(move || core.reading_at(&grant, &point, &environment, &paths)).await??
        }
    };
    let gather = move || gather(&app, &principal, &reading, &env, &paths, asked.resolve);
    // Thousands of values are not written out on a thread that others wait for.
    let page = if asked.resolve || asked.at.is_some() || asked.paths.len() > FEW_PATHS {
        blocking(gather).await??
    } else {
        gather()?
    };
    Ok(page.0.answer_whole(&headers, page.1))
}

fn gather(
    app: &App,
    principal: &Principal,
    reading: &Reading,
    env: &str,
    paths: &[Path],
    is_resolved: bool,
) -> Result<(Page, Moment), Problem> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for path in paths {
        let (item, length) = if is_resolved {
            resolved_item(app, principal, reading, env, path)?
        } else {
            item(app, reading, env, path)?
        };
        bytes += length;
        if bytes > MOST_BYTES {
            let detail =
                format!("the values together are larger than {MOST_BYTES} bytes; ask for fewer at once");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        entries.push(item);
    }
    let got = wire::BatchGot { sequence: reading.sequence().0, env: env.to_owned(), entries };
    Ok((Page::json(&got, None)?, Moment::of(reading, env)))
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
        Err(error) => Ok((missing(path, error)?, 0)),
    }
}

fn missing(path: &Path, error: ServiceError) -> Result<wire::BatchItem, Problem> {
    match error {
        ServiceError::NotFound { .. } => {
            Ok(wire::BatchItem::Missing { path: path.to_string(), missing: true })
        }
        error => Err(error.into()),
    }
}

/// The same as services read it. Whether the caller may see secrets matters only where there are some.
fn resolved_item(
    app: &App,
    principal: &Principal,
    reading: &Reading,
    env: &str,
    path: &Path,
) -> Result<(wire::BatchItem, usize), Problem> {
    let core = app.project.core();
    let wanted = Wanted { environment: env.into(), layer_only: false, path: path.clone() };
    let mut value = match core.resolved(reading, &wanted) {
        Ok(value) => value,
        Err(error) => return Ok((missing(path, error)?, 0)),
    };
    if let Content::Withheld(secrets) = &value.content {
        let (granted, secrets) = (principal.may_read_secrets(env, secrets)?, secrets.clone());
        value = core.revealed(&granted, reading, &wanted, &secrets)?;
    }
    let Value { found, json, is_bytes, .. } = Value::of(value)?;
    let item = match &found {
        Found::Entry(found) => {
            let entry = present::entry(env, path, found, reading.details(env, path));
            wire::BatchItem::Entry(Box::new(present::with_value(entry, &json, is_bytes)))
        }
        Found::Object(_) => wire::BatchItem::Object { path: path.to_string(), value: present::raw(&json) },
    };
    Ok((item, json.len()))
}

fn check_count(count: usize, what: &str, most: usize) -> Result<(), Problem> {
    match count {
        0 => Err(Problem::malformed(format!("`{what}` is empty"))),
        _ if count <= most => Ok(()),
        _ => Err(Problem::malformed(format!("`{what}` has {count} items; the limit is {most}"))),
    }
}
