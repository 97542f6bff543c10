use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::model::Path;

/// How many bytes of resolved values a state keeps of one environment.
const MOST_BYTES: u64 = 16 << 20;

/// A value whose references were followed, as answers show it. Never one with a secret in it.
#[derive(Debug)]
pub struct ResolvedBody {
    /// The value as compact JSON; bytes as base64.
    pub json: Bytes,
    /// Whether the JSON is base64 of bytes.
    pub is_bytes: bool,
    /// Its entity tag, without quotes.
    pub tag: String,
    /// Whether it is what stands below its path, rather than one value.
    pub is_object: bool,
    /// Whether a name below its path may begin with a dot.
    pub has_hidden: bool,
    /// What it is made of: who may not see all of that must not see the value.
    pub made_of: MadeOf,
}

/// What a value is made of.
#[derive(Debug)]
pub enum MadeOf {
    /// What stands at its path, or of an object below it.
    Itself,
    /// Of that, and of what stands at these paths.
    Parts(Box<[Path]>),
    /// Of more than is told.
    More,
}

/// The resolved values of one environment that were read while a state is the present one. Only those that are not
/// simply what a layer holds come here.
#[derive(Debug, Default)]
pub struct ResolvedBodies(OnceLock<Cache<Box<str>, Arc<ResolvedBody>, ByLength>>);

#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<Box<str>, Arc<ResolvedBody>> for ByLength {
    fn weight(&self, path: &Box<str>, body: &Arc<ResolvedBody>) -> u64 {
        (path.len() + body.json.len() + 128) as u64
    }
}

impl ResolvedBodies {
    /// The value at a path, when it was read before.
    pub fn get(&self, path: &str) -> Option<Arc<ResolvedBody>> {
        self.0.get()?.get(path)
    }

    /// Keeps the value at a path.
    pub fn keep(&self, path: &str, body: Arc<ResolvedBody>) {
        // Most states are replaced before anything is read from them.
        let cache = self.0.get_or_init(|| Cache::with_weighter(1_000, MOST_BYTES, ByLength));
        cache.insert(path.into(), body);
    }
}
