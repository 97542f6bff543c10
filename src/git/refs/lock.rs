use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a lock could not be had or used.
#[derive(Debug, thiserror::Error)]
pub(in crate::git) enum LockError {
    /// Somebody else holds it, and has not let go within the time we wait.
    #[error("`{name}` is locked by another process")]
    Held { name: String },
    /// A reference of that name cannot exist beside another one.
    #[error("`{name}` cannot exist beside `{other}`")]
    NameConflict { name: String, other: String },
    /// Any other failure.
    #[error("cannot lock `{name}`")]
    Io { name: String, source: io::Error },
}

impl LockError {
    pub(in crate::git) fn io(name: &str, source: io::Error) -> Self {
        LockError::Io { name: name.to_owned(), source }
    }
}

/// A file `<name>.lock` that keeps others, Git included, from changing `<name>`; gone when dropped.
pub(in crate::git) struct Lock {
    name: String,
    target: PathBuf,
    path: PathBuf,
    file: File,
    armed: bool,
}

/// How long a lock that somebody else holds is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

impl Lock {
    /// Locks a file of the repository, given relative to it; directories above it are made.
    pub(in crate::git) fn acquire(git_dir: &Path, name: &str) -> Result<Self, LockError> {
        let target = git_dir.join(name);
        let path = git_dir.join(format!("{name}.lock"));
        let start = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Lock { name: name.to_owned(), target, path, file, armed: true }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if start.elapsed() >= PATIENCE {
                        return Err(LockError::Held { name: name.to_owned() });
                    }
                    std::thread::sleep(PAUSE);
                }
                // Git removes directories that a deleted reference leaves empty, so they come and go.
                Err(error) if error.kind() == ErrorKind::NotFound && start.elapsed() < PATIENCE => {
                    make_parent(git_dir, name)?;
                }
                Err(error) if error.kind() == ErrorKind::NotADirectory => {
                    return Err(conflict_above(git_dir, name));
                }
                Err(error) => return Err(LockError::io(name, error)),
            }
        }
    }

    /// The full name of what is locked.
    pub(in crate::git) fn name(&self) -> &str {
        &self.name
    }

    /// Makes room for a file where empty directories stand; directories that hold something are a conflict.
    pub(in crate::git) fn make_room(&self) -> Result<(), LockError> {
        match fs::symlink_metadata(&self.target) {
            Ok(found) if found.is_dir() => remove_empty(&self.target, 0).map_err(|_| {
                LockError::NameConflict { name: self.name.clone(), other: format!("{}/…", self.name) }
            }),
            _ => Ok(()),
        }
    }

    /// Writes what the file shall hold; answers the file, to be flushed.
    pub(in crate::git) fn write(&mut self, content: &[u8]) -> Result<File, LockError> {
        let written = self.file.write_all(content).and_then(|()| self.file.try_clone());
        written.map_err(|error| LockError::io(&self.name, error))
    }

    /// Puts what was written in place of the file, atomically.
    pub(in crate::git) fn commit(mut self) -> Result<(), LockError> {
        fs::rename(&self.path, &self.target).map_err(|error| LockError::io(&self.name, error))?;
        self.armed = false;
        Ok(())
    }

    /// Removes the file, and then the lock.
    pub(in crate::git) fn delete(self) -> Result<(), LockError> {
        match fs::remove_file(&self.target) {
            Err(error) if !super::is_absent(&error) => Err(LockError::io(&self.name, error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.armed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make_parent(git_dir: &Path, name: &str) -> Result<(), LockError> {
    let Some(parent) = git_dir.join(name).parent().map(Path::to_owned) else { return Ok(()) };
    match fs::create_dir_all(&parent) {
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
            Err(conflict_above(git_dir, name))
        }
        Err(error) => Err(LockError::io(name, error)),
        Ok(()) => Ok(()),
    }
}

/// The conflict with the reference whose file stands where a directory is needed.
fn conflict_above(git_dir: &Path, name: &str) -> LockError {
    let above = name.match_indices('/').map(|(at, _)| &name[..at]);
    let other = above.rev().find(|above| git_dir.join(above).is_file()).unwrap_or(name);
    LockError::NameConflict { name: name.to_owned(), other: other.to_owned() }
}

fn remove_empty(dir: &Path, depth: usize) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if depth > 64 || !entry.file_type()?.is_dir() {
            return Err(io::Error::from(ErrorKind::DirectoryNotEmpty));
        }
        remove_empty(&entry.path(), depth + 1)?;
    }
    fs::remove_dir(dir)
}
