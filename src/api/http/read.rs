use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;

use super::App;
use super::answer::{answer, answer_body, answer_entry};
use super::asked::{Asked, BARE, DESCRIBED, find, look, past_entry};
use super::caller;
use super::format::Format;
use super::list;
use super::problem::Problem;
use super::reply::tag_with_body;
use crate::present;
use crate::resolve::{Found, FoundEntry};
use crate::service::{PastEntry, ServiceError, entity_tag};
use crate::snapshot::EntryKind;

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
