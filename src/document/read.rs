use std::borrow::Cow;

use super::place::{content, fault_at, position_at};
use super::{Fault, FaultKind, Format, json, toml, yaml};
use crate::model::{Limits, Path, Position, Value};

/// What a file says, with its bytes, so that places in it can be told.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) format: Format,
    pub(super) source: Box<[u8]>,
    pub(super) value: Value,
}

impl Document {
    /// The root value. A file without content is an empty object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The root value, without the file around it.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The format it was read in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Where a key stands, by the keys from the root; the first byte for no keys, none for a key that is
    /// not there. Reads the file once more: meant for diagnostics, not for every key.
    pub fn position_of(&self, keys: &[impl AsRef<str>]) -> Option<Position> {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        self.first_positions(&[vec![&keys]]).pop().flatten()
    }

    /// For each list of places, given by their keys, where the first of them stands that is there. The file is read
    /// once for all of them.
    fn first_positions(&self, lists: &[Vec<&[&str]>]) -> Vec<Option<Position>> {
        let Ok(text) = content(self.format, &self.source) else { return vec![None; lists.len()] };
        let tree = match self.format {
            Format::Yaml => yaml::tree(text).ok(),
            Format::Json => Some(json::scan(text)),
            Format::Toml | Format::Text | Format::Raw => None,
        };
        let offset_of = |keys: &&[&str]| match (keys.is_empty(), self.format) {
            (true, _) => Some(0),
            (false, Format::Toml) => toml::find(text, keys),
            (false, _) => tree.as_ref().and_then(|tree| tree.find(keys)),
        };
        let first = |list: &Vec<&[&str]>| list.iter().find_map(offset_of);
        lists.iter().map(|list| first(list).map(|offset| position_at(text.as_bytes(), offset))).collect()
    }
}

/// Reads a file strictly.
///
/// A file over [`Limits::document_bytes`] is refused before it is parsed. The byte order mark that some
/// editors write is taken for nothing in YAML and TOML; JSON allows none (RFC 8259 section 8.1).
///
/// ```
/// use confgit::document::{Format, read};
/// use confgit::model::Limits;
/// let document = read(Format::Yaml, b"tls: no\nport: 0o17\n", &Limits::default()).unwrap();
/// assert_eq!(document.value().to_json(), r#"{"tls":"no","port":15}"#);
/// assert_eq!(document.position_of(&["port"]).unwrap().line, 2);
/// ```
pub fn read(format: Format, bytes: &[u8], limits: &Limits) -> Result<Document, Fault> {
    check_size(bytes, limits)?;
    let value = match format {
        Format::Raw => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        Format::Text => Value::from(content(format, bytes)?),
        Format::Yaml => {
            let text = content(format, bytes)?;
            yaml::value(text, &yaml::tree(text)?, limits.document_bytes)?
        }
        Format::Json => json::read(content(format, bytes)?)?,
        Format::Toml => toml::read(content(format, bytes)?)?,
    };
    Ok(Document { format, source: bytes.into(), value })
}

pub(super) fn check_size(bytes: &[u8], limits: &Limits) -> Result<(), Fault> {
    if bytes.len() <= limits.document_bytes {
        return Ok(());
    }
    let message = format!("{} bytes, more than the limit of {}", bytes.len(), limits.document_bytes);
    Err(fault_at(bytes, 0, FaultKind::Limit, message))
}

/// Where in a file the value of a path stands, when the file holds it; `base` is the path of the whole file.
pub fn position_of(file: &str, base: &Path, path: &Path, bytes: &[u8], limits: &Limits) -> Option<Position> {
    let document = read(Format::of(file), bytes, limits).ok()?;
    let keys: Vec<String> = path.strip_prefix(base)?.segments().map(Cow::into_owned).collect();
    document.position_of(&keys)
}

/// Where in a file the values of paths stand; where one is missing, the nearest above it that the file holds.
pub fn positions(
    file: &str,
    base: &Path,
    paths: &[&Path],
    bytes: &[u8],
    limits: &Limits,
) -> Vec<Option<Position>> {
    let Ok(document) = read(Format::of(file), bytes, limits) else { return vec![None; paths.len()] };
    let keys: Vec<Vec<String>> = paths
        .iter()
        .map(|path| path.strip_prefix(base).map(|below| below.segments().map(Cow::into_owned).collect()))
        .map(Option::unwrap_or_default)
        .collect();
    let keys: Vec<Vec<&str>> = keys.iter().map(|keys| keys.iter().map(String::as_str).collect()).collect();
    let lists: Vec<Vec<&[&str]>> =
        keys.iter().map(|keys| (0..=keys.len()).rev().map(|end| &keys[..end]).collect()).collect();
    document.first_positions(&lists)
}
