use super::{PatchError, Pointer};
use crate::model::{Object, Value};

/// How many operations one patch may have.
pub const MOST_OPERATIONS: usize = 10_000;

/// How much all copies of one patch may make, counting a byte of each text and each value: a few copies of copies
/// would otherwise fill the memory.
const MOST_COPIED: usize = 16 << 20;

/// How deep a patched value may be nested: what no reader would take is not built.
const MOST_LEVELS: usize = 64;

/// One operation of a JSON Patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Where it takes place.
    pub path: Pointer,
    /// What happens there.
    pub kind: OperationKind,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationKind {
    /// Puts a value there; into a list before that index, or with `-` at its end.
    Add(Value),
    /// Takes the value away.
    Remove,
    /// Puts a value in the place of the one there.
    Replace(Value),
    /// Takes the value from elsewhere and puts it there.
    Move(Pointer),
    /// Puts a copy of the value from elsewhere there.
    Copy(Pointer),
    /// Goes on only if the value there is this one; numbers are compared by amount.
    Test(Value),
}

impl OperationKind {
    fn name(&self) -> &'static str {
        match self {
            OperationKind::Add(_) => "add",
            OperationKind::Remove => "remove",
            OperationKind::Replace(_) => "replace",
            OperationKind::Move(_) => "move",
            OperationKind::Copy(_) => "copy",
            OperationKind::Test(_) => "test",
        }
    }
}

/// Reads a patch document: a list of objects.
pub(super) fn read(document: &Value) -> Result<Vec<Operation>, PatchError> {
    let wrong = |reason: String| PatchError::Malformed { index: None, reason };
    let Value::Array(items) = document else {
        return Err(wrong("a JSON Patch is a list of operations".to_owned()));
    };
    if items.len() > MOST_OPERATIONS {
        return Err(wrong(format!(
            "{} operations are more than the limit of {MOST_OPERATIONS}",
            items.len()
        )));
    }
    let numbered = items.iter().zip(1..);
    numbered
        .map(|(item, index)| {
            operation(item).map_err(|reason| PatchError::Malformed { index: Some(index), reason })
        })
        .collect()
}

fn operation(item: &Value) -> Result<Operation, String> {
    let Value::Object(members) = item else {
        return Err("expected an object with `op` and `path`".to_owned());
    };
    let path = pointer(members, "path")?;
    let value = || members.get("value").cloned().ok_or_else(|| "`value` is missing".to_owned());
    let kind = match members.get("op") {
        Some(Value::String(op)) => match op.as_str() {
            "add" => OperationKind::Add(value()?),
            "remove" => OperationKind::Remove,
            "replace" => OperationKind::Replace(value()?),
            "move" => OperationKind::Move(pointer(members, "from")?),
            "copy" => OperationKind::Copy(pointer(members, "from")?),
            "test" => OperationKind::Test(value()?),
            other => {
                return Err(format!(
                    "unknown op `{other}`; there are add, remove, replace, move, copy and test"
                ));
            }
        },
        Some(_) => return Err("`op` is a text".to_owned()),
        None => return Err("`op` is missing".to_owned()),
    };
    // A part moved into itself would be gone.
    if let OperationKind::Move(from) = &kind
        && from != &path
        && from.is_prefix_of(&path)
    {
        return Err("a value cannot be moved into itself".to_owned());
    }
    Ok(Operation { path, kind })
}

fn pointer(members: &Object, name: &str) -> Result<Pointer, String> {
    match members.get(name) {
        Some(Value::String(text)) => Pointer::parse(text).map_err(|error| format!("`{name}`: {error}")),
        Some(_) => Err(format!("`{name}` is a text")),
        None => Err(format!("`{name}` is missing")),
    }
}

/// The value after all operations; none where the last of it was removed.
pub(super) fn apply(value: Option<Value>, operations: &[Operation]) -> Result<Option<Value>, PatchError> {
    let mut root = value;
    let mut copied = 0;
    for (operation, index) in operations.iter().zip(1..) {
        let pointer = &operation.path;
        let does_not_fit = |reason: String| PatchError::DoesNotFit {
            index,
            op: operation.kind.name(),
            pointer: pointer.to_string(),
            reason,
        };
        match &operation.kind {
            OperationKind::Add(new) => add(&mut root, pointer.tokens(), new.clone()).map_err(does_not_fit)?,
            OperationKind::Remove => drop(take(&mut root, pointer.tokens()).map_err(does_not_fit)?),
            OperationKind::Replace(new) => {
                check_depth(pointer.tokens(), new).map_err(does_not_fit)?;
                *find_mut(&mut root, pointer.tokens()).map_err(does_not_fit)? = new.clone();
            }
            OperationKind::Move(from) if from == pointer => {
                find(&root, from.tokens()).map_err(does_not_fit)?;
            }
            OperationKind::Move(from) => {
                let moved = take(&mut root, from.tokens()).map_err(does_not_fit)?;
                add(&mut root, pointer.tokens(), moved).map_err(does_not_fit)?;
            }
            OperationKind::Copy(from) => {
                let found = find(&root, from.tokens()).map_err(does_not_fit)?;
                copied += weight(found);
                if copied > MOST_COPIED {
                    return Err(does_not_fit(format!(
                        "the copies of this patch take more than {MOST_COPIED} bytes"
                    )));
                }
                let copy = found.clone();
                add(&mut root, pointer.tokens(), copy).map_err(does_not_fit)?;
            }
            OperationKind::Test(expected) => {
                let found = find(&root, pointer.tokens()).map_err(does_not_fit)?;
                if !is_equal(found, expected) {
                    return Err(PatchError::TestFailed { index, pointer: pointer.to_string() });
                }
            }
        }
    }
    Ok(root)
}

fn find<'a>(root: &'a Option<Value>, tokens: &[String]) -> Result<&'a Value, String> {
    let mut at = root.as_ref().ok_or_else(nothing)?;
    for token in tokens {
        at = match at {
            Value::Object(members) => members.get(token).ok_or_else(|| no_member(token))?,
            Value::Array(items) => {
                let index = index_of(token, items.len())?;
                items.get(index).ok_or_else(|| out_of_range(token, items.len()))?
            }
            other => return Err(no_container(token, other)),
        };
    }
    Ok(at)
}

fn find_mut<'a>(root: &'a mut Option<Value>, tokens: &[String]) -> Result<&'a mut Value, String> {
    let mut at = root.as_mut().ok_or_else(nothing)?;
    for token in tokens {
        at = match at {
            Value::Object(members) => members.get_mut(token).ok_or_else(|| no_member(token))?,
            Value::Array(items) => {
                let length = items.len();
                let index = index_of(token, length)?;
                items.get_mut(index).ok_or_else(|| out_of_range(token, length))?
            }
            other => return Err(no_container(token, other)),
        };
    }
    Ok(at)
}

fn add(root: &mut Option<Value>, tokens: &[String], new: Value) -> Result<(), String> {
    check_depth(tokens, &new)?;
    let Some((last, above)) = tokens.split_last() else {
        *root = Some(new);
        return Ok(());
    };
    // What a move emptied may be what the value goes into.
    if root.is_none() && above.is_empty() {
        *root = Some(Value::Object(Object::new()));
    }
    match find_mut(root, above)? {
        Value::Object(members) => {
            members.insert(last.clone(), new);
        }
        Value::Array(items) if last == "-" => items.push(new),
        Value::Array(items) => {
            let index = index_of(last, items.len())?;
            if index > items.len() {
                return Err(out_of_range(last, items.len()));
            }
            items.insert(index, new);
        }
        other => return Err(no_container(last, other)),
    }
    Ok(())
}

fn check_depth(tokens: &[String], new: &Value) -> Result<(), String> {
    if tokens.len() + depth(new) > MOST_LEVELS {
        return Err(format!("that would be nested deeper than {MOST_LEVELS} levels"));
    }
    Ok(())
}

/// How many levels of objects and lists a value has; those of a value that was read, or patched, are few.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Bytes(bytes) => 1 + bytes.len(),
        Value::Number(number) => 1 + number.as_str().len(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, member)| name.len() + weight(member)).sum::<usize>()
        }
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Null | Value::Bool(_) => 1,
    }
}

/// Takes a part away, and with it every object above that this empties.
fn take(root: &mut Option<Value>, tokens: &[String]) -> Result<Value, String> {
    if tokens.is_empty() {
        return root.take().ok_or_else(nothing);
    }
    let Some(value) = root.as_mut() else { return Err(nothing()) };
    let (taken, is_emptied) = take_below(value, tokens)?;
    if is_emptied {
        *root = None;
    }
    Ok(taken)
}

/// What was taken, and whether that leaves an object without members.
fn take_below(at: &mut Value, tokens: &[String]) -> Result<(Value, bool), String> {
    let Some((token, rest)) = tokens.split_first() else { return Err(nothing()) };
    match at {
        Value::Object(members) => {
            let child = members.get_mut(token).ok_or_else(|| no_member(token))?;
            let taken = if rest.is_empty() {
                members.shift_remove(token).ok_or_else(|| no_member(token))?
            } else {
                let (taken, is_emptied) = take_below(child, rest)?;
                if is_emptied {
                    members.shift_remove(token);
                }
                taken
            };
            Ok((taken, members.is_empty()))
        }
        Value::Array(items) => {
            let length = items.len();
            let index = index_of(token, length)?;
            let child = items.get_mut(index).ok_or_else(|| out_of_range(token, length))?;
            let taken = if rest.is_empty() { items.remove(index) } else { take_below(child, rest)?.0 };
            // A list keeps its places: an emptied list, or an emptied object in one, is a value.
            Ok((taken, false))
        }
        other => Err(no_container(token, other)),
    }
}

/// An index of RFC 6901 section 4: digits without leading zeros. `length` is for the message.
fn index_of(token: &str, length: usize) -> Result<usize, String> {
    let is_index = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    match token.parse() {
        Ok(index) if is_index => Ok(index),
        _ if token == "-" => Err(out_of_range(token, length)),
        _ => Err(format!("`{token}` is no index of a list")),
    }
}

fn nothing() -> String {
    "there is no value".to_owned()
}

fn no_member(name: &str) -> String {
    format!("there is no member `{name}`")
}

fn out_of_range(token: &str, length: usize) -> String {
    format!("the index {token} is beyond the list, which has {length} items")
}

fn no_container(token: &str, found: &Value) -> String {
    format!("`{token}` is looked for in a {}, which has no members", found.kind())
}

/// Equality as RFC 6902 section 4.6 has it: numbers by amount, members in any order.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.is_same_amount(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_equal(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::Patch;

    fn patched(target: &str, patch: &str) -> Result<Option<String>, String> {
        let read = |text: &str| Value::from_json(text).unwrap();
        let patch = Patch::operations(&read(patch)).map_err(|error| error.to_string())?;
        let after = patch.apply(Some(read(target))).map_err(|error| error.to_string())?;
        Ok(after.map(|value| value.to_json()))
    }

    #[test]
    fn the_examples_of_rfc_6902() {
        for (target, patch, result) in [
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
                r#"{"foo":"bar","baz":"qux"}"#,
            ),
            (
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                r#"{"foo":["bar","qux","baz"]}"#,
            ),
            (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
            (
                r#"{"foo":["bar","qux","baz"]}"#,
                r#"[{"op":"remove","path":"/foo/1"}]"#,
                r#"{"foo":["bar","baz"]}"#,
            ),
            (
                r#"{"baz":"qux","foo":"bar"}"#,
                r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
                r#"{"baz":"boo","foo":"bar"}"#,
            ),
            (
                r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
                r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
                r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
            ),
            (
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                r#"{"foo":["all","cows","eat","grass"]}"#,
            ),
            (
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
                r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
                r#"{"foo":"bar","child":{"grandchild":{}}}"#,
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
                r#"{"foo":"bar","baz":"qux"}"#,
            ),
            (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
            (
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
                r#"{"foo":["bar",["abc","def"]]}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1.0e0}]"#, r#"{"a":1}"#),
            (
                r#"{"a":1}"#,
                r#"[{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/a"}]"#,
                r#"{"b":1}"#,
            ),
            (r#"{"a":{"b":1}}"#, r#"[{"op":"replace","path":"/a","value":{}}]"#, r#"{"a":{}}"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
            (r#"{"a":{"b":1},"c":2}"#, r#"[{"op":"remove","path":"/a/b"}]"#, r#"{"c":2}"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, r#"{"b":1}"#),
        ] {
            assert_eq!(patched(target, patch).unwrap().as_deref(), Some(result), "{target} {patch}");
        }
        assert_eq!(patched("1", r#"[{"op":"remove","path":""}]"#).unwrap(), None);
    }

    #[test]
    fn what_does_not_fit_names_the_operation() {
        for (target, patch, message) in [
            (
                r#"{"baz":"qux"}"#,
                r#"[{"op":"test","path":"/baz","value":"bar"}]"#,
                "operation 1 (test `/baz`): the value there is another",
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#,
                "operation 1 (add `/baz/bat`): there is no member `baz`",
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/2","value":1}]"#,
                "the index 2 is beyond the list, which has 1 items",
            ),
            (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/-"}]"#, "the index - is beyond the list"),
            (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/00"}]"#, "`00` is no index of a list"),
            (
                r#"{"a":1}"#,
                r#"[{"op":"remove","path":"/a/b"}]"#,
                "`b` is looked for in a integer, which has no members",
            ),
            ("{}", r#"[{"op":"replace","path":"/a","value":1}]"#, "there is no member `a`"),
            ("{}", r#"[{"op":"spam","path":"/a"}]"#, "operation 1: unknown op `spam`"),
            ("{}", r#"[{"op":"add","path":"/a"}]"#, "operation 1: `value` is missing"),
            (
                "{}",
                r#"[{"op":"add","path":"a","value":1}]"#,
                "operation 1: `path`: a JSON Pointer is empty or begins with `/`",
            ),
            ("{}", r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, "a value cannot be moved into itself"),
            ("{}", r#"{"op":"add"}"#, "a JSON Patch is a list of operations"),
            ("{}", "[1]", "operation 1: expected an object"),
        ] {
            let error = patched(target, patch).unwrap_err();
            assert!(error.contains(message), "{patch}: {error}");
        }
        assert!(Patch::Operations(Vec::new()).apply(None).unwrap().is_none());
    }

    #[test]
    fn copies_of_copies_and_deep_values_end() {
        let copy = r#"{"op":"copy","from":"","path":"/b"}"#;
        let list = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let copies = format!("[{}]", vec![list; 60].join(","));
        let error = patched(r#"{"a":["some text"]}"#, &copies).unwrap_err();
        assert!(error.contains("the copies of this patch take more than"), "{error}");
        let deeper = format!("[{}]", vec![copy; 70].join(","));
        let error = patched(r#"{"a":1}"#, &deeper).unwrap_err();
        assert!(error.contains("nested deeper than 64 levels") || error.contains("copies"), "{error}");
        let path = "/0".repeat(64);
        let error = patched("[]", &format!(r#"[{{"op":"add","path":"{path}","value":[]}}]"#)).unwrap_err();
        assert!(error.contains("nested deeper than 64 levels"), "{error}");
    }
}
