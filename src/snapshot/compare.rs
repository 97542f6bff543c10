use std::sync::Arc;

use super::{Node, Object};
use crate::model::Path;

/// Calls `visit` with every path at or below `at` where one of two layers holds an entry that the other does not hold
/// so, in no particular order. What both hold alike is not looked into.
pub fn visit_differing(at: &Path, old: Option<&Node>, new: Option<&Node>, visit: &mut dyn FnMut(Path)) {
    match (old, new) {
        (None, None) => {}
        (Some(Node::Entry(old)), Some(Node::Entry(new))) => {
            if !old.same_value(new) {
                visit(at.clone());
            }
        }
        (Some(Node::Object(old)), Some(Node::Object(new))) => visit_objects(at, old, new, visit),
        (old, new) => {
            for node in [old, new].into_iter().flatten() {
                visit_entries(at, node, visit);
            }
        }
    }
}

/// Calls `visit` with the path of every entry of a node that stands at `at`.
fn visit_entries(at: &Path, node: &Node, visit: &mut dyn FnMut(Path)) {
    match node {
        Node::Entry(_) => visit(at.clone()),
        Node::Object(object) => object.visit(at, &mut |path, _| visit(path)),
    }
}

fn visit_objects(at: &Path, old: &Object, new: &Object, visit: &mut dyn FnMut(Path)) {
    if old.digest() == new.digest() {
        return;
    }
    old.compare(new, &mut |name, old, new| {
        let is_same = match (old, new) {
            (Some(Node::Object(old)), Some(Node::Object(new))) => old.digest() == new.digest(),
            (Some(Node::Entry(old)), Some(Node::Entry(new))) => Arc::ptr_eq(old, new),
            _ => false,
        };
        // A name in a tree was made from a path.
        if !is_same && let Ok(child) = at.child(name) {
            visit_differing(&child, old, new, visit);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;
    use crate::snapshot::Entry;

    fn tree(json: &str) -> Node {
        fn add(at: &Path, value: &Value, entries: &mut Vec<(Path, Arc<Entry>)>) {
            match value {
                Value::Object(members) if !members.is_empty() => {
                    members.iter().for_each(|(name, value)| add(&at.child(name).unwrap(), value, entries));
                }
                leaf => entries.push((at.clone(), Arc::new(Entry::new(leaf, "f.yaml".into())))),
            }
        }
        let mut entries = Vec::new();
        add(&Path::root(), &Value::from_json(json).unwrap(), &mut entries);
        Node::Object(Object::of(entries))
    }

    #[test]
    fn every_entry_that_is_not_the_same_is_met_once() {
        for (old, new, expected) in [
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"b":{"c":2},"a":1}"#, ""),
            (r#"{"a":1,"b":{"c":2,"d":3}}"#, r#"{"a":1,"b":{"c":4,"d":3}}"#, "/b/c"),
            (r#"{"a":{"b":1}}"#, r#"{"a":5}"#, "/a /a/b"),
            (r#"{"a":{"b":1,"c":null}}"#, r#"{"d":1}"#, "/a/b /a/c /d"),
            ("{}", r#"{"a":{"b":1}}"#, "/a/b"),
        ] {
            let mut met = Vec::new();
            visit_differing(&Path::root(), Some(&tree(old)), Some(&tree(new)), &mut |path| {
                met.push(path.to_string());
            });
            met.sort();
            assert_eq!(met.join(" "), expected, "{old} {new}");
        }
    }
}
