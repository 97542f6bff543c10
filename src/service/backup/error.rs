use std::io;
use std::path::PathBuf;

use crate::git::PinError;
use crate::model::ObjectId;
use crate::service::ServiceError;

/// Why no backup is made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One at a time.
    #[error("another backup or check of this project is under way; try again when it has ended")]
    Busy,
    /// It is no project.
    #[error("{} is no confgit project; name the directory that holds config.git and meta.git", dir.display())]
    NoProject {
        /// The directory.
        dir: PathBuf,
    },
    /// A reference cannot be read.
    #[error("the reference {name} of {repository} is damaged; `confgit fsck` tells more")]
    Torn {
        /// The repository.
        repository: &'static str,
        /// The full name.
        name: String,
    },
    /// A reference names an object that is not there.
    #[error(
        "{name} of {repository} names {id}, which is not there; `confgit fsck` tells what else is missing"
    )]
    Dangling {
        /// The repository.
        repository: &'static str,
        /// The full name.
        name: String,
        /// What it names.
        id: ObjectId,
    },
    /// The boundary of the history that is kept moves again and again.
    #[error("the boundary of the history that is kept moves while it is read; try again")]
    Restless,
    /// A file has a name that no archive takes.
    #[error(
        "{name} cannot be backed up: rename it to letters, digits, `.`, `_`, `-`, at most 100 bytes with its folders"
    )]
    Name {
        /// The file.
        name: String,
    },
    /// There are too many files.
    #[error(
        "there are too many loose objects to list; run `git gc` in config.git and meta.git, and try again"
    )]
    TooManyFiles,
    /// A file changed after it had been hashed.
    #[error("{name} changed while it was read; try again, and check the disk if it happens once more")]
    Changed {
        /// The file.
        name: String,
    },
    /// A repository cannot be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A repository cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::git::OpenError),
    /// A repository cannot be read.
    #[error(transparent)]
    Read(#[from] ServiceError),
    /// The archive cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(io::Error),
    /// A file cannot be read, or the private place for it cannot be had.
    #[error("the project cannot be read: {0}")]
    Io(#[from] io::Error),
}
