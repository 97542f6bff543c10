use std::collections::HashMap;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::git::Reader;
use crate::model::{Limits, ObjectId};
use crate::snapshot::Blobs;

/// How many bytes of recently written or read files are kept.
const CACHE_BYTES: u64 = 64 << 20;

/// The content of files as the committer needs it: of this batch, of late, or from Git.
pub(super) struct Texts {
    reader: Reader,
    limits: Limits,
    recent: Cache<ObjectId, Bytes, BySize>,
    /// Blobs of the batch in the making, which Git does not have yet.
    batch: HashMap<ObjectId, Bytes>,
}

#[derive(Clone)]
struct BySize;

impl Weighter<ObjectId, Bytes> for BySize {
    fn weight(&self, _: &ObjectId, text: &Bytes) -> u64 {
        text.len() as u64 + 100
    }
}

impl Texts {
    pub fn new(reader: Reader, limits: Limits) -> Self {
        let recent = Cache::with_weighter(50_000, CACHE_BYTES, BySize);
        Texts { reader, limits, recent, batch: HashMap::new() }
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Notes a blob that the batch writes.
    pub fn add(&mut self, blob: ObjectId, text: Bytes) {
        self.batch.insert(blob, text);
    }

    /// The batch is over, its blobs are in Git or nowhere.
    pub fn end_batch(&mut self, published: bool) {
        for (blob, text) in self.batch.drain() {
            if published {
                self.recent.insert(blob, text);
            }
        }
    }
}

impl Blobs for Texts {
    fn content(&self, blob: ObjectId) -> Option<Bytes> {
        if let Some(text) = self.batch.get(&blob).cloned().or_else(|| self.recent.get(&blob)) {
            return Some(text);
        }
        let text = Bytes::from(self.reader.blob(blob, self.limits.document_bytes as u64).ok()?);
        self.recent.insert(blob, text.clone());
        Some(text)
    }
}
