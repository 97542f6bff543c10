use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::project::Core;
use crate::git::{FoldError, FoldPolicy, Superseded, fold, fold_finish};

/// How many new packs call for a look at folding.
pub(super) const PACKS_PER_FOLD: usize = 32;

/// How often packs whose grace is over are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// How long folded packs stay beside the new one, for those who have just opened them.
const GRACE: Duration = Duration::from_secs(5);

/// The way to the folding thread.
#[derive(Debug)]
pub(super) struct FoldSignal {
    packs: AtomicUsize,
    sender: Mutex<Option<SyncSender<()>>>,
}

pub(super) fn signal() -> (FoldSignal, Receiver<()>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let signal = FoldSignal { packs: AtomicUsize::new(0), sender: Mutex::new(Some(sender)) };
    (signal, receiver)
}

impl FoldSignal {
    pub fn packs_added(&self, packs: usize) {
        if self.packs.fetch_add(packs, Ordering::Relaxed) + packs < PACKS_PER_FOLD {
            return;
        }
        self.packs.store(0, Ordering::Relaxed);
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // A full channel means that a look is due already.
            let _ = sender.try_send(());
        }
    }

    pub fn stop(&self) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Folds small packs whenever enough have come, until the project closes.
pub(super) fn run(core: &Core, receiver: &Receiver<()>) {
    let mut superseded: Vec<(Instant, Superseded)> = Vec::new();
    let mut damaged: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) => {
                let waiting = superseded.iter().flat_map(|(_, old)| old.packs.iter().cloned());
                let policy = FoldPolicy {
                    exclude: damaged.iter().cloned().chain(waiting).collect(),
                    ..Default::default()
                };
                let begun = Instant::now();
                match fold(&core.repository, &policy) {
                    Ok(Some(report)) => {
                        let packs = report.superseded.packs.len();
                        tracing::debug!(
                            packs,
                            seconds = begun.elapsed().as_secs_f64(),
                            "small packs are folded"
                        );
                        core.metrics.folded(packs, begun.elapsed());
                        superseded.push((Instant::now() + GRACE, report.superseded));
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
        }
        let (due, later) = superseded.into_iter().partition(|(until, _)| *until <= Instant::now());
        superseded = later;
        remove(core, due);
    }
    remove(core, superseded);
}

fn remove(core: &Core, due: Vec<(Instant, Superseded)>) {
    for (_, old) in due {
        if let Err(error) = fold_finish(&core.repository, &old) {
            tracing::warn!(%error, "folded packs could not be removed");
        }
    }
}
