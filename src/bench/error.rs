use std::time::Duration;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file or a socket of the bench itself failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A program could not be started, or ended with a failure.
    #[error("`{program}` failed: {reason}")]
    Program {
        /// The program and its first arguments.
        program: String,
        /// The exit status and the last lines of its standard error.
        reason: String,
    },
    /// A program did not get ready in time.
    #[error("`{program}` was not ready after {} s: {log}", waited.as_secs_f32())]
    NotReady {
        /// The program and its first arguments.
        program: String,
        /// How long the bench waited.
        waited: Duration,
        /// The last lines of its standard error.
        log: String,
    },
    /// A server answered something the bench cannot measure with.
    #[error("{request}: expected {expected}, got {actual}")]
    Answer {
        /// Method and path.
        request: String,
        /// The status or member expected.
        expected: String,
        /// What came instead.
        actual: String,
    },
    /// An address that is not of this machine: the load must stay on it.
    #[error("{0} is not a loopback address; the bench loads only servers it started itself")]
    NotLoopback(std::net::SocketAddr),
    /// Ctrl-C or a termination signal.
    #[error("interrupted; the servers it started are stopped")]
    Interrupted,
    /// The thread that carried the load ended without an answer.
    #[error("the load thread ended early")]
    Lost,
}

impl BenchError {
    /// Wraps a system error with what was being done.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BenchError {
        let what = what.into();
        move |source| BenchError::Io { what, source }
    }
}
