use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file system refused.
    #[error("the audit log {}: {source}", dir.display())]
    Storage {
        /// The log's directory.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file tells a number so high that the log cannot go on from it.
    #[error("the audit log {}: record {number} is told, and no log is that long", dir.display())]
    Number {
        /// The log's directory.
        dir: PathBuf,
        /// The number that is told.
        number: u64,
    },
}

/// The log could not be written, and takes nothing more until it is opened anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written: {reason}")]
pub struct AuditFailed {
    /// What failed, for people.
    pub reason: Arc<str>,
}

/// As many records wait already as may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many audit records wait to be written")]
pub struct QueueFull;

/// What stands where a record should when a log is read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// A file cannot be read; nothing older follows.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{file} at byte {offset}: {reason}")]
    NotARecord {
        /// The file's name.
        file: String,
        /// Where the line begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record is not what its hash says.
    #[error("{file} at byte {offset}: record {number} was edited")]
    Edited {
        /// The file's name.
        file: String,
        /// Where the line begins.
        offset: u64,
        /// The number it claims.
        number: u64,
    },
}
