use std::sync::Arc;

use crate::model::{Path, PathError, Value};
use crate::snapshot::{Entry, EntryKind, Node};

/// One step towards a wanted value: a path gets this value, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub path: Path,
    pub value: Option<Value>,
}

/// The fewest steps from what stands at a path to what is wanted there, removals before what needs their room.
pub(super) fn steps_towards(
    path: &Path,
    node: Option<&Node>,
    wanted: &Value,
) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    walk(path, node, wanted, &mut steps)?;
    Ok(steps)
}

/// The steps that leave nothing at a path or below.
pub(super) fn steps_to_nothing(path: &Path, node: &Node) -> Vec<Step> {
    let mut steps = Vec::new();
    remove_all(path, node, &mut steps);
    steps
}

/// What stands at a path of a layer, as one value; a tombstone is null.
pub(super) fn value_of_node(node: &Node) -> Value {
    match node {
        Node::Entry(entry) => entry.value(),
        Node::Object(object) => {
            let members = object.children().map(|(name, child)| (name.to_string(), value_of_node(child)));
            Value::Object(members.collect())
        }
    }
}

/// What it costs to go through what stands at a path of a layer, in bytes: an entry costs as much as 256 of them.
pub(super) fn bytes_of_node(node: &Node) -> usize {
    const OF_ENTRY: usize = 256;
    match node {
        Node::Entry(entry) => entry.json().len() + OF_ENTRY,
        Node::Object(object) => object.children().map(|(_, child)| bytes_of_node(child)).sum(),
    }
}

fn walk(path: &Path, node: Option<&Node>, wanted: &Value, steps: &mut Vec<Step>) -> Result<(), PathError> {
    let set = |steps: &mut Vec<Step>| steps.push(Step { path: path.clone(), value: Some(wanted.clone()) });
    match (node, wanted) {
        (None, Value::Object(members)) if !members.is_empty() => {
            check_keys(path, wanted)?;
            set(steps);
        }
        (None, _) => set(steps),
        (Some(Node::Entry(entry)), wanted) => {
            check_keys(path, wanted)?;
            if !says(entry, wanted) {
                set(steps);
            }
        }
        (Some(Node::Object(object)), Value::Object(members)) if !members.is_empty() => {
            for (name, child) in object.children() {
                if !members.contains_key(&**name) {
                    remove_all(&path.child(name)?, child, steps);
                }
            }
            for (name, member) in members {
                walk(&path.child(name)?, object.child(name), member, steps)?;
            }
        }
        (Some(node @ Node::Object(_)), _) => {
            remove_all(path, node, steps);
            set(steps);
        }
    }
    Ok(())
}

/// Every key of a new subtree has to be one that a path can name.
fn check_keys(path: &Path, value: &Value) -> Result<(), PathError> {
    let Value::Object(members) = value else { return Ok(()) };
    members.iter().try_for_each(|(name, member)| check_keys(&path.child(name)?, member))
}

fn says(entry: &Arc<Entry>, wanted: &Value) -> bool {
    let nonempty = matches!(wanted, Value::Object(members) if !members.is_empty());
    !nonempty
        && (entry.kind() == EntryKind::Bytes) == matches!(wanted, Value::Bytes(_))
        && entry.json().as_ref() == wanted.to_json().as_bytes()
}

fn remove_all(path: &Path, node: &Node, steps: &mut Vec<Step>) {
    match node {
        Node::Entry(_) => steps.push(Step { path: path.clone(), value: None }),
        Node::Object(object) => object.visit(path, &mut |path, _| steps.push(Step { path, value: None })),
    }
}
