use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use super::PushRefusal;
use crate::git::Reader;
use crate::model::{Revision, Timestamp};

/// How many commits one push may bring.
pub(super) const MOST_COMMITS: usize = 100_000;

/// The largest commit, in bytes: its message is shown.
const MOST_COMMIT_BYTES: u64 = 1 << 20;

/// How many older commits are looked at for whether one leads to another.
const MOST_ANCESTORS: usize = 1_000_000;

/// What leads to a commit that was pushed.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct Lineage {
    /// The commits that the repository held before and that the new ones follow.
    pub boundary: HashSet<Revision>,
    /// How many are new.
    pub new: usize,
}

impl Lineage {
    /// Where nothing is new.
    pub fn known(commit: Revision) -> Self {
        Lineage { boundary: HashSet::from([commit]), new: 0 }
    }

    /// Follows a commit back to what the repository held before, or to commits that are known to be there.
    pub fn of(
        new: Revision,
        received: &Reader,
        own: &Reader,
        known: &HashSet<Revision>,
    ) -> Result<Self, PushRefusal> {
        let mut lineage = Lineage::default();
        let (mut met, mut waiting) = (HashSet::new(), vec![new]);
        while let Some(id) = waiting.pop() {
            if !met.insert(id) {
                continue;
            }
            if known.contains(&id) || !own.contains(id)? {
                lineage.boundary.insert(id);
                continue;
            }
            lineage.new += 1;
            if lineage.new > MOST_COMMITS {
                let reason =
                    format!("the push brings more than {MOST_COMMITS} commits; push in several steps");
                return Err(PushRefusal::Behind { reason });
            }
            let size = received.header(id)?.map_or(0, |(_, size)| size);
            if size > MOST_COMMIT_BYTES {
                let reason = format!("the commit {id} has {size} bytes, more than {MOST_COMMIT_BYTES}");
                return Err(PushRefusal::Behind { reason });
            }
            waiting.extend(received.commit(id)?.parents);
        }
        Ok(lineage)
    }

    /// Whether an older commit leads to the new one.
    pub fn leads_from(&self, old: Revision, held: &Reader) -> Result<bool, PushRefusal> {
        self.leads_from_within(old, held, MOST_ANCESTORS)
    }

    /// The same among the newest of so many.
    pub fn leads_from_within(&self, old: Revision, held: &Reader, most: usize) -> Result<bool, PushRefusal> {
        if self.boundary.contains(&old) {
            return Ok(true);
        }
        let mut waiting = BinaryHeap::new();
        for id in &self.boundary {
            waiting.push(Waiting { time: held.commit(*id)?.time, id: *id });
        }
        let mut met: HashSet<Revision> = self.boundary.clone();
        while let Some(Waiting { id, .. }) = waiting.pop() {
            for parent in held.commit(id)?.parents {
                if parent == old {
                    return Ok(true);
                }
                if met.insert(parent) {
                    waiting.push(Waiting { time: held.commit(parent)?.time, id: parent });
                }
            }
            if met.len() > most {
                break;
            }
        }
        Ok(false)
    }
}

/// A commit that is to be looked at; the newest comes first.
#[derive(PartialEq, Eq)]
struct Waiting {
    time: Timestamp,
    id: Revision,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
