use std::io::{self, ErrorKind};

use crate::git::refs::RefState;
use crate::git::refs::lock::LockError;
use crate::model::ObjectId;

/// Why a batch was not published.
///
/// All but [`AfterCommitPoint`](PublishError::AfterCommitPoint) and
/// [`Uncertain`](PublishError::Uncertain) leave the repository as it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A reference is not where the batch was built on.
    #[error("`{name}` is at {}, expected {}", show(*actual), expected.map_or_else(|| "nothing".to_owned(), |id| id.to_string()))]
    Moved {
        /// The full name.
        name: String,
        /// Where the caller believed it to be.
        expected: Option<ObjectId>,
        /// What it is.
        actual: RefState,
    },
    /// Another process holds a lock. To be tried again.
    #[error("`{name}` is locked by another process")]
    Locked {
        /// The full name of the reference, or `packed-refs`.
        name: String,
    },
    /// A reference cannot be made beside an existing one (`a` beside `a/b`), or its name is none.
    #[error("the reference `{name}` cannot be made: {reason}")]
    BadRef {
        /// The full name.
        name: String,
        /// What is in the way.
        reason: String,
    },
    /// No space, no quota, or a file that grew too large. To be tried again when there is room.
    #[error("no room to write: {0}")]
    Full(io::Error),
    /// The file system takes no writes.
    #[error("the repository cannot be written: {0}")]
    ReadOnly(io::Error),
    /// A flush failed, and what the disk holds is unknown: never to be tried again by this process, since
    /// a second flush would report success without having written what the first one lost.
    #[error("a flush to disk failed: {0}")]
    SyncFailed(io::Error),
    /// The journal has moved, so the batch **is** durable, but what follows failed. The caller must open
    /// the repository anew and bring the branches to what the journal says.
    #[error("the batch is durable, but bringing the references up to it failed: {0}")]
    AfterCommitPoint(io::Error),
    /// The journal has moved, but its directory could not be flushed: whether the batch survives a loss of
    /// power is unknown. The caller must not go on writing.
    #[error("the journal moved, but could not be flushed to disk: {0}")]
    Uncertain(io::Error),
    /// Any other failure before the commit point.
    #[error("cannot publish: {0}")]
    Io(io::Error),
}

fn show(state: RefState) -> String {
    match state {
        RefState::Absent => "nothing".to_owned(),
        RefState::At(id) => id.to_string(),
        RefState::Torn => "an unreadable file".to_owned(),
    }
}

impl PublishError {
    /// Whether some reference may be where it was to go, although something failed.
    pub fn may_have_moved(&self) -> bool {
        matches!(
            self,
            PublishError::AfterCommitPoint(_) | PublishError::Uncertain(_) | PublishError::SyncFailed(_)
        )
    }

    /// The class of a failed write, rename, creation or the like.
    pub(super) fn writing(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                PublishError::Full(error)
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => PublishError::ReadOnly(error),
            _ => PublishError::Io(error),
        }
    }

    /// The class of a failed flush. Lack of room is no loss: the file is given up and a new one is tried.
    pub(super) fn flushing(error: io::Error) -> Self {
        match Self::writing(error) {
            full @ PublishError::Full(_) => full,
            PublishError::ReadOnly(error) | PublishError::Io(error) => PublishError::SyncFailed(error),
            other => other,
        }
    }

    /// The same failure once the commit point is behind.
    pub(super) fn after_commit_point(self) -> Self {
        PublishError::AfterCommitPoint(match self {
            PublishError::Full(error)
            | PublishError::ReadOnly(error)
            | PublishError::SyncFailed(error)
            | PublishError::AfterCommitPoint(error)
            | PublishError::Uncertain(error)
            | PublishError::Io(error) => error,
            other => io::Error::other(other),
        })
    }
}

impl From<LockError> for PublishError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { name } => PublishError::Locked { name },
            LockError::NameConflict { name, other } => {
                PublishError::BadRef { name, reason: format!("it cannot be beside `{other}`") }
            }
            LockError::Io { source, .. } => PublishError::writing(source),
        }
    }
}
