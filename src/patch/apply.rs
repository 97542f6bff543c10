use std::collections::BTreeSet;

use super::PatchError;
use super::operations::{Operation, OperationKind};
use crate::model::Value;

/// How much all copies of one patch may make, counting a byte of each text and each value: a few copies of copies
/// would otherwise fill the memory.
const MOST_COPIED: usize = 16 << 20;

/// How many members and items all removals of one patch may move up: each moves those that come after it, and
/// thousands of them in one large object would keep all other writers waiting.
const MOST_MOVED: usize = 50_000_000;

/// How deep a patched value may be nested: what no reader would take is not built.
const MOST_LEVELS: usize = 64;

/// The value after all operations, each as RFC 6902 has it. At the end the objects that removals have emptied go,
/// and those above that this empties; none where nothing is left.
pub(super) fn apply(value: Option<Value>, operations: &[Operation]) -> Result<Option<Value>, PatchError> {
    let mut root = value;
    let (mut copied, mut moved) = (0, 0);
    let mut perhaps_emptied: BTreeSet<&[String]> = BTreeSet::new();
    for (operation, index) in operations.iter().zip(1..) {
        let pointer = &operation.path;
        let does_not_fit = |reason: String| PatchError::DoesNotFit {
            index,
            op: operation.kind.name(),
            pointer: pointer.to_string(),
            reason,
        };
        let left = match &operation.kind {
            OperationKind::Remove => Some(pointer),
            OperationKind::Move(from) => Some(from),
            _ => None,
        };
        perhaps_emptied.extend(left.and_then(|left| left.tokens().split_last()).map(|(_, above)| above));
        if operation.kind.sets() {
            forget_below(&mut perhaps_emptied, pointer.tokens());
        }
        match &operation.kind {
            OperationKind::Add(new) => add(&mut root, pointer.tokens(), new.clone()).map_err(does_not_fit)?,
            OperationKind::Remove => {
                take(&mut root, pointer.tokens(), &mut moved).map_err(does_not_fit)?;
            }
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
                let taken = take(&mut root, from.tokens(), &mut moved).map_err(does_not_fit)?;
                add(&mut root, pointer.tokens(), taken).map_err(does_not_fit)?;
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
    for tokens in perhaps_emptied.into_iter().rev() {
        if root.as_mut().is_some_and(|value| prune(value, tokens)) {
            root = None;
        }
    }
    Ok(root)
}

/// What was set as a whole is as it was set, empty or not.
fn forget_below(perhaps_emptied: &mut BTreeSet<&[String]>, tokens: &[String]) {
    while let Some(below) = perhaps_emptied.range(tokens..).next().copied()
        && below.starts_with(tokens)
    {
        perhaps_emptied.remove(below);
    }
}

/// Removes the object that a pointer leads to through objects, where it is empty, and what that empties above it.
/// Answers whether `at` itself is an empty object now. What is in a list stays: a list keeps its places.
fn prune(at: &mut Value, tokens: &[String]) -> bool {
    let Value::Object(members) = at else { return false };
    let Some((token, rest)) = tokens.split_first() else { return members.is_empty() };
    if !members.get_mut(token).is_some_and(|child| prune(child, rest)) {
        return false;
    }
    members.shift_remove(token);
    members.is_empty()
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

/// Takes a part away.
fn take(root: &mut Option<Value>, tokens: &[String], moved: &mut usize) -> Result<Value, String> {
    let Some((last, above)) = tokens.split_last() else { return root.take().ok_or_else(nothing) };
    let container = find_mut(root, above)?;
    *moved += match container {
        Value::Object(members) => members.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if *moved > MOST_MOVED {
        return Err(
            "the removals of this patch go through too many members; send a merge patch, or several patches"
                .to_owned(),
        );
    }
    match container {
        Value::Object(members) => members.shift_remove(last).ok_or_else(|| no_member(last)),
        Value::Array(items) => {
            let index = index_of(last, items.len())?;
            if index >= items.len() {
                return Err(out_of_range(last, items.len()));
            }
            Ok(items.remove(index))
        }
        other => Err(no_container(last, other)),
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
    format!("`{token}` is looked for in a value of type {}, which has no members", found.kind())
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
