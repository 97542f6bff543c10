use std::io;

use crate::model::Sequence;

/// Why the history index gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It was there once, and is not kept any more.
    #[error("history is kept from change set {oldest} on; what was before it is not kept any more")]
    Pruned {
        /// The change set that the index begins with.
        oldest: Sequence,
    },
    /// The file could not be read, or is damaged.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<HistoryError> for io::Error {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Io(error) => error,
            pruned @ HistoryError::Pruned { .. } => io::Error::other(pruned.to_string()),
        }
    }
}
