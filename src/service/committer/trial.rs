//! What a write would come to, worked out beside the committer on what readers see.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::batch::{Batch, Context, working_of};
use super::checks::Checks;
use super::request::Edit;
use super::texts::Texts;
use crate::index::State;
use crate::model::{Path, Timestamp};
use crate::resolve::View;
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::validation::Finding;

/// What edits would come to.
pub(in crate::service) struct Trial {
    /// Every environment that would show them.
    pub environments: Vec<TriedEnvironment>,
    /// What would be wrong then and is not yet: with any of it a write is refused.
    pub findings: Vec<Finding>,
    /// Whether anything would change at all.
    pub changed: bool,
}

/// An environment before and after.
pub(in crate::service) struct TriedEnvironment {
    pub name: Arc<str>,
    pub before: View,
    pub after: View,
    /// Where its layers would change.
    pub changed: Vec<Path>,
    /// Where values may be others, through references and templates too.
    pub reached: BTreeSet<Path>,
}

/// Tries edits out on a state.
pub(in crate::service) fn try_out(core: &Core, state: &State, edits: &[Edit]) -> Result<Trial, ServiceError> {
    let limits = core.limits();
    let context = Context {
        environments: &state.environments,
        limits: &limits,
        history: &core.history,
        metrics: &core.metrics,
    };
    let mut branches = working_of(state);
    let (mut checks, mut texts) = (Checks::default(), Texts::new(core.repository.reader(), limits));
    let mut batch = Batch::new(
        context,
        (&mut branches, &mut checks, &mut texts),
        state.sequence,
        Timestamp::from_millis(0),
    );
    batch.try_out(edits)
}
