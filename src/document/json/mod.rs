//! JSON (RFC 8259): strict reading, a tree of byte spans for editing, writing.

mod scan;
mod write;

use super::change::Touched;
use super::editor::{Editor, Layout, Syntax};
use super::splice::Splices;
use super::tree::{Kind, Tree};
use super::{EditError, Fault, FaultKind};
use crate::model::{JsonError, Position, Value};

pub(super) use scan::scan;
pub(super) use write::{emit, entry, written};

/// What a text says.
pub(super) fn read(text: &str) -> Result<Value, Fault> {
    Value::from_json(text).map_err(fault)
}

/// What one node of a text that was read before says.
pub(super) fn value_of(text: &str, tree: &Tree<'_>, index: u32) -> Result<Value, Fault> {
    read(&text[tree.span(index)])
}

fn fault(error: JsonError) -> Fault {
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let position = Position { line: narrow(error.line), column: narrow(error.column) };
    Fault { position, kind: FaultKind::Syntax, message: error.message }
}

/// The bytes to replace so that the text says the new value.
pub(super) fn edit(
    text: &str,
    tree: &Tree<'_>,
    new: &Value,
    touched: &Touched<'_>,
) -> Result<Splices, EditError> {
    let mut editor = Editor::new(text, tree, Syntax::Json, text.len());
    match (&tree.node(0).kind, new) {
        (Kind::Mapping { .. }, Value::Object(members)) if editor.is_member_wise(0, new) => {
            editor.flow_mapping(0, members, touched)?;
        }
        _ if editor.says(0, new)? => {}
        _ => {
            let written = editor.written(new, Layout::Lines { indent: 0, step: 2 })?;
            editor.splices.replace(tree.span(0), written);
        }
    }
    Ok(editor.splices)
}

#[cfg(test)]
mod tests {
    use super::super::testing::change_in;
    use super::super::{EditError, Format, read};
    use crate::model::Limits;

    #[test]
    fn edits() {
        for (before, changes, after) in [
            ("{\n  \"a\": 1,\n  \"b\": 2\n}\n", &["a=10"][..], "{\n  \"a\": 10,\n  \"b\": 2\n}\n"),
            ("{\n  \"a\": 1\n}\n", &["b=2"], "{\n  \"a\": 1,\n  \"b\": 2\n}\n"),
            ("{\"a\": 1}", &["b=2"], "{\"a\": 1, \"b\": 2}"),
            ("{\"a\":1,\"b\":2}", &["a"], "{\"b\":2}"),
            ("{\"a\":1,\"b\":2}", &["b"], "{\"a\":1}"),
            ("{\"a\":1,\"b\":2}", &["a", "b", "c=3"], "{\"c\": 3}"),
            ("{\"a\":1}", &["a"], "{}"),
            ("{\n\t\"a\": 1\n}", &["a"], "{}"),
            ("{}\n", &["a/b=1"], "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"),
            (
                "{\n    \"a\": {\n        \"x\": 1\n    }\n}\n",
                &["a/y={\"z\":[1]}", "a/x"],
                "{\n    \"a\": {\n        \"y\": {\n            \"z\": [\n                1\n            ]\n        }\n    }\n}\n",
            ),
            ("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n", &["b", "c"], "{\n  \"a\": 1\n}\n"),
            (
                "{\r\n  \"a\": 1\r\n}\r\n",
                &["b={\"c\":1}"],
                "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"c\": 1\r\n  }\r\n}\r\n",
            ),
            ("{\"a#\": \"#\", \"b\": 1}", &["b"], "{\"a#\": \"#\"}"),
            ("{\"a\": 1, \"b#\": 1, \"c\": 2}", &["b#", "c"], "{\"a\": 1}"),
            ("[1]", &["={\"a\":1}"], "{\n  \"a\": 1\n}"),
            ("{\"a\":[1, 2]}", &["a=[1,2]"], "{\"a\":[1, 2]}"),
            ("{\"\\u0061\":1}", &["a=2"], "{\"\\u0061\":2}"),
        ] {
            assert_eq!(
                change_in(Format::Json, before, changes).as_deref(),
                Ok(after),
                "{before} {changes:?}"
            );
        }
    }

    #[test]
    fn strictness() {
        for (text, line, column) in
            [("", 1, 1), ("{\"a\":1,\n\"a\":2}", 2, 6), ("{\"a\":1,}", 1, 8), ("// x\n1", 1, 1)]
        {
            let fault = read(Format::Json, text.as_bytes(), &Limits::default()).unwrap_err();
            assert_eq!((fault.position.line, fault.position.column), (line, column), "{text}: {fault}");
        }
        assert!(matches!(change_in(Format::Json, "{", &["a=1"]), Err(EditError::Unreadable(_))));
    }
}
