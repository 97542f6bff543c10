use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where moves from outside pass one at a time, and not while history is being cut: both follow commits.
#[derive(Debug, Default)]
pub(super) struct OutsideGate(Mutex<u64>);

impl OutsideGate {
    /// Passes, and is counted; others wait until the answer is dropped.
    pub fn pass(&self) -> MutexGuard<'_, u64> {
        let mut passed = self.close();
        *passed += 1;
        passed
    }

    /// How many have passed; nobody does until the answer is dropped.
    pub fn close(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
