//! YAML 1.2: reading through an event parser with byte spans, editing by splicing bytes, writing.

mod block;
mod fast;
mod parse;
mod plain;
mod root;
mod scalar;
#[cfg(test)]
mod tests;
mod value;
mod write;

use super::change::Touched;
use super::editor::{Editor, Syntax};
use super::splice::Splices;
use super::tree::{Style, Tree};
use super::{EditError, EmitError, Fault};
use crate::model::{Object, Value};

pub(super) use scalar::decimal;
pub(super) use value::is_merge;
pub(super) use write::{flow_entry, flow_value};

/// The tree of a text.
pub(super) fn tree(text: &str) -> Result<Tree<'_>, Fault> {
    fast::parse(text).map_or_else(|| parse::parse(text), Ok)
}

/// What a tree says; a document without content is an empty object.
pub(super) fn value(text: &str, tree: &Tree<'_>, max_bytes: usize) -> Result<Value, Fault> {
    if tree.nodes.is_empty() || tree.is_left_empty(0) {
        return Ok(Value::Object(Object::new()));
    }
    value_of(text, tree, 0, max_bytes)
}

/// What one node says.
pub(super) fn value_of(text: &str, tree: &Tree<'_>, index: u32, max_bytes: usize) -> Result<Value, Fault> {
    value::Values::new(text, tree, max_bytes).value(index, 0)
}

/// Whether reading a text surely gives this value; a no may be wrong.
pub(super) fn says(text: &str, value: &Value) -> bool {
    let Ok(tree) = tree(text) else { return false };
    match tree.nodes.is_empty() || tree.is_left_empty(0) {
        true => matches!(value, Value::Object(members) if members.is_empty()),
        false => value::says(&tree, 0, value, 0),
    }
}

/// The bytes to replace so that the text says the new value.
pub(super) fn edit(
    text: &str,
    tree: &Tree<'_>,
    new: &Value,
    touched: &Touched<'_>,
    max_bytes: usize,
) -> Result<Splices, EditError> {
    let mut editor = Editor::new(text, tree, Syntax::Yaml, max_bytes);
    editor.document(new, touched)?;
    Ok(editor.splices)
}

/// A new document.
pub(super) fn emit(value: &Value) -> Result<String, EmitError> {
    write::document(value)
}

/// Equality up to the spelling of exponents, which [`write::number`] may change.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || write::number(a) == write::number(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}

/// A string in the quotes that the old one had, where it can stand in them.
pub(super) fn restyled(text: &str, style: Style, in_flow: bool) -> String {
    match style {
        Style::Single => write::single_quoted(text).unwrap_or_else(|| double_quoted(text)),
        Style::Double => double_quoted(text),
        _ => write::string(text, in_flow),
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::new();
    write::push_double_quoted(&mut out, text);
    out
}
