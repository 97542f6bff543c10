use axum::extract::{Request, State};
use axum::response::Response;

use super::asked::{after, blocking, limit};
use super::page::Page;
use super::problem::Problem;
use super::query::Query;
use super::reply::Moment;
use super::target::decode;
use super::{App, caller, diff};
use crate::model::Path;
use crate::present;
use crate::service::{Cursor, PathPage, Point};
use crate::wire;

/// How many commits a page has, unless told; and at most.
pub(super) const PAGE: usize = 50;
pub(super) const MOST_PER_PAGE: usize = 1_000;

/// The parameters of a list of commits, and of one commit.
pub(super) const LIST: [&str; 4] = ["env", "path", "limit", "before"];
pub(super) const ONE: [&str; 4] = ["env", "format", "after", "limit"];

/// `GET /api/commits`: the commits of an environment, or of all, newest first.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &LIST)?;
    let core = app.project.core().clone();
    let reading = core.reading(&grant);
    let limit = limit(&query, PAGE, MOST_PER_PAGE)?;
    let before: Option<Cursor> = query.get("before").map(str::parse).transpose()?;
    let path = diff::path(&query)?;
    let environment = query.get("env").map(str::to_owned);
    let usual = reading.environments().default_name().clone();
    let moment = Moment::of(&reading, environment.as_deref().unwrap_or(&usual));
    let page = blocking(move || {
        let found = core.commits(&grant, environment.as_deref(), &path, before, limit)?;
        let next = found.next.map(|next| next.to_string());
        let commits = found.commits.iter().map(present::commit).collect();
        Page::json(&wire::Commits { commits, next: next.clone() }, next)
    });
    Ok(page.await??.answer(&head, moment, "before"))
}

/// `GET /api/commits/{revision}`: one commit with the entries it changed; by id, or as `at=` names a moment.
pub(super) async fn one(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &ONE)?;
    let named = decode(head.uri.path().strip_prefix("/api/commits/").unwrap_or_default())?;
    let point = Point::parse(&named);
    let part = PathPage {
        after: after(&query, &Path::root())?,
        limit: limit(&query, diff::PAGE, diff::MOST_PER_PAGE)?,
    };
    let core = app.project.core().clone();
    let reading = core.reading(&grant);
    let environment = query.get("env").map(str::to_owned);
    let is_unified = diff::is_unified(&query)?;
    let found = blocking(move || -> Result<_, Problem> {
        let view = core.commit(&grant, &point, environment.as_deref(), &part)?;
        let next = view.next.as_ref().map(ToString::to_string);
        let page = if is_unified {
            Page::unified(&present::commit_diff(&view), next)
        } else {
            Page::json(&present::commit_details(&view), next)?
        };
        Ok((page, view.info.environment))
    });
    let (page, environment) = found.await??;
    Ok(page.answer(&head, Moment::of(&reading, &environment), "after"))
}
