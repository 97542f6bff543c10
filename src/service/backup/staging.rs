use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};

use crate::service::layout::DERIVED;

/// Where a project is pinned, and the lock that says somebody does; both in its derived data.
const FOLDER: &str = "pinned";
const LOCK_FILE: &str = "pinned.lock";

/// A private place beside the repositories, on the same file system, held by one process at a time; emptied
/// when it is dropped. What a process that died left in it goes when the next one comes.
#[derive(Debug)]
pub(in crate::service) struct Staging {
    dir: PathBuf,
    _lock: File,
}

impl Staging {
    /// Takes the place; none when somebody has it.
    pub fn take(project: &FilePath) -> io::Result<Option<Self>> {
        let derived = project.join(DERIVED);
        fs::create_dir_all(&derived)?;
        let lock = File::options().create(true).truncate(false).write(true).open(derived.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let staging = Staging { dir: derived.join(FOLDER), _lock: lock };
        staging.empty()?;
        fs::create_dir(&staging.dir)?;
        Ok(Some(staging))
    }

    /// The directory.
    pub fn dir(&self) -> &FilePath {
        &self.dir
    }

    /// Begins anew.
    pub fn clear(&self) -> io::Result<()> {
        self.empty()?;
        fs::create_dir(&self.dir)
    }

    fn empty(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays is swept by the next start or the next one who takes the place.
        let _ = self.empty();
    }
}

/// Removes what a process that died has left of a pinned project; that of one at work stays.
pub(in crate::service) fn sweep(project: &FilePath) {
    if project.join(DERIVED).join(FOLDER).exists()
        && let Err(error) = Staging::take(project)
    {
        tracing::warn!(%error, "what an interrupted backup left behind could not be removed");
    }
}
