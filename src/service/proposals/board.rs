use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::{self, Held, PROPOSALS};
use crate::git::{PublishError, RefMove, RefState, Repository, publish};
use crate::model::Timestamp;
use crate::proposal::{Proposal, State};
use crate::service::ServiceError;

/// How many proposals may wait at once.
pub(in crate::service) const MOST_OPEN: usize = 1_000;

/// The proposals that wait, in memory; the others are read from their logs when they are asked for.
#[derive(Debug, Default)]
pub(in crate::service) struct ProposalBoard(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<u64, Held>,
    /// The number that was given last.
    last: u64,
}

impl ProposalBoard {
    /// Reads those that wait, and brings the refs of their heads to what their logs say.
    pub fn load(repository: &Repository) -> Result<Self, ServiceError> {
        let refs = repository.refs(PROPOSALS)?;
        let mut logs = BTreeMap::new();
        let mut heads: BTreeMap<u64, BTreeMap<String, RefState>> = BTreeMap::new();
        for (name, state) in refs {
            let rest = name.strip_prefix(PROPOSALS).and_then(|rest| rest.split_once('/'));
            let Some((number, rest)) = rest.and_then(|(number, rest)| Some((number.parse().ok()?, rest)))
            else {
                continue;
            };
            match rest {
                "log" => {
                    logs.insert(number, state);
                }
                _ => {
                    heads.entry(number).or_default().insert(name.clone(), state);
                }
            }
        }
        let last = logs.keys().chain(heads.keys()).max().copied().unwrap_or(0);
        let reader = repository.reader();
        let mut open = BTreeMap::new();
        let numbers: BTreeSet<u64> = heads.keys().copied().collect();
        for number in numbers {
            let tip = logs.get(&number).copied().and_then(RefState::id);
            let held = match tip.map(|tip| log::read(&reader, number, tip)) {
                Some(Ok(held)) => Some(held),
                // It was never there, as its log moves last.
                None => None,
                Some(Err(error)) => {
                    tracing::warn!(proposal = number, %error, "a proposal cannot be read and is left alone");
                    continue;
                }
            };
            let held = held.filter(|held| held.proposal.state == State::Open);
            let expected = held.as_ref().map(|held| head_steps(&held.proposal)).unwrap_or_default();
            bring_heads(repository, heads.remove(&number).unwrap_or_default(), expected)?;
            open.extend(held.map(|held| (number, held)));
        }
        Ok(ProposalBoard(Mutex::new(Inner { open, last })))
    }

    /// Those that wait, in the order of their numbers.
    pub fn open(&self) -> Vec<Arc<Proposal>> {
        self.lock().open.values().map(|held| held.proposal.clone()).collect()
    }

    /// One that waits.
    pub fn find(&self, number: u64) -> Option<Held> {
        self.lock().open.get(&number).cloned()
    }

    /// The number that was given last.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The number of the next one; an error where too many wait.
    pub fn next(&self) -> Result<u64, ServiceError> {
        let inner = self.lock();
        match inner.open.len() < MOST_OPEN {
            true => Ok(inner.last + 1),
            false => Err(ServiceError::TooManyProposals { most: MOST_OPEN }),
        }
    }

    /// Takes note of what became of one.
    pub fn note(&self, held: Held) {
        let mut inner = self.lock();
        let number = held.proposal.number;
        inner.last = inner.last.max(number);
        match held.proposal.state {
            State::Open => inner.open.insert(number, held),
            _ => inner.open.remove(&number),
        };
    }

    /// Those whose time to be merged has come.
    pub fn due(&self, now: Timestamp) -> Vec<Arc<Proposal>> {
        let is_due = |held: &&Held| held.proposal.schedule.as_ref().is_some_and(|when| when.at <= now);
        self.lock().open.values().filter(is_due).map(|held| held.proposal.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The refs of a proposal's heads, as they are to be where none is there yet.
fn head_steps(proposal: &Proposal) -> Vec<RefMove> {
    let step = |head: &crate::proposal::Head| RefMove {
        name: log::head_ref(proposal.number, &head.branch),
        old: None,
        new: Some(head.commit),
    };
    proposal.heads.iter().map(step).collect()
}

fn bring_heads(
    repository: &Repository,
    mut found: BTreeMap<String, RefState>,
    expected: Vec<RefMove>,
) -> Result<(), ServiceError> {
    let mut steps = Vec::new();
    for mut step in expected {
        step.old = found.remove(&step.name).and_then(RefState::id);
        if step.old != step.new {
            steps.push(step);
        }
    }
    let left = found.into_iter().filter_map(|(name, state)| Some((name, state.id()?)));
    steps.extend(left.map(|(name, id)| RefMove { name, old: Some(id), new: None }));
    if steps.is_empty() {
        return Ok(());
    }
    publish(repository, None, None, &steps).map_err(|error: PublishError| {
        ServiceError::Io(std::io::Error::other(format!("the refs of proposals cannot be mended: {error}")))
    })
}

/// The steps that take the refs of a proposal from what it was to what it is. The log moves last, where it is new.
pub(in crate::service) fn steps(before: Option<&Held>, after: &Held) -> Vec<RefMove> {
    let number = after.proposal.number;
    let mut steps = Vec::new();
    // Only one that waits has refs of its heads.
    let heads = |held: Option<&Held>| -> BTreeMap<String, crate::model::Revision> {
        held.filter(|held| held.proposal.state == State::Open)
            .iter()
            .flat_map(|held| &held.proposal.heads)
            .map(|head| (head.branch.clone(), head.commit))
            .collect()
    };
    let (old, new) = (heads(before), heads(Some(after)));
    let branches: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for branch in branches {
        let (old, new) = (old.get(branch).copied(), new.get(branch).copied());
        if old != new {
            steps.push(RefMove { name: log::head_ref(number, branch), old, new });
        }
    }
    let log = RefMove { name: log::log_ref(number), old: before.map(|held| held.log), new: Some(after.log) };
    match before {
        None => steps.push(log),
        Some(_) => steps.insert(0, log),
    }
    steps
}
