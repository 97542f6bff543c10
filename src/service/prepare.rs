use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use super::ServiceError;
use super::checkpoint::Checkpoint;
use super::core::Core;
use super::recover::{JournalState, journal_error};
use super::replay::{Replay, stamped};
use crate::git::{Reader, journal};
use crate::history::History;
use crate::index::{Branch, State};
use crate::model::{ChangeSet, Environments, Revision};

/// The proof that the history index is up to date.
pub(super) struct Prepared;

/// How many change sets are followed before their versions are written to the history index.
const CHANGE_SETS_AT_ONCE: usize = 1_000;

/// Opens the history index, or a new one where it is damaged, of another format or of another journal. A new
/// one begins where the history kept does.
pub(super) fn open_history(
    file: &FilePath,
    reader: &Reader,
    journal: &JournalState,
    checkpoint: Option<&Checkpoint>,
) -> Result<History, ServiceError> {
    if let Some(cut) = checkpoint.map(Checkpoint::sequence)
        && journal.sequence < cut
    {
        let reason = format!(
            "history was cut at change set {cut}, and the journal ends with {}: restore the repository as a whole",
            journal.sequence
        );
        return Err(io::Error::other(reason).into());
    }
    match History::open(file) {
        Ok(history) if goes_with(&history, checkpoint) && belongs_to(&history, reader, journal)? => {
            return Ok(history);
        }
        // There was none.
        Ok(history) if history.covered().0 == 0 => {}
        Ok(_) => tracing::warn!("the history index belongs to another journal; it is rebuilt"),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!(%error, "the history index is rebuilt")
        }
        Err(error) => return Err(error.into()),
    }
    match checkpoint {
        Some(checkpoint) => Ok(checkpoint.begin(reader, file)?.finish()?),
        None => {
            fs::remove_file(file)?;
            Ok(History::open(file)?)
        }
    }
}

/// Whether an index can be brought to where the history kept begins: what it lacks is there, and it does not
/// begin later.
fn goes_with(history: &History, checkpoint: Option<&Checkpoint>) -> bool {
    match (checkpoint.map(Checkpoint::sequence), history.base()) {
        (None, base) => base.is_none(),
        (Some(cut), base) => base.is_none_or(|base| base <= cut) && history.covered() >= cut,
    }
}

/// Whether the index covers a beginning of this very journal: the change set at which the two meet agrees.
fn belongs_to(history: &History, reader: &Reader, journal: &JournalState) -> Result<bool, ServiceError> {
    let covered = history.covered();
    let (Some(last), Some(tip)) = (history.change_set(covered)?, journal.tip) else {
        return Ok(covered.0 == 0);
    };
    if covered > journal.sequence {
        return Ok(false);
    }
    for batch in journal::batches(reader, tip) {
        let batch = batch.map_err(journal_error)?;
        if let Some(same) = batch.change_sets.iter().find(|change_set| change_set.sequence == covered) {
            return Ok(*same == last);
        }
        if batch.change_sets.first().is_some_and(|first| first.sequence < covered) {
            break;
        }
    }
    Ok(false)
}

/// The head of every environment's branch after the last change set of the journal.
pub(super) fn journaled_heads(
    reader: &Reader,
    history: &History,
    journal: &JournalState,
    environments: &Environments,
) -> Result<HashMap<Arc<str>, Option<Revision>>, ServiceError> {
    let mut heads = HashMap::new();
    let Some(tip) = journal.tip else { return Ok(heads) };
    let wanted = environments.iter().count();
    let covered = history.covered();
    for batch in journal::batches(reader, tip) {
        let batch = batch.map_err(journal_error)?;
        if batch.change_sets.last().is_some_and(|last| last.sequence <= covered) {
            break;
        }
        for step in batch.change_sets.iter().rev().flat_map(|change_set| change_set.moves.iter().rev()) {
            heads.entry(step.branch.clone()).or_insert(step.new);
        }
        if environments.iter().filter(|environment| heads.contains_key(&environment.branch)).count() == wanted
        {
            return Ok(heads);
        }
    }
    for environment in environments.iter() {
        if !heads.contains_key(&environment.branch) {
            let head = history.head_at(&environment.branch, covered)?;
            heads.insert(environment.branch.clone(), head);
        }
    }
    Ok(heads)
}

/// Follows change sets, and appends the versions they made to the index that the replay asks.
pub(super) fn follow_all(
    replay: &mut Replay<'_>,
    history: &History,
    change_sets: &[ChangeSet],
    advance: &mut dyn FnMut(u64),
) -> Result<(), ServiceError> {
    for chunk in change_sets.chunks(CHANGE_SETS_AT_ONCE) {
        let followed = chunk.iter().map(|change_set| Ok((change_set.clone(), replay.follow(change_set)?)));
        let followed: Vec<(ChangeSet, Vec<_>)> = followed.collect::<Result<_, ServiceError>>()?;
        history.append(&followed)?;
        replay.flushed();
        advance(chunk.len() as u64);
    }
    Ok(())
}

/// Follows what the journal has beyond the history index, and stamps what readers see.
pub(super) fn catch_up(core: &Core, journal: &JournalState) -> Result<Prepared, ServiceError> {
    let (Some(tip), true) = (journal.tip, core.history.covered() < journal.sequence) else {
        return Ok(Prepared);
    };
    let begun = std::time::Instant::now();
    let reader = core.repository.reader();
    let missing = journal::read(&reader, tip, core.history.covered()).map_err(journal_error)?;
    if let Some(first) = missing.first()
        && first.sequence != core.history.covered().next()
    {
        let reason = format!(
            "the journal begins with change set {}, and {} does not say what was before it: restore that ref",
            first.sequence,
            super::checkpoint::REF
        );
        return Err(io::Error::other(reason).into());
    }
    let total = missing.len();
    tracing::info!(change_sets = total, "the history index is being brought up to date");
    let limits = core.limits();
    let mut replay = Replay::new(&reader, &core.history, &limits);
    follow_all(&mut replay, &core.history, &missing, &mut |_| {})?;
    let state = core.index.snapshot();
    let mut branches = HashMap::new();
    for (name, branch) in &state.branches {
        // Followed from its beginning, a branch has all its stamps; else the index knows them.
        let snapshot = match replay.take_whole(name) {
            Some((head, snapshot)) if Some(head) == branch.head => snapshot,
            _ => stamped(&branch.snapshot, name, &core.history)?,
        };
        branches.insert(name.clone(), Branch { snapshot: Arc::new(snapshot), ..branch.clone() });
    }
    let state = State::new(state.sequence, state.environments.clone(), branches);
    core.live.begin_with(&state);
    core.index.swap(state);
    let duration = begun.elapsed();
    core.metrics.rebuilt(total, duration);
    tracing::info!(change_sets = total, seconds = duration.as_secs_f64(), "the history index is up to date");
    Ok(Prepared)
}
