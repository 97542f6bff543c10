use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::links;
use super::problem::{Problem, internal};
use super::reply::{Moment, Reply, if_none_match, tag_of_body};
use crate::present;
use crate::wire;

/// An answer of many values, written out where it was gathered: no thread that others wait for does it.
pub(super) struct Page {
    content_type: HeaderValue,
    body: Bytes,
    tag: String,
    next: Option<String>,
}

impl Page {
    /// A body as JSON, and where the page after it begins.
    pub fn json(body: &impl Serialize, next: Option<String>) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| internal(&error.to_string()))?;
        Ok(Page::new(HeaderValue::from_static("application/json"), body, next))
    }

    /// Differences as a unified diff.
    pub fn unified(diff: &wire::Diff, next: Option<String>) -> Self {
        let body = present::unified(diff).into_bytes();
        Page::new(HeaderValue::from_static("text/x-diff; charset=utf-8"), body, next)
    }

    fn new(content_type: HeaderValue, body: Vec<u8>, next: Option<String>) -> Self {
        Page { content_type, tag: tag_of_body(&body), body: body.into(), next }
    }

    /// 200 with the body; 304 where the client has it. `next` becomes the parameter of this name in `Link`.
    pub fn answer(self, head: &Parts, moment: Moment, next: &str) -> Response {
        let page = self.next.clone();
        links::with_next(self.answer_whole(&head.headers, moment), head, (next, page.as_deref()))
    }

    /// The same of what has one page only.
    pub fn answer_whole(self, headers: &HeaderMap, moment: Moment) -> Response {
        let reply = Reply { tag: Some(self.tag), ..moment.reply() };
        if if_none_match(headers, reply.tag.as_deref()) {
            return reply.not_modified();
        }
        reply.with(StatusCode::OK, self.content_type, self.body)
    }
}
