use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use crate::model::{Revision, Sequence};
use crate::service::Reading;

/// The headers that every answer about configuration has.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The entity tag, without quotes.
    pub tag: Option<String>,
    /// The head of the environment's own branch.
    pub revision: Option<Revision>,
    /// The last change set in the answer.
    pub sequence: Sequence,
}

/// When an answer is true: the head of an environment's branch, and the last change set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    revision: Option<Revision>,
    sequence: Sequence,
}

impl Moment {
    /// The moment of a reading, as one environment sees it.
    pub fn of(reading: &Reading, environment: &str) -> Self {
        Moment { revision: reading.revision(environment), sequence: reading.sequence() }
    }

    /// The headers of an answer of this moment, without a tag.
    pub fn reply(self) -> Reply {
        Reply { tag: None, revision: self.revision, sequence: self.sequence }
    }
}

pub(super) const REVISION: HeaderName = HeaderName::from_static("x-confgit-revision");
pub(super) const SEQUENCE: HeaderName = HeaderName::from_static("x-confgit-sequence");

/// Answers depend on the caller, and are asked for again each time.
pub(super) const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");
pub(super) const VARIES: HeaderValue = HeaderValue::from_static("Authorization, X-API-Key, Accept");

impl Reply {
    /// 304.
    pub fn not_modified(self) -> Response {
        let mut response =
            self.with(StatusCode::NOT_MODIFIED, HeaderValue::from_static("application/json"), Bytes::new());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    }

    /// Any answer.
    pub fn with(self, status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(tag) = self.tag
            && let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\""))
        {
            headers.insert(ETAG, tag);
        }
        if let Some(Ok(revision)) = self.revision.map(|revision| HeaderValue::try_from(revision.to_string()))
        {
            headers.insert(REVISION, revision);
        }
        headers.insert(SEQUENCE, HeaderValue::from(self.sequence.0));
        headers.insert(CACHE_CONTROL, NO_CACHE);
        headers.insert(VARY, VARIES);
        response
    }
}

/// Whether `If-None-Match` names the present tag (RFC 9110 section 13.1.2: weak comparison).
pub(super) fn if_none_match(headers: &HeaderMap, tag: Option<&str>) -> bool {
    let Some(tag) = tag else { return false };
    let mut values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.trim() == "*" || tags(value).any(|other| other == tag))
}

/// The entity tags of a header's list, without quotes and weakness; a bare word stands for itself.
pub(super) fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|tag| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
    })
}

/// A tag that tells the content, which a precondition compares, and the bytes of this body, which a cache
/// does: `<content tag>-<hash of the body>`.
pub(super) fn tag_with_body(content: &str, body: &[u8]) -> String {
    format!("{content}-{:08x}", crate::snapshot::Digest::of(body).short())
}

/// What a tag of ours says of the content.
pub(super) fn content_tag(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// A tag made from the bytes of a body: what lists and pages have.
pub(super) fn tag_of_body(body: &[u8]) -> String {
    crate::snapshot::Digest::of(body).to_string()
}
