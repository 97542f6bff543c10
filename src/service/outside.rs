use std::sync::Arc;

use super::ServiceError;
use super::project::Core;
use super::replay::Replay;
use crate::git::{Reader, RefState, Repository};
use crate::history::NewVersion;
use crate::index::State;
use crate::model::{ChangeSet, Move, Revision, Timestamp};
use crate::snapshot::Snapshot;

/// What refs that were moved by others amount to.
pub(super) struct OutsideMoves {
    pub change_set: ChangeSet,
    pub versions: Vec<NewVersion>,
    /// Each moved branch with its head and what it holds.
    pub branches: Vec<(Arc<str>, Option<Revision>, Snapshot)>,
}

/// The branches of environments that are elsewhere than readers see them.
pub(super) fn moved_refs(repository: &Repository, state: &State) -> Result<Vec<Move>, ServiceError> {
    let mut moves = Vec::new();
    for environment in state.environments.iter() {
        let branch = environment.branch.clone();
        let old = state.branches.get(&branch).and_then(|branch| branch.head);
        let new = match repository.find_ref(&format!("refs/heads/{branch}"))? {
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
    let mut replay = Replay::new(reader, &core.history, &core.settings.limits);
    for step in &change_set.moves {
        if let Some(branch) = state.branches.get(&step.branch)
            && let Some(head) = branch.head
        {
            replay.start_at(step.branch.clone(), head, Snapshot::clone(&branch.snapshot));
        }
    }
    let versions = replay.follow(&change_set)?;
    let branches = change_set.moves.iter().map(|step| {
        let found = replay.branch(&step.branch).cloned();
        let (head, snapshot) =
            found.map_or((None, Snapshot::default()), |(head, snapshot)| (Some(head), snapshot));
        (step.branch.clone(), head, snapshot)
    });
    let branches = branches.collect();
    Ok(OutsideMoves { change_set, versions, branches })
}

/// Who moved a ref, Git does not say; the author of the commit it now points at is the nearest answer.
fn author_of(reader: &Reader, moves: &[Move]) -> Arc<str> {
    let newest = moves.iter().find_map(|step| step.new);
    newest.and_then(|id| reader.commit(id).ok()).map_or_else(|| "git".into(), |commit| commit.author)
}
