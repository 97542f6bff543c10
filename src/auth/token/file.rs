use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::slot::FRESH_MS;
use super::{JwksError, KeySet, KeysUnavailable};
use crate::model::Timestamp;

/// The most bytes of a file or an answer.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// Why a file beside the project cannot be used. Never repeats what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the file `{name}` cannot be read: {source}")]
    Unreadable { name: String, source: io::Error },
    #[error("`{name}` is no file")]
    NoFile { name: String },
    #[error("the file `{name}` has more than {MOST_BYTES} bytes")]
    TooLarge { name: String },
    #[error("the file `{name}` cannot be used: {source}")]
    Keys { name: String, source: JwksError },
}

/// The keys of one file. They are never used longer than the file has them: a file that is gone or broken has
/// none.
#[derive(Debug, Default)]
pub(super) struct KeyFile {
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    stamp: Stamp,
    at: Timestamp,
    outcome: Result<Arc<KeySet>, KeysUnavailable>,
}

/// What tells that a file was written again.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl KeyFile {
    /// The keys of the file, read again when it has changed or was read an hour ago.
    pub fn keys(&self, base_dir: &Path, name: &Path, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        let unavailable = |error: FileError| KeysUnavailable { reason: error.to_string() };
        let stamp = Stamp::of(&metadata(base_dir, name).map_err(unavailable)?);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*read
            && read.stamp == stamp
            && now.as_millis().abs_diff(read.at.as_millis()) < FRESH_MS
        {
            return read.outcome.clone();
        }
        // A failure to read is not kept: when it is over, the file is the same.
        *read = None;
        let bytes = read_file(base_dir, name).map_err(unavailable)?;
        let keys = KeySet::parse(&bytes).map(Arc::new);
        let outcome =
            keys.map_err(|source| unavailable(FileError::Keys { name: name.display().to_string(), source }));
        *read = Some(Read { stamp, at: now, outcome: outcome.clone() });
        outcome
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp { modified: metadata.modified().ok(), len: metadata.len() }
    }
}

/// The bytes of a regular file; a pipe could block, a device might never end. Messages name it as the access
/// file does.
pub(super) fn read_file(base_dir: &Path, name: &Path) -> Result<Vec<u8>, FileError> {
    metadata(base_dir, name)?;
    let shown = || name.display().to_string();
    let mut bytes = Vec::new();
    File::open(base_dir.join(name))
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| FileError::Unreadable { name: shown(), source })?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(FileError::TooLarge { name: shown() });
    }
    Ok(bytes)
}

fn metadata(base_dir: &Path, name: &Path) -> Result<Metadata, FileError> {
    let shown = || name.display().to_string();
    match base_dir.join(name).metadata() {
        Ok(metadata) if metadata.is_file() => Ok(metadata),
        Ok(_) => Err(FileError::NoFile { name: shown() }),
        Err(source) => Err(FileError::Unreadable { name: shown(), source }),
    }
}
