//! Retention: history that is older than the settings ask for goes, and nothing else changes.
//!
//! A cut is made durable before anything goes: the checkpoint, then the file that makes history end there
//! ([`Ends`](crate::git::Ends)), then the history index that begins there, and only then the packs. Whatever
//! ends the process in between, the next start finds the old state or the new one, and goes on.

mod choice;
mod cut;
mod finish;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use super::checkpoint::Checkpoint;
use super::core::Core;
use super::{ServiceError, WriteState};
use crate::git::{PackFile, PublishError, RefMove, publish};
use crate::settings::Retention;

/// How many new change sets call for a look at what can go.
pub(super) const CHANGE_SETS_PER_LOOK: usize = 100;

/// How often history is looked at for its age.
const LOOK: Duration = Duration::from_secs(600);
/// How long it is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(60);
/// How often a project that is being opened is looked at.
const READY_LOOK: Duration = Duration::from_millis(50);

/// Keeps history as short as the settings ask for, until the project closes. Where they ask for nothing, a cut
/// that was begun is finished, and others are waited for that may.
pub(super) fn run(core: &Core, receiver: &Receiver<()>) {
    while !core.history_ready() {
        let broken = matches!(core.health.writes(), WriteState::Broken(_));
        let stopped = matches!(receiver.recv_timeout(READY_LOOK), Err(RecvTimeoutError::Disconnected));
        if broken || stopped {
            return;
        }
    }
    let mut failed: Option<Instant> = None;
    loop {
        if failed.is_none_or(|failed| failed.elapsed() >= PAUSE) {
            failed = None;
            if let Err(error) = look(core) {
                if core.retention.is_stopped() {
                    return;
                }
                // What a failed flush left on the disk nobody knows: nothing is taken away by this process any more.
                if matches!(core.health.writes(), WriteState::Broken(_)) {
                    tracing::error!(%error, "history could not be cut; it is not tried again before a restart");
                    return;
                }
                tracing::warn!(%error, "history could not be cut; it is tried again later");
                failed = Some(Instant::now());
            }
        }
        let wait = if failed.is_some() { PAUSE } else { LOOK };
        if let Err(RecvTimeoutError::Disconnected) = receiver.recv_timeout(wait) {
            return;
        }
    }
}

fn look(core: &Core) -> Result<(), ServiceError> {
    let reader = core.repository.reader();
    let mut checkpoint = Checkpoint::find(&core.repository, &reader)?;
    if let Some(retention) = &core.settings.load().retention
        && let Some(cut) = wanted(core, retention)?
    {
        let begun = Instant::now();
        if let Some(made) = cut::cut(core, &cut, checkpoint.as_ref())? {
            let seconds = begun.elapsed().as_secs_f64();
            tracing::info!(oldest = %made.sequence(), seconds, "history is cut");
            checkpoint = Some(made);
        }
    }
    match checkpoint {
        Some(checkpoint) => finish::finish(core, &checkpoint),
        None => Ok(()),
    }
}

/// Moves a reference, durably. After a failed flush nothing is written any more before a restart.
fn move_ref(core: &Core, pack: Option<PackFile>, step: RefMove) -> Result<(), ServiceError> {
    publish(&core.repository, pack, None, &[step]).map_err(|error| {
        let reason = error.to_string();
        if matches!(error, PublishError::SyncFailed(_) | PublishError::Uncertain(_)) {
            core.health.break_down(&reason);
        }
        std::io::Error::other(reason).into()
    })
}

fn wanted(core: &Core, retention: &Retention) -> Result<Option<choice::Cut>, ServiceError> {
    choice::choose(core, retention, SystemTime::now().into())
}
