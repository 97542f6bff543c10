use super::PatchError;
use super::operations::{Operation, OperationKind};
use crate::model::{Object, Value};

/// How much all copies of one patch may make, counting a byte of each text and each value: a few copies of copies
/// would otherwise fill the memory.
const MOST_COPIED: usize = 16 << 20;

/// How deep a patched value may be nested: what no reader would take is not built.
const MOST_LEVELS: usize = 64;

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
            // A part moved into itself would be gone.
            OperationKind::Move(from) if from.is_prefix_of(pointer) => {
                return Err(does_not_fit("a value cannot be moved into itself".to_owned()));
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
