//! Packs in memory: objects in, the bytes of a pack and of its index out; gitformat-pack(5).

pub(super) mod deflate;
pub(super) mod delta;
pub(super) mod entry;
pub(super) mod hunks;
pub(super) mod index;
mod new_commit;
pub(super) mod scan;

use std::collections::HashMap;

use self::deflate::{Deflate, Packing};
use self::hunks::Hunks;
use self::index::IndexEntry;
use super::object::{self, CollisionError, ObjectKind};
use crate::model::ObjectId;

pub use self::new_commit::{NewCommit, Signature};

/// Why an object cannot be put into a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Its content was made to collide under SHA-1.
    #[error(transparent)]
    Collision(#[from] CollisionError),
    /// The object is too large for a batch.
    #[error("an object of {actual} bytes, where a batch takes at most {limit}")]
    TooLarge {
        /// Its size in bytes.
        actual: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A commit of the journal was to be made of no change set.
    #[error("a batch without change sets")]
    EmptyBatch,
    /// The compressor gave up.
    #[error("{size} bytes could not be compressed")]
    Deflate {
        /// The size of the content in bytes.
        size: usize,
    },
}

/// The objects of one batch, in memory: each once, in the form in which a pack holds them.
///
/// Nothing of it is on disk before [`publish`](super::publish).
pub struct Pack {
    bytes: Vec<u8>,
    entries: Vec<IndexEntry>,
    places: HashMap<ObjectId, Place>,
    deflate: Deflate,
    scratch: Vec<u8>,
}

/// Where an object stands in the pack being built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: u64,
    /// How many deltas must be applied to read it.
    pub(super) depth: u32,
}

/// A finished pack and its index, in memory.
pub struct PackFile {
    pub(super) pack: Vec<u8>,
    pub(super) idx: Vec<u8>,
    pub(super) checksum: ObjectId,
}

const HEADER: usize = 12;

impl Pack {
    /// The largest object that a batch takes, in bytes.
    pub const MAX_OBJECT: usize = 1 << 30;

    /// A pack without objects.
    pub fn new() -> Self {
        Pack {
            // The object count in the header is filled in at the end.
            bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(),
            entries: Vec::new(),
            places: HashMap::new(),
            deflate: Deflate::new(),
            scratch: Vec::new(),
        }
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no object.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes the pack has so far.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the content of a file.
    pub fn blob(&mut self, content: &[u8]) -> Result<ObjectId, PackError> {
        let id = object::object_id(ObjectKind::Blob, content)?;
        self.full(id, ObjectKind::Blob, content, Packing::Fast)?;
        Ok(id)
    }

    /// Adds a commit.
    pub fn commit(&mut self, commit: &NewCommit<'_>) -> Result<ObjectId, PackError> {
        let content = commit.encode();
        let id = object::object_id(ObjectKind::Commit, &content)?;
        self.full(id, ObjectKind::Commit, &content, Packing::Fast)?;
        Ok(id)
    }

    /// Adds the tree without entries.
    pub fn empty_tree(&mut self) -> Result<ObjectId, PackError> {
        self.full(super::EMPTY_TREE, ObjectKind::Tree, b"", Packing::Stored)?;
        Ok(super::EMPTY_TREE)
    }

    /// Where an object stands; none when the pack does not hold it.
    pub(super) fn place(&self, id: ObjectId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// Adds an object in full, unless the pack holds it.
    pub(super) fn full(
        &mut self,
        id: ObjectId,
        kind: ObjectKind,
        content: &[u8],
        packing: Packing,
    ) -> Result<(), PackError> {
        if self.places.contains_key(&id) {
            return Ok(());
        }
        if content.len() > Self::MAX_OBJECT {
            return Err(PackError::TooLarge { actual: content.len(), limit: Self::MAX_OBJECT });
        }
        let start = self.bytes.len();
        entry::push_full(&mut self.bytes, kind, content.len());
        self.stream(id, start, 0, |deflate, bytes| deflate.append(bytes, content, packing))
    }

    /// Adds an object as a delta against one that the pack holds, unless it holds it already.
    pub(super) fn delta(
        &mut self,
        id: ObjectId,
        base: Place,
        base_length: usize,
        content: &[u8],
        hunks: &Hunks,
    ) -> Result<(), PackError> {
        if self.places.contains_key(&id) {
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        delta::encode(&mut scratch, base_length, content, hunks);
        let start = self.bytes.len();
        entry::push_delta(&mut self.bytes, scratch.len(), start as u64 - base.offset);
        // What a tree's delta inserts are object ids, which do not compress.
        let added = self.stream(id, start, base.depth + 1, |deflate, bytes| {
            deflate.append(bytes, &scratch, Packing::Stored)
        });
        self.scratch = scratch;
        added
    }

    fn stream(
        &mut self,
        id: ObjectId,
        start: usize,
        depth: u32,
        append: impl FnOnce(&mut Deflate, &mut Vec<u8>) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        if let Err(error) = append(&mut self.deflate, &mut self.bytes) {
            // Without its stream the header would make the whole pack unreadable.
            self.bytes.truncate(start);
            return Err(error);
        }
        let crc = crc32fast::hash(self.bytes.get(start..).unwrap_or_default());
        let offset = start as u64;
        self.entries.push(IndexEntry { id, crc, offset });
        self.places.insert(id, Place { offset, depth });
        Ok(())
    }

    /// The finished pack with its index.
    pub fn finish(mut self) -> Result<PackFile, PackError> {
        let count = (self.entries.len() as u32).to_be_bytes();
        if let Some(field) = self.bytes.get_mut(HEADER - 4..HEADER) {
            field.copy_from_slice(&count);
        }
        let checksum = object::checksum(&[&self.bytes])?;
        self.bytes.extend_from_slice(checksum.as_bytes());
        let idx = index::encode(self.entries, checksum)?;
        Ok(PackFile { pack: self.bytes, idx, checksum })
    }
}

impl Default for Pack {
    fn default() -> Self {
        Self::new()
    }
}

impl PackFile {
    /// The checksum at the end of the pack, which names its files.
    pub fn checksum(&self) -> ObjectId {
        self.checksum
    }

    /// The size of pack and index together, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.pack.len() + self.idx.len()
    }
}
