//! What is wrong with what environments show, for `/api/status` and metrics: a write that would make something wrong is
//! refused, but what was pushed by path is taken as it is, and what was wrong before may have been mended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::core::Core;
use super::explain::position_in;
use crate::index::State;
use crate::model::Sequence;
use crate::resolve::View;
use crate::validation::{self, Finding};

/// How often it is looked whether there is something to check.
const LOOK: Duration = Duration::from_secs(1);

/// A check of everything may take this share of the time at most.
const SHARE: u32 = 20;

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

    /// Whether a check could find something else than the last one did.
    fn is_due(&self, present: Sequence) -> bool {
        let was_stale = self.is_stale.swap(false, Ordering::AcqRel);
        match self.last() {
            None => true,
            Some((sequence, findings)) => was_stale || (!findings.is_empty() && sequence != present),
        }
    }
}

impl Core {
    /// Checks what every environment shows, for the status that is asked next. Blocks.
    pub fn check_environments(&self) {
        self.check_views(&|| true);
    }

    pub(super) fn check_views(&self, goes_on: &dyn Fn() -> bool) {
        let state = self.index.snapshot();
        let views = |name: &Arc<str>| state.view(name).map(|view| View::clone(view));
        let limits = self.limits();
        let Some(mut findings) = validation::check_all(&state.environments, &views, &limits, goes_on) else {
            return;
        };
        self.place(&state, &mut findings);
        let checked = Checked { sequence: state.sequence, findings: findings.into() };
        *self.checks.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
    }

    /// Finds the places in the files.
    fn place(&self, state: &State, findings: &mut [Finding]) {
        let (reader, limits) = (self.repository.reader(), self.limits());
        let mut known = HashMap::new();
        for finding in findings {
            let (Some(layer), Some(file), Some(path)) =
                (&finding.layer, &finding.diagnostic.file, &finding.diagnostic.path)
            else {
                continue;
            };
            let Some(branch) = state.branch_of(layer) else { continue };
            let key = (layer.clone(), file.clone(), path.clone());
            let position = known.entry(key).or_insert_with(|| {
                // Where what is missed has no place, what it is missed in has one.
                let mut places = std::iter::successors(Some(path.clone()), |at| at.parent());
                places
                    .find_map(|at| position_in(&reader, &branch.snapshot, file, &at, &limits).ok().flatten())
            });
            finding.diagnostic.position = *position;
        }
    }
}

/// Checks everything at the start and whenever something came in unchecked, until the project closes.
pub(super) fn run(core: &Core, stop: &Receiver<()>) {
    let mut not_before = Instant::now();
    loop {
        match stop.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        let begun = Instant::now();
        if begun < not_before || !core.checks.is_due(core.index.load().sequence) {
            continue;
        }
        let is_open = || !matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        core.check_views(&is_open);
        not_before = Instant::now() + begun.elapsed() * SHARE;
    }
}
