use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::move_ref;
use crate::git::failpoint::{Step, reach};
use crate::git::{
    CutError, PruneError, Pruned, Reachable, RefMove, prunable, prune, prune_finish, would_lose,
};
use crate::model::{Revision, Sequence};
use crate::service::ServiceError;
use crate::service::checkpoint::{Checkpoint, other};
use crate::service::core::Core;
use crate::service::fold::GRACE;
use crate::service::layout::{DERIVED, HISTORY_FILE};
use crate::service::refs::KEPT;

/// Names the checkpoint whose cut is finished.
const MARKER: &str = "pruned";

/// How often it is looked whether a grace is over.
const LOOK: Duration = Duration::from_millis(100);

/// Loose objects are younger than this while a Git command that made them may still want them.
const QUIET: Duration = Duration::from_secs(3600);

/// Whether what a cut took away may still be there.
fn is_unfinished(core: &Core, checkpoint: Option<&Checkpoint>) -> bool {
    checkpoint.is_some_and(|checkpoint| {
        let noted = fs::read_to_string(marker(core)).unwrap_or_default();
        core.history.base() != Some(checkpoint.sequence()) || noted.trim() != checkpoint.id.to_string()
    })
}

fn marker(core: &Core) -> PathBuf {
    core.dir.join(DERIVED).join(MARKER)
}

/// Finishes a cut whose checkpoint is durable: the index begins there, and what was before goes.
pub(super) fn finish(core: &Core, checkpoint: &Checkpoint) -> Result<(), ServiceError> {
    if !is_unfinished(core, Some(checkpoint)) {
        return Ok(());
    }
    let reader = core.repository.reader();
    if core.history.base() != Some(checkpoint.sequence()) {
        let mut beginning = checkpoint.begin(&reader, &core.dir.join(DERIVED).join(HISTORY_FILE))?;
        beginning.catch_up(&core.history)?;
        reach(Step::CutIndexWritten)?;
        core.history.begin_anew(beginning)?;
        reach(Step::CutIndexPlaced)?;
    }
    drop_kept(core, checkpoint.sequence())?;
    take_away(core)?;
    fs::write(marker(core), format!("{}\n", checkpoint.id))?;
    Ok(())
}

/// Heads that a branch was moved away from, which no change set after this one names any more.
pub(super) fn stale_kept(core: &Core, sequence: Sequence) -> Result<Vec<(String, Revision)>, ServiceError> {
    let mut kept: HashMap<Revision, String> = HashMap::new();
    for (name, state) in core.repository.refs(&format!("{KEPT}/"))? {
        kept.extend(state.id().map(|id| (id, name)));
    }
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    for head in core.history.base_at(sequence)?.heads {
        head.at.and_then(|(_, head)| kept.remove(&head));
    }
    for number in sequence.next().0..=core.history.covered().0 {
        let change_set = core.history.change_set(Sequence(number))?;
        for step in change_set.into_iter().flat_map(|change_set| change_set.moves) {
            for id in [step.old, step.new].into_iter().flatten() {
                kept.remove(&id);
            }
        }
    }
    Ok(kept.into_iter().map(|(id, name)| (name, id)).collect())
}

/// Lets such heads go. No branch is moved away from one meanwhile.
fn drop_kept(core: &Core, sequence: Sequence) -> Result<(), ServiceError> {
    let _gate = core.outside.close();
    for (name, id) in stale_kept(core, sequence)? {
        move_ref(core, None, RefMove { name, old: Some(id), new: None })?;
    }
    Ok(())
}

/// Takes away what nothing leads to any more: what does is written into new packs, and after a grace the old
/// ones go.
fn take_away(core: &Core) -> Result<(), ServiceError> {
    let begun = Instant::now();
    let stop = || core.retention.is_stopped();
    let claim = Claim::new(core)?;
    let packs = core.packs.lock().claimed.clone();
    let mut reachable = Reachable::find(&core.repository, &seen_heads(core), &stop)?;
    let mut claim_too = |name: &str| core.packs.lock().claimed.push(name.to_owned());
    let pruned =
        prune(&core.repository, &reachable, &packs, &stop, &mut claim_too).map_err(|error| match error {
            PruneError::Cut(error) => ServiceError::from(error),
            PruneError::Fold(error) => other(error),
        })?;
    for (pack, reason) in &pruned.left {
        tracing::warn!(%pack, %reason, "a pack with history that was cut off cannot be written anew");
    }
    wait_for_grace(core, &packs)?;
    // Somebody may have pushed what was built on a commit that was cut off. Twice, so that what comes while
    // the first look takes its time is seen, too.
    let mut found: HashSet<_> = reachable.extend(&core.repository, &seen_heads(core), &stop)?;
    found.extend(reachable.extend(&core.repository, &seen_heads(core), &stop)?);
    if would_lose(&core.repository, &pruned, &found)? {
        return Err(other("references lead to history that was cut off, since somebody pushed it again"));
    }
    let quiet_since = SystemTime::now().checked_sub(QUIET).unwrap_or(SystemTime::UNIX_EPOCH);
    if !prune_finish(&core.repository, &reachable, &pruned, quiet_since)? {
        return Err(other("somebody repacked the repository while it was pruned"));
    }
    drop(claim);
    core.repository.forget_packs()?;
    core.packs.pruned();
    tell(&pruned, begun);
    Ok(())
}

/// Where readers see the branches: somebody may have moved one away from there, and nobody taken note yet.
fn seen_heads(core: &Core) -> Vec<Revision> {
    core.index.load().branches.values().filter_map(|branch| branch.head).collect()
}

fn tell(pruned: &Pruned, begun: Instant) {
    let (packs, (before, after)) = (pruned.packs.len(), pruned.bytes);
    let objects = pruned.objects.0 - pruned.objects.1;
    let seconds = begun.elapsed().as_secs_f64();
    tracing::info!(packs, objects, before, after, seconds, "what was cut off is gone");
}

/// Waits until who has just opened an old pack is done, and until none of the packs takes the place of others
/// that are still there.
fn wait_for_grace(core: &Core, packs: &[String]) -> Result<(), ServiceError> {
    let until = Instant::now() + GRACE;
    let replaces = |name: &String| packs.contains(name);
    while Instant::now() < until || core.packs.lock().superseded.iter().any(|(_, old)| replaces(&old.by)) {
        pause(core)?;
    }
    Ok(())
}

fn pause(core: &Core) -> Result<(), ServiceError> {
    if core.retention.is_stopped() {
        return Err(CutError::Stopped.into());
    }
    std::thread::sleep(LOOK);
    Ok(())
}

/// All packs there are, kept from being folded until this is dropped.
struct Claim<'a>(&'a Core);

impl<'a> Claim<'a> {
    /// A fold that began before chose its packs without regard to this: it is waited for, and what it makes is
    /// claimed, too. One that begins later leaves alone whatever was there.
    fn new(core: &'a Core) -> Result<Self, ServiceError> {
        let claim = Claim(core);
        let folds = {
            let mut packs = core.packs.lock();
            packs.claimed = prunable(&core.repository)?;
            if packs.folding { packs.folds + 1 } else { packs.folds }
        };
        while core.packs.lock().folds < folds {
            pause(core)?;
        }
        let mut packs = core.packs.lock();
        let mut claimed = prunable(&core.repository)?;
        let going: HashSet<&String> = packs.superseded.iter().flat_map(|(_, old)| &old.packs).collect();
        claimed.retain(|name| !going.contains(name));
        packs.claimed = claimed;
        drop(packs);
        Ok(claim)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.packs.lock().claimed.clear();
    }
}
