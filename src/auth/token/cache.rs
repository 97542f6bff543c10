use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fetch::fetch_keys;
use super::file::KeyFile;
use super::parse::MOST_ISSUERS;
use super::slot::Slot;
use super::{KeyLocation, KeyOrigin, KeySet, KeySource, KeysUnavailable};
use crate::model::Timestamp;

/// How long all requests of one fetch may take together.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than that another's fetch is waited for.
const MARGIN: Duration = Duration::from_secs(1);

/// The most issuers whose keys are kept: more than are ever configured at once, so that only those that an
/// edit of the access file left behind are dropped.
const MOST_ORIGINS: usize = 2 * MOST_ISSUERS;

/// Gets the keys of issuers and keeps them.
///
/// Fetched keys are used for an hour, and asked for again earlier when a token names a key that is not among
/// them; an issuer is asked at most once in 30 seconds, by one thread at a time, for at most 5 seconds. While
/// it cannot be reached, its last keys are used for up to 24 hours. A key that is missing from the next
/// answer stops working then. Files are read again when they change. It blocks, on the network at most as
/// long as said: call it where blocking is allowed.
#[derive(Debug)]
pub struct KeyCache {
    base_dir: PathBuf,
    timeout: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sources: HashMap<Arc<KeyOrigin>, Used>,
    /// Counts look-ups, to tell which source was not used for longest.
    uses: u64,
}

#[derive(Debug)]
struct Used {
    source: Arc<Source>,
    last_use: u64,
}

#[derive(Debug)]
enum Source {
    /// From this address, or from the one that the issuer names.
    Fetched {
        slot: Slot,
        url: Option<String>,
    },
    File {
        file: KeyFile,
        name: PathBuf,
    },
}

impl KeyCache {
    /// An empty cache. Relative files are looked for in `base_dir`, the folder of the project's repositories.
    pub fn new(base_dir: PathBuf) -> Self {
        KeyCache { base_dir, timeout: FETCH_TIMEOUT, kept: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn with_timeout(self, timeout: Duration) -> Self {
        KeyCache { timeout, ..self }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.lock().unwrap().sources.len()
    }

    /// What is kept for an issuer; only looked up under the lock, and used after it.
    fn source(&self, origin: &Arc<KeyOrigin>) -> Arc<Source> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let last_use = kept.uses;
        if let Some(used) = kept.sources.get_mut(origin) {
            used.last_use = last_use;
            return used.source.clone();
        }
        if kept.sources.len() >= MOST_ORIGINS {
            let oldest = kept.sources.iter().min_by_key(|(_, used)| used.last_use);
            if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
                kept.sources.remove(&oldest);
            }
        }
        let source = Arc::new(match &origin.location {
            KeyLocation::File(path) => Source::File { file: KeyFile::default(), name: path.clone() },
            KeyLocation::Discover => Source::Fetched { slot: Slot::default(), url: None },
            KeyLocation::Url(url) => Source::Fetched { slot: Slot::default(), url: Some(url.clone()) },
        });
        kept.sources.insert(origin.clone(), Used { source: source.clone(), last_use });
        source
    }

    fn fetch(&self, origin: &KeyOrigin, url: Option<&str>) -> Result<KeySet, String> {
        let issuer = &*origin.issuer;
        match fetch_keys(origin, url, &self.base_dir, self.timeout) {
            Ok(keys) => {
                tracing::info!(issuer, keys = keys.len(), "fetched the keys of an issuer");
                Ok(keys)
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(issuer, reason, "cannot fetch the keys of an issuer");
                Err(reason)
            }
        }
    }
}

impl KeySource for KeyCache {
    fn keys(
        &self,
        origin: &Arc<KeyOrigin>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        match &*self.source(origin) {
            Source::Fetched { slot, url } => {
                let fetch = || self.fetch(origin, url.as_deref());
                slot.keys(kid, now, self.timeout + MARGIN, fetch)
            }
            Source::File { file, name } => file.keys(&self.base_dir, name, now),
        }
    }
}
