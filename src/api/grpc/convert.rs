use bytes::Bytes;
use prost_types::Timestamp;

use crate::api::http::problem::Problem;
use crate::model::{self, Path, Version, bytes_of_base64};
use crate::resolve::FoundEntry;
use crate::service::{Point, entry_tag};
use crate::snapshot::EntryKind;
use crate::wire;
use crate::wire::grpc::value::Kind;
use crate::wire::grpc::{Entry, Value};

/// A path as requests have it: `/myapp/database/host`, or without any slash `myapp.database.host`; empty is the root.
pub(super) fn path(text: &str) -> Result<Path, Problem> {
    let spelled =
        if text.contains('/') || text.starts_with('.') { text.into() } else { text.replace('.', "/") };
    let spelled = if spelled.is_empty() { "/".to_owned() } else { spelled };
    spelled.parse().map_err(|error| Problem::no_path(format!("`{text}` is no path"), &error))
}

/// A path that is written, which is never the root.
pub(super) fn written_path(text: &str) -> Result<Path, Problem> {
    let path = path(text)?;
    match path.is_root() {
        true => Err(Problem::malformed("name a path: the root cannot be written as a whole")),
        false => Ok(path),
    }
}

/// What an empty text says nothing of.
pub(super) fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A moment, where one is named.
pub(super) fn point(text: &str) -> Option<Point> {
    given(text).map(Point::parse)
}

/// How many items a page has: 0 for the usual number.
pub(super) fn page_size(asked: u32, usual: usize, most: usize) -> Result<usize, Problem> {
    match asked as usize {
        0 => Ok(usual),
        size if size <= most => Ok(size),
        _ => Err(Problem::malformed(format!("`page_size` is at most {most}"))),
    }
}

/// JSON of ours, or base64 of bytes, as a value.
pub(super) fn value(json: Bytes, is_bytes: bool) -> Value {
    let kind = match is_bytes {
        false => Kind::Json(json),
        true => {
            let text = serde_json::from_slice::<String>(&json).unwrap_or_default();
            Kind::Bytes(bytes_of_base64(&text).unwrap_or_default().into())
        }
    };
    Value { kind: Some(kind) }
}

/// The same of raw JSON, with what says how it is encoded.
pub(super) fn raw(json: Option<&wire::Json>, encoding: Option<&str>) -> Option<Value> {
    let json = json?;
    Some(value(Bytes::from(json.get().as_bytes().to_vec()), encoding == Some("base64")))
}

/// A value that a request sends, read strictly.
pub(super) fn sent(value: Option<Value>) -> Result<model::Value, Problem> {
    match value.and_then(|value| value.kind) {
        Some(Kind::Json(json)) => json_of(&json, "value"),
        Some(Kind::Bytes(bytes)) => Ok(model::Value::Bytes(bytes.to_vec())),
        None => Err(Problem::malformed("a `value` is missing")),
    }
}

/// JSON that a request sends, read strictly.
pub(super) fn json_of(json: &[u8], member: &str) -> Result<model::Value, Problem> {
    let text =
        std::str::from_utf8(json).map_err(|_| Problem::malformed(format!("`{member}` is no UTF-8")))?;
    model::Value::from_json(text).map_err(|error| Problem::malformed(format!("`{member}`: {error}")))
}

/// A moment as gRPC has it.
pub(super) fn timestamp(time: model::Timestamp) -> Timestamp {
    let millis = time.as_millis();
    let nanos = i32::try_from(millis.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: millis.div_euclid(1_000), nanos }
}

/// The same of RFC 3339.
pub(super) fn time_of(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok()).map(timestamp)
}

pub(super) fn number(version: Option<Version>) -> u64 {
    version.map_or(0, |version| version.0)
}

/// An entry as it is written.
pub(super) fn entry(environment: &str, path: &Path, found: &FoundEntry) -> Entry {
    let is_bytes = found.entry.kind() == EntryKind::Bytes;
    let etag = entry_tag(&found.entry, found.own && !found.is_joined);
    described(environment, path, found, value(found.entry.json().clone(), is_bytes), etag)
}

/// An entry with this value.
pub(super) fn described(
    environment: &str,
    path: &Path,
    found: &FoundEntry,
    value: Value,
    etag: String,
) -> Entry {
    let stamp = found.entry.stamp();
    Entry {
        path: path.to_string(),
        value: Some(value),
        version: number(found.entry.version()),
        revision: stamp.map(|stamp| stamp.origin.revision.to_string()).unwrap_or_default(),
        sequence: stamp.map_or(0, |stamp| stamp.origin.sequence.0),
        origin: found.origin.to_string(),
        env: environment.to_owned(),
        updated_at: stamp.map(|stamp| timestamp(stamp.origin.time)),
        updated_by: stamp.map(|stamp| stamp.origin.account.to_string()).unwrap_or_default(),
        etag,
    }
}

/// An object: a path and a value.
pub(super) fn object(environment: &str, path: &Path, json: Bytes, etag: String) -> Entry {
    let value = Some(value(json, false));
    Entry { path: path.to_string(), value, env: environment.to_owned(), etag, ..Entry::default() }
}
