use bytes::Bytes;
use quick_cache::sync::Cache;

use crate::model::Path;
use crate::snapshot::Digest;
use crate::telemetry::PresentCache;

/// How many bytes of object bodies are kept.
const BODY_CACHE_BYTES: u64 = 64 << 20;

/// The bodies of objects by the hash of their content. The path is part of the key: a hash that somebody forges
/// can only stand for what they may write.
pub(super) struct BodyCache(pub Cache<(Path, Digest), Bytes, ByLength>);

impl Default for BodyCache {
    fn default() -> Self {
        BodyCache(Cache::with_weighter(10_000, BODY_CACHE_BYTES, ByLength))
    }
}

impl BodyCache {
    /// How the cache does.
    pub fn present(&self) -> PresentCache {
        let BodyCache(cache) = self;
        PresentCache { name: "bodies", bytes: cache.weight(), hits: cache.hits(), misses: cache.misses() }
    }
}

/// Weighs cached bytes by their length.
#[derive(Debug, Clone)]
pub(super) struct ByLength;

impl<K> quick_cache::Weighter<K, Bytes> for ByLength {
    fn weight(&self, _: &K, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 64
    }
}
