//! JSON: strict reading in one pass, compact writing.

mod escapes;
mod reader;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Value;

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
        reader::read(text)
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

fn error_at(whole: &str, offset: usize, message: String) -> JsonError {
    let before = &whole.as_bytes()[..offset];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    JsonError {
        line: 1 + before.iter().filter(|&&b| b == b'\n').count(),
        column: 1 + String::from_utf8_lossy(&before[line_start..]).chars().count(),
        message,
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
            [("{\"a\": 1,\n  \"b\": }", 2, 8), ("[1,\n2", 2, 2), ("", 1, 1), ("{'a':1}", 1, 2)]
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
