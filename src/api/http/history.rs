use axum::extract::Request;
use axum::response::Response;

use super::asked::{blocking, limit};
use super::page::Page;
use super::problem::Problem;
use super::query::Query;
use super::reply::Moment;
use super::target::Target;
use super::{App, caller};
use crate::model::Version;
use crate::present;
use crate::service::Cursor;

/// How many versions a page has, unless told; and at most.
pub(in crate::api) const PAGE: usize = 50;
pub(in crate::api) const MOST_PER_PAGE: usize = 1_000;

/// The parameters of a history.
pub(super) const PARAMETERS: [&str; 3] = ["env", "limit", "before"];

/// `GET /api/config/{path}/history`: the versions of an entry, or of everything below an object, newest first.
/// `before` is where a page begins; `Link: rel="next"` leads to the next one.
pub(super) async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &PARAMETERS)?;
    let core = app.project.core().clone();
    let reading = core.reading(&grant);
    let target = Target::parse(&head.uri, "/api/config", &query, reading.environments())?;
    let limit = limit(&query, PAGE, MOST_PER_PAGE)?;
    let moment = Moment::of(&reading, &target.environment);
    let (environment, path) = (target.environment, target.path);
    let page = if core.is_object_history(&grant, &environment, &path)? {
        let before: Option<Cursor> = query.get("before").map(str::parse).transpose()?;
        blocking(move || {
            let found = core.object_history(&grant, &environment, &path, before, limit)?;
            let items =
                found.versions.into_iter().map(|(path, version)| present::history_item(version, Some(&path)));
            let items: Vec<_> = items.collect();
            Page::json(&items, found.next.map(|next| next.to_string()))
        })
        .await??
    } else {
        let of_another =
            |_| Problem::foreign_cursor("`before` is the `next` of a page of this history: a version");
        let before = query.number("before").map_err(of_another)?.map(Version);
        blocking(move || {
            let found = core.history(&grant, &environment, &path, before, limit)?;
            let items: Vec<_> =
                found.versions.into_iter().map(|version| present::history_item(version, None)).collect();
            Page::json(&items, found.next.map(|next| next.to_string()))
        })
        .await??
    };
    Ok(page.answer(&head, moment, "before"))
}
