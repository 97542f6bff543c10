use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::model::Diagnostic;
use crate::settings::ProjectSettings;

/// The settings in force, and what is wrong with newer ones.
pub(super) struct LiveSettings {
    current: ArcSwap<ProjectSettings>,
    refused: Mutex<Vec<Diagnostic>>,
}

impl LiveSettings {
    pub fn new(settings: ProjectSettings) -> Self {
        LiveSettings { current: ArcSwap::from_pointee(settings), refused: Mutex::default() }
    }

    /// Those in force.
    pub fn load(&self) -> Guard<Arc<ProjectSettings>> {
        self.current.load()
    }

    /// The same to be kept.
    pub fn load_full(&self) -> Arc<ProjectSettings> {
        self.current.load_full()
    }

    /// Puts others in force.
    pub fn store(&self, settings: Arc<ProjectSettings>) {
        self.current.store(settings);
    }

    /// What is wrong with the newest settings, where those in force are older.
    pub fn refused(&self) -> Vec<Diagnostic> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is wrong with newer settings; nothing, where those in force are the newest.
    pub fn refuse(&self, mistakes: Vec<Diagnostic>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = mistakes;
    }
}
