use std::sync::Arc;

use super::ServiceError;
use super::core::Core;
use super::refs::branch_ref;
use super::replay::{Replay, first_parent_chain};
use crate::git::{Reader, RefState, Repository};
use crate::history::NewVersion;
use crate::index::{Branch, State};
use crate::model::{ChangeSet, Move, Revision, Timestamp};
use crate::snapshot::Snapshot;

/// What refs that were moved by others amount to.
pub(super) struct OutsideMoves {
    pub change_set: ChangeSet,
    pub versions: Vec<NewVersion>,
    /// Each moved branch as it is now.
    pub branches: Vec<(Arc<str>, Branch)>,
    /// Heads that their branch's new history does not hold any more.
    pub dropped: Vec<Revision>,
}

/// The branches of environments that are elsewhere than readers see them.
pub(super) fn moved_refs(repository: &Repository, state: &State) -> Result<Vec<Move>, ServiceError> {
    let mut moves = Vec::new();
    for environment in state.environments.iter() {
        let branch = environment.branch.clone();
        let old = state.branches.get(&branch).and_then(|branch| branch.head);
        let new = match repository.find_ref(&branch_ref(&branch))? {
            RefState::At(id) => Some(id),
            RefState::Absent => None,
            // Its writer died half-way; what it should say, only the journal knows.
            RefState::Torn => continue,
        };
        if old != new {
            moves.push(Move { branch, old, new });
        }
    }
    Ok(moves)
}

/// Works out which versions such moves make.
pub(super) fn follow(
    core: &Core,
    reader: &Reader,
    state: &State,
    moves: Vec<Move>,
    time: Timestamp,
) -> Result<OutsideMoves, ServiceError> {
    let account = author_of(reader, &moves);
    let change_set = ChangeSet { sequence: state.sequence.next(), time, account, moves };
    let limits = core.limits();
    let mut replay = Replay::new(reader, &core.history, &limits);
    let mut dropped = Vec::new();
    for step in &change_set.moves {
        let branch = state.branches.get(&step.branch);
        if let Some((branch, head)) = branch.and_then(|branch| Some((branch, branch.head?))) {
            replay.start_at(step.branch.clone(), head, Snapshot::clone(&branch.snapshot));
            if !leads_to(reader, head, step.new)? {
                dropped.push(head);
            }
        }
    }
    let versions = replay.follow(&change_set)?;
    let mut branches = Vec::new();
    for step in &change_set.moves {
        let seen = match replay.branch(&step.branch) {
            Some((head, snapshot)) => {
                let tree = Some(reader.commit(*head)?.tree);
                Branch { head: Some(*head), tree, snapshot: Arc::new(snapshot.clone()) }
            }
            None => Branch::default(),
        };
        branches.push((step.branch.clone(), seen));
    }
    Ok(OutsideMoves { change_set, versions, branches, dropped })
}

/// Whether a head stays reachable along the first parents of the new one.
fn leads_to(reader: &Reader, old: Revision, new: Option<Revision>) -> Result<bool, ServiceError> {
    let Some(new) = new else { return Ok(false) };
    let chain = first_parent_chain(reader, Some(old), new)?;
    let Some(first) = chain.first() else { return Ok(true) };
    Ok(reader.commit(*first)?.parents.first() == Some(&old))
}

/// Who moved a ref, Git does not say; the author of the commit it now points at is the nearest answer.
fn author_of(reader: &Reader, moves: &[Move]) -> Arc<str> {
    let newest = moves.iter().find_map(|step| step.new);
    newest.and_then(|id| reader.commit(id).ok()).map_or_else(|| "git".into(), |commit| commit.author)
}
