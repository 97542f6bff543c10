use std::sync::{Mutex, PoisonError};

use super::ServiceError;

/// Whether writes are possible, and why not.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<WriteState>,
}

/// Whether writes are possible at present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WriteState {
    /// They are.
    #[default]
    Possible,
    /// The last batch failed for this reason; each further one tries again.
    Failing(String),
    /// None is tried any more until a restart.
    Broken(String),
}

impl Health {
    /// The present state.
    pub fn writes(&self) -> WriteState {
        self.lock().clone()
    }

    /// Refuses a write that has no chance; one that may go through again is let in.
    pub(super) fn check(&self) -> Result<(), ServiceError> {
        match &*self.lock() {
            WriteState::Broken(reason) => Err(ServiceError::WritesUnavailable { reason: reason.clone() }),
            WriteState::Possible | WriteState::Failing(_) => Ok(()),
        }
    }

    pub(super) fn refuse(&self, reason: &str) {
        let mut state = self.lock();
        if !matches!(*state, WriteState::Broken(_)) {
            *state = WriteState::Failing(reason.to_owned());
        }
    }

    pub(super) fn break_down(&self, reason: &str) {
        *self.lock() = WriteState::Broken(reason.to_owned());
    }

    pub(super) fn recovered(&self) {
        let mut state = self.lock();
        if matches!(*state, WriteState::Failing(_)) {
            *state = WriteState::Possible;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WriteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
