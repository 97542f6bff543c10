use std::cell::OnceCell;
use std::fs;
use std::io;
use std::path::Path;

use super::entry::{self, EntryHeader, Form};
use super::index::{self, IndexEntry};
use crate::git::ObjectKind;
use crate::model::ObjectId;

/// A pack on disk with its entries in the order in which they stand, for reading all of it.
pub(in crate::git) struct Scan {
    data: gix::odb::pack::data::File<gix::odb::pack::MMap>,
    /// By offset.
    entries: Vec<IndexEntry>,
    /// Positions by id, made when the first delta by reference asks for them.
    by_id: OnceCell<Vec<u32>>,
}

impl Scan {
    /// Opens a pack by its two files. Not found is the I/O error of that kind, all other faults of form
    /// are `InvalidData`.
    pub(in crate::git) fn open(pack: &Path, idx: &Path) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let bytes = fs::read(idx)?;
        let (mut entries, checksum) = index::decode(&bytes).ok_or_else(|| invalid("malformed index"))?;
        entries.sort_unstable_by_key(|entry| entry.offset);
        // The map below would hide what kind of error this is.
        fs::File::open(pack)?;
        let data = gix::odb::pack::data::File::at(pack, gix::hash::Kind::Sha1)
            .map_err(|error| invalid(&error.to_string()))?;
        let matches =
            data.num_objects() as usize == entries.len() && data.checksum().as_bytes() == checksum.as_bytes();
        if !matches {
            return Err(invalid("the index is of another pack"));
        }
        Ok(Scan { data, entries, by_id: OnceCell::new() })
    }

    /// The entries, by offset.
    pub(in crate::git) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The position of the entry that begins at an offset.
    pub(in crate::git) fn position(&self, offset: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()
    }

    fn find(&self, id: ObjectId) -> Option<usize> {
        let by_id = self.by_id.get_or_init(|| {
            let mut positions: Vec<u32> = (0..self.entries.len() as u32).collect();
            positions.sort_unstable_by_key(|&position| self.entries[position as usize].id);
            positions
        });
        let found = by_id.binary_search_by_key(&id, |&position| self.entries[position as usize].id).ok()?;
        Some(by_id[found] as usize)
    }

    /// All bytes of an entry: header and stream.
    pub(in crate::git) fn bytes(&self, position: usize) -> Option<&[u8]> {
        let start = self.entries.get(position)?.offset;
        let end = self.entries.get(position + 1).map_or(self.data.pack_end() as u64, |next| next.offset);
        self.data.entry_slice(start..end)
    }

    /// The header of an entry.
    pub(in crate::git) fn header(&self, position: usize) -> Option<EntryHeader> {
        entry::read(self.bytes(position)?)
    }

    /// The position of a delta's base; none for a full entry, an error for a base that is not here.
    pub(in crate::git) fn base(
        &self,
        position: usize,
        header: &EntryHeader,
    ) -> Result<Option<usize>, Missing> {
        let base = match header.form {
            Form::Full(_) => return Ok(None),
            Form::Offset(distance) => {
                let offset = self.entries.get(position).and_then(|entry| entry.offset.checked_sub(distance));
                offset.and_then(|offset| self.position(offset))
            }
            Form::Reference(id) => self.find(ObjectId::from_bytes(id)),
        };
        // A base stands before its deltas, but for those by reference; a cycle must not be followed.
        base.filter(|&base| base < position || matches!(header.form, Form::Reference(_)))
            .map(Some)
            .ok_or(Missing)
    }

    /// The kind of every entry, by position; none when a delta has no base here, or is its own.
    pub(in crate::git) fn kinds(&self) -> Option<Vec<ObjectKind>> {
        let mut kinds: Vec<Option<ObjectKind>> = vec![None; self.entries.len()];
        for start in 0..kinds.len() {
            let mut chain = Vec::new();
            let mut at = start;
            let kind = loop {
                if let Some(kind) = *kinds.get(at)? {
                    break kind;
                }
                let header = self.header(at)?;
                if let Form::Full(kind) = header.form {
                    kinds[at] = Some(kind);
                    break kind;
                }
                chain.push(at);
                if chain.len() > kinds.len() {
                    return None;
                }
                at = self.base(at, &header).ok()??;
            };
            for at in chain {
                kinds[at] = Some(kind);
            }
        }
        kinds.into_iter().collect()
    }
}

/// A delta without its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) struct Missing;
