//! Random edits of random documents: what must change does, and nothing else.

use std::collections::HashSet;

use confgit::document::{Change, Edited, Format, Op, edit, read};
use confgit::model::{Limits, Object, Value};
use proptest::prelude::*;

use super::commented::{Writer, simple_object};
use super::values::{config, lookup, same, string, value};

/// One step of a chain: where, as numbers that choose among what is there, and what.
#[derive(Debug, Clone)]
struct Step {
    picks: Vec<usize>,
    fresh: Option<String>,
    new: Option<Value>,
}

fn step(with_null: bool) -> impl Strategy<Value = Step> {
    let picks = prop::collection::vec(0usize..6, 0..4);
    let fresh = prop::option::weighted(0.4, prop_oneof![4 => "[a-h]{1,2}", 1 => string()]);
    (picks, fresh, prop::option::weighted(0.7, value(with_null))).prop_map(|(picks, fresh, new)| Step {
        picks,
        fresh,
        new,
    })
}

impl Step {
    /// The keys this step changes in a document that says `root`.
    fn keys(&self, root: &Value) -> Vec<String> {
        let mut keys = Vec::new();
        let mut at = root;
        for pick in &self.picks {
            let Value::Object(members) = at else { break };
            let Some((name, member)) = members.get_index(pick % members.len().max(1)) else { break };
            keys.push(name.clone());
            at = member;
        }
        if let (Some(fresh), true) = (&self.fresh, self.new.is_some()) {
            if !matches!(at, Value::Object(_) | Value::Null) {
                keys.pop();
            }
            keys.push(fresh.clone());
        }
        keys
    }
}

/// The change as everyone understands it, written a second time.
fn intended(root: &Value, keys: &[String], new: Option<&Value>) -> Value {
    let Some((first, rest)) = keys.split_first() else {
        return new.cloned().unwrap_or(Value::Object(Object::new()));
    };
    let mut members = match root {
        Value::Object(members) => members.clone(),
        _ => Object::new(),
    };
    let child = members.get(first).cloned().unwrap_or(Value::Null);
    match new {
        Some(_) => drop(members.insert(first.clone(), intended(&child, rest, new))),
        None if rest.is_empty() => drop(members.shift_remove(first)),
        None => match intended(&child, rest, None) {
            Value::Object(left) if left.is_empty() => drop(members.shift_remove(first)),
            left => drop(members.insert(first.clone(), left)),
        },
    }
    Value::Object(members)
}

/// A comment may only go with the key that it names.
fn check_comments(old: &str, edited: &Edited, keys: &[String]) {
    let new = String::from_utf8_lossy(&edited.bytes).into_owned();
    let kept: HashSet<&str> = comments(&new).collect();
    for comment in comments(old) {
        let path = comment.split(['<', '>']).nth(1).expect("a path");
        let mut owner: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        let is_item = owner.pop_if(|last| last == "-").is_some();
        let (was, is) = (lookup(edited.before.value(), &owner), lookup(edited.document.value(), &owner));
        let is_under_change = owner.len() >= keys.len() && owner[..keys.len()] == *keys;
        // A TOML table that gives way to a value takes its header along, and what is written over it.
        let is_header = edited.document.format() == Format::Toml && matches!(was, Some(Value::Object(_)));
        let may_go =
            is.is_none() || (is_under_change && was != is && (is_header || is_item || !is_plain(is)));
        assert!(kept.contains(comment) || may_go, "{comment} is lost:\n{old}\n->\n{new}");
    }
}

/// A scalar leaves the comments around it alone; lists and objects that are replaced take theirs along.
fn is_plain(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Null | Value::Bool(_) | Value::Number(_)))
}

fn comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.find("# <").map(|at| &line[at..]))
}

/// One scalar in place of another of one line changes this one line.
fn check_lines(old: &str, edited: &Edited, keys: &[String]) {
    let new = String::from_utf8_lossy(&edited.bytes).into_owned();
    let is_short = |value: Option<&Value>| match value {
        Some(Value::String(text)) => !text.contains('\n'),
        Some(Value::Number(_) | Value::Bool(_) | Value::Null) => true,
        _ => false,
    };
    let (was, is) = (lookup(edited.before.value(), keys), lookup(edited.document.value(), keys));
    if was == is && was.is_some() {
        assert_eq!(old, new, "nothing was to change");
    } else if is_short(was) && is_short(is) {
        let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
            (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
        let differing = old_lines.iter().zip(&new_lines).filter(|(old, new)| old != new).count();
        assert!(old_lines.len() == new_lines.len() && differing == 1, "{old}\n->\n{new}");
    }
    // Whatever the change, lines before the first and after the last byte that differs are as they were; in
    // block YAML a removal alters no line that stays.
    if is.is_none() && !old.contains('{') {
        let mut rest = old.split_inclusive('\n');
        for line in new.split_inclusive('\n') {
            assert!(rest.any(|old| old.trim_end() == line.trim_end()), "{line:?} is new:\n{old}\n->\n{new}");
        }
    }
}

fn check_chain(format: Format, seed: u64, start: &Object, steps: &[Step]) {
    let mut text = Writer::write(format, seed, start);
    let limits = Limits::default();
    let read_back = read(format, text.as_bytes(), &limits).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    assert!(same(&Value::Object(start.clone()), read_back.value()), "{text}");
    let mut root = read_back.into_value();
    for step in steps {
        let keys = step.keys(&root);
        if keys.is_empty() && !matches!(step.new, Some(Value::Object(_))) {
            continue;
        }
        let op = step.new.clone().map_or(Op::Remove, Op::Set);
        let expected = intended(&root, &keys, step.new.as_ref());
        let edited = edit(format, text.as_bytes(), &[Change { keys: &keys, op }], &limits)
            .unwrap_or_else(|error| panic!("{error}\n{keys:?} {:?}\n{text}", step.new));
        let new = String::from_utf8(edited.bytes.clone()).expect("text");
        assert!(same(&expected, edited.document.value()), "{keys:?} {:?}\n{text}\n->\n{new}", step.new);
        assert_eq!(edited.before.value(), &root);
        check_comments(&text, &edited, &keys);
        check_lines(&text, &edited, &keys);
        text = new;
        root = edited.document.into_value();
    }
}

/// Several changes in one edit say the same as one after the other.
fn check_batch(format: Format, seed: u64, start: &Object, steps: &[Step]) {
    let text = Writer::write(format, seed, start);
    let limits = Limits::default();
    let mut root = read(format, text.as_bytes(), &limits).expect("readable").into_value();
    let mut batch: Vec<(Vec<String>, Op)> = Vec::new();
    for step in steps {
        let keys = step.keys(&root);
        if !keys.is_empty() || matches!(step.new, Some(Value::Object(_))) {
            root = intended(&root, &keys, step.new.as_ref());
            batch.push((keys, step.new.clone().map_or(Op::Remove, Op::Set)));
        }
    }
    let changes: Vec<Change<'_>> = batch.iter().map(|(keys, op)| Change { keys, op: op.clone() }).collect();
    let edited = edit(format, text.as_bytes(), &changes, &limits)
        .unwrap_or_else(|error| panic!("{error}\n{changes:?}\n{text}"));
    assert!(
        same(&root, edited.document.value()),
        "{changes:?}\n{text}\n->\n{}",
        String::from_utf8_lossy(&edited.bytes)
    );
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn batches_of_yaml_edits(seed in any::<u64>(), start in simple_object(true), steps in prop::collection::vec(step(true), 1..8)) {
        check_batch(Format::Yaml, seed, &start, &steps);
    }

    #[test]
    fn batches_of_json_edits(seed in any::<u64>(), start in simple_object(true), steps in prop::collection::vec(step(true), 1..8)) {
        check_batch(Format::Json, seed, &start, &steps);
    }

    #[test]
    fn batches_of_toml_edits(seed in any::<u64>(), start in simple_object(false), steps in prop::collection::vec(step(false), 1..8)) {
        check_batch(Format::Toml, seed, &start, &steps);
    }

    #[test]
    fn chains_of_yaml_edits(seed in any::<u64>(), start in simple_object(true), steps in prop::collection::vec(step(true), 1..6)) {
        check_chain(Format::Yaml, seed, &start, &steps);
    }

    #[test]
    fn chains_of_json_edits(seed in any::<u64>(), start in simple_object(true), steps in prop::collection::vec(step(true), 1..6)) {
        check_chain(Format::Json, seed, &start, &steps);
    }

    #[test]
    fn chains_of_toml_edits(seed in any::<u64>(), start in simple_object(false), steps in prop::collection::vec(step(false), 1..6)) {
        check_chain(Format::Toml, seed, &start, &steps);
    }
}
