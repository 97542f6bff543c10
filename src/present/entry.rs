use serde_json::value::RawValue;

use crate::model::{Path, Value};
use crate::resolve::FoundEntry;
use crate::service::{EntryDetails, VersionValue};
use crate::snapshot::EntryKind;
use crate::wire::{Entry, HistoryItem, Json};

/// An entry as `/api/config` shows it.
pub fn entry(environment: &str, path: &Path, found: &FoundEntry, details: EntryDetails) -> Entry {
    let stamp = found.entry.stamp();
    let json = |text: String| RawValue::from_string(text).ok();
    Entry {
        path: path.to_string(),
        value: raw(found.entry.json()),
        encoding: encoding(found.entry.kind() == EntryKind::Bytes),
        version: stamp.map(|stamp| stamp.version.0),
        revision: stamp.map(|stamp| stamp.origin.revision.to_string()),
        sequence: stamp.map(|stamp| stamp.origin.sequence.0),
        origin: found.origin.to_string(),
        env: environment.to_owned(),
        updated_at: stamp.map(|stamp| stamp.origin.time.to_string()),
        updated_by: stamp.map(|stamp| stamp.origin.account.to_string()),
        description: details.description.and_then(json),
        owner: details.owner.and_then(json),
        schema: details.schema.and_then(json),
    }
}

/// The same entry with another value: what it comes to.
pub fn with_value(entry: Entry, json: &[u8], is_bytes: bool) -> Entry {
    Entry { value: raw(json), encoding: encoding(is_bytes), ..entry }
}

/// What the caller wants to see where nothing stands: text that is JSON keeps its type, any other is a string.
pub fn default_entry(environment: &str, path: &Path, default: &str) -> Entry {
    let value = Value::from_json(default).unwrap_or_else(|_| Value::from(default));
    Entry {
        path: path.to_string(),
        value: raw(value.to_json().as_bytes()),
        encoding: None,
        version: None,
        revision: None,
        sequence: None,
        origin: "default".to_owned(),
        env: environment.to_owned(),
        updated_at: None,
        updated_by: None,
        description: None,
        owner: None,
        schema: None,
    }
}

/// One version of a history; the path is named where the history is that of an object.
pub fn history_item(version: VersionValue, path: Option<&Path>) -> HistoryItem {
    let record = version.record;
    HistoryItem {
        path: path.map(ToString::to_string),
        version: record.version.0,
        value: version.json.map_or_else(null, |json| raw(&json)),
        encoding: encoding(version.is_bytes),
        deleted: record.deleted,
        revision: record.revision.to_string(),
        sequence: record.sequence.0,
        updated_at: record.time.to_string(),
        updated_by: record.account.to_string(),
        message: version.message,
    }
}

pub(super) fn encoding(is_bytes: bool) -> Option<String> {
    is_bytes.then(|| "base64".to_owned())
}

/// A JSON text of ours as a raw value.
pub fn raw(json: &[u8]) -> Json {
    RawValue::from_string(String::from_utf8_lossy(json).into_owned())
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The JSON null, for values that are none.
pub fn null() -> Json {
    RawValue::NULL.to_owned()
}
