use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::App;
use super::fields::Fields;
use super::format::Format;
use super::problem::Problem;
use super::query::Query;
use super::target::Target;
use crate::auth::ReadGrant;
use crate::model::{Path, Version};
use crate::resolve::Found;
use crate::service::{PastEntry, Point, Reading, Search, ServiceError};
use crate::telemetry::trace;

/// How many names or entries a page has, unless told; and at most.
pub(in crate::api) const PAGE: usize = 1_000;
pub(in crate::api) const MOST_PER_PAGE: usize = 10_000;

/// The parameters of `GET /v1/config/{path}`.
pub(super) const BARE: [&str; 14] = [
    "env", "default", "format", "literal", "version", "at", "resolve", "name", "wait", "watch", "prefix",
    "since", "initial", "client",
];

/// The parameters of `GET /api/config/{path}`.
pub(super) const DESCRIBED: [&str; 20] = [
    "env",
    "default",
    "format",
    "literal",
    "version",
    "at",
    "recursive",
    "after",
    "limit",
    "list",
    "q",
    "fields",
    "resolve",
    "name",
    "wait",
    "watch",
    "prefix",
    "since",
    "initial",
    "client",
];

/// What a read asks for, once its URL is understood.
pub(super) struct Asked {
    pub target: Target,
    pub query: Query,
    pub format: Format,
    pub version: Option<Version>,
    pub at: Option<Point>,
    pub search: Option<Search>,
    pub fields: Fields,
}

/// Understands the URL, and looks at the present or at the past that it names.
pub(super) async fn look(
    app: &App,
    grant: &ReadGrant,
    head: &Parts,
    (prefix, parameters): (&str, &[&str]),
) -> Result<(Asked, Arc<Reading>), Problem> {
    let query = Query::parse(head.uri.query(), parameters)?;
    let present = app.project.core().reading(grant);
    let target = Target::parse(&head.uri, prefix, &query, present.environments())?;
    present.check_environment(&target.environment)?;
    let format = Format::of(&query, &head.headers)?;
    let version = query.number("version")?.map(Version);
    let at = query.get("at").map(Point::parse);
    if version.is_some() && at.is_some() {
        return Err(Problem::contradiction("`version` and `at` name two moments; give one"));
    }
    let search = match query.get("q").map(Search::parse) {
        None => None,
        Some(Some(search)) => Some(search),
        Some(None) => return Err(Problem::malformed("`q` holds no word to look for")),
    };
    let fields = Fields::of(&query)?;
    // Checked even where the answer has no pages: what is wrong is refused, whatever stands there.
    after(&query, &target.path)?;
    limit(&query, PAGE, MOST_PER_PAGE)?;
    if version.is_some() && (search.is_some() || query.flag("recursive")? || query.flag("list")?) {
        return Err(Problem::contradiction(
            "`version` belongs to one entry; for what is below a path give `at`",
        ));
    }
    let asked = Asked { target, query, format, version, at: at.clone(), search, fields };
    let Some(point) = at else { return Ok((asked, Arc::new(present))) };
    let (core, grant) = (app.project.core().clone(), grant.clone());
    let (environment, path) = (asked.target.environment.clone(), asked.target.path.clone());
    let past = blocking(move || core.reading_at(&grant, &point, &environment, &[path])).await??;
    Ok((asked, Arc::new(past)))
}

/// What stands where the request points.
pub(super) fn find(reading: &Reading, target: &Target) -> Result<Found, ServiceError> {
    if !target.layer_only {
        return reading.find(&target.environment, &target.path);
    }
    reading.find_in_layer(&target.environment, &target.path)
}

/// One version of the entry that the request points at.
pub(super) async fn past_entry(
    app: &App,
    grant: &ReadGrant,
    target: &Target,
    version: Version,
) -> Result<PastEntry, Problem> {
    let (core, grant) = (app.project.core().clone(), grant.clone());
    let (environment, path) = (target.environment.clone(), target.path.clone());
    Ok(blocking(move || core.version(&grant, &environment, &path, version)).await??)
}

/// How many requests read Git or walk through everything at once, and how long another one waits for its turn.
static AT_ONCE: Semaphore = Semaphore::const_new(16);
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs what takes long on a thread that may wait.
pub(in crate::api) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let full = || {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too many requests look into the past, or through everything; try again",
        )
    };
    let place = timeout(PATIENCE, AT_ONCE.acquire()).await.ok().and_then(Result::ok).ok_or_else(full)?;
    let span = trace::past();
    // Work goes on when its client hangs up, so it holds its place itself.
    let placed = move || {
        let _place = place;
        span.in_scope(work)
    };
    tokio::task::spawn_blocking(placed).await.map_err(Problem::stopped)
}

/// How many items a page has: `limit=`, at most `most`.
pub(super) fn limit(query: &Query, usual: usize, most: usize) -> Result<usize, Problem> {
    match query.number("limit")? {
        None => Ok(usual),
        Some(limit) if (1..=most as u64).contains(&limit) => Ok(limit as usize),
        Some(_) => Err(Problem::malformed(format!("`limit` is a number from 1 to {most}"))),
    }
}

/// The path after which a page begins: `after=`, which must be the `next` of a page below the same path.
pub(super) fn after(query: &Query, at: &Path) -> Result<Option<Path>, Problem> {
    let Some(text) = query.get("after") else { return Ok(None) };
    let path: Path =
        text.parse().map_err(|error| Problem::no_path("`after` is the `next` of a page", &error))?;
    if !at.is_prefix_of(&path) {
        let detail = format!("`after` is the `next` of a page of {at}, and {path} is not below that");
        return Err(Problem::foreign_cursor(detail));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_keeps_its_place_when_nobody_waits_for_it() {
        let free = AT_ONCE.available_permits();
        let (begun, has_begun) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        let asking = tokio::spawn(blocking(move || {
            begun.send(()).unwrap();
            let _ = may_finish.recv();
        }));
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert_eq!(AT_ONCE.available_permits(), free - 1);
        finish.send(()).unwrap();
        while AT_ONCE.available_permits() < free {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
