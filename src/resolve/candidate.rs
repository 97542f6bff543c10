use std::sync::Arc;

use super::view::{Lookup, View};
use crate::model::{MergeStrategy, Path};
use crate::snapshot::{Entry, EntryKind, Object};

/// What one layer of a view has at a path, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The environment whose layer it is.
    pub environment: Arc<str>,
    /// What the layer has.
    pub has: Has,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What a layer has at a path.
#[derive(Debug, Clone)]
pub enum Has {
    /// Nothing.
    Nothing,
    /// A value.
    Entry(Arc<Entry>),
    /// `null`, at the path or above it.
    Tombstone {
        /// Where it stands.
        at: Path,
        /// The tombstone.
        entry: Arc<Entry>,
    },
    /// A value above the path, so that nothing can be below it.
    ValueAbove {
        /// Where it stands.
        at: Path,
        /// The value.
        entry: Arc<Entry>,
    },
    /// Paths below.
    Object(Arc<Object>),
}

impl Has {
    /// The entry that stands at the path, or above it and decides.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Has::Entry(entry) | Has::Tombstone { entry, .. } | Has::ValueAbove { entry, .. } => Some(entry),
            Has::Nothing | Has::Object(_) => None,
        }
    }
}

/// What becomes of what a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is what readers see; of an object, its members are.
    Shown,
    /// Its items are joined with those of a nearer layer.
    Joined,
    /// It ends the search: readers see nothing of the layers after it.
    Hides,
    /// A nearer layer decides.
    Hidden,
    /// There is nothing, and the search goes on.
    Passed,
}

impl View {
    /// What each layer has at a path, nearest first: how [`View::find`] comes to its answer.
    pub fn candidates(&self, path: &Path) -> Vec<Candidate> {
        let (mut has_object, mut is_decided) = (false, false);
        // Arrays in a row, from the nearest layer that has something, are joined.
        let mut joins =
            self.rules().merge.of(path).is_some_and(|strategy| *strategy != MergeStrategy::Replace);
        let mut candidates = Vec::with_capacity(self.layers().len());
        for (layer, (has, is_behind)) in self.layers().iter().zip(self.lookups(path)) {
            let has = match has {
                Lookup::Nothing => Has::Nothing,
                Lookup::Entry(entry) => Has::Entry(entry),
                Lookup::Object(object) => Has::Object(object),
                Lookup::Hidden { entry, depth } => {
                    let at =
                        Path::from_segments(path.segments().take(depth)).unwrap_or_else(|_| path.clone());
                    match entry.kind() {
                        EntryKind::Tombstone => Has::Tombstone { at, entry },
                        _ => Has::ValueAbove { at, entry },
                    }
                }
            };
            if !matches!(has, Has::Nothing) {
                joins &= matches!(&has, Has::Entry(entry) if entry.json().starts_with(b"["));
            }
            let outcome = match &has {
                Has::Nothing => Outcome::Passed,
                _ if is_behind => Outcome::Hidden,
                Has::Entry(_) if is_decided && joins => Outcome::Joined,
                _ if is_decided => Outcome::Hidden,
                Has::Tombstone { .. } | Has::ValueAbove { .. } => Outcome::Hides,
                Has::Entry(_) if has_object => Outcome::Hidden,
                Has::Entry(_) | Has::Object(_) => Outcome::Shown,
            };
            has_object |= matches!(has, Has::Object(_));
            is_decided |= !matches!(has, Has::Nothing | Has::Object(_));
            candidates.push(Candidate { environment: layer.environment.clone(), has, outcome });
        }
        if self.find(path).is_none() {
            // Objects of nothing but tombstones.
            for candidate in candidates.iter_mut().filter(|candidate| candidate.outcome == Outcome::Shown) {
                candidate.outcome = Outcome::Hides;
            }
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Found;
    use crate::resolve::testing::layer;

    const CONTENTS: [Option<&str>; 8] = [
        None,
        Some("1"),
        Some("null"),
        Some(r#"{"b":2}"#),
        Some(r#"{"b":null}"#),
        Some(r#"{"c":3}"#),
        Some(r#"{"b":{"d":4}}"#),
        Some(r#"{"b":{"d":null},"c":5}"#),
    ];

    /// Whatever three layers hold: those that are said to be shown are those that readers see.
    #[test]
    fn what_is_told_is_what_is_found() {
        for first in CONTENTS {
            for (second, third) in CONTENTS.iter().flat_map(|second| CONTENTS.map(|third| (*second, third))) {
                let view =
                    View::new(vec![layer("x", first), layer("y", second), layer("z", third)], Arc::default());
                for path in ["/a", "/a/b", "/a/b/d", "/a/c"] {
                    check(
                        &view,
                        &path.parse().unwrap(),
                        &format!("{path} of {first:?} {second:?} {third:?}"),
                    );
                }
            }
        }
    }

    fn check(view: &View, path: &Path, place: &str) {
        let candidates = view.candidates(path);
        assert_eq!(candidates.len(), 3);
        let is_shown = |candidate: &&Candidate| candidate.outcome == Outcome::Shown;
        let shown: Vec<&Arc<str>> =
            candidates.iter().filter(is_shown).map(|candidate| &candidate.environment).collect();
        match view.find(path) {
            None => assert!(shown.is_empty(), "{place}: {candidates:?}"),
            Some(Found::Entry(found)) => assert_eq!(shown, [&found.origin], "{place}: {candidates:?}"),
            Some(Found::Object(object)) => {
                object.visit(path, &mut |_, found| {
                    assert!(shown.contains(&&found.origin), "{place}: {candidates:?}");
                    true
                });
            }
        }
    }

    #[test]
    fn what_hides_is_named_by_its_place() {
        let view = View::new(
            vec![layer("x", None), layer("y", Some(r#"{"b":2}"#)), layer("z", Some(r#"{"b":{"d":4}}"#))],
            Arc::default(),
        );
        let candidates = view.candidates(&"/a/b/d".parse().unwrap());
        let outcomes: Vec<Outcome> = candidates.iter().map(|candidate| candidate.outcome).collect();
        assert_eq!(outcomes, [Outcome::Passed, Outcome::Hides, Outcome::Hidden]);
        assert!(matches!(&candidates[1].has, Has::ValueAbove { at, .. } if at.as_str() == "/a/b"));
        assert!(matches!(&candidates[2].has, Has::Entry(_)));
    }
}
