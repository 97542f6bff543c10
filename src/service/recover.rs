use std::sync::Arc;

use super::refs::{OUTSIDE_TRAILER, REF_TRAILER, branch_moves, branch_ref, ref_of_trailer};
use super::{ServiceError, replay};
use crate::git::{Pack, PublishError, Reader, RefMove, RefState, Repository, journal, publish, restore_ref};
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
    let tip = match repository.find_ref(journal::REF)? {
        RefState::At(tip) => tip,
        RefState::Absent => return Ok(JournalState::default()),
        RefState::Torn => {
            return Err(ServiceError::Io(std::io::Error::other(format!(
                "the ref {} of {} is damaged; restore it from a backup, or delete it to have a new journal made from the commits",
                journal::REF,
                repository.dir().display()
            ))));
        }
    };
    let Some(last) = journal::batches(reader, tip).next().transpose().map_err(journal_error)? else {
        return Ok(JournalState::default());
    };
    // What others had moved before it was journaled was never ours to finish.
    if !last.trailers.iter().any(|(key, _)| key == OUTSIDE_TRAILER) {
        let mut steps = branch_moves(last.change_sets.iter());
        let others = last.trailers.iter().filter(|(key, _)| key == REF_TRAILER);
        steps.extend(others.filter_map(|(_, value)| ref_of_trailer(value)));
        finish_steps(repository, &steps)?;
    }
    let newest = last.change_sets.last();
    Ok(JournalState {
        tip: Some(tip),
        sequence: newest.map(|change_set| change_set.sequence).unwrap_or_default(),
        time: newest.map(|change_set| change_set.time),
    })
}

/// Makes the steps of a published batch that were not made: where a ref still stands where the batch found
/// it, or its file is torn. A ref found elsewhere was moved by somebody since, and is left alone.
pub(super) fn finish_steps(repository: &Repository, steps: &[RefMove]) -> Result<(), ServiceError> {
    for step in steps {
        let here = repository.find_ref(&step.name)?;
        if here == RefState::Torn || (here.id() == step.old && step.old != step.new) {
            tracing::info!(reference = %step.name, "a ref is brought to what the journal says");
            restore_ref(repository, &step.name, step.new).map_err(publish_error)?;
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
        let Some(head) = repository.find_ref(&branch_ref(branch))?.id() else { continue };
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
    let step = RefMove { name: journal::REF.to_owned(), old: None, new: tip };
    publish(repository, Some(pack.finish().map_err(other)?), Some(&step), &[]).map_err(publish_error)?;
    let last = change_sets.last();
    Ok(JournalState {
        tip,
        sequence: last.map(|change_set| change_set.sequence).unwrap_or_default(),
        time: last.map(|change_set| change_set.time),
    })
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
