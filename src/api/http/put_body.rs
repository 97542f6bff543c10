use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use super::body::json;
use super::problem::Problem;
use crate::document::{self, Format};
use crate::model::{Limits, Value, bytes_of_base64};
use crate::patch::{Patch, PatchError};
use crate::service::{Member, Metadata};
use crate::wire;

/// What a `PUT` says: the value, what describes it, and what the commit shall say.
pub(super) struct PutBody {
    pub value: Value,
    pub metadata: Metadata,
    /// Whether the value came as plain text.
    pub as_text: bool,
    pub message: Option<String>,
}

/// How the body of a `PUT` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutType {
    /// `{"value": …}` with metadata.
    Envelope,
    /// The text is the value.
    Text,
    /// The bytes are the value.
    Bytes,
    /// The document is the value.
    Document(Format),
}

/// The media type of a body, without parameters, in lower case; empty when none is named.
fn media_type(headers: &HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported(found: &str, expected: &str) -> Problem {
    let detail = format!("`{found}` is not taken here; send {expected}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}

impl PutType {
    /// What the headers say of the body.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match media_type(headers).as_str() {
            // What curl says of `-d` when it is told nothing else.
            "application/json" | "application/x-www-form-urlencoded" | "" => Ok(PutType::Envelope),
            "text/plain" => Ok(PutType::Text),
            "application/octet-stream" => Ok(PutType::Bytes),
            "application/yaml" | "application/x-yaml" | "text/yaml" => Ok(PutType::Document(Format::Yaml)),
            "application/toml" => Ok(PutType::Document(Format::Toml)),
            other => Err(unsupported(
                other,
                "application/json, application/yaml, application/toml, text/plain or application/octet-stream",
            )),
        }
    }

    /// Reads a body.
    pub fn read(self, body: &[u8], limits: &Limits) -> Result<PutBody, Problem> {
        match self {
            PutType::Envelope => envelope(body),
            PutType::Text => Ok(PutBody { as_text: true, ..PutBody::of(text(body)?) }),
            // What is text is text, however it was sent: the file that holds it would say so.
            PutType::Bytes => Ok(match std::str::from_utf8(body) {
                Ok(text) => PutBody { as_text: true, ..PutBody::of(Value::from(text)) },
                Err(_) => PutBody::of(Value::Bytes(body.to_vec())),
            }),
            PutType::Document(format) => document(format, body, limits),
        }
    }
}

impl PutBody {
    fn of(value: Value) -> Self {
        PutBody { value, metadata: Metadata::default(), as_text: false, message: None }
    }
}

fn text(body: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::malformed(format!("the text is not UTF-8 from byte {} on", error.valid_up_to() + 1))
    })?;
    Ok(Value::from(text))
}

fn document(format: Format, body: &[u8], limits: &Limits) -> Result<PutBody, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::malformed("the document is empty; to write an empty object send {}"));
    }
    let read = document::read(format, body, limits).map_err(|fault| {
        let (line, column) = (fault.position.line, fault.position.column);
        Problem::malformed(format!("line {line}, column {column}: {}", fault.message))
    })?;
    Ok(PutBody::of(read.into_value()))
}

fn envelope(body: &[u8]) -> Result<PutBody, Problem> {
    let put: wire::Put = json(body)?;
    let value = decoded(value_of(&put.value, "value")?, put.encoding.as_deref())?;
    let text = |member: Option<Option<String>>| match member {
        None => Member::Keep,
        Some(None) => Member::Remove,
        Some(Some(text)) => Member::Set(Value::String(text)),
    };
    let schema = match &put.schema {
        None => Member::Keep,
        Some(schema) => match value_of(schema, "schema")? {
            Value::Null => Member::Remove,
            schema @ (Value::Object(_) | Value::Bool(_)) => Member::Set(schema),
            _ => return Err(Problem::malformed("`schema` is a JSON Schema: an object or a boolean")),
        },
    };
    let metadata = Metadata { description: text(put.description), owner: text(put.owner), schema };
    if !metadata.is_silent() && matches!(&value, Value::Object(members) if !members.is_empty()) {
        let detail = "description, owner and schema belong to an entry; this value is an object of entries";
        return Err(Problem::contradiction(detail));
    }
    Ok(PutBody { value, metadata, as_text: false, message: put.message })
}

/// Bytes from their base64, where the envelope says so.
fn decoded(value: Value, encoding: Option<&str>) -> Result<Value, Problem> {
    match (encoding, value) {
        (None, value) => Ok(value),
        (Some("base64"), Value::String(text)) => {
            let wrong = || Problem::malformed("`value` is not base64 (RFC 4648 section 4, with padding)");
            let bytes = bytes_of_base64(&text).ok_or_else(wrong)?;
            // Text needs no encoding, and an entry of text is told from one of bytes by what it holds.
            Ok(String::from_utf8(bytes).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::String))
        }
        (Some("base64"), _) => {
            Err(Problem::malformed("`value` is a text of base64 where `encoding` says so"))
        }
        (Some(other), _) => Err(Problem::malformed(format!("unknown encoding `{other}`; there is base64"))),
    }
}

/// A raw JSON value, read strictly.
pub(in crate::api) fn value_of(raw: &wire::Json, member: &str) -> Result<Value, Problem> {
    Value::from_json(raw.get()).map_err(|error| Problem::malformed(format!("`{member}`: {error}")))
}

/// The patch that a `PATCH` sends.
pub(super) fn patch(headers: &HeaderMap, body: &[u8]) -> Result<Patch, Problem> {
    let read = || {
        let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("the patch is not UTF-8"))?;
        Value::from_json(text).map_err(|error| Problem::malformed(format!("the patch is no JSON: {error}")))
    };
    match media_type(headers).as_str() {
        "application/merge-patch+json" => Ok(Patch::Merge(read()?)),
        "application/json-patch+json" => Patch::operations(&read()?).map_err(malformed_patch),
        other => Err(unsupported(other, "application/merge-patch+json or application/json-patch+json")),
    }
}

/// A patch of a batch: a merge patch, or operations where it is a list.
pub(in crate::api) fn batch_patch(value: Value) -> Result<Patch, PatchError> {
    match value {
        Value::Array(_) => Patch::operations(&value),
        value => Ok(Patch::Merge(value)),
    }
}

fn malformed_patch(reason: PatchError) -> Problem {
    Problem::malformed(format!("the patch is none: {reason}"))
}
