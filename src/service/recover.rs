use std::collections::BTreeMap;
use std::sync::Arc;

use super::committer::JOURNAL_REF;
use super::{ServiceError, replay};
use crate::git::{Pack, PublishError, Reader, RefMove, RefState, Repository, journal, publish, restore_ref};
use crate::index::State;
use crate::model::{ChangeSet, Environments, Move, Revision, Sequence, Timestamp};

/// How many change sets one commit of the journal takes when a journal is made from history.
const CHANGE_SETS_PER_COMMIT: usize = 1_000;

/// What the journal says when a project is opened.
#[derive(Debug, Clone, Default)]
pub(super) struct JournalState {
    pub tip: Option<Revision>,
    pub sequence: Sequence,
    pub time: Option<Timestamp>,
}

/// Brings the refs to what the journal says, after whatever ended the last run, and answers the journal's
/// state. A branch that stands where the last batch found it did not get its move; any other difference is
/// somebody else's, and is left for the committer to take in.
pub(super) fn bring_refs_to_journal(
    repository: &Repository,
    reader: &Reader,
) -> Result<JournalState, ServiceError> {
    let tip = match repository.find_ref(JOURNAL_REF)? {
        RefState::At(tip) => tip,
        RefState::Absent => return Ok(JournalState::default()),
        RefState::Torn => {
            return Err(ServiceError::Io(std::io::Error::other(format!(
                "the ref {JOURNAL_REF} of {} is damaged; restore it from a backup, or delete it to have a new journal made from the commits",
                repository.dir().display()
            ))));
        }
    };
    let Some(last) = journal::batches(reader, tip).next().transpose().map_err(journal_error)? else {
        return Ok(JournalState::default());
    };
    for (branch, (before, after)) in steps_of(&last.change_sets) {
        let name = format!("refs/heads/{branch}");
        let here = repository.find_ref(&name)?;
        let unfinished = here == RefState::Torn || (here.id() == before && before != after);
        if unfinished {
            tracing::info!(%branch, "a branch is brought to what the journal says");
            restore_ref(repository, &name, after).map_err(publish_error)?;
        }
    }
    let newest = last.change_sets.last();
    Ok(JournalState {
        tip: Some(tip),
        sequence: newest.map(|change_set| change_set.sequence).unwrap_or_default(),
        time: newest.map(|change_set| change_set.time),
    })
}

/// Sets every branch to the head that readers see, where it is not there yet.
pub(super) fn restore_heads(repository: &Repository, state: &State) -> Result<(), ServiceError> {
    for (branch, seen) in &state.branches {
        let name = format!("refs/heads/{branch}");
        if repository.find_ref(&name)?.id() != seen.head {
            restore_ref(repository, &name, seen.head).map_err(publish_error)?;
        }
    }
    Ok(())
}

/// Makes the journal of a repository that has none, from the first-parent history of its environments.
pub(super) fn make_journal(
    repository: &Repository,
    reader: &Reader,
    environments: &Environments,
) -> Result<JournalState, ServiceError> {
    let mut commits: Vec<(Timestamp, Arc<str>, Move)> = Vec::new();
    for environment in environments.iter() {
        let branch = &environment.branch;
        let Some(head) = repository.find_ref(&format!("refs/heads/{branch}"))?.id() else { continue };
        let (mut old, mut latest) = (None, Timestamp::from_millis(i64::MIN));
        for id in replay::first_parent_chain(reader, None, head)? {
            let commit = reader.commit(id)?;
            // Clocks of authors run apart; within a branch the order of commits decides.
            latest = latest.max(commit.time);
            let step = Move { branch: branch.clone(), old, new: Some(id) };
            commits.push((latest, commit.author, step));
            old = Some(id);
        }
    }
    if commits.is_empty() {
        return Ok(JournalState::default());
    }
    // The sort is stable: commits of one second stay in the order of their branch.
    commits.sort_by_key(|(time, ..)| *time);
    let change_set = |((time, account, step), number)| ChangeSet {
        sequence: Sequence(number),
        time,
        account,
        moves: vec![step],
    };
    let change_sets: Vec<ChangeSet> = commits.into_iter().zip(1..).map(change_set).collect();
    let mut pack = Pack::new();
    let mut tip = None;
    for chunk in change_sets.chunks(CHANGE_SETS_PER_COMMIT) {
        tip = Some(journal::append(&mut pack, tip, chunk, &[]).map_err(other)?);
    }
    let step = RefMove { name: JOURNAL_REF.to_owned(), old: None, new: tip };
    publish(repository, Some(pack.finish().map_err(other)?), Some(&step), &[]).map_err(publish_error)?;
    let last = change_sets.last();
    Ok(JournalState {
        tip,
        sequence: last.map(|change_set| change_set.sequence).unwrap_or_default(),
        time: last.map(|change_set| change_set.time),
    })
}

/// Where each branch stood before some change sets, and where after.
fn steps_of(change_sets: &[ChangeSet]) -> BTreeMap<Arc<str>, (Option<Revision>, Option<Revision>)> {
    let mut steps: BTreeMap<Arc<str>, (Option<Revision>, Option<Revision>)> = BTreeMap::new();
    for step in change_sets.iter().flat_map(|change_set| &change_set.moves) {
        steps.entry(step.branch.clone()).or_insert((step.old, step.new)).1 = step.new;
    }
    steps
}

pub(super) fn journal_error(error: journal::JournalError) -> ServiceError {
    other(error)
}

fn publish_error(error: PublishError) -> ServiceError {
    other(error)
}

fn other(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Io(std::io::Error::other(error.to_string()))
}
