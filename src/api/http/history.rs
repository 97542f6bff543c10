use axum::extract::Request;
use axum::http::header::LINK;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::problem::Problem;
use super::query::Query;
use super::read::{blocking, raw};
use super::reply::{Reply, if_none_match, tag_of_body};
use super::target::Target;
use super::{App, caller, write};
use crate::model::Version;
use crate::service::VersionValue;
use crate::wire;

/// How many versions a page has, unless told; and at most.
const PAGE: u64 = 50;
const MOST_PER_PAGE: u64 = 1_000;

/// `GET /api/config/{path}/history`: the versions of an entry, newest first. `before` is where a page
/// begins; `Link: rel="next"` leads to the next one.
pub(super) async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &["env", "literal", "limit", "before"])?;
    let reading = app.project.core().reading(&grant);
    let target = Target::parse(request.uri(), "/api/config", &query, reading.environments())?;
    let limit = query.number("limit")?.unwrap_or(PAGE);
    if limit == 0 || limit > MOST_PER_PAGE {
        return Err(Problem::malformed(format!("`limit` is a number from 1 to {MOST_PER_PAGE}")));
    }
    let before = query.number("before")?.map(Version);
    let core = app.project.core().clone();
    let (environment, path) = (target.environment.clone(), target.path.clone());
    let page = blocking(move || core.history(&grant, &environment, &path, before, limit as usize)).await??;
    let items: Vec<wire::HistoryItem> = page.versions.into_iter().map(item).collect();
    let body =
        Bytes::from(serde_json::to_vec(&items).map_err(|error| Problem::malformed(error.to_string()))?);
    let revision = reading.revision(&target.environment);
    let reply = Reply { tag: Some(tag_of_body(&body)), revision, sequence: reading.state().sequence };
    if if_none_match(request.headers(), reply.tag.as_deref()) {
        return Ok(reply.not_modified());
    }
    let mut response = reply.with(StatusCode::OK, HeaderValue::from_static("application/json"), body);
    if let Some(next) = page.next {
        let link = format!(
            "<{}?env={}&limit={limit}&before={next}>; rel=\"next\"",
            request.uri().path(),
            target.environment
        );
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

fn item(version: VersionValue) -> wire::HistoryItem {
    let record = version.record;
    wire::HistoryItem {
        version: record.version.0,
        value: version.json.map_or_else(write::null, |json| raw(&json)),
        encoding: version.is_bytes.then(|| "base64".to_owned()),
        deleted: record.deleted,
        revision: record.revision.to_string(),
        sequence: record.sequence.0,
        updated_at: record.time.to_string(),
        updated_by: record.account.to_string(),
        message: version.message,
    }
}
