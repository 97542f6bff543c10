//! A snapshot that grew commit by commit and one read from nothing say the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use confgit::model::{Limits, ObjectId, Path};
use confgit::snapshot::{Blobs, Snapshot, Update};
use proptest::prelude::*;

/// Blobs by a made-up id.
#[derive(Default)]
struct Store(HashMap<ObjectId, Bytes>);

impl Blobs for Store {
    fn content(&self, blob: ObjectId) -> Option<Bytes> {
        self.0.get(&blob).cloned()
    }
}

impl Store {
    fn add(&mut self, text: &str) -> ObjectId {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&(self.0.len() as u64 + 1).to_be_bytes());
        let id = ObjectId::from_bytes(bytes);
        self.0.insert(id, Bytes::from(text.to_owned()));
        id
    }
}

fn grow(from: &Snapshot, store: &Store, updates: Vec<Update>) -> Snapshot {
    let plan = from.plan(updates, store, &Limits::default());
    from.apply(plan, &mut |_| None)
}

fn entries(snapshot: &Snapshot) -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    snapshot.root().visit(&Path::root(), &mut |path, entry| {
        let value = String::from_utf8(entry.json().to_vec()).unwrap();
        all.insert(path.to_string(), (value, entry.file().to_string()));
    });
    all
}

/// Files that never give one path twice, so that every commit has one meaning by itself.
fn file() -> impl Strategy<Value = (usize, Option<String>)> {
    let content = prop::collection::btree_map(
        "[a-e]",
        prop_oneof!["[0-9]", "\"[a-z]{0,3}\"", "\\{[xy]: [0-9]\\}", "\\[1, [0-9]\\]", "null"],
        0..4,
    );
    let text = content
        .prop_map(|members| members.into_iter().map(|(k, v)| format!("{k}: {v}\n")).collect::<String>());
    (0..NAMES.len(), prop::option::of(text))
}

const NAMES: [&str; 6] = ["a.yaml", "b/c.yaml", "b/d.yml", "b/c/f.yaml", "e.yaml", "b/g/h/i.yaml"];

proptest! {
    #[test]
    fn growing_equals_loading(commits in prop::collection::vec(prop::collection::vec(file(), 1..4), 1..12)) {
        let mut store = Store::default();
        let mut tree: BTreeMap<Arc<str>, ObjectId> = BTreeMap::new();
        let mut grown = Snapshot::default();
        for commit in commits {
            let mut updates: BTreeMap<Arc<str>, Option<ObjectId>> = BTreeMap::new();
            for (name, content) in commit {
                let name: Arc<str> = NAMES[name].into();
                match content {
                    Some(text) => {
                        let blob = store.add(&text);
                        tree.insert(name.clone(), blob);
                        updates.insert(name, Some(blob));
                    }
                    None if tree.remove(&name).is_some() => { updates.insert(name, None); }
                    None => {}
                }
            }
            let older = entries(&grown);
            let kept = grown.clone();
            grown = grow(&grown, &store, updates.into_iter().map(|(file, blob)| Update { file, blob, value: None }).collect());
            prop_assert_eq!(entries(&kept), older, "an older snapshot never changes");
            let all = tree.iter().map(|(file, blob)| Update { file: file.clone(), blob: Some(*blob), value: None });
            let loaded = grow(&Snapshot::default(), &store, all.collect());
            // Where two files meet at a path (b/c.yaml's key `f` and b/c/f.yaml), order decides; that is
            // settled from history and tested end to end.
            if grown.problems().is_empty() && loaded.problems().is_empty() {
                prop_assert_eq!(entries(&grown), entries(&loaded));
                prop_assert_eq!(grown.root().digest(), loaded.root().digest());
                prop_assert_eq!(grown.root().entries(), entries(&grown).len());
            }
        }
    }
}
