use std::cmp::Ordering;
use std::ops::Range;

use crate::git::tree::{EntryKind, TreeEntry, key, order, split_entry};
use crate::model::ObjectId;

/// A tree's bytes with the places of its entries, so that one is found without reading all before it.
#[derive(Default)]
pub(super) struct Entries {
    raw: Vec<u8>,
    starts: Vec<u32>,
}

/// The bytes of an id within a tree.
const ID: usize = 20;

impl Entries {
    /// The entries of a tree that is well-formed and in order.
    pub(super) fn new(raw: Vec<u8>) -> Self {
        let mut starts = Vec::new();
        let mut rest = &raw[..];
        while let Some((_, tail)) = split_entry(rest) {
            starts.push((raw.len() - rest.len()) as u32);
            rest = tail;
        }
        Entries { raw, starts }
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn at(&self, index: usize) -> Option<TreeEntry<'_>> {
        let start = *self.starts.get(index)? as usize;
        Some(split_entry(self.raw.get(start..)?)?.0)
    }

    /// The index of an entry by name and whether it is a directory, or where it would have to be.
    fn search(&self, name: &[u8], dir: bool) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.starts.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle).map_or(Ordering::Greater, |entry| order(key(&entry), (name, dir))) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The entry of a name that is a directory, or that is none.
    pub(super) fn get(&self, name: &[u8], dir: bool) -> Option<TreeEntry<'_>> {
        self.at(self.search(name, dir).ok()?)
    }

    /// Where an entry's bytes are.
    fn range(&self, index: usize) -> Range<usize> {
        let start = self.starts.get(index).map_or(self.raw.len(), |&start| start as usize);
        start..self.starts.get(index + 1).map_or(self.raw.len(), |&next| next as usize)
    }

    /// Puts an entry in its place, over one of the same name and sort; answers which bytes it replaced and
    /// by how many.
    pub(super) fn put(&mut self, kind: EntryKind, name: &[u8], id: ObjectId) -> (Range<usize>, usize) {
        let found = self.search(name, kind == EntryKind::Dir);
        if let Ok(index) = found
            && self.at(index).is_some_and(|entry| entry.kind == kind)
        {
            let end = self.range(index).end;
            if let Some(place) = self.raw.get_mut(end - ID..end) {
                place.copy_from_slice(id.as_bytes());
            }
            return (end - ID..end, ID);
        }
        let bytes = [kind.mode().as_bytes(), b" ", name, b"\0", id.as_bytes()].concat();
        let at = match found {
            Ok(index) => self.range(index),
            Err(index) => {
                let start = self.range(index).start;
                self.starts.insert(index, start as u32);
                start..start
            }
        };
        let index = found.unwrap_or_else(|index| index);
        self.replace(index, at.clone(), &bytes);
        (at, bytes.len())
    }

    /// Removes an entry; answers which bytes went.
    pub(super) fn remove(&mut self, name: &[u8], dir: bool) -> Option<Range<usize>> {
        let index = self.search(name, dir).ok()?;
        let range = self.range(index);
        self.replace(index, range.clone(), b"");
        self.starts.remove(index);
        Some(range)
    }

    fn replace(&mut self, index: usize, at: Range<usize>, bytes: &[u8]) {
        for start in self.starts.iter_mut().skip(index + 1) {
            *start = *start - at.len() as u32 + bytes.len() as u32;
        }
        self.raw.splice(at, bytes.iter().copied());
    }
}
