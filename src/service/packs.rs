use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::git::Superseded;

/// What is known of packs by those who write them anew.
#[derive(Debug, Default)]
pub(super) struct Packs {
    known: Mutex<Known>,
    prunings: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// Packs that folds have replaced, and until when they stay.
    pub superseded: Vec<(Instant, Superseded)>,
    /// Packs that are being pruned, and must not be folded.
    pub claimed: Vec<String>,
    /// Whether a fold is under way, and how many have ended.
    pub folding: bool,
    pub folds: u64,
}

impl Packs {
    pub fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that packs were pruned: a reader that lives long holds their files open, and their room.
    pub fn pruned(&self) {
        self.prunings.fetch_add(1, Ordering::Relaxed);
    }

    /// How often packs were pruned.
    pub fn prunings(&self) -> u64 {
        self.prunings.load(Ordering::Relaxed)
    }
}
