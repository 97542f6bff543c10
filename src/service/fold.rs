use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::core::Core;
use crate::git::{FoldError, FoldPolicy, Superseded, fold, fold_finish};

/// How many new packs call for a look at folding.
pub(super) const PACKS_PER_FOLD: usize = 32;

/// How often packs whose grace is over are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// How long folded packs stay beside the new one, for those who have just opened them.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Folds small packs whenever enough have come, until the project closes.
pub(super) fn run(core: &Core, receiver: &Receiver<()>) {
    let mut damaged: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) => fold_once(core, &mut damaged),
        }
        let mut packs = core.packs.lock();
        let superseded = std::mem::take(&mut packs.superseded);
        let (due, later) = superseded.into_iter().partition(|(until, _)| *until <= Instant::now());
        packs.superseded = later;
        remove(core, due);
    }
    let left = std::mem::take(&mut core.packs.lock().superseded);
    remove(core, left);
}

fn fold_once(core: &Core, damaged: &mut Vec<String>) {
    let policy = {
        let mut packs = core.packs.lock();
        packs.folding = true;
        let waiting = packs.superseded.iter().flat_map(|(_, old)| old.packs.iter());
        let exclude = damaged.iter().chain(waiting).chain(&packs.claimed).cloned().collect();
        FoldPolicy { exclude, ..Default::default() }
    };
    let begun = Instant::now();
    let folded = fold(&core.repository, &policy);
    let mut packs = core.packs.lock();
    packs.folding = false;
    packs.folds += 1;
    match folded {
        Ok(Some(report)) => {
            let folded = report.superseded.packs.len();
            tracing::debug!(
                packs = folded,
                seconds = begun.elapsed().as_secs_f64(),
                "small packs are folded"
            );
            core.metrics.folded(folded, begun.elapsed());
            packs.superseded.push((Instant::now() + GRACE, report.superseded));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "packs could not be folded");
            core.metrics.fold_failed();
            if let FoldError::BadPack { pack, .. } = error {
                damaged.push(pack);
            }
        }
    }
}

fn remove(core: &Core, due: Vec<(Instant, Superseded)>) {
    for (_, old) in due {
        if let Err(error) = fold_finish(&core.repository, &old) {
            tracing::warn!(%error, "folded packs could not be removed");
        }
    }
}
