use std::collections::HashMap;
use std::sync::Arc;

use super::{Batch, Slot};
use crate::model::Path;

/// What nobody who watches the root is told of: confgit's own files, as lists leave them out.
const HIDDEN_AT_ROOT: &str = "/.confgit/";

/// Watchers by what they watch. Who watches the same prefixes is one group, and a change finds its groups by looking up
/// each path above it: what that costs does not depend on how many watch something else.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_prefix: HashMap<Box<str>, Vec<usize>>,
    groups: HashMap<usize, Group>,
    by_prefixes: HashMap<Arc<[Path]>, usize>,
    next: usize,
}

#[derive(Debug, Default)]
struct Group {
    slots: HashMap<u64, Arc<Slot>>,
}

impl Groups {
    /// Adds a watcher of these prefixes.
    pub fn add(&mut self, prefixes: &Arc<[Path]>, id: u64, slot: Arc<Slot>) {
        let group = match self.by_prefixes.get(prefixes) {
            Some(group) => *group,
            None => {
                self.next += 1;
                for prefix in prefixes.iter() {
                    self.by_prefix.entry(prefix.as_str().into()).or_default().push(self.next);
                }
                self.by_prefixes.insert(prefixes.clone(), self.next);
                self.next
            }
        };
        self.groups.entry(group).or_default().slots.insert(id, slot);
    }

    /// Takes a watcher away.
    pub fn remove(&mut self, prefixes: &Arc<[Path]>, id: u64) {
        let Some(number) = self.by_prefixes.get(prefixes).copied() else { return };
        let Some(group) = self.groups.get_mut(&number) else { return };
        group.slots.remove(&id);
        if !group.slots.is_empty() {
            return;
        }
        self.groups.remove(&number);
        self.by_prefixes.remove(prefixes);
        for prefix in prefixes.iter() {
            if let Some(groups) = self.by_prefix.get_mut(prefix.as_str()) {
                groups.retain(|other| *other != number);
                if groups.is_empty() {
                    self.by_prefix.remove(prefix.as_str());
                }
            }
        }
    }

    /// Whether there is no watcher.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// All watchers.
    pub fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.groups.values().flat_map(|group| group.slots.values())
    }

    /// The groups that a batch has something for: their watchers, and the places of those events in the batch.
    pub fn concerned(&self, batch: &Batch) -> Vec<(impl Iterator<Item = &Arc<Slot>>, Vec<u32>)> {
        let mut found: HashMap<usize, Vec<u32>> = HashMap::new();
        for (place, event) in (0_u32..).zip(&batch.events) {
            let path = event.path.as_str();
            for prefix in prefixes_of(path) {
                for group in self.by_prefix.get(prefix).into_iter().flatten() {
                    if prefix == "/" && path.starts_with(HIDDEN_AT_ROOT) {
                        continue;
                    }
                    let places = found.entry(*group).or_default();
                    // A group may watch a path and one above it.
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
            }
        }
        let with_slots = found
            .into_iter()
            .filter_map(|(group, places)| Some((self.groups.get(&group)?.slots.values(), places)));
        with_slots.collect()
    }
}

/// Whether an event at a path is for somebody who watches these prefixes.
pub(super) fn concerns(prefixes: &[Path], path: &Path) -> bool {
    prefixes.iter().any(|prefix| {
        let is_hidden = prefix.is_root() && path.as_str().starts_with(HIDDEN_AT_ROOT);
        prefix.is_prefix_of(path) && !is_hidden
    })
}

/// The path itself, and every path above it up to the root.
fn prefixes_of(path: &str) -> impl Iterator<Item = &str> {
    let above = path.char_indices().rev().filter(|(_, c)| *c == '/').map(|(at, _)| &path[..at.max(1)]);
    let own = (path != "/").then_some(path);
    own.into_iter().chain(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::batch;

    #[test]
    fn who_is_concerned() {
        assert_eq!(prefixes_of("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(prefixes_of("/").collect::<Vec<_>>(), ["/"]);
        let mut groups = Groups::default();
        let watched = [&["/"][..], &["/a"], &["/a"], &["/a/b", "/c"], &["/a-b"], &["/a", "/a/b"]];
        let prefixes: Vec<Arc<[Path]>> =
            watched.iter().map(|paths| paths.iter().map(|path| path.parse().unwrap()).collect()).collect();
        for (id, prefixes) in (0..).zip(&prefixes) {
            groups.add(prefixes, id, Arc::default());
        }
        let batch = batch(1, &["/.confgit/variables/A", "/a/b/x", "/a/c", "/c"]);
        let mut told: Vec<(usize, Vec<u32>)> =
            groups.concerned(&batch).into_iter().map(|(slots, places)| (slots.count(), places)).collect();
        told.sort();
        assert_eq!(
            told,
            [(1, vec![1, 2]), (1, vec![1, 2, 3]), (1, vec![1, 3]), (2, vec![1, 2])],
            "the root, both of /a, the pair, and the pair of which one is above the other"
        );
        for (at, event) in batch.events.iter().enumerate() {
            assert_eq!(concerns(&prefixes[3], &event.path), [1, 3].contains(&at));
            assert_eq!(concerns(&prefixes[0], &event.path), at > 0);
        }
        for (id, prefixes) in (0..).zip(&prefixes) {
            groups.remove(prefixes, id);
        }
        assert!(groups.is_empty() && groups.by_prefix.is_empty() && groups.by_prefixes.is_empty());
    }
}
