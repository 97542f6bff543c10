use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::asked::Asked;
use super::format::Format;
use super::problem::{Problem, internal};
use super::reply::{Reply, if_none_match, tag_of_body, tag_with_body};
use super::target::Target;
use crate::model::Sequence;
use crate::service::Reading;
use crate::wire;

/// 200 with an entry, or with the members of it that are wanted.
pub(super) fn answer_entry(
    headers: &HeaderMap,
    reading: &Reading,
    asked: &Asked,
    tag: Option<String>,
    entry: &wire::Entry,
) -> Result<Response, Problem> {
    if asked.fields.is_selective() {
        return answer_body(headers, reading, asked, tag, &asked.fields.select(entry)?);
    }
    answer_body(headers, reading, asked, tag, entry)
}

/// 200 with what an envelope says, in the format that is wanted.
pub(super) fn answer_body<T: serde::Serialize>(
    headers: &HeaderMap,
    reading: &Reading,
    asked: &Asked,
    tag: Option<String>,
    body: &T,
) -> Result<Response, Problem> {
    let json = Bytes::from(serde_json::to_vec(body).map_err(|error| internal(&error.to_string()))?);
    let format = if asked.format == Format::Text { Format::Json } else { asked.format };
    let rendered = format.render(&asked.target.path, json, false)?;
    // An entry's version says all about it, unless a parent's layer may describe it as well, or the body
    // shows more than the entry, or less.
    let layers = reading.view(&asked.target.environment).map_or(0, |view| view.layers().len());
    let is_entry = tag.as_ref().is_some_and(|tag| tag.contains('.'));
    let is_whole = !asked.query.flag("recursive")? && !asked.fields.is_selective();
    let says_all = is_entry && layers == 1 && format == Format::Json && is_whole;
    let tag = if says_all { tag } else { tag.map(|tag| tag_with_body(&tag, &rendered.1)) };
    answer(headers, reading, &asked.target, tag, rendered)
}

/// 200 with a body of this tag; 304 where the client has it.
pub(super) fn answer(
    headers: &HeaderMap,
    reading: &Reading,
    target: &Target,
    tag: Option<String>,
    (content_type, body): (HeaderValue, Bytes),
) -> Result<Response, Problem> {
    let tag = tag.unwrap_or_else(|| tag_of_body(&body));
    let sequence: Sequence = reading.sequence();
    let reply = Reply { tag: Some(tag), revision: reading.revision(&target.environment), sequence };
    if if_none_match(headers, reply.tag.as_deref()) {
        return Ok(reply.not_modified());
    }
    Ok(reply.with(StatusCode::OK, content_type, body))
}
