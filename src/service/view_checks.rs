use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Sequence;
use crate::validation::Finding;

/// What the last check of all environments found.
#[derive(Default)]
pub(super) struct ViewChecks {
    last: Mutex<Option<Checked>>,
    /// Set where something came that no write was checked for.
    is_stale: AtomicBool,
}

#[derive(Clone)]
struct Checked {
    sequence: Sequence,
    findings: Arc<[Finding]>,
}

impl ViewChecks {
    /// Something changed that nobody has checked.
    pub fn outdate(&self) {
        self.is_stale.store(true, Ordering::Release);
    }

    /// What was found last, and after which change set; none before the first check.
    pub fn last(&self) -> Option<(Sequence, Arc<[Finding]>)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|checked| (checked.sequence, checked.findings.clone()))
    }

    /// Notes what a check found.
    pub fn note(&self, sequence: Sequence, findings: Vec<Finding>) {
        let checked = Checked { sequence, findings: findings.into() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
    }

    /// Whether a check could find something else than the last one did.
    pub fn is_due(&self, present: Sequence) -> bool {
        let was_stale = self.is_stale.swap(false, Ordering::AcqRel);
        match self.last() {
            None => true,
            Some((sequence, findings)) => was_stale || (!findings.is_empty() && sequence != present),
        }
    }
}
