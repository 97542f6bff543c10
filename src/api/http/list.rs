use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::App;
use super::answer::answer_body;
use super::asked::{Asked, DESCRIBED, MOST_PER_PAGE, PAGE, after, blocking, find, limit, look};
use super::caller;
use super::links;
use super::problem::Problem;
use crate::present;
use crate::resolve::{Found, Merged};
use crate::service::{EntryDetails, EntryPage, Reading, page};
use crate::wire;

/// `LIST /api/config/{path}`: the names right below a path.
pub(super) async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let (asked, reading) = look(&app, &grant, &head, ("/api/config", &DESCRIBED)).await?;
    let found = find(&reading, &asked.target)?;
    names(&head, &asked, &reading, &found)
}

/// The names right below what was found.
pub(super) fn names(
    head: &Parts,
    asked: &Asked,
    reading: &Reading,
    found: &Found,
) -> Result<Response, Problem> {
    if asked.fields.is_selective() || asked.search.is_some() {
        return Err(Problem::contradiction("`fields` and `q` are for entries; leave out `list=true`"));
    }
    let path = &asked.target.path;
    let after = after(&asked.query, path)?;
    let name =
        after.as_ref().and_then(|after| after.strip_prefix(path)?.segments().next().map(|s| s.into_owned()));
    let object = match found {
        Found::Entry(_) => None,
        Found::Object(object) => Some(object),
    };
    let limit = limit(&asked.query, PAGE, MOST_PER_PAGE)?;
    let body = present::listing(path, object, name.as_deref(), limit);
    let next = body.next.clone();
    let response = answer_body(&head.headers, reading, asked, None, &body)?;
    Ok(links::with_next(response, head, ("after", next.as_deref())))
}

/// A page of entries with the members that are wanted.
#[derive(Serialize)]
struct Entries {
    path: String,
    entries: Vec<wire::Json>,
    next: Option<String>,
}

/// All entries below what was found, or those that are looked for.
pub(super) async fn entries(
    head: &Parts,
    asked: Asked,
    reading: Arc<Reading>,
    found: Found,
    tag: Option<String>,
) -> Result<Response, Problem> {
    let after = after(&asked.query, &asked.target.path)?;
    let limit = limit(&asked.query, PAGE, MOST_PER_PAGE)?;
    // Walking through everything takes long, and others wait meanwhile on this thread.
    let (asked, reading, body) = blocking(move || {
        let body = match &found {
            Found::Object(object) => {
                let found = page(object, &asked.target.path, after.as_ref(), limit, asked.search.as_ref());
                described(&asked, &reading, found)
            }
            Found::Entry(entry) => {
                let path = asked.target.path.clone();
                let is_met = asked.search.as_ref().is_none_or(|search| search.matches(&path, &entry.entry));
                let entries = if is_met { vec![(path, entry.clone())] } else { Vec::new() };
                described(&asked, &reading, EntryPage { entries, next: None })
            }
        };
        (asked, reading, body)
    })
    .await?;
    let body = body?;
    let next = body.next.clone();
    // A search shows less than the object holds, and something else where the query is another.
    let tag = tag.filter(|_| asked.search.is_none());
    let response = answer_body(&head.headers, &reading, &asked, tag, &body)?;
    Ok(links::with_next(response, head, ("after", next.as_deref())))
}

fn described(asked: &Asked, reading: &Reading, found: EntryPage) -> Result<Entries, Problem> {
    let environment = &asked.target.environment;
    let wants_details = ["description", "owner", "schema"].iter().any(|name| asked.fields.wants(name));
    let mut entries = Vec::with_capacity(found.entries.len());
    for (path, entry) in &found.entries {
        let details =
            if wants_details { reading.details(environment, path) } else { EntryDetails::default() };
        entries.push(asked.fields.select(&present::entry(environment, path, entry, details))?);
    }
    let next = found.next.map(|next| next.to_string());
    Ok(Entries { path: asked.target.path.to_string(), entries, next })
}

/// The names below an object, as `GET` without anything else answers them.
pub(super) fn children(asked: &Asked, object: &Merged) -> wire::Children {
    let path = &asked.target.path;
    let names = object.members().map(|(name, _)| name.to_string());
    let children = names.filter(|name| present::is_shown(path, name)).collect();
    wire::Children { path: path.to_string(), children }
}

/// Whether a request asks for entries rather than for names.
pub(super) fn wants_entries(asked: &Asked, found: &Found) -> Result<bool, Problem> {
    let is_asked = asked.search.is_some() || asked.query.flag("recursive")?;
    if !is_asked && !matches!(found, Found::Entry(_)) && asked.fields.is_selective() {
        return Err(Problem::contradiction(
            "`fields` selects members of entries: add recursive=true, or name an entry",
        ));
    }
    Ok(is_asked)
}
