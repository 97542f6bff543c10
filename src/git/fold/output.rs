use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gix::hash::{Hasher, Kind as HashKind, hasher};

use super::source::Source;
use super::{FoldError, Number};
use crate::git::object;
use crate::git::pack::deflate::{Deflate, Packing};
use crate::git::pack::index::{self, IndexEntry};
use crate::git::pack::{PackError, delta, entry, hunks::Hunks};
use crate::git::{ObjectKind, durable};
use crate::model::ObjectId;

/// How many bytes are written between flushes. A file system that flushes one file for somebody may first
/// flush what others wrote, and a write that waits for its own flush must not wait for a whole folded pack.
const FLUSH_EVERY: u64 = 4 << 20;

/// The new pack, written entry by entry.
pub(super) struct Output {
    file: BufWriter<File>,
    state: Hasher,
    at: u64,
    /// Up to where the file was flushed to disk.
    flushed: u64,
    /// Per object: where it was written, and how many deltas deep.
    written: Vec<Option<(u64, u8)>>,
    crcs: Vec<u32>,
    deflate: Deflate,
    scratch: Vec<u8>,
    packed: Vec<u8>,
}

impl Output {
    /// A new pack for that many objects; what is left of an earlier attempt goes.
    pub(super) fn create(path: &Path, objects: usize) -> io::Result<Self> {
        super::remove_if_there(path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut output = Output {
            file: BufWriter::with_capacity(1 << 18, file),
            state: hasher(HashKind::Sha1),
            at: 0,
            flushed: 0,
            written: vec![None; objects],
            crcs: vec![0; objects],
            deflate: Deflate::new(),
            scratch: Vec::new(),
            packed: Vec::new(),
        };
        output.push(b"PACK\0\0\0\x02")?;
        output.push(&(objects as u32).to_be_bytes())?;
        Ok(output)
    }

    /// How many deltas deep an object was written; none when it was not yet.
    pub(super) fn depth(&self, number: Number) -> Option<u8> {
        self.written.get(number).copied().flatten().map(|(_, depth)| depth)
    }

    /// Writes a full entry whose stream is there already.
    pub(super) fn copy_full(
        &mut self,
        number: Number,
        kind: ObjectKind,
        size: usize,
        stream: &[u8],
    ) -> Result<(), FoldError> {
        self.packed.clear();
        entry::push_full(&mut self.packed, kind, size);
        self.packed.extend_from_slice(stream);
        self.append(number, 0)
    }

    /// Writes a delta entry whose stream is there already, against a base that was written.
    pub(super) fn copy_delta(
        &mut self,
        number: Number,
        base: Number,
        size: usize,
        stream: &[u8],
    ) -> Result<(), FoldError> {
        let (offset, depth) = self.base(base)?;
        self.packed.clear();
        entry::push_delta(&mut self.packed, size, self.at - offset);
        self.packed.extend_from_slice(stream);
        self.append(number, depth + 1)
    }

    /// Writes a content in full.
    pub(super) fn full(&mut self, number: Number, kind: ObjectKind, content: &[u8]) -> Result<(), FoldError> {
        let packing = match kind {
            ObjectKind::Tree if content.len() > crate::git::pack::deflate::BIG_TREE => Packing::Stored,
            _ => Packing::Fast,
        };
        self.packed.clear();
        entry::push_full(&mut self.packed, kind, content.len());
        self.deflate.append(&mut self.packed, content, packing).map_err(unwritten)?;
        self.append(number, 0)
    }

    /// Writes a content as a delta against a base that was written.
    pub(super) fn delta(
        &mut self,
        number: Number,
        base: Number,
        base_length: usize,
        content: &[u8],
        hunks: &Hunks,
    ) -> Result<(), FoldError> {
        let (offset, depth) = self.base(base)?;
        self.scratch.clear();
        delta::encode(&mut self.scratch, base_length, content, hunks);
        self.packed.clear();
        entry::push_delta(&mut self.packed, self.scratch.len(), self.at - offset);
        // Ids do not compress, and of a few bytes the compressor makes more.
        let packing = if self.scratch.len() > 200 { Packing::Fast } else { Packing::Stored };
        self.deflate.append(&mut self.packed, &self.scratch, packing).map_err(unwritten)?;
        self.append(number, depth + 1)
    }

    fn base(&self, base: Number) -> Result<(u64, u8), FoldError> {
        let found = self.written.get(base).copied().flatten();
        found.ok_or_else(|| FoldError::Unverified { reason: "a base was not written".to_owned() })
    }

    fn append(&mut self, number: Number, depth: u8) -> Result<(), FoldError> {
        if self.depth(number).is_some() {
            return Err(FoldError::Unverified { reason: "an object was written twice".to_owned() });
        }
        let offset = self.at;
        let packed = std::mem::take(&mut self.packed);
        self.push(&packed)?;
        if let (Some(written), Some(crc)) = (self.written.get_mut(number), self.crcs.get_mut(number)) {
            *written = Some((offset, depth));
            *crc = crc32fast::hash(&packed);
        }
        self.packed = packed;
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.state.update(bytes);
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)?;
        if self.at - self.flushed > FLUSH_EVERY {
            self.flushed = self.at;
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
        }
        Ok(())
    }

    /// Ends and flushes the pack, writes and flushes its index; answers the checksum.
    pub(super) fn finish(mut self, source: &Source, idx: &Path) -> Result<ObjectId, FoldError> {
        let mut entries = Vec::with_capacity(self.written.len());
        for ((object, written), &crc) in source.objects().iter().zip(&self.written).zip(&self.crcs) {
            let Some((offset, _)) = *written else {
                return Err(FoldError::Unverified {
                    reason: format!("object {} was not written", object.id),
                });
            };
            entries.push(IndexEntry { id: object.id, crc, offset });
        }
        let collision = |_| FoldError::Unverified { reason: "SHA-1 collision".to_owned() };
        let checksum = object::finish(self.state.clone()).map_err(collision)?;
        self.file.write_all(checksum.as_bytes())?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let read_only = Permissions::from_mode(0o444);
        file.set_permissions(read_only.clone())?;
        file.sync_all()?;
        super::remove_if_there(idx)?;
        durable::write_file(idx, &index::encode(entries, checksum).map_err(collision)?)?;
        std::fs::set_permissions(idx, read_only)?;
        Ok(checksum)
    }
}

fn unwritten(error: PackError) -> FoldError {
    FoldError::Unverified { reason: error.to_string() }
}
