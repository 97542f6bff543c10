use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::App;
use super::asked::{Asked, BARE, DESCRIBED, find, look, past_entry};
use super::caller;
use super::format::Format;
use super::list;
use super::problem::Problem;
use super::reply::{Reply, if_none_match, tag_of_body, tag_with_body};
use super::target::Target;
use crate::model::Sequence;
use crate::present;
use crate::resolve::{Found, FoundEntry};
use crate::service::{PastEntry, Reading, ServiceError, entity_tag};
use crate::snapshot::EntryKind;
use crate::wire;

/// `GET /v1/config/{path}`: the bare value.
pub(super) async fn bare(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let (asked, reading) = look(&app, &grant, &head, ("/v1/config", &BARE)).await?;
    let Asked { target, format, .. } = &asked;
    if let Some(version) = asked.version {
        let past = past_entry(&app, &grant, target, version).await?.entry;
        let is_bytes = past.kind() == EntryKind::Bytes;
        let rendered = format.render(&target.path, past.json().clone(), is_bytes)?;
        return answer(&head.headers, &reading, target, None, rendered);
    }
    let found = find(&reading, target);
    let (json, is_bytes) = match (&found, asked.query.get("default")) {
        (Ok(Found::Entry(found)), _) => (found.entry.json().clone(), found.entry.kind() == EntryKind::Bytes),
        (Ok(Found::Object(object)), _) => (app.project.core().object_json(&target.path, object), false),
        (Err(ServiceError::NotFound { .. }), Some(default)) => {
            let entry = present::default_entry(&target.environment, &target.path, default);
            (Bytes::from(entry.value.get().to_owned()), false)
        }
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
    let (asked, reading) = look(&app, &grant, &head, ("/api/config", &DESCRIBED)).await?;
    let Asked { target, query, format, .. } = &asked;
    if let Some(version) = asked.version {
        let PastEntry { entry, details, .. } = past_entry(&app, &grant, target, version).await?;
        let found = FoundEntry { origin: target.environment.clone(), entry, own: true };
        let body = present::entry(&target.environment, &target.path, &found, details);
        let tag = entity_tag(&Found::Entry(found));
        return answer_entry(&head.headers, &reading, &asked, Some(tag), &body);
    }
    let found = match (find(&reading, target), query.get("default")) {
        (Ok(found), _) => found,
        (Err(ServiceError::NotFound { .. }), Some(default)) => {
            let body = present::default_entry(&target.environment, &target.path, default);
            return answer_entry(&head.headers, &reading, &asked, None, &body);
        }
        (Err(error), _) => return Err(error.into()),
    };
    if query.flag("list")? {
        return list::names(&head, &asked, &reading, &found);
    }
    let tag = Some(entity_tag(&found));
    if list::wants_entries(&asked, &found)? {
        return list::entries(&head, asked, reading, found, tag).await;
    }
    match &found {
        Found::Entry(found) if *format == Format::Text => {
            let is_bytes = found.entry.kind() == EntryKind::Bytes;
            let body = format.render(&target.path, found.entry.json().clone(), is_bytes)?;
            let tag = tag.map(|tag| tag_with_body(&tag, &body.1));
            answer(&head.headers, &reading, target, tag, body)
        }
        Found::Entry(entry) => {
            let details = reading.details(&target.environment, &target.path);
            let body = present::entry(&target.environment, &target.path, entry, details);
            answer_entry(&head.headers, &reading, &asked, tag, &body)
        }
        Found::Object(object) => {
            answer_body(&head.headers, &reading, &asked, tag, &list::children(&asked, object))
        }
    }
}

/// Whether what was found is one entry.
pub(super) fn is_entry(found: &Found) -> bool {
    matches!(found, Found::Entry(_))
}

fn answer_entry(
    headers: &HeaderMap,
    reading: &Reading,
    asked: &Asked,
    tag: Option<String>,
    entry: &wire::Entry,
) -> Result<Response, Problem> {
    if asked.fields.is_selective() {
        return answer_body(headers, reading, asked, tag, &asked.fields.select(entry)?);
    }
    answer_body(headers, reading, asked, tag, entry)
}

pub(super) fn answer_body<T: serde::Serialize>(
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
    // shows more than the entry, or less.
    let layers = reading.view(&asked.target.environment).map_or(0, |view| view.layers().len());
    let is_entry = tag.as_ref().is_some_and(|tag| tag.contains('.'));
    let is_whole = !asked.query.flag("recursive")? && !asked.fields.is_selective();
    let says_all = is_entry && layers == 1 && format == Format::Json && is_whole;
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
