use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::Value;
use crate::resolve::{Layer, View};
use crate::snapshot::{Entry, Object, Snapshot};

/// A layer of entries written as `/path=json` parted by blanks; `null` is a tombstone.
fn layer(text: &str) -> Arc<Snapshot> {
    let entries = text.split_whitespace().map(|pair| {
        let (path, json) = pair.split_once('=').unwrap();
        let value = Value::from_json(json).unwrap();
        (path.parse().unwrap(), Arc::new(Entry::new(&value, "f.yaml".into())))
    });
    Arc::new(Snapshot::of_root(Object::of(entries)))
}

struct Layers {
    base: Arc<Snapshot>,
    theirs: Arc<Snapshot>,
    ours: View,
}

impl Sides for Layers {
    fn base(&self, path: &Path, _: &Says) -> Says {
        Says::of(&self.base, path)
    }
    fn theirs(&self, path: &Path) -> Says {
        Says::of(&self.theirs, path)
    }
    fn ours(&self, path: &Path) -> Ours {
        let says = Says::of(&self.ours.own().unwrap().snapshot, path);
        Ours { says, shown: self.ours.find(path).map(|found| (path.clone(), found)) }
    }
    fn own(&self) -> &Snapshot {
        &self.ours.own().unwrap().snapshot
    }
}

/// Everything of base and theirs, merged into ours, which inherits from `parent`: what comes over, and what does not.
fn merged(base: &str, theirs: &str, ours: &str, parent: &str) -> (String, String) {
    let of = |name: &str, text| Layer { environment: name.into(), snapshot: layer(text) };
    let ours = View::new(vec![of("ours", ours), of("parent", parent)], Arc::default());
    let sides = Layers { base: layer(base), theirs: layer(theirs), ours };
    let mut paths = BTreeSet::new();
    for side in [&sides.base, &sides.theirs] {
        side.root().visit(&Path::root(), &mut |path, _| {
            paths.insert(path);
        });
    }
    let Merge { taken, conflicts } = merge(&paths, &sides);
    let word = |says: &Says| match says {
        Says::Nothing => "-".to_owned(),
        Says::Hidden => "null".to_owned(),
        Says::Value(entry) => String::from_utf8_lossy(entry.json()).into_owned(),
        Says::Unknown => "?".to_owned(),
    };
    let taken: BTreeMap<String, String> =
        taken.iter().map(|(path, says)| (path.to_string(), word(says))).collect();
    let taken: Vec<String> = taken.into_iter().map(|(path, says)| format!("{path}={says}")).collect();
    let conflicts: Vec<String> = conflicts.iter().map(|conflict| conflict.path.to_string()).collect();
    (taken.join(" "), conflicts.join(" "))
}

#[test]
fn what_they_changed_comes_over_and_what_both_changed_is_a_conflict() {
    for (base, theirs, ours, parent, taken, conflicts) in [
        // They alone changed, added, took away, hid.
        ("/a=1", "/a=2", "/a=1", "", "/a=2", ""),
        ("", "/a=2", "", "", "/a=2", ""),
        ("/a=1", "", "/a=1", "", "/a=-", ""),
        ("/a=1", "/a=null", "/a=1", "", "/a=null", ""),
        // We alone changed, or both alike.
        ("/a=1", "/a=1", "/a=5", "", "", ""),
        ("/a=1", "/a=2", "/a=2", "", "", ""),
        ("/a=1", "", "", "/a=7", "", ""),
        ("/a=1", "/a=null", "", "", "", ""),
        // Both, each in its way.
        ("/a=1", "/a=2", "/a=3", "", "", "/a"),
        ("", "/a=2", "/a=3", "", "", "/a"),
        ("/a=1", "", "/a=3", "", "", "/a"),
        ("/a=1", "/a=2", "/a=null", "/a=1", "", "/a"),
        // What we inherit counts as what we show.
        ("/a=1", "/a=2", "", "/a=1", "/a=2", ""),
        ("/a=1", "/a=2", "", "/a=2", "", ""),
        ("/a=1", "/a=2", "", "/a=3", "", "/a"),
        // A value in the place of an object, and the other way round.
        ("/a/x=1", "/a=2", "/a/x=1", "", "/a=2 /a/x=-", ""),
        ("/a/x=1", "/a=2", "/a/x=1 /a/y=1", "", "/a/x=-", "/a"),
        ("/a=1", "/a/x=2", "/a=1", "", "/a=- /a/x=2", ""),
        ("", "/a/x=2", "/a=1", "", "", "/a/x"),
        ("", "/a/x=2", "/a=null", "", "", "/a/x"),
        ("", "/a/x=2", "", "/a=1", "/a/x=2", ""),
        ("", "/a=null", "", "/a/x=1", "/a=null", ""),
        ("", "/a=null", "/a/x=1", "", "", "/a"),
    ] {
        let found = merged(base, theirs, ours, parent);
        assert_eq!(
            found,
            (taken.to_owned(), conflicts.to_owned()),
            "base {base:?} theirs {theirs:?} ours {ours:?} over {parent:?}"
        );
    }
}
