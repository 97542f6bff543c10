use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::model::{Path, Revision};
use crate::snapshot::Snapshot;
use crate::telemetry::PresentCache;

/// How many bytes of old snapshots are kept, over all paths.
const CACHED_BYTES: u64 = 64 << 20;

/// What an entry takes beside its value: its node, its name, its place in the tree.
const ENTRY_BYTES: usize = 256;

/// Parts of old commits that were read lately.
pub(super) struct PastCache(Cache<(Revision, Path), Weighed, ByBytes>);

/// A snapshot, and what it takes: counted once, for a cache asks often.
#[derive(Debug, Clone)]
struct Weighed {
    snapshot: Arc<Snapshot>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl quick_cache::Weighter<(Revision, Path), Weighed> for ByBytes {
    fn weight(&self, _: &(Revision, Path), weighed: &Weighed) -> u64 {
        weighed.bytes
    }
}

impl Default for PastCache {
    fn default() -> Self {
        PastCache(Cache::with_weighter(1_000, CACHED_BYTES, ByBytes))
    }
}

impl PastCache {
    /// What a commit holds around a path, when that is still kept.
    pub fn get(&self, commit: Revision, path: &Path) -> Option<Arc<Snapshot>> {
        self.0.get(&(commit, path.clone())).map(|weighed| weighed.snapshot)
    }

    /// Keeps what a commit holds around a path.
    pub fn insert(&self, commit: Revision, path: &Path, snapshot: Arc<Snapshot>) {
        let bytes = bytes_of(&snapshot);
        self.0.insert((commit, path.clone()), Weighed { snapshot, bytes });
    }
}

impl PastCache {
    /// How the cache does.
    pub fn present(&self) -> PresentCache {
        let PastCache(cache) = self;
        PresentCache { name: "past", bytes: cache.weight(), hits: cache.hits(), misses: cache.misses() }
    }
}

fn bytes_of(snapshot: &Snapshot) -> u64 {
    // An empty answer takes its key.
    let mut bytes = ENTRY_BYTES;
    snapshot.root().visit(&Path::root(), &mut |_, entry| bytes += entry.json().len() + ENTRY_BYTES);
    bytes as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{Limits, ObjectId};
    use crate::snapshot::{Blobs, Update};

    /// Every blob is a text of so many bytes.
    struct Texts(usize);

    impl Blobs for Texts {
        fn content(&self, _: ObjectId) -> Option<Bytes> {
            Some(Bytes::from(vec![b'x'; self.0]))
        }
    }

    #[test]
    fn large_values_push_older_ones_out() {
        let blob = Some(ObjectId::from_bytes([7; 20]));
        let update = Update { file: "big.txt".into(), blob, value: None };
        let empty = Snapshot::default();
        let plan =
            empty.plan(vec![update], &Texts(1 << 20), &Limits { value_bytes: 2 << 20, ..Limits::default() });
        let snapshot = Arc::new(empty.apply(plan, &mut |_| None));
        assert_eq!(snapshot.root().entries(), 1);
        let cache = PastCache::default();
        let commit = |n: u8| ObjectId::from_bytes([n; 20]);
        let path: Path = "/big".parse().unwrap();
        for n in 1..=200 {
            cache.insert(commit(n), &path, snapshot.clone());
        }
        assert!(cache.0.weight() <= CACHED_BYTES, "{} bytes", cache.0.weight());
        assert!((10..64).contains(&cache.0.len()), "{} megabytes", cache.0.len());
        assert!(cache.get(commit(200), &path).is_some());
    }
}
