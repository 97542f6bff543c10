use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::head::{write_head, write_head_durably};
use super::{Head, Record, line, segment};

/// The end of a log, where records are added.
pub(super) struct Tail {
    dir: PathBuf,
    segment_bytes: u64,
    segment: Option<Segment>,
    /// The last record added, written or not.
    last: Head,
    /// Lines that are not written yet; all belong to the open segment.
    pending: Vec<u8>,
}

/// The segment that is written.
pub(super) struct Segment {
    pub file: File,
    pub len: u64,
}

impl Tail {
    /// Goes on after `last`, in a new segment if none is given.
    pub fn new(dir: &Path, segment_bytes: u64, last: Head, segment: Option<Segment>) -> Self {
        Tail { dir: dir.to_owned(), segment_bytes, segment, last, pending: Vec::new() }
    }

    /// How many bytes wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Adds one; it is durable after the next [`Tail::commit`].
    pub fn add(&mut self, record: &Record, count: u64) -> io::Result<()> {
        let (line, head) = line::seal(record, count, self.last)?;
        let len = self.segment.as_ref().map_or(0, |segment| segment.len + self.pending.len() as u64);
        if self.segment.is_none() || (len > 0 && len + line.len() as u64 > self.segment_bytes) {
            self.rotate(head.number)?;
        }
        self.pending.extend_from_slice(&line);
        self.last = head;
        Ok(())
    }

    /// Writes what was added with one write, flushes it, and moves the head.
    pub fn commit(&mut self) -> io::Result<Head> {
        if !self.pending.is_empty() {
            self.flush()?;
            write_head(&self.dir, self.last)?;
        }
        Ok(self.last)
    }

    /// The same, and `head` itself outlives a power cut.
    pub fn commit_durably(&mut self) -> io::Result<Head> {
        self.flush()?;
        write_head_durably(&self.dir, self.last)?;
        Ok(self.last)
    }

    /// Opening a log relies on this order: once a segment exists, all before it is flushed and `head` tells so.
    fn rotate(&mut self, first: u64) -> io::Result<()> {
        if self.segment.is_some() {
            self.commit_durably()?;
        }
        self.segment = Some(Segment { file: segment::create(&self.dir, first)?, len: 0 });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        if segment.len == 0 && self.pending.is_empty() {
            return Ok(());
        }
        segment.file.write_all(&self.pending)?;
        segment.file.sync_data()?;
        segment.len += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}
