use axum::body::Body;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::App;
use super::caller;
use super::reply::{NO_CACHE, REVISION, SEQUENCE, VARIES, if_none_match};
use super::shield::NO_SNIFFING;
use crate::auth::ReadGrant;
use crate::service::PlainRead;

/// Answers the plain read of an entry, `GET /v1/config/{path}` with at most `?env=`, without going through
/// the router. None for everything else, errors too: the router's handler answers those, and answers what
/// this function answers in the same way.
pub(super) fn read<B>(app: &App, request: &Request<B>) -> Option<Response> {
    let uri = request.uri();
    let headers = request.headers();
    let path = uri.path().strip_prefix("/v1/config/")?;
    if path.starts_with("env/") || path.contains('%') || !accepts_json(headers) {
        return None;
    }
    let environment = match uri.query() {
        None => None,
        Some(query) => Some(query.strip_prefix("env=").filter(|name| !name.contains(['&', '%', '+', '=']))?),
    };
    // Browsers are told what pages of other origins may do.
    if !app.cors.is_empty() && headers.contains_key(ORIGIN) {
        return None;
    }
    caller::check_host(request).ok()?;
    let core = app.project.core();
    let read = |grant: &ReadGrant| {
        let found = core.plain_read(grant, environment, path)?;
        core.admit(grant.account()).ok().map(|()| found)
    };
    let PlainRead { json, tag, revision, sequence } = caller::reading(app, headers, uri, read).ok()??;
    Some(answer(headers, &tag, json, (revision, sequence)))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_none_or(|accept| matches!(accept.as_bytes(), b"*/*" | b"application/json"))
}

fn answer(headers: &HeaderMap, tag: &str, json: Bytes, (revision, sequence): (Bytes, Bytes)) -> Response {
    let unchanged = headers.contains_key(IF_NONE_MATCH) && if_none_match(headers, Some(tag));
    let mut answered = HeaderMap::with_capacity(10);
    if let Ok(tag) = HeaderValue::from_maybe_shared(Bytes::from(format!("\"{tag}\""))) {
        answered.insert(ETAG, tag);
    }
    for (name, text) in [(REVISION, revision), (SEQUENCE, sequence)] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_maybe_shared(text)) {
            answered.insert(name, value);
        }
    }
    answered.insert(CACHE_CONTROL, NO_CACHE);
    answered.insert(VARY, VARIES);
    answered.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    let mut response = if unchanged {
        Response::new(Body::empty())
    } else {
        answered.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Response::new(Body::from(json))
    };
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    *response.headers_mut() = answered;
    response
}
