use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::App;
use super::caller;
use super::format::Format;
use super::problem::Problem;
use super::query::Query;
use super::reply::{Reply, if_none_match, tag_of_body, tag_with_body};
use super::target::Target;
use crate::auth::ReadGrant;
use crate::model::{Path, Sequence, Value, Version};
use crate::resolve::{Found, FoundEntry, Merged};
use crate::service::{EntryDetails, PastEntry, Point, Reading, ServiceError, entity_tag};
use crate::snapshot::EntryKind;
use crate::telemetry::trace;
use crate::wire;

/// The parameters of a read; the last three are for `/api/config` alone.
pub(super) const PARAMETERS: [&str; 9] =
    ["env", "default", "format", "literal", "version", "at", "recursive", "after", "limit"];

/// How many entries a page of `recursive=true` has, unless told; and at most.
const PAGE: u64 = 1_000;
const MOST_PER_PAGE: u64 = 10_000;

/// What a read asks for, once its URL is understood.
struct Asked {
    target: Target,
    query: Query,
    format: Format,
    version: Option<Version>,
    at: Option<Point>,
}

/// `GET /v1/config/{path}`: the bare value.
pub(super) async fn bare(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let (asked, reading) = look(&app, &grant, &head, "/v1/config").await?;
    let Asked { target, format, .. } = &asked;
    if let Some(version) = asked.version {
        let past = past_entry(&app, &grant, target, version).await?.entry;
        let is_bytes = past.kind() == EntryKind::Bytes;
        return answer(
            &head.headers,
            &reading,
            target,
            None,
            format.render(&target.path, past.json().clone(), is_bytes)?,
        );
    }
    let found = find(&reading, target);
    let (json, is_bytes) = match (&found, asked.query.get("default")) {
        (Ok(Found::Entry(found)), _) => (found.entry.json().clone(), found.entry.kind() == EntryKind::Bytes),
        (Ok(Found::Object(object)), _) => (app.project.core().object_json(&target.path, object), false),
        (Err(ServiceError::NotFound { .. }), Some(default)) => (default_json(default), false),
        (Err(_), _) => {
            return Err(found.err().map_or_else(|| Problem::malformed("nothing was found"), Problem::from));
        }
    };
    let tag = found.as_ref().ok().map(entity_tag);
    let rendered = format.render(&target.path, json, is_bytes)?;
    let tag = if *format == Format::Json { tag } else { tag.map(|tag| tag_with_body(&tag, &rendered.1)) };
    answer(&head.headers, &reading, target, tag, rendered)
}

/// `GET /api/config/{path}`: an entry with its metadata, the names below an object, or all entries below.
pub(super) async fn described(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let (asked, reading) = look(&app, &grant, &head, "/api/config").await?;
    let Asked { target, query, format, .. } = &asked;
    if let Some(version) = asked.version {
        let PastEntry { entry, details, .. } = past_entry(&app, &grant, target, version).await?;
        let found = FoundEntry { origin: target.environment.clone(), entry, own: true };
        let body = envelope(&target.environment, &target.path, &found, details);
        let tag = entity_tag(&Found::Entry(found));
        return answer_body(&head.headers, &reading, &asked, Some(tag), &body);
    }
    let found = match (find(&reading, target), query.get("default")) {
        (Ok(found), _) => found,
        (Err(ServiceError::NotFound { .. }), Some(default)) => {
            let body = default_envelope(target, default);
            return answer_body(&head.headers, &reading, &asked, None, &body);
        }
        (Err(error), _) => return Err(error.into()),
    };
    let tag = Some(entity_tag(&found));
    match &found {
        Found::Entry(found) if *format == Format::Text => {
            let is_bytes = found.entry.kind() == EntryKind::Bytes;
            let body = format.render(&target.path, found.entry.json().clone(), is_bytes)?;
            let tag = tag.map(|tag| tag_with_body(&tag, &body.1));
            answer(&head.headers, &reading, target, tag, body)
        }
        Found::Entry(entry) if query.flag("recursive")? => {
            let details = reading.details(&target.environment, &target.path);
            let entries = vec![envelope(&target.environment, &target.path, entry, details)];
            let body = wire::Entries { path: target.path.to_string(), entries, next: None };
            answer_body(&head.headers, &reading, &asked, tag, &body)
        }
        Found::Entry(entry) => {
            let details = reading.details(&target.environment, &target.path);
            let body = envelope(&target.environment, &target.path, entry, details);
            answer_body(&head.headers, &reading, &asked, tag, &body)
        }
        Found::Object(object) if query.flag("recursive")? => {
            let body = page(&reading, &asked, object)?;
            answer_body(&head.headers, &reading, &asked, tag, &body)
        }
        Found::Object(object) => {
            let at_root = target.path.is_root();
            let names = object.members().map(|(name, _)| name.to_string());
            let children = names.filter(|name| !(at_root && name == ".confgit")).collect();
            let body = wire::Children { path: target.path.to_string(), children };
            answer_body(&head.headers, &reading, &asked, tag, &body)
        }
    }
}

/// Understands the URL, and looks at the present or at the past that it names.
async fn look(
    app: &App,
    grant: &ReadGrant,
    head: &Parts,
    prefix: &str,
) -> Result<(Asked, Arc<Reading>), Problem> {
    let known = if prefix == "/v1/config" { &PARAMETERS[..6] } else { &PARAMETERS[..] };
    let query = Query::parse(head.uri.query(), known)?;
    let present = app.project.core().reading(grant);
    let target = Target::parse(&head.uri, prefix, &query, present.environments())?;
    present.view(&target.environment)?;
    let format = Format::of(&query, &head.headers)?;
    let version = query.number("version")?.map(Version);
    let at = query.get("at").map(Point::parse);
    if version.is_some() && at.is_some() {
        return Err(Problem::malformed("`version` and `at` name two moments; give one"));
    }
    let asked = Asked { target, query, format, version, at };
    let Some(point) = asked.at.clone() else { return Ok((asked, Arc::new(present))) };
    let (core, grant) = (app.project.core().clone(), grant.clone());
    let (environment, path) = (asked.target.environment.clone(), asked.target.path.clone());
    let past = blocking(move || core.reading_at(&grant, &point, &environment, &path)).await??;
    Ok((asked, Arc::new(past)))
}

fn find(reading: &Reading, target: &Target) -> Result<Found, ServiceError> {
    if !target.layer_only {
        return reading.find(&target.environment, &target.path);
    }
    reading.find_in_layer(&target.environment, &target.path)
}

async fn past_entry(
    app: &App,
    grant: &ReadGrant,
    target: &Target,
    version: Version,
) -> Result<PastEntry, Problem> {
    let (core, grant) = (app.project.core().clone(), grant.clone());
    let (environment, path) = (target.environment.clone(), target.path.clone());
    Ok(blocking(move || core.version(&grant, &environment, &path, version)).await??)
}

/// How many requests read Git at once, and how long another one waits for its turn.
static AT_ONCE: Semaphore = Semaphore::const_new(16);
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs what reads Git on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let full =
        || Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many requests read the past; try again");
    let place = timeout(PATIENCE, AT_ONCE.acquire()).await.ok().and_then(Result::ok).ok_or_else(full)?;
    let span = trace::past();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    drop(place);
    done.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not answer this")
    })
}

fn default_json(default: &str) -> Bytes {
    // A default that reads as JSON keeps its type; any other text is a string.
    let value = Value::from_json(default).unwrap_or_else(|_| Value::from(default));
    Bytes::from(value.to_json().into_bytes())
}

fn default_envelope(target: &Target, default: &str) -> wire::Entry {
    wire::Entry {
        path: target.path.to_string(),
        value: raw(&default_json(default)),
        encoding: None,
        version: None,
        revision: None,
        sequence: None,
        origin: "default".to_owned(),
        env: target.environment.to_string(),
        updated_at: None,
        updated_by: None,
        description: None,
        owner: None,
        schema: None,
    }
}

/// An entry as `/api/config` shows it.
pub(super) fn envelope(
    environment: &str,
    path: &Path,
    found: &FoundEntry,
    details: EntryDetails,
) -> wire::Entry {
    let stamp = found.entry.stamp();
    let json = |text: String| RawValue::from_string(text).ok();
    wire::Entry {
        path: path.to_string(),
        value: raw(found.entry.json()),
        encoding: (found.entry.kind() == EntryKind::Bytes).then(|| "base64".to_owned()),
        version: stamp.map(|stamp| stamp.version.0),
        revision: stamp.map(|stamp| stamp.origin.revision.to_string()),
        sequence: stamp.map(|stamp| stamp.origin.sequence.0),
        origin: found.origin.to_string(),
        env: environment.to_owned(),
        updated_at: stamp.map(|stamp| stamp.origin.time.to_string()),
        updated_by: stamp.map(|stamp| stamp.origin.account.to_string()),
        description: details.description.and_then(json),
        owner: details.owner.and_then(json),
        schema: details.schema.and_then(json),
    }
}

/// A JSON text of ours as a raw value.
pub(super) fn raw(json: &[u8]) -> wire::Json {
    RawValue::from_string(String::from_utf8_lossy(json).into_owned())
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn page(reading: &Reading, asked: &Asked, object: &Merged) -> Result<wire::Entries, Problem> {
    let Asked { target, query, .. } = asked;
    let limit = query.number("limit")?.unwrap_or(PAGE);
    if limit == 0 || limit > MOST_PER_PAGE {
        return Err(Problem::malformed(format!("`limit` is a number from 1 to {MOST_PER_PAGE}")));
    }
    let after: Option<Path> = match query.get("after").map(str::parse) {
        None => None,
        Some(Ok(path)) => Some(path),
        Some(Err(error)) => {
            return Err(Problem::malformed(format!("`after` is the `next` of a page: {error}")));
        }
    };
    let mut entries = Vec::new();
    let mut next = None;
    object.visit(&target.path, &mut |path, entry| {
        let hidden = target.path.is_root() && path.as_str().starts_with("/.confgit/");
        if hidden || after.as_ref().is_some_and(|after| path <= after) {
            return true;
        }
        if entries.len() as u64 == limit {
            next = entries.last().map(|last: &wire::Entry| last.path.clone());
            return false;
        }
        let details = reading.details(&target.environment, path);
        entries.push(envelope(&target.environment, path, entry, details));
        true
    });
    Ok(wire::Entries { path: target.path.to_string(), entries, next })
}

fn answer_body<T: serde::Serialize>(
    headers: &HeaderMap,
    reading: &Reading,
    asked: &Asked,
    tag: Option<String>,
    body: &T,
) -> Result<Response, Problem> {
    let json = Bytes::from(serde_json::to_vec(body).map_err(|error| Problem::malformed(error.to_string()))?);
    let format = if asked.format == Format::Text { Format::Json } else { asked.format };
    let rendered = format.render(&asked.target.path, json, false)?;
    // An entry's version says all about it, unless a parent's layer may describe it as well, or the body
    // shows more than the entry.
    let layers = reading.view(&asked.target.environment).map_or(0, |view| view.layers().len());
    let is_entry = tag.as_ref().is_some_and(|tag| tag.contains('.'));
    let says_all = is_entry && layers == 1 && format == Format::Json && !asked.query.flag("recursive")?;
    let tag = if says_all { tag } else { tag.map(|tag| tag_with_body(&tag, &rendered.1)) };
    answer(headers, reading, &asked.target, tag, rendered)
}

fn answer(
    headers: &HeaderMap,
    reading: &Reading,
    target: &Target,
    tag: Option<String>,
    (content_type, body): (axum::http::HeaderValue, Bytes),
) -> Result<Response, Problem> {
    let tag = tag.unwrap_or_else(|| tag_of_body(&body));
    let sequence: Sequence = reading.state().sequence;
    let reply = Reply { tag: Some(tag), revision: reading.revision(&target.environment), sequence };
    if if_none_match(headers, reply.tag.as_deref()) {
        return Ok(reply.not_modified());
    }
    Ok(reply.with(StatusCode::OK, content_type, body))
}
