use crate::wire::Problem;

/// Why a server gave no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or the way is cut.
    #[error("no server answers at {server} ({reason})")]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("the server at {server} did not answer in time")]
    TimedOut {
        /// The server.
        server: String,
    },
    /// The server refused, and says why.
    #[error("{}", if .0.detail.is_empty() { &.0.title } else { &.0.detail })]
    Refused(Box<Problem>),
    /// What answered is no confgit server, or one of another kind than this client.
    #[error("what answers at {server} does not speak confgit's language: {reason}")]
    Unintelligible {
        /// The server.
        server: String,
        /// What is odd about the answer.
        reason: String,
    },
}

impl ClientError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            ClientError::Refused(problem) => Some(problem.status),
            _ => None,
        }
    }
}
