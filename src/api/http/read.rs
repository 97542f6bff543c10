use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::App;
use super::answer::{answer, answer_body, answer_entry};
use super::asked::{Asked, BARE, DESCRIBED, blocking, find, look, past_entry};
use super::caller;
use super::format::Format;
use super::list;
use super::problem::Problem;
use super::query::Query;
use super::reply::tag_with_body;
use super::resolved::{Value, bundled, resolved};
use super::watch::{self, Family};
use crate::bundle::BundleFormat;
use crate::present;
use crate::resolve::{Found, FoundEntry};
use crate::service::{PastEntry, Reading, ServiceError, entity_tag};
use crate::snapshot::EntryKind;

/// `GET /v1/config/{path}`: the bare value.
pub(super) async fn bare(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let query = Query::parse(head.uri.query(), &BARE)?;
    if watch::is_watch(&query)? {
        return watch::stream(&app, &head, Family::Bare).await;
    }
    match watch::wait_of(&query)? {
        None => bare_now(&app, &head).await,
        Some(wait) => watch::until_changed(&app, &head, (Family::Bare, &query), wait).await,
    }
}

/// What either family answers at this moment.
pub(super) async fn now(app: &App, head: &Parts, family: Family) -> Result<Response, Problem> {
    match family {
        Family::Bare => bare_now(app, head).await,
        Family::Described => described_now(app, head).await,
    }
}

async fn bare_now(app: &App, head: &Parts) -> Result<Response, Problem> {
    let grant = caller::may_read(app, &head.headers, &head.uri)?;
    let (asked, mut reading) = look(app, &grant, head, ("/v1/config", &BARE)).await?;
    let Asked { target, format, .. } = &asked;
    if let Some(bundle) = bundle_format(&asked)? {
        let with_secrets = asked.query.flag("resolve")?;
        return bundled(app, &grant, head, &asked, &mut reading, (bundle, with_secrets)).await;
    }
    let with_secrets = asked.query.get("resolve").is_none() || asked.query.flag("resolve")?;
    if let Some(version) = asked.version {
        let past = past_entry(app, &grant, target, version).await?.entry;
        let is_bytes = past.kind() == EntryKind::Bytes;
        let rendered = format.render(&target.path, past.json().clone(), is_bytes)?;
        return answer(&head.headers, &reading, target, None, rendered);
    }
    let (value, default) =
        (resolved(app, &grant, head, &asked, &mut reading, with_secrets).await, asked.query.get("default"));
    let (json, is_bytes, tag) = match (value, default) {
        (Ok(value), _) if *format == Format::Text && matches!(value.found, Found::Object(_)) => {
            let lines = (BundleFormat::Lines, with_secrets);
            return bundled(app, &grant, head, &asked, &mut reading, lines).await;
        }
        (Ok(value), _) => {
            if asked.query.get("format").is_some() && matches!(value.found, Found::Object(_)) {
                let trail = app.project.core().audit_trail();
                trail.bundle(grant.account(), (&target.environment, &target.path));
            }
            (value.json, value.is_bytes, Some(value.tag))
        }
        (Err(problem), Some(default)) if problem.is_missing_value() => {
            let entry = present::default_entry(&target.environment, &target.path, default);
            (Bytes::from(entry.value.get().to_owned()), false, None)
        }
        (Err(problem), _) => return Err(problem),
    };
    let rendered = format.render(&target.path, json, is_bytes)?;
    let tag = if *format == Format::Json { tag } else { tag.map(|tag| tag_with_body(&tag, &rendered.1)) };
    answer(&head.headers, &reading, target, tag, rendered)
}

/// `GET /api/config/{path}`: an entry with its metadata, the names below an object, or all entries below.
pub(super) async fn described(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let query = Query::parse(head.uri.query(), &DESCRIBED)?;
    if watch::is_watch(&query)? {
        return watch::stream(&app, &head, Family::Described).await;
    }
    match watch::wait_of(&query)? {
        None => described_now(&app, &head).await,
        Some(wait) => watch::until_changed(&app, &head, (Family::Described, &query), wait).await,
    }
}

async fn described_now(app: &App, head: &Parts) -> Result<Response, Problem> {
    let grant = caller::may_read(app, &head.headers, &head.uri)?;
    let (asked, mut reading) = look(app, &grant, head, ("/api/config", &DESCRIBED)).await?;
    let Asked { target, query, format, .. } = &asked;
    let is_resolved = query.flag("resolve")?;
    if is_resolved && (asks_for_many(&asked)? || asked.version.is_some()) {
        let detail =
            "`resolve` answers what one path comes to now: leave out `recursive`, `q`, `list` and `version`";
        return Err(Problem::contradiction(detail));
    }
    if let Some(bundle) = bundle_format(&asked)? {
        return bundled(app, &grant, head, &asked, &mut reading, (bundle, is_resolved)).await;
    }
    if let Some(version) = asked.version {
        let PastEntry { entry, details, .. } = past_entry(app, &grant, target, version).await?;
        let found = FoundEntry::own(target.environment.clone(), entry);
        let body = present::entry(&target.environment, &target.path, &found, details);
        let tag = entity_tag(&Found::Entry(found));
        return answer_entry(&head.headers, &reading, &asked, Some(tag), &body);
    }
    if is_resolved {
        let value = resolved(app, &grant, head, &asked, &mut reading, true).await;
        return match (value, query.get("default")) {
            (Ok(value), _) => answer_resolved(&head.headers, &reading, &asked, value),
            (Err(problem), Some(default)) if problem.is_missing_value() => {
                let body = present::default_entry(&target.environment, &target.path, default);
                answer_entry(&head.headers, &reading, &asked, None, &body)
            }
            (Err(problem), _) => Err(problem),
        };
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
        return list::names(head, &asked, &reading, &found);
    }
    // What is only partly seen has to be walked through.
    let (found, tag) = match found {
        Found::Object(object) if object.is_partial() => {
            let found = Found::Object(object);
            blocking(move || {
                let tag = entity_tag(&found);
                (found, Some(tag))
            })
            .await?
        }
        found => {
            let tag = Some(entity_tag(&found));
            (found, tag)
        }
    };
    if list::wants_entries(&asked, &found)? {
        return list::entries(head, asked, reading, found, tag).await;
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

/// An entry with its metadata and its resolved value; of an object the value alone.
fn answer_resolved(
    headers: &HeaderMap,
    reading: &Reading,
    asked: &Asked,
    value: Value,
) -> Result<Response, Problem> {
    let Value { found, json, is_bytes, tag } = value;
    let Asked { target, format, .. } = asked;
    match found {
        Found::Entry(found) if *format != Format::Text => {
            let details = reading.details(&target.environment, &target.path);
            let entry = present::entry(&target.environment, &target.path, &found, details);
            let body = present::with_value(entry, &json, is_bytes);
            answer_entry(headers, reading, asked, Some(tag), &body)
        }
        _ => {
            let rendered = format.render(&target.path, json, is_bytes)?;
            let tag = if *format == Format::Json { tag } else { tag_with_body(&tag, &rendered.1) };
            answer(headers, reading, target, Some(tag), rendered)
        }
    }
}

/// Whether a request asks for more than one value.
fn asks_for_many(asked: &Asked) -> Result<bool, Problem> {
    let Asked { query, search, .. } = asked;
    Ok(search.is_some() || query.flag("recursive")? || query.flag("list")?)
}

/// The bundle that `format=` asks for, when it does.
fn bundle_format(asked: &Asked) -> Result<Option<BundleFormat>, Problem> {
    let has_name = asked.query.get("name").is_some();
    let Format::Bundle(format) = asked.format else {
        return match has_name {
            true => {
                Err(Problem::contradiction("`name` is that of an object of Kubernetes: this format has none"))
            }
            false => Ok(None),
        };
    };
    let is_one = !asks_for_many(asked)? && asked.version.is_none() && !asked.fields.is_selective();
    if !is_one || asked.query.get("default").is_some() {
        let detail = "this format writes all that services read below a path: leave out `version`, `recursive`, `q`, \
                      `list`, `fields` and `default`";
        return Err(Problem::contradiction(detail));
    }
    if has_name && !matches!(format, BundleFormat::ConfigMap | BundleFormat::Secret) {
        return Err(Problem::contradiction(
            "`name` is that of an object of Kubernetes: this format has none",
        ));
    }
    Ok(Some(format))
}
