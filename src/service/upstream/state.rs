use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::pulls::{PullBoard, PullStatus, PullsStatus};
use crate::model::{Path, Revision, Sequence, Timestamp};
use crate::service::signal::Signal;
use crate::telemetry::PresentUpstream;

/// How many entries that a merge took from the upstream are remembered.
const MOST_OVERRULED: usize = 100;

/// How long a write waits for the upstream to have it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many messages of webhooks are remembered.
const MOST_HEARD: usize = 10_000;

/// How a branch stands to that of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamState {
    /// Both hold the same.
    Same,
    /// What is here is on its way there.
    Ahead,
    /// The upstream has no such branch, and had none.
    Absent,
    /// The upstream lost commits that were here before, or the branch: nothing is taken in until an administrator accepts
    /// it.
    Rewritten,
    /// Both have nothing in common.
    Unrelated,
    /// What is there cannot be taken in, for these reasons.
    Refused(Vec<String>),
}

impl UpstreamState {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            UpstreamState::Same => "same",
            UpstreamState::Ahead => "ahead",
            UpstreamState::Absent => "absent",
            UpstreamState::Rewritten => "rewritten",
            UpstreamState::Unrelated => "unrelated",
            UpstreamState::Refused(_) => "refused",
        }
    }

    /// Whether somebody has to do something.
    pub fn is_degraded(&self) -> bool {
        matches!(self, UpstreamState::Rewritten | UpstreamState::Unrelated | UpstreamState::Refused(_))
    }
}

/// How one branch is followed.
#[derive(Debug, Clone)]
pub struct UpstreamBranch {
    /// The branch.
    pub branch: Arc<str>,
    /// Where the upstream has it.
    pub head: Option<Revision>,
    /// How it stands.
    pub state: UpstreamState,
    /// How many commits are here and not there.
    pub ahead: u64,
    /// How many are there and not here.
    pub behind: u64,
}

/// How an upstream is followed.
#[derive(Debug, Clone, Default)]
pub struct UpstreamStatus {
    /// Its address.
    pub url: String,
    /// When it was reached last.
    pub last_contact: Option<Timestamp>,
    /// What went wrong the last time, and when; none once it goes well.
    pub last_error: Option<(Timestamp, String)>,
    /// The branches of environments.
    pub branches: Vec<UpstreamBranch>,
    /// Entries that both sides changed, where the upstream's value was taken, newest first: the change set whose first
    /// parent has ours, and the proposal that brings it back.
    pub overruled: VecDeque<(Sequence, Option<u64>, Path)>,
    /// How its pull requests are checked; none where they are not.
    pub pulls: Option<PullsStatus>,
}

/// A merge that took the upstream's side where both changed the same.
#[derive(Debug)]
pub(in crate::service) struct Overruling {
    /// Its change set.
    pub sequence: Sequence,
    /// The proposal that brings back what was here.
    pub proposal: Option<u64>,
    /// The entries.
    pub paths: Vec<Path>,
}

/// What is known of the upstream, and who is told to look at it.
#[derive(Debug)]
pub(in crate::service) struct UpstreamBoard {
    /// Wakes the thread that follows it.
    pub news: Signal,
    status: Mutex<Option<UpstreamStatus>>,
    accepted: Mutex<HashSet<(Arc<str>, Option<Revision>)>>,
    race: Mutex<String>,
    /// How often in a row it showed no branch.
    empty: AtomicU32,
    /// Merges that took the upstream's side, of which webhooks were not told yet.
    untold: Mutex<VecDeque<Overruling>>,
    /// What webhooks said of late, by hash.
    heard: Mutex<VecDeque<[u8; 32]>>,
    /// The last change set all of which the upstream has.
    has: watch::Sender<Sequence>,
    /// Set when the project closes.
    pub stop: Arc<AtomicBool>,
    /// Its pull requests.
    pub pulls: PullBoard,
}

impl UpstreamBoard {
    /// The board, and where those are woken who follow branches and check pull requests.
    pub fn new() -> (Self, Receiver<()>, Receiver<()>) {
        let (news, receiver) = Signal::new(1);
        let (pulls, pulls_receiver) = PullBoard::new();
        let (status, accepted, race) = (Mutex::default(), Mutex::default(), Mutex::default());
        let untold = Mutex::default();
        (
            UpstreamBoard {
                news,
                status,
                accepted,
                race,
                empty: AtomicU32::new(0),
                untold,
                heard: Mutex::default(),
                has: watch::Sender::new(Sequence(0)),
                stop: Arc::default(),
                pulls,
            },
            receiver,
            pulls_receiver,
        )
    }

    /// Ends the thread that follows it, and what it says to it.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.news.stop();
        self.pulls.news.stop();
    }

    /// How it is followed; none where there is none.
    pub fn status(&self) -> Option<UpstreamStatus> {
        let status = self.locked().clone();
        status.map(|status| UpstreamStatus { pulls: self.pulls.status(), ..status })
    }

    /// The same in figures.
    pub fn present(&self) -> PresentUpstream {
        let Some(status) = self.status() else { return PresentUpstream::default() };
        let pulls = status.pulls.unwrap_or_default();
        let is_bad = |pull: &&PullStatus| pull.told.as_ref().is_some_and(|(_, verdict)| !verdict.is_good);
        PresentUpstream {
            is_failing: status.last_error.is_some()
                || status.branches.iter().any(|branch| branch.state.is_degraded()),
            last_contact: status.last_contact.map_or(0, |time| time.as_seconds()),
            ahead: status.branches.iter().map(|branch| branch.ahead).sum(),
            behind: status.branches.iter().map(|branch| branch.behind).sum(),
            pulls: pulls.open.len(),
            bad_pulls: pulls.open.iter().filter(is_bad).count(),
            pulls_failing: pulls.last_error.is_some(),
        }
    }

    /// Begins anew with another address, or none.
    pub fn begin(&self, url: Option<String>) {
        *self.locked() = url.map(|url| UpstreamStatus { url, ..UpstreamStatus::default() });
    }

    pub fn reached(&self, time: Timestamp) {
        self.edit(|status| {
            status.last_contact = Some(time);
            status.last_error = None;
        });
    }

    pub fn failed(&self, time: Timestamp, reason: String) {
        self.edit(|status| status.last_error = Some((time, reason)));
    }

    pub fn note(&self, branches: Vec<UpstreamBranch>) {
        self.edit(|status| status.branches = branches);
    }

    pub fn overrule(&self, (sequence, kept): (Sequence, Option<u64>), paths: &[Path]) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.push_back(Overruling { sequence, proposal: kept, paths: paths.to_vec() });
        if untold.len() > MOST_OVERRULED {
            untold.pop_front();
        }
        drop(untold);
        self.edit(|status| {
            for path in paths {
                status.overruled.push_front((sequence, kept, path.clone()));
            }
            status.overruled.truncate(MOST_OVERRULED);
        });
    }

    /// What was overruled since this was asked last.
    pub fn take_untold(&self) -> VecDeque<Overruling> {
        std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in what the upstream has on a branch, though it lost commits.
    pub fn accept(&self, branch: &Arc<str>, head: Option<Revision>) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.clear();
        accepted.insert((branch.clone(), head));
    }

    pub fn is_accepted(&self, branch: &Arc<str>, head: Option<Revision>) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.contains(&(branch.clone(), head))
    }

    /// Counts how often in a row the upstream showed no branch.
    pub fn count_empty(&self, is_empty: bool) -> u32 {
        let count = if is_empty { self.empty.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.empty.store(count, Ordering::Relaxed);
        count
    }

    pub fn note_race(&self, reason: String) {
        *self.race.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub fn last_race(&self) -> String {
        self.race.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the upstream has everything up to a change set.
    pub fn has(&self, sequence: Sequence) {
        self.has.send_if_modified(|has| std::mem::replace(has, sequence) != sequence);
    }

    /// Waits until the upstream has a change set; false where that takes too long.
    pub async fn until_it_has(&self, sequence: Sequence) -> bool {
        let mut has = self.has.subscribe();
        let waited = timeout(PATIENCE, has.wait_for(|has| *has >= sequence)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Whether a message was not heard before.
    pub fn is_first(&self, hash: &[u8]) -> bool {
        let Ok(hash) = <[u8; 32]>::try_from(hash) else { return false };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.contains(&hash) {
            return false;
        }
        heard.push_back(hash);
        if heard.len() > MOST_HEARD {
            heard.pop_front();
        }
        true
    }

    fn edit(&self, change: impl FnOnce(&mut UpstreamStatus)) {
        if let Some(status) = &mut *self.locked() {
            change(status);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<UpstreamStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
