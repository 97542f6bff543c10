use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{MergeStrategy, Value};
use crate::snapshot::{Entry, EntryKind};

/// The entries at one path, nearest first, joined as a strategy says: as many of them as are arrays in a row. None
/// where there is nothing to join, so that the nearest counts as it is.
pub(super) fn joined<'a>(
    strategy: &MergeStrategy,
    nearest: &Entry,
    others: impl Iterator<Item = &'a Arc<Entry>>,
) -> Option<Entry> {
    if *strategy == MergeStrategy::Replace {
        return None;
    }
    let mut arrays = vec![items_of(nearest)?];
    arrays.extend(others.map_while(|entry| items_of(entry)));
    if arrays.len() == 1 {
        return None;
    }
    let mut joined = arrays.pop()?;
    while let Some(nearer) = arrays.pop() {
        joined = join(strategy, joined, nearer);
    }
    let mut entry = Entry::new(&Value::Array(joined), nearest.file().clone());
    if let Some(stamp) = nearest.stamp() {
        entry = entry.stamped(stamp.clone());
    }
    Some(entry)
}

fn items_of(entry: &Entry) -> Option<Vec<Value>> {
    if entry.kind() != EntryKind::Data || !entry.json().starts_with(b"[") {
        return None;
    }
    match entry.value() {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// The parent's items first.
pub(super) fn join(strategy: &MergeStrategy, mut parent: Vec<Value>, own: Vec<Value>) -> Vec<Value> {
    match strategy {
        MergeStrategy::Replace => return own,
        MergeStrategy::Append => parent.extend(own),
        MergeStrategy::Unique => {
            let mut unique: Vec<Value> = Vec::with_capacity(parent.len() + own.len());
            let mut seen = HashSet::new();
            for item in parent.into_iter().chain(own) {
                if seen.insert(item.to_json()) {
                    unique.push(item);
                }
            }
            return unique;
        }
        MergeStrategy::By(member) => {
            let name_of = |item: &Value| match item {
                Value::Object(members) => members.get(&**member).map(Value::to_json),
                _ => None,
            };
            let mut places = HashMap::new();
            for (at, item) in parent.iter().enumerate() {
                if let Some(name) = name_of(item) {
                    places.entry(name).or_insert(at);
                }
            }
            for item in own {
                let Some(name) = name_of(&item) else {
                    parent.push(item);
                    continue;
                };
                match places.get(&name) {
                    Some(at) => overlay(&mut parent[*at], item),
                    None => {
                        places.insert(name, parent.len());
                        parent.push(item);
                    }
                }
            }
        }
    }
    parent
}

/// Objects are merged key by key, anything else is replaced.
fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, member) in above {
                match below.get_mut(&name) {
                    Some(found) => overlay(found, member),
                    None => {
                        below.insert(name, member);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_layers_are_joined() {
        let by = |name: &str| MergeStrategy::By(name.into());
        for (strategy, layers, expected) in [
            (MergeStrategy::Append, &["[3]", "[2,1]", "[1]"][..], Some("[1,2,1,3]")),
            (MergeStrategy::Unique, &["[3,1]", "[2,1,2]"], Some("[2,1,3]")),
            (MergeStrategy::Unique, &["[1.0]", "[1]"], Some("[1,1.0]")),
            (MergeStrategy::Append, &["[2]", "\"no array\"", "[1]"], None),
            (MergeStrategy::Append, &["[2]"], None),
            (MergeStrategy::Append, &["5", "[1]"], None),
            (MergeStrategy::Replace, &["[2]", "[1]"], None),
            (MergeStrategy::Append, &["[null]", "[]"], Some("[null]")),
            (
                by("name"),
                &[
                    r#"[{"name":"b","x":{"p":2}},{"name":"c"},{"name":"b","y":9},7]"#,
                    r#"[{"name":"a"},{"name":"b","x":{"p":1,"q":1},"z":0}]"#,
                ],
                Some(r#"[{"name":"a"},{"name":"b","x":{"p":2,"q":1},"z":0,"y":9},{"name":"c"},7]"#),
            ),
        ] {
            let entries: Vec<Arc<Entry>> = layers
                .iter()
                .map(|json| Arc::new(Entry::new(&Value::from_json(json).unwrap(), "f.yaml".into())))
                .collect();
            let found = joined(&strategy, &entries[0], entries[1..].iter());
            let found = found.map(|entry| String::from_utf8_lossy(entry.json()).into_owned());
            assert_eq!(found.as_deref(), expected, "{strategy:?} {layers:?}");
        }
    }
}
