use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::accounts::answer;
use super::asked::{blocking, limit};
use super::links;
use super::problem::Problem;
use super::query::Query;
use super::{App, caller};
use crate::model::{PathGlob, Timestamp};
use crate::present;
use crate::service::{AuditCursor, AuditFilter, PathFilter, verify_audit};

/// How many items a page has, unless told; and at most.
pub(super) const PAGE: usize = 100;
pub(super) const MOST_PER_PAGE: usize = 1_000;

/// The parameters of the audit stream.
pub(super) const STREAM: [&str; 8] = ["account", "what", "env", "path", "since", "until", "limit", "before"];

/// No log is as long.
const MOST_RECORDS: u64 = 9_007_199_254_740_992;

/// The parameters of its verification.
pub(super) const VERIFY: [&str; 1] = ["first"];

/// `GET /api/audit`: who did what, newest first: change sets, changes of the settings, and the audit log.
pub(super) async fn stream(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_administer(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &STREAM)?;
    let text = |name: &str| Ok::<_, Problem>(query.text(name)?.map(str::to_owned));
    let filter = AuditFilter {
        account: text("account")?,
        what: query.get("what").map(AuditFilter::kind).transpose().map_err(Problem::malformed)?,
        environment: query
            .get("env")
            .map(AuditFilter::environment)
            .transpose()
            .map_err(Problem::malformed)?,
        path: query.get("path").map(path_filter).transpose()?,
        since: time(&query, "since")?,
        until: time(&query, "until")?,
    };
    let limit = limit(&query, PAGE, MOST_PER_PAGE)?;
    let before: Option<AuditCursor> = query.get("before").map(str::parse).transpose()?;
    let core = app.project.core().clone();
    let page = blocking(move || core.audit(&grant, &filter, before, limit)).await??;
    let body = present::audit(&page);
    let next = body.next.clone();
    Ok(links::with_next(answer(StatusCode::OK, &body)?, &head, ("before", next.as_deref())))
}

/// `GET /api/audit/verify`: whether the audit log is whole, and what the journal says of it.
pub(super) async fn verify(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &VERIFY)?;
    let from = query.number("first")?;
    if from.is_some_and(|first| !(1..=MOST_RECORDS).contains(&first)) {
        return Err(Problem::malformed(format!("`first` is a number from 1 to {MOST_RECORDS}")));
    }
    let dir = app.project.core().dir.clone();
    let report = blocking(move || verify_audit(&dir, &grant, from, &mut |_, _| ())).await??;
    answer(StatusCode::OK, &present::audit_report(&report))
}

/// A text with wildcards is a pattern; any other is a path, and means all that is below it, too.
fn path_filter(text: &str) -> Result<PathFilter, Problem> {
    if text.contains(['*', '?']) {
        return Ok(PathFilter::Pattern(PathGlob::new(text)));
    }
    let path = text.parse().map_err(|error| Problem::no_path("`path` names no path", &error))?;
    Ok(PathFilter::Below(path))
}

fn time(query: &Query, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let wrong = || Problem::malformed(format!("`{name}` is a time such as 2026-01-31T12:00:00Z"));
    text.parse().map(Some).map_err(|_| wrong())
}
