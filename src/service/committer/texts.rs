use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::git::{ReadError, Reader};
use crate::model::{Limits, ObjectId};
use crate::snapshot::Blobs;

/// How many bytes of written files are kept.
const MOST_BYTES: usize = 128 << 20;

/// The content of files as the committer needs it: of this batch, written of late, or from Git.
///
/// Git is quick where it knows the pack. What was written a moment ago is in one of many small packs that it
/// would have to open one by one, so that is kept here, oldest out first, until a newer version of the file
/// takes its place.
pub(super) struct Texts {
    reader: Reader,
    limits: Limits,
    written: HashMap<ObjectId, Bytes>,
    order: VecDeque<ObjectId>,
    bytes: usize,
    /// Blobs of the batch in the making, which Git does not have yet.
    batch: HashMap<ObjectId, Bytes>,
    /// Blobs that the batch replaces.
    replaced: Vec<ObjectId>,
}

impl Texts {
    pub fn new(reader: Reader, limits: Limits) -> Self {
        let (written, order, batch) = (HashMap::new(), VecDeque::new(), HashMap::new());
        Texts { reader, limits, written, order, bytes: 0, batch, replaced: Vec::new() }
    }

    /// Reads with another reader from now on: the one so far holds files open that are gone.
    pub fn read_with(&mut self, reader: Reader) {
        self.reader = reader;
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Notes a blob that the batch writes, and the one that it takes the place of.
    pub fn add(&mut self, blob: ObjectId, text: Bytes, replaces: Option<ObjectId>) {
        self.batch.insert(blob, text);
        self.replaced.extend(replaces);
    }

    /// The batch is over, its blobs are in Git or nowhere.
    pub fn end_batch(&mut self, published: bool) {
        let replaced = std::mem::take(&mut self.replaced);
        let batch = std::mem::take(&mut self.batch);
        if !published {
            return;
        }
        for (blob, text) in batch {
            self.bytes += text.len();
            if let Some(same) = self.written.insert(blob, text) {
                self.bytes -= same.len();
            } else {
                self.order.push_back(blob);
            }
        }
        for blob in replaced {
            self.forget(blob);
        }
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
        // What was forgotten out of turn still stands in the order.
        if self.order.len() > 2 * self.written.len() + 1_000 {
            self.order.retain(|blob| self.written.contains_key(blob));
        }
    }

    fn forget(&mut self, blob: ObjectId) {
        if let Some(text) = self.written.remove(&blob) {
            self.bytes -= text.len();
        }
    }
}

impl Blobs for Texts {
    fn content(&self, blob: ObjectId) -> Option<Bytes> {
        if let Some(text) = self.batch.get(&blob).or_else(|| self.written.get(&blob)) {
            return Some(text.clone());
        }
        let read = || self.reader.blob(blob, self.limits.document_bytes as u64);
        // A pack can be folded away between finding an object in it and reading it; the second look finds
        // the object where it went.
        read()
            .or_else(|error| if matches!(error, ReadError::TooLarge { .. }) { Err(error) } else { read() })
            .ok()
            .map(Bytes::from)
    }
}
