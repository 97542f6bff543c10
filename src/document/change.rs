use std::collections::{BTreeMap, HashSet};

use super::{Document, EditError, EmitError};
use crate::model::{Object, Value};

/// What happens to one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The key has this value from now on. Objects on the way that are missing (or null) are made.
    Set(Value),
    /// The key goes, and with it every object above it that this empties, but not the root.
    Remove,
}

/// One change to a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<'a> {
    /// The keys from the document's root; none for the whole document.
    pub keys: &'a [String],
    /// What happens there.
    pub op: Op,
}

/// What an edit gives: the new bytes, and what they and the old ones say.
#[derive(Debug)]
pub struct Edited {
    /// The new file.
    pub bytes: Vec<u8>,
    /// The new bytes, read.
    pub document: Document,
    /// The old bytes, read.
    pub before: Document,
}

/// Applies the changes in order to the value itself: what the edited file must then say.
pub(super) fn apply(root: &mut Value, changes: &[Change<'_>]) -> Result<(), EditError> {
    for run in changes.chunk_by(|a, b| a.op == Op::Remove && b.op == Op::Remove) {
        match run {
            [Change { keys, op: Op::Set(value) }] => set(root, keys, value)?,
            [Change { keys, op: Op::Remove }] => remove(root, keys)?,
            removals => match Touched::by(removals) {
                Touched::Members(members) => remove_all(root, &members, &mut Vec::new())?,
                Touched::Whole | Touched::Nothing => *root = Value::Object(Object::new()),
            },
        }
    }
    Ok(())
}

/// How deep objects may nest: what no format could read again is not built in the first place.
const MAX_DEPTH: usize = 64;

fn set(root: &mut Value, keys: &[String], value: &Value) -> Result<(), EditError> {
    if keys.len() > MAX_DEPTH {
        let what = format!("more than {MAX_DEPTH} levels");
        return Err(EmitError { format: "a document", what }.into());
    }
    let mut at = root;
    for (depth, key) in keys.iter().enumerate() {
        if matches!(at, Value::Null) {
            *at = Value::Object(Object::new());
        }
        at = match at {
            Value::Object(members) => members.entry(key.clone()).or_insert(Value::Null),
            other => return Err(EditError::Shape { keys: keys[..depth].to_vec(), kind: other.kind() }),
        };
    }
    *at = value.clone();
    Ok(())
}

fn remove(root: &mut Value, keys: &[String]) -> Result<(), EditError> {
    fn step(at: &mut Value, keys: &[String], depth: usize) -> Result<(), EditError> {
        let absent = || EditError::Absent { keys: keys.to_vec() };
        let members = match at {
            Value::Object(members) => members,
            Value::Null => return Err(absent()),
            other => return Err(EditError::Shape { keys: keys[..depth].to_vec(), kind: other.kind() }),
        };
        let child = members.get_mut(&keys[depth]).ok_or_else(absent)?;
        let goes = if depth + 1 == keys.len() {
            true
        } else {
            step(child, keys, depth + 1)?;
            matches!(child, Value::Object(members) if members.is_empty())
        };
        if goes {
            members.shift_remove(&keys[depth]);
        }
        Ok(())
    }
    if keys.is_empty() {
        *root = Value::Object(Object::new());
        return Ok(());
    }
    step(root, keys, 0)
}

/// Several removals at once: each alone would move all members that come after it.
fn remove_all(
    at: &mut Value,
    touched: &BTreeMap<&str, Touched<'_>>,
    way: &mut Vec<String>,
) -> Result<(), EditError> {
    let members = match at {
        Value::Object(members) => members,
        Value::Null => return Err(EditError::Absent { keys: way.clone() }),
        other => return Err(EditError::Shape { keys: way.clone(), kind: other.kind() }),
    };
    let mut gone = HashSet::new();
    for (key, below) in touched {
        way.push((*key).to_owned());
        let child = members.get_mut(*key).ok_or_else(|| EditError::Absent { keys: way.clone() })?;
        if let Touched::Members(touched) = below {
            remove_all(child, touched, way)?;
        }
        let is_emptied = matches!(child, Value::Object(members) if members.is_empty());
        if matches!(below, Touched::Whole) || is_emptied {
            gone.insert(*key);
        }
        way.pop();
    }
    members.retain(|key, _| !gone.contains(key.as_str()));
    Ok(())
}

/// Which keys the changes name, as a tree: whatever it does not name is as it was.
#[derive(Debug, Default)]
pub(super) enum Touched<'a> {
    /// This key and everything below it may have changed.
    Whole,
    /// Only these members may have changed.
    #[default]
    Nothing,
    /// As above, member by member.
    Members(BTreeMap<&'a str, Touched<'a>>),
}

impl<'a> Touched<'a> {
    pub(super) fn by(changes: &'a [Change<'_>]) -> Self {
        let mut root = Touched::Nothing;
        for change in changes {
            let mut at = &mut root;
            for key in change.keys {
                if let Touched::Nothing = at {
                    *at = Touched::Members(BTreeMap::new());
                }
                at = match at {
                    Touched::Members(members) => members.entry(key.as_str()).or_default(),
                    whole => whole,
                };
            }
            *at = Touched::Whole;
        }
        root
    }

    /// What may have changed of this member.
    pub(super) fn member(&self, key: &str) -> &Touched<'a> {
        match self {
            Touched::Whole => &Touched::Whole,
            Touched::Nothing => &Touched::Nothing,
            Touched::Members(members) => members.get(key).unwrap_or(&Touched::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str) -> Vec<String> {
        path.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn changes_to_values() {
        for (before, path, op, after) in [
            ("{}", "a/b", Some("1"), r#"{"a":{"b":1}}"#),
            (r#"{"a":null}"#, "a/b", Some("1"), r#"{"a":{"b":1}}"#),
            (r#"{"a":{"b":1},"c":{}}"#, "a/b", None, r#"{"c":{}}"#),
            (r#"{"a":{"b":{"c":1}}}"#, "a/b/c", None, "{}"),
            (r#"{"a":{"b":{"c":1},"d":2}}"#, "a/b/c", None, r#"{"a":{"d":2}}"#),
            ("[1]", "", Some("2"), "2"),
            ("[1]", "", None, "{}"),
        ] {
            let mut value = Value::from_json(before).unwrap();
            let keys = keys(path);
            let op = op.map_or(Op::Remove, |text| Op::Set(Value::from_json(text).unwrap()));
            apply(&mut value, &[Change { keys: &keys, op }]).unwrap();
            assert_eq!(value.to_json(), after, "{before} {path}");
        }
    }

    /// Removals that come together do what they do one by one.
    #[test]
    fn removals_at_once_are_those_one_by_one() {
        let before = Value::from_json(r#"{"a":{"b":1,"c":{"d":2}},"e":3,"f":{"g":{"h":4}},"i":5}"#).unwrap();
        let paths = ["a/b", "a/c/d", "e", "f/g/h"].map(keys);
        for chosen in 1_u8..16 {
            let is_chosen = |(index, _): &(usize, &Vec<String>)| chosen & (1 << index) != 0;
            let changes: Vec<Change<'_>> = paths
                .iter()
                .enumerate()
                .filter(is_chosen)
                .map(|(_, keys)| Change { keys, op: Op::Remove })
                .collect();
            let (mut at_once, mut one_by_one) = (before.clone(), before.clone());
            apply(&mut at_once, &changes).unwrap();
            changes.iter().for_each(|change| remove(&mut one_by_one, change.keys).unwrap());
            assert_eq!(at_once.to_json(), one_by_one.to_json());
        }
        let missing = keys("a/x");
        let changes = [&paths[0], &missing].map(|keys| Change { keys, op: Op::Remove });
        let error = apply(&mut before.clone(), &changes).unwrap_err();
        assert_eq!(error, EditError::Absent { keys: missing.clone() });
    }

    #[test]
    fn what_cannot_be_changed() {
        let mut value = Value::from_json(r#"{"a":[1]}"#).unwrap();
        let (below, missing) = (keys("a/b"), keys("x/y"));
        let error = apply(&mut value, &[Change { keys: &below, op: Op::Set(Value::Null) }]).unwrap_err();
        assert_eq!(error, EditError::Shape { keys: keys("a"), kind: "array" });
        let deep = vec!["k".to_owned(); 100_000];
        let error = apply(&mut value, &[Change { keys: &deep, op: Op::Set(Value::Null) }]).unwrap_err();
        assert!(matches!(error, EditError::CannotExpress(_)));
        let error = apply(&mut value, &[Change { keys: &missing, op: Op::Remove }]).unwrap_err();
        assert_eq!(error, EditError::Absent { keys: missing.clone() });
    }
}
