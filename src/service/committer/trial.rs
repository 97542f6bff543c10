//! What a write would come to, worked out beside the committer on what readers see.

use std::sync::Arc;

use super::batch::{Batch, Context, HeadsTrial, Merger, Trial, working_of};
use super::checks::Checks;
use super::request::Edit;
use super::texts::Texts;
use crate::auth::{Rights, WriteGrant};
use crate::git::Reader;
use crate::index::State;
use crate::model::{Revision, Timestamp};
use crate::proposal::Head;
use crate::service::ServiceError;
use crate::service::core::Core;

/// Tries edits out on a state.
pub(in crate::service) fn try_out(
    core: &Core,
    state: &State,
    grant: &WriteGrant,
    edits: &[Edit],
) -> Result<Trial, ServiceError> {
    on_state(core, state, core.repository.reader(), |batch| batch.try_out(grant, edits))
}

/// Tries out what merging the heads of a proposal would come to, for somebody and for whoever proposed it.
pub(in crate::service) fn try_heads(
    core: &Core,
    state: &State,
    (grant, author): (&WriteGrant, Option<&Rights>),
    heads: &[Head],
) -> Result<HeadsTrial, ServiceError> {
    let reader = core.repository.reader();
    on_state(core, state, reader, |batch| batch.try_heads(heads, &Merger { grant, author }))
}

/// Tries out what taking a commit into a branch would come to, which `reader` can read.
pub(in crate::service) fn try_commit(
    core: &Core,
    state: &State,
    reader: Reader,
    grant: &WriteGrant,
    branch: &Arc<str>,
    commits: (Option<Revision>, Revision),
) -> Result<HeadsTrial, ServiceError> {
    on_state(core, state, reader, |batch| {
        let head = batch.head_of(branch, commits, Vec::new())?;
        batch.try_heads(&[head], &Merger { grant, author: None })
    })
}

/// Works something out on a state, of which nothing is made.
fn on_state<T>(
    core: &Core,
    state: &State,
    reader: Reader,
    work: impl FnOnce(&mut Batch<'_>) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let limits = core.limits();
    let context = Context::of(core, &state.environments, &limits);
    let mut branches = working_of(state);
    let (mut checks, mut texts) = (Checks::default(), Texts::new(reader, limits));
    let mut batch = Batch::new(
        context,
        (&mut branches, &mut checks, &mut texts),
        state.sequence,
        Timestamp::from_millis(0),
    );
    work(&mut batch)
}
