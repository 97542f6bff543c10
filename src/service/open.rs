use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path as FilePath, PathBuf};

use super::ServiceError;
use super::layout::{LOCK_FILE, META_FOLDER};
use crate::audit::AuditError;
use crate::model::Diagnostic;
use crate::settings::SETTINGS_FILE;

/// Why a project's directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is none.
    #[error("{} is no confgit project; {}", dir.display(), how_to_make_one(dir))]
    NoProject {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("{} is in use by another confgit process; stop that one first", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Its settings or access file have mistakes.
    #[error("the settings of {} cannot be used:\n{}", dir.display(), mistakes.iter().map(|m| format!("  {m}")).collect::<Vec<_>>().join("\n"))]
    Settings {
        /// The directory.
        dir: PathBuf,
        /// What is wrong, and where.
        mistakes: Vec<Diagnostic>,
    },
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A repository cannot be opened.
    #[error(transparent)]
    Repository(#[from] crate::git::OpenError),
    /// The project cannot be read.
    #[error("{}: {source}", dir.display())]
    Unreadable {
        /// The directory.
        dir: PathBuf,
        /// What failed.
        source: ServiceError,
    },
}

/// Takes the lock that makes this process the only one that has the project open.
pub(super) fn take_lock(dir: &FilePath) -> Result<File, OpenError> {
    let io = |source: io::Error| OpenError::Unreadable { dir: dir.to_owned(), source: source.into() };
    let file =
        File::options().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// A folder tree of a project is easily taken for one.
fn how_to_make_one(dir: &FilePath) -> String {
    let dir_name = dir.display();
    if dir.join(META_FOLDER).join(SETTINGS_FILE).is_file() {
        format!(
            "it is the folder tree of one: make a project of it with `confgit init DIR --from {dir_name}`"
        )
    } else {
        format!("make one with `confgit init {dir_name}`")
    }
}
