//! What a write would come to, worked out beside the committer on what readers see.

use super::batch::{Batch, Context, Trial, working_of};
use super::checks::Checks;
use super::request::Edit;
use super::texts::Texts;
use crate::auth::WriteGrant;
use crate::index::State;
use crate::model::Timestamp;
use crate::service::ServiceError;
use crate::service::core::Core;

/// Tries edits out on a state.
pub(in crate::service) fn try_out(
    core: &Core,
    state: &State,
    grant: &WriteGrant,
    edits: &[Edit],
) -> Result<Trial, ServiceError> {
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
    batch.try_out(grant, edits)
}
