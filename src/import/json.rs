use super::{ImportError, MOST_SOURCE_BYTES};
use crate::model::{Object, Value};

/// The text of an export, without the mark that some tools write at the start.
pub(super) fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, ImportError> {
    if bytes.len() > MOST_SOURCE_BYTES {
        return Err(ImportError::TooMuch { limit: format!("{MOST_SOURCE_BYTES} bytes") });
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        ImportError::syntax(line, format!("{what} is UTF-8 text, and this is not"))
    })
}

/// An export as JSON.
pub(super) fn value(bytes: &[u8], what: &str) -> Result<Value, ImportError> {
    Value::from_json(text(bytes, what)?)
        .map_err(|error| ImportError::shape(format!("this is not {what}: {error}")))
}

/// A member that is text; null and none are no text.
pub(super) fn member<'a>(object: &'a Object, names: &[&str]) -> Result<Option<&'a str>, String> {
    match names.iter().find_map(|name| object.get(*name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("its {} is of the kind {}, not text", names.join(" or "), other.kind())),
    }
}
