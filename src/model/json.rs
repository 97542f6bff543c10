use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Number, Object, Value};

/// Why a text is no JSON value, and where: line and column count from 1, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 64;

impl Value {
    /// Reads one JSON value (RFC 8259), strictly: a duplicate member is an error, numbers keep their
    /// digits, and nesting is limited to 64 levels.
    ///
    /// ```
    /// use confgit::model::Value;
    /// assert_eq!(Value::from_json("[1.10, null]").unwrap().to_json(), "[1.10,null]");
    /// let error = Value::from_json("{\n  \"a\": 1, \"a\": 2}").unwrap_err();
    /// assert_eq!((error.line, error.message.as_str()), (2, "duplicate member `a`"));
    /// ```
    pub fn from_json(text: &str) -> Result<Value, JsonError> {
        let raw: &RawValue = parse(text, text)?;
        value_of(text, raw.get(), 0)
    }

    /// Appends the value as compact JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(number) => out.push_str(number.as_str()),
            Value::String(text) => push_json_string(out, text),
            Value::Bytes(bytes) => {
                out.push('"');
                STANDARD.encode_string(bytes, out);
                out.push('"');
            }
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (i, (name, member)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    push_json_string(out, name);
                    out.push(':');
                    member.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Reads the outermost level of `raw`, a slice of `whole`: the levels below stay raw.
fn value_of(whole: &str, raw: &str, depth: usize) -> Result<Value, JsonError> {
    if depth > MAX_DEPTH {
        let message = format!("nested deeper than {MAX_DEPTH} levels");
        return Err(error_at(whole, offset_in(whole, raw), message));
    }
    Ok(match raw.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = parse(whole, raw)?;
            let mut object = Object::with_capacity(members.0.len());
            for (name, member) in members.0 {
                object.insert(name, value_of(whole, member.get(), depth + 1)?);
            }
            Value::Object(object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = parse(whole, raw)?;
            let items = items.into_iter().map(|item| value_of(whole, item.get(), depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::String(parse(whole, raw)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => match Number::new(raw) {
            Some(number) => Value::Number(number),
            None => return Err(error_at(whole, offset_in(whole, raw), "not a number".to_owned())),
        },
    })
}

fn parse<'a, T: Deserialize<'a>>(whole: &'a str, raw: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(raw).map_err(|error| {
        let full = error.to_string();
        let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
        let line_start: usize =
            raw.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let within = (line_start + error.column().saturating_sub(1)).min(raw.len());
        error_at(whole, offset_in(whole, raw) + within, message)
    })
}

fn offset_in(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

fn error_at(whole: &str, offset: usize, message: String) -> JsonError {
    let before = &whole.as_bytes()[..offset];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    JsonError {
        line: 1 + before.iter().filter(|&&b| b == b'\n').count(),
        column: 1 + String::from_utf8_lossy(&before[line_start..]).chars().count(),
        message,
    }
}

/// The members of one object, unread, refusing a name that comes twice.
struct Members<'a>(indexmap::IndexMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = indexmap::IndexMap::new();
                while let Some((name, member)) = map.next_entry::<String, &RawValue>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("duplicate member `{name}`")));
                    }
                    members.insert(name, member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => {
                out.push_str(&text[written..at]);
                out.push_str(&format!("\\u{byte:04x}"));
                written = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[written..at]);
        out.push_str(escape);
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// The bytes that a base64 text (RFC 4648 section 4, with padding) stands for.
pub fn bytes_of_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads_and_keeps_digits() {
        for text in
            ["null", "true", "[]", "{}", r#"{"a":{"b":[1,2.50,"x\n\u0001"]}}"#, "1234567890123456789012345"]
        {
            let value = Value::from_json(text).unwrap();
            assert_eq!(Value::from_json(&value.to_json()).unwrap(), value);
        }
        assert_eq!(Value::from_json(" 1.10 ").unwrap().to_json(), "1.10");
    }

    #[test]
    fn errors_name_the_place() {
        for (text, line, column) in
            [("{\"a\": 1,\n  \"b\": }", 2, 8), ("[1,\n2", 2, 1), ("", 1, 1), ("{'a':1}", 1, 2)]
        {
            let error = Value::from_json(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        }
        assert!(Value::from_json(&"[".repeat(100_000)).is_err());
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(Value::from_json(&deep).unwrap_err().message.contains("nested deeper"));
    }

    #[test]
    fn bytes_are_base64() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(
                Value::Bytes(bytes.as_bytes().to_vec()).to_json(),
                format!("{text:?}"),
                "RFC 4648 section 10"
            );
        }
    }
}
