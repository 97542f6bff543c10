use axum::extract::Request;
use axum::response::Response;

use super::App;
use super::caller;
use super::reply::{Reply, if_none_match};
use crate::model::Path;
use crate::resolve::Found;
use crate::service::entity_tag;

/// Answers the plain read of an entry, `GET /v1/config/{path}` with at most `?env=`, without going through
/// the router. None for everything else, errors too: the router's handler answers those.
pub(super) fn read(app: &App, request: &Request) -> Option<Response> {
    let uri = request.uri();
    let rest = uri.path().strip_prefix("/v1/config/")?;
    if rest.starts_with("env/")
        || rest.contains('%')
        || request.headers().contains_key("accept") && !accepts_json(request)
    {
        return None;
    }
    let environment = match uri.query() {
        None => None,
        Some(query) => {
            let name = query.strip_prefix("env=")?;
            if name.contains(['&', '%', '+', '=']) {
                return None;
            }
            Some(name)
        }
    };
    let grant = caller::may_read(app, request.headers(), uri).ok()?;
    let path: Path = rest.parse().ok()?;
    let core = app.project.core();
    let state = core.current(&grant);
    let environment = environment.unwrap_or_else(|| state.environments.default_name());
    let found = state.view(environment)?.find(&path)?;
    let Found::Entry(entry) = &found else { return None };
    let tag = entity_tag(&found);
    let revision = state.branch_of(environment).and_then(|branch| branch.head);
    let reply = Reply { tag: Some(tag), revision, sequence: state.sequence };
    app.telemetry.requests.reads.inc();
    if if_none_match(request.headers(), reply.tag.as_deref()) {
        return Some(reply.not_modified());
    }
    Some(reply.json(entry.entry.json().clone()))
}

fn accepts_json(request: &Request) -> bool {
    request
        .headers()
        .get("accept")
        .is_some_and(|accept| matches!(accept.as_bytes(), b"*/*" | b"application/json"))
}
