use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::forge::{PullRequest, Verdict};
use crate::model::{Revision, Timestamp};
use crate::service::signal::Signal;

/// What is known of a pull request.
#[derive(Debug, Clone)]
pub struct PullStatus {
    /// Its number.
    pub number: u64,
    /// The branch that it is to be merged into.
    pub branch: String,
    /// The commit that the forge was told about, and what; none as long as it was told nothing.
    pub told: Option<(Revision, Verdict)>,
    /// Why it could not be checked, or the forge not told, the last time.
    pub problem: Option<String>,
}

/// How pull requests are checked.
#[derive(Debug, Clone, Default)]
pub struct PullsStatus {
    /// When all was looked at last.
    pub last_contact: Option<Timestamp>,
    /// What went wrong the last time, and when; none once it goes well.
    pub last_error: Option<(Timestamp, String)>,
    /// Those that are open and go to an environment, in the order of their numbers.
    pub open: Vec<PullStatus>,
}

#[derive(Debug, Default)]
struct Inner {
    last_contact: Option<Timestamp>,
    last_error: Option<(Timestamp, String)>,
    open: BTreeMap<u64, PullStatus>,
}

/// What is known of pull requests, and who is told to look at them.
#[derive(Debug)]
pub(in crate::service) struct PullBoard {
    /// Wakes the thread that checks them.
    pub news: Signal,
    inner: Mutex<Option<Inner>>,
}

impl PullBoard {
    pub fn new() -> (Self, Receiver<()>) {
        let (news, receiver) = Signal::new(1);
        (PullBoard { news, inner: Mutex::default() }, receiver)
    }

    /// How they are checked; none where they are not.
    pub fn status(&self) -> Option<PullsStatus> {
        self.lock().as_ref().map(|inner| PullsStatus {
            last_contact: inner.last_contact,
            last_error: inner.last_error.clone(),
            open: inner.open.values().cloned().collect(),
        })
    }

    /// Begins anew, or ends.
    pub fn begin(&self, are_checked: bool) {
        *self.lock() = are_checked.then(Inner::default);
    }

    pub fn reached(&self, time: Timestamp) {
        self.edit(|inner| (inner.last_contact, inner.last_error) = (Some(time), None));
    }

    pub fn failed(&self, time: Timestamp, reason: String) {
        self.edit(|inner| inner.last_error = Some((time, reason)));
    }

    /// Forgets all but these.
    pub fn keep(&self, numbers: &HashSet<u64>) {
        self.edit(|inner| inner.open.retain(|number, _| numbers.contains(number)));
    }

    /// Notes what one came to.
    pub fn note(
        &self,
        pull: &PullRequest,
        told: Option<&(Revision, Verdict)>,
        problem: Option<&impl ToString>,
    ) {
        let status = PullStatus {
            number: pull.number,
            branch: pull.target.clone(),
            told: told.cloned(),
            problem: problem.map(ToString::to_string),
        };
        self.edit(|inner| drop(inner.open.insert(pull.number, status)));
    }

    fn edit(&self, change: impl FnOnce(&mut Inner)) {
        if let Some(inner) = &mut *self.lock() {
            change(inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inner>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
