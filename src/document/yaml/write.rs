use super::super::EmitError;
use super::plain::is_plain;
use super::value::MAX_DEPTH;
use crate::model::{Number, Object, Value};

/// How many spaces a level of nesting takes in what we write anew.
pub(super) const STEP: usize = 2;
/// YAML looks for the colon of a key within this many characters (1.2.2 section 8.2.2), quotes included.
const MAX_KEY_CHARS: usize = 1000;

/// A value as an entry or an item shows it: what follows the colon or dash, and the lines below it, each
/// with its line break.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) head: String,
    pub(super) lines: String,
}

/// The parts of a value whose key stands at `indent`.
pub(super) fn parts(value: &Value, indent: usize) -> Result<Parts, EmitError> {
    check(value, 0)?;
    Ok(unchecked_parts(value, indent))
}

/// A whole document.
pub(super) fn document(value: &Value) -> Result<String, EmitError> {
    check(value, 0)?;
    Ok(match value {
        Value::Object(members) if !members.is_empty() => block_mapping(members, 0),
        Value::Array(items) if !items.is_empty() => block_sequence(items, 0),
        other => flow(other) + "\n",
    })
}

/// The lines of one entry.
pub(super) fn entry(name: &str, value: &Value, indent: usize) -> Result<String, EmitError> {
    check_key(name)?;
    check(value, 1)?;
    let mut out = String::new();
    push_entry(&mut out, name, value, indent);
    Ok(out)
}

/// `key: value` for inside braces.
pub(in super::super) fn flow_entry(name: &str, value: &Value) -> Result<String, EmitError> {
    check_key(name)?;
    check(value, 1)?;
    let mut out = String::new();
    push_key(&mut out, name, true);
    out.push_str(": ");
    push_flow(&mut out, value);
    Ok(out)
}

/// A value on one line, for inside braces.
pub(in super::super) fn flow_value(value: &Value) -> Result<String, EmitError> {
    check(value, 0)?;
    let mut out = String::new();
    push_flow(&mut out, value);
    Ok(out)
}

/// A string in one line, without quotes where that is safe.
pub(super) fn string(text: &str, in_flow: bool) -> String {
    let mut out = String::new();
    push_string(&mut out, text, in_flow);
    out
}

/// A number as parsers of YAML 1.2 and 1.1 both read it. In 1.1 an exponent needs a dot before it and a
/// sign, so `1e3` is written `1.0e+3`: the same number, and the only spelling we change.
///
/// ```text
/// 1e3 -> 1.0e+3    1.5E9 -> 1.5E+9    1e-3 -> 1.0e-3    1.10 -> 1.10
/// ```
pub(super) fn number(number: &Number) -> String {
    let text = number.as_str();
    let Some(at) = text.find(['e', 'E']) else { return text.to_owned() };
    let (mantissa, exponent) = text.split_at(at);
    let dot = if mantissa.contains('.') { "" } else { ".0" };
    let (mark, digits) = exponent.split_at(1);
    let sign = if digits.starts_with(['+', '-']) { "" } else { "+" };
    format!("{mantissa}{dot}{mark}{sign}{digits}")
}

fn check(value: &Value, depth: usize) -> Result<(), EmitError> {
    if depth > MAX_DEPTH {
        return Err(cannot(format!("more than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Bytes(_) => Err(cannot("bytes that are no text")),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            check_key(name)?;
            check(member, depth + 1)
        }),
        _ => Ok(()),
    }
}

fn check_key(name: &str) -> Result<(), EmitError> {
    // An escape takes up to ten characters of the key as written.
    let written: usize =
        name.chars().map(|c| if c.is_control() { 4 } else { 1 + usize::from("\"\\".contains(c)) }).sum();
    if written > MAX_KEY_CHARS {
        Err(cannot(format!("a key of more than {MAX_KEY_CHARS} characters")))
    } else {
        Ok(())
    }
}

fn cannot(what: impl Into<String>) -> EmitError {
    EmitError { format: "YAML", what: what.into() }
}

fn unchecked_parts(value: &Value, indent: usize) -> Parts {
    match value {
        Value::Object(members) if !members.is_empty() => {
            Parts { head: String::new(), lines: block_mapping(members, indent + STEP) }
        }
        Value::Array(items) if !items.is_empty() => {
            Parts { head: String::new(), lines: block_sequence(items, indent + STEP) }
        }
        Value::String(text) => block_scalar(text, indent + STEP)
            .unwrap_or_else(|| Parts { head: string(text, false), lines: String::new() }),
        other => Parts { head: flow(other), lines: String::new() },
    }
}

fn block_mapping(members: &Object, indent: usize) -> String {
    let mut out = String::new();
    for (name, member) in members {
        push_entry(&mut out, name, member, indent);
    }
    out
}

fn push_entry(out: &mut String, name: &str, value: &Value, indent: usize) {
    push_indent(out, indent);
    push_key(out, name, false);
    out.push(':');
    push_parts(out, &unchecked_parts(value, indent));
}

fn push_parts(out: &mut String, parts: &Parts) {
    if !parts.head.is_empty() {
        out.push(' ');
        out.push_str(&parts.head);
    }
    out.push('\n');
    out.push_str(&parts.lines);
}

fn block_sequence(items: &[Value], indent: usize) -> String {
    let mut out = String::new();
    for item in items {
        let nested = match item {
            Value::Object(members) if !members.is_empty() => block_mapping(members, indent + STEP),
            Value::Array(items) if !items.is_empty() => block_sequence(items, indent + STEP),
            _ => {
                push_indent(&mut out, indent);
                out.push('-');
                push_parts(&mut out, &unchecked_parts(item, indent));
                continue;
            }
        };
        push_indent(&mut out, indent);
        out.push_str("- ");
        // The first line of what is nested stands on the line of the dash.
        out.push_str(&nested[indent + STEP..]);
    }
    out
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn push_key(out: &mut String, name: &str, in_flow: bool) {
    push_string(out, name, in_flow);
}

/// The string as a literal block, when it has several lines and such a block says exactly them.
pub(super) fn block_scalar(text: &str, indent: usize) -> Option<Parts> {
    let chomped = text.strip_suffix('\n');
    let body = chomped.unwrap_or(text);
    let readable = |line: &str| {
        !line.starts_with('\t')
            && !line.ends_with([' ', '\t'])
            && line.chars().all(|c| {
                c == '\t'
                    || (!c.is_control()
                        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
            })
    };
    let first_is_flush = !body.starts_with([' ', '\n']);
    if !text.contains('\n')
        || body.is_empty()
        || body.ends_with('\n')
        || !first_is_flush
        || !body.split('\n').all(readable)
    {
        return None;
    }
    let mut lines = String::with_capacity(text.len() + 64);
    for line in body.split('\n') {
        if !line.is_empty() {
            push_indent(&mut lines, indent);
            lines.push_str(line);
        }
        lines.push('\n');
    }
    Some(Parts { head: if chomped.is_some() { "|" } else { "|-" }.to_owned(), lines })
}

fn flow(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::String(text) => push_string(&mut out, text, false),
        other => push_flow(&mut out, other),
    }
    out
}

fn push_flow(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(digits) => out.push_str(&number(digits)),
        Value::String(text) => push_string(out, text, true),
        // Refused by `check`.
        Value::Bytes(_) => out.push_str("null"),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                push_flow(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                push_key(out, name, true);
                out.push_str(": ");
                push_flow(out, member);
            }
            out.push('}');
        }
    }
}

fn push_string(out: &mut String, text: &str, in_flow: bool) {
    if is_plain(text, in_flow) {
        out.push_str(text);
    } else {
        push_double_quoted(out, text);
    }
}

/// The string in double quotes (YAML 1.2.2 section 7.3.1).
pub(super) fn push_double_quoted(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            '\r' => out.write_str("\\r"),
            '\0' => out.write_str("\\0"),
            '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{a0}' => write!(out, "\\x{:02x}", u32::from(c)),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(out, "\\u{:04x}", u32::from(c))
            }
            c => out.write_char(c),
        };
    }
    out.push('"');
}

/// The string in single quotes, when it can stand there: on one line, of printable characters.
pub(super) fn single_quoted(text: &str) -> Option<String> {
    let printable = |c: char| {
        !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().all(printable).then(|| format!("'{}'", text.replace('\'', "''")))
}
