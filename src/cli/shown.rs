use crate::model::Value;
use crate::wire::{Entry, Json};

/// A value for a person: a string without quotes, anything else as JSON.
pub fn bare(json: &Json) -> String {
    match Value::from_json(json.get()) {
        Ok(Value::String(text)) => text,
        Ok(value) => value.to_json(),
        Err(_) => json.get().to_owned(),
    }
}

/// A value on one line among others: quoted where it would read as something else without quotes.
pub fn inline(json: &Json) -> String {
    match Value::from_json(json.get()) {
        Ok(Value::String(text)) if Value::is_plain_text(&text) => text,
        Ok(value) => value.to_json(),
        Err(_) => json.get().to_owned(),
    }
}

/// The same of an entry, which may hold bytes.
pub fn inline_entry(entry: &Entry) -> String {
    if entry.encoding.is_some() { bytes(&entry.value) } else { inline(&entry.value) }
}

/// How bytes are shown: only how many there are.
pub fn bytes(json: &Json) -> String {
    let digits = json.get().trim_matches('"');
    let padding = digits.bytes().rev().take_while(|&byte| byte == b'=').count();
    format!("({} bytes)", (digits.len() / 4 * 3).saturating_sub(padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_they_matter() {
        for (json, one_line) in [
            ("\"debug\"", "debug"),
            ("\"a b\"", "a b"),
            ("\"5\"", "\"5\""),
            ("\"\"", "\"\""),
            ("\" a\"", "\" a\""),
            ("\"a\\nb\"", "\"a\\nb\""),
            ("\"null\"", "\"null\""),
            ("5.10", "5.10"),
            ("[1, 2]", "[1,2]"),
        ] {
            let raw = serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(inline(&raw), one_line, "{json}");
        }
    }

    #[test]
    fn bytes_are_counted() {
        for (json, shown) in [("\"\"", "(0 bytes)"), ("\"Zg==\"", "(1 bytes)"), ("\"Zm9vYmFy\"", "(6 bytes)")]
        {
            assert_eq!(bytes(&serde_json::value::RawValue::from_string(json.to_owned()).unwrap()), shown);
        }
    }
}
