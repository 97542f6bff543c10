//! What is wrong with what environments show, for `/api/status` and metrics: a write that would make something wrong is
//! refused, but what was pushed by path is taken as it is, and what was wrong before may have been mended.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::Core;
use crate::resolve::View;
use crate::validation;

/// How often it is looked whether there is something to check.
const LOOK: Duration = Duration::from_secs(1);

/// A check of everything may take this share of the time at most.
const SHARE: u32 = 20;

impl Core {
    /// Checks what every environment shows, for the status that is asked next. Blocks.
    pub fn check_environments(&self) {
        self.check_views(&|| true);
    }

    pub(super) fn check_views(&self, goes_on: &dyn Fn() -> bool) {
        let state = self.index.snapshot();
        let views = |name: &Arc<str>| state.view(name).map(|view| View::clone(view));
        let limits = self.limits();
        let Some(mut findings) = validation::check_all(&state.environments, &views, &limits, goes_on) else {
            return;
        };
        let reader = self.repository.reader();
        let content = |layer: &str, file: &str| {
            let blob = state.branch_of(layer)?.snapshot.file(file)?;
            reader.blob(blob, limits.document_bytes as u64).ok().map(Bytes::from)
        };
        validation::place(&mut findings, &content, &limits);
        self.checks.note(state.sequence, findings);
    }
}

/// Checks everything at the start and whenever something came in unchecked, until the project closes.
pub(super) fn run(core: &Core, stop: &Receiver<()>) {
    let mut not_before = Instant::now();
    loop {
        match stop.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        let begun = Instant::now();
        if begun < not_before || !core.checks.is_due(core.index.load().sequence) {
            continue;
        }
        let is_open = || !matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        core.check_views(&is_open);
        not_before = Instant::now() + begun.elapsed() * SHARE;
    }
}
