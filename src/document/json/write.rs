use super::super::EmitError;
use super::super::editor::Layout;
use crate::model::Value;

/// A new document: two spaces a level, a line break at the end.
pub(in super::super) fn emit(value: &Value) -> Result<String, EmitError> {
    Ok(written(value, Layout::Lines { indent: 0, step: 2 })? + "\n")
}

/// One member.
pub(in super::super) fn entry(name: &str, value: &Value, layout: Layout) -> Result<String, EmitError> {
    let mut out = String::new();
    Value::from(name).write_json(&mut out);
    out.push_str(": ");
    push(&mut out, value, layout, 1)?;
    Ok(out)
}

/// A value in the layout of what is around it.
pub(in super::super) fn written(value: &Value, layout: Layout) -> Result<String, EmitError> {
    let mut out = String::new();
    push(&mut out, value, layout, 0)?;
    Ok(out)
}

/// The depth that the strict reader accepts.
const MAX_DEPTH: usize = 64;

fn push(out: &mut String, value: &Value, layout: Layout, depth: usize) -> Result<(), EmitError> {
    let cannot = |what: String| EmitError { format: "JSON", what };
    if depth > MAX_DEPTH {
        return Err(cannot(format!("more than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Bytes(_) => return Err(cannot("bytes that are no text".to_owned())),
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| (None, item));
            push_all(out, ('[', ']'), items, layout, depth)?;
        }
        Value::Object(members) if !members.is_empty() => {
            let members = members.iter().map(|(name, member)| (Some(name.as_str()), member));
            push_all(out, ('{', '}'), members, layout, depth)?;
        }
        other => other.write_json(out),
    }
    Ok(())
}

fn push_all<'v>(
    out: &mut String,
    (open, close): (char, char),
    items: impl Iterator<Item = (Option<&'v str>, &'v Value)>,
    layout: Layout,
    depth: usize,
) -> Result<(), EmitError> {
    let inner = match layout {
        Layout::Line => Layout::Line,
        Layout::Lines { indent, step } => Layout::Lines { indent: indent + step, step },
    };
    out.push(open);
    for (i, (name, item)) in items.enumerate() {
        match inner {
            Layout::Line if i > 0 => out.push_str(", "),
            Layout::Line => {}
            Layout::Lines { indent, .. } => {
                out.push_str(if i > 0 { ",\n" } else { "\n" });
                out.extend(std::iter::repeat_n(' ', indent));
            }
        }
        if let Some(name) = name {
            Value::from(name).write_json(out);
            out.push_str(": ");
        }
        push(out, item, inner, depth + 1)?;
    }
    if let Layout::Lines { indent, .. } = layout {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
    out.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let value = Value::from_json(r#"{"a":[1,{}],"b":"x"}"#).unwrap();
        let expected = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x\"\n}\n";
        assert_eq!(emit(&value).unwrap(), expected);
        assert_eq!(written(&value, Layout::Line).unwrap(), r#"{"a": [1, {}], "b": "x"}"#);
        assert!(emit(&Value::Bytes(vec![255])).is_err());
    }
}
