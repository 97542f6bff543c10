use super::super::EmitError;
use crate::model::{Number, Object, Value};

/// The nesting that toml_edit still reads, with room for the tables around.
const MAX_DEPTH: usize = 64;

/// A new document: values first, then tables.
pub(in super::super) fn emit(value: &Value) -> Result<String, EmitError> {
    let Value::Object(members) = value else {
        return Err(cannot(format!("a document that is no object but of kind {}", value.kind())));
    };
    let mut out = String::new();
    push_members(&mut out, &mut Vec::new(), members)?;
    Ok(out)
}

/// A table with its header, and the tables in it.
pub(super) fn section(path: &[&str], members: &Object) -> Result<String, EmitError> {
    let mut out = String::new();
    let mut path = path.to_vec();
    push_section(&mut out, &mut path, members)?;
    Ok(out)
}

fn push_section<'v>(out: &mut String, path: &mut Vec<&'v str>, members: &'v Object) -> Result<(), EmitError> {
    let only_tables = !members.is_empty() && members.values().all(is_section);
    if !only_tables {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("[{}]\n", dotted(path)));
    }
    push_members(out, path, members)
}

fn push_members<'v>(out: &mut String, path: &mut Vec<&'v str>, members: &'v Object) -> Result<(), EmitError> {
    if path.len() > MAX_DEPTH {
        return Err(cannot(format!("more than {MAX_DEPTH} levels")));
    }
    for (name, member) in members.iter().filter(|(_, member)| !is_section(member)) {
        out.push_str(&line(&[name], member)?);
    }
    for (name, member) in members {
        if let (true, Value::Object(members)) = (is_section(member), member) {
            path.push(name);
            push_section(out, path, members)?;
            path.pop();
        }
    }
    Ok(())
}

/// Whether a member is written as a table of its own.
pub(super) fn is_section(value: &Value) -> bool {
    matches!(value, Value::Object(_))
}

/// `key = value` with its line break.
pub(super) fn line(path: &[&str], value: &Value) -> Result<String, EmitError> {
    Ok(format!("{} = {}\n", dotted(path), inline(value)?))
}

/// A value on one line.
pub(super) fn inline(value: &Value) -> Result<String, EmitError> {
    let mut out = String::new();
    push_inline(&mut out, value, 0)?;
    Ok(out)
}

fn push_inline(out: &mut String, value: &Value, depth: usize) -> Result<(), EmitError> {
    if depth > MAX_DEPTH {
        return Err(cannot(format!("more than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Null => return Err(cannot("null")),
        Value::Bytes(_) => return Err(cannot("bytes that are no text")),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => out.push_str(checked(number)?),
        Value::String(text) => push_basic(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                push_inline(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(members) if members.is_empty() => out.push_str("{}"),
        Value::Object(members) => {
            out.push_str("{ ");
            for (i, (name, member)) in members.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                push_key(out, name);
                out.push_str(" = ");
                push_inline(out, member, depth + 1)?;
            }
            out.push_str(" }");
        }
    }
    Ok(())
}

/// TOML promises integers of 64 bits and floats of binary64, and refuses others.
fn checked(number: &Number) -> Result<&str, EmitError> {
    let text = number.as_str();
    let fits = match number.is_integer() {
        true => text.parse::<i64>().is_ok(),
        false => text.parse::<f64>().is_ok_and(f64::is_finite),
    };
    if fits { Ok(text) } else { Err(cannot(format!("the number {text}"))) }
}

fn cannot(what: impl Into<String>) -> EmitError {
    EmitError { format: "TOML", what: what.into() }
}

/// The keys joined by dots, quoted where needed.
pub(super) fn dotted(path: &[&str]) -> String {
    let mut out = String::new();
    for (i, key) in path.iter().enumerate() {
        if i > 0 {
            out.push('.');
        }
        push_key(&mut out, key);
    }
    out
}

fn push_key(out: &mut String, key: &str) {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        out.push_str(key);
    } else {
        push_basic(out, key);
    }
}

fn push_basic(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A string in the quotes the old one had, where it can stand in them.
pub(super) fn restyled(old: &str, text: &str) -> String {
    let is_literal = old.starts_with('\'') && !old.starts_with("'''");
    if is_literal && !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut out = String::new();
    push_basic(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    #[test]
    fn emit_and_read() {
        let value = Value::from_json(
            r#"{"t":{"x":{"y":1},"z":"a\u0001\"\\\n"},"a":[1,{"b":2.50}],"k k":{},"":true,"only":{"sub":{"v":1e3}}}"#,
        )
        .unwrap();
        let text = emit(&value).unwrap();
        assert_eq!(read(&text).unwrap(), value, "{text}");
        assert!(text.starts_with("a = [1, { b = 2.50 }]\n\"\" = true\n"), "{text}");
        assert!(!text.contains("[only]\n"), "a table of tables alone needs no header");
    }

    #[test]
    fn what_toml_has_no_words_for() {
        for json in
            [r#"{"a":null}"#, r#"{"a":[null]}"#, "[]", r#"{"a":9223372036854775808}"#, r#"{"a":1e999}"#]
        {
            assert!(emit(&Value::from_json(json).unwrap()).is_err(), "{json}");
        }
    }
}
