use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::asked::{after, blocking, limit};
use super::page::Page;
use super::problem::Problem;
use super::query::Query;
use super::target::Target;
use super::{App, caller, reply};
use crate::auth::ReadGrant;
use crate::model::{Path, Version};
use crate::present;
use crate::service::{Difference, Moment, PathPage, Point, Reading};

/// How many changes a page has, unless told; and at most.
pub(in crate::api) const PAGE: usize = 1_000;
pub(in crate::api) const MOST_PER_PAGE: usize = 10_000;

/// The parameters of a diff of a path, and of a diff that may cross environments.
pub(super) const OF_PATH: [&str; 6] = ["env", "from", "to", "format", "after", "limit"];
pub(super) const OF_PROJECT: [&str; 9] =
    ["env", "path", "from", "to", "from_env", "to_env", "format", "after", "limit"];

/// `GET /api/config/{path}/diff`: what differs between two versions of an entry, or two moments of an object.
pub(super) async fn of_path(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &OF_PATH)?;
    let core = app.project.core().clone();
    let reading = core.reading(&grant);
    let target = Target::parse(&head.uri, "/api/config", &query, reading.environments())?;
    if core.is_object_history(&grant, &target.environment, &target.path)? {
        let side = |name| {
            Ok::<_, Problem>(Moment { environment: target.environment.clone(), point: point(&query, name)? })
        };
        let sides = (side("from")?, side("to")?);
        if sides.0.point.is_none() {
            let detail = "`from` names the moment to compare with: a sequence, commit, tag or time";
            return Err(Problem::contradiction(detail));
        }
        return between(&app, &head, grant, sides, target.path.clone(), &query).await;
    }
    after(&query, &target.path)?;
    limit(&query, PAGE, MOST_PER_PAGE)?;
    let of_entry = |_| {
        let detail =
            format!("{} is an entry: `from` and `to` name versions of it, whole numbers", target.path);
        Problem::new(StatusCode::BAD_REQUEST, "no-such-moment", detail)
    };
    let version = |name| query.number(name).map(|number| number.map(Version)).map_err(of_entry);
    let (from, to) = (version("from")?, version("to")?);
    let moment = reply::Moment::of(&reading, &target.environment);
    let (environment, path) = (target.environment, target.path);
    let is_unified = is_unified(&query)?;
    let page =
        blocking(move || page(&core.diff_versions(&grant, &environment, &path, (from, to))?, is_unified));
    Ok(page.await??.answer(&head, moment, "after"))
}

/// `GET /api/diff`: what differs between two moments (`from`, `to`) of an environment, or between two
/// environments (`from_env`, `to_env`).
pub(super) async fn of_project(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &OF_PROJECT)?;
    let reading = app.project.core().reading(&grant);
    let path = path(&query)?;
    let names = [query.get("from_env"), query.get("to_env")];
    if names.iter().any(Option::is_some) && query.get("env").is_some() {
        return Err(Problem::contradiction(
            "`env` names both sides: leave it out with `from_env` and `to_env`",
        ));
    }
    let usual = query.get("env").unwrap_or(reading.environments().default_name());
    let side = |name: Option<&str>, at| {
        Ok::<_, Problem>(Moment { environment: name.unwrap_or(usual).into(), point: point(&query, at)? })
    };
    let sides = (side(names[0], "from")?, side(names[1], "to")?);
    if sides.0.environment == sides.1.environment && sides.0.point.is_none() && sides.1.point.is_none() {
        return Err(Problem::contradiction(
            "name two sides: `from` (and `to`) as a sequence, commit, tag or time, or `from_env` and `to_env`",
        ));
    }
    between(&app, &head, grant, sides, path, &query).await
}

/// `path=`: a path, or a dotted key; the root when not given.
pub(super) fn path(query: &Query) -> Result<Path, Problem> {
    let text = query.get("path").unwrap_or("/");
    text.parse().map_err(|error| Problem::no_path("`path`", &error))
}

fn point(query: &Query, name: &str) -> Result<Option<Point>, Problem> {
    match query.get(name) {
        Some("") => Err(Problem::malformed(format!("`{name}` is a sequence, commit, tag or time"))),
        text => Ok(text.map(Point::parse)),
    }
}

async fn between(
    app: &App,
    head: &Parts,
    grant: ReadGrant,
    (from, to): (Moment, Moment),
    path: Path,
    query: &Query,
) -> Result<Response, Problem> {
    let core = app.project.core().clone();
    let reading: Reading = core.reading(&grant);
    let moment = reply::Moment::of(&reading, &to.environment);
    let part = PathPage { after: after(query, &path)?, limit: limit(query, PAGE, MOST_PER_PAGE)? };
    let is_unified = is_unified(query)?;
    let page = blocking(move || page(&core.diff(&grant, (&from, &to), &path, &part)?, is_unified));
    Ok(page.await??.answer(head, moment, "after"))
}

fn page(found: &Difference, is_unified: bool) -> Result<Page, Problem> {
    let next = found.next.as_ref().map(ToString::to_string);
    let body = present::diff(found);
    if is_unified { Ok(Page::unified(&body, next)) } else { Page::json(&body, next) }
}

/// Whether `format=` asks for a unified diff rather than JSON.
pub(super) fn is_unified(query: &Query) -> Result<bool, Problem> {
    match query.get("format") {
        None | Some("json") => Ok(false),
        Some("unified") => Ok(true),
        Some(other) => Err(Problem::malformed(format!("unknown format `{other}`; there are: json, unified"))),
    }
}
