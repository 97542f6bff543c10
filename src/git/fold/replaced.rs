use super::Number;
use crate::git::pack::hunks::Hunks;
use crate::git::tree::{EntryKind, entries, key, order, split_entry};
use crate::model::ObjectId;

/// Trees from this size on are not read as a whole again for every version.
const LARGE: usize = 16 * 1024;
/// The bytes of an id, which end an entry.
const ID: usize = 20;

/// Finds which entries of a tree became which. Remembers where the entries of the last large tree begin,
/// since the next version of it mostly has them at the same places.
#[derive(Default)]
pub(super) struct Replaced {
    tree: Option<Number>,
    starts: Vec<usize>,
}

impl Replaced {
    /// The ids of the entries of one name that two versions of a tree have with different ids.
    pub(super) fn between(
        &mut self,
        old: (Number, &[u8]),
        new: (Number, &[u8]),
        step: &Hunks,
    ) -> Vec<(ObjectId, ObjectId)> {
        if new.1.len() < LARGE {
            return compare(old.1, new.1);
        }
        if self.tree == Some(old.0)
            && old.1.len() == new.1.len()
            && let Some(pairs) = self.by_place(old.1, new.1, step)
        {
            self.tree = Some(new.0);
            return pairs;
        }
        self.tree = Some(new.0);
        self.starts.clear();
        let mut rest = new.1;
        while let Some((_, tail)) = split_entry(rest) {
            self.starts.push(new.1.len() - rest.len());
            rest = tail;
        }
        compare(old.1, new.1)
    }

    /// The pairs, when nothing but ids differs.
    fn by_place(&self, old: &[u8], new: &[u8], step: &Hunks) -> Option<Vec<(ObjectId, ObjectId)>> {
        let mut pairs = Vec::new();
        let mut last = None;
        for (_, range) in step.iter() {
            let index = self.starts.partition_point(|&start| start <= range.start).checked_sub(1)?;
            let start = *self.starts.get(index)?;
            let end = self.starts.get(index + 1).copied().unwrap_or(new.len());
            if range.start < end - ID || range.end > end {
                return None;
            }
            let ((old, _), (new, _)) = (split_entry(old.get(start..)?)?, split_entry(new.get(start..)?)?);
            if last.replace(index) != Some(index) && new.kind != EntryKind::Submodule {
                pairs.push((old.id, new.id));
            }
        }
        Some(pairs)
    }
}

/// The entries of one name that two trees have with different ids.
fn compare(old: &[u8], new: &[u8]) -> Vec<(ObjectId, ObjectId)> {
    let mut pairs = Vec::new();
    let mut olds = entries(old).peekable();
    for entry in entries(new) {
        while olds.next_if(|old| order(key(old), key(&entry)).is_lt()).is_some() {}
        let Some(before) = olds.next_if(|old| key(old) == key(&entry)) else { continue };
        if before.id != entry.id && entry.kind != EntryKind::Submodule {
            pairs.push((before.id, entry.id));
        }
    }
    pairs
}
