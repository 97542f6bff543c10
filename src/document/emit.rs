use super::{EmitError, Format, json, toml, yaml};
use crate::model::Value;

/// Writes a new file. What is written as YAML reads the same in parsers of YAML 1.1 and 1.2; an empty
/// object is an empty YAML or TOML file.
///
/// ```
/// use confgit::document::{Format, emit};
/// use confgit::model::Value;
/// let value = Value::from_json(r#"{"tls":"no","hosts":["a","1_000"]}"#).unwrap();
/// assert_eq!(emit(Format::Yaml, &value).unwrap(), b"tls: \"no\"\nhosts:\n  - a\n  - \"1_000\"\n");
/// ```
pub fn emit(format: Format, value: &Value) -> Result<Vec<u8>, EmitError> {
    match (format, value) {
        (Format::Yaml | Format::Toml, Value::Object(members)) if members.is_empty() => Ok(Vec::new()),
        (Format::Yaml, _) => yaml::emit(value).map(String::into_bytes),
        (Format::Json, _) => json::emit(value).map(String::into_bytes),
        (Format::Toml, _) => toml::emit(value).map(String::into_bytes),
        (Format::Text | Format::Raw, Value::String(text)) => Ok(text.clone().into_bytes()),
        (Format::Raw, Value::Bytes(bytes)) => Ok(bytes.clone()),
        (Format::Text | Format::Raw, _) => {
            let format = if format == Format::Text { "a text file" } else { "a raw file" };
            Err(EmitError { format, what: format!("a value of kind {}", value.kind()) })
        }
    }
}
