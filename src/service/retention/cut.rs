use std::collections::{HashMap, HashSet};

use super::choice::Cut;
use super::finish::stale_kept;
use super::move_ref;
use crate::git::failpoint::{Step, reach};
use crate::git::{CutError, CutPlan, Ends, Reader, cut_at};
use crate::history::Base;
use crate::model::{Revision, Sequence};
use crate::service::ServiceError;
use crate::service::checkpoint::{self, Checkpoint, Draft};
use crate::service::core::Core;
use crate::service::load::Loader;

/// Lets history begin with a change set; answers the checkpoint that says so, none when somebody moved
/// branches meanwhile and it is to be tried again. Nothing has gone yet when it returns.
pub(super) fn cut(
    core: &Core,
    cut: &Cut,
    before: Option<&Checkpoint>,
) -> Result<Option<Checkpoint>, ServiceError> {
    let reader = core.repository.reader();
    let passed = *core.outside.close();
    let base = core.history.base_at(cut.sequence)?;
    let ends = ends(core, &reader, cut, &base)?;
    let mut draft = Draft::new(&reader, &base, &ends)?;
    for head in &base.heads {
        draft.branch(&reader, &core.history.base_versions(&head.branch, cut.sequence)?)?;
    }
    let made = draft.finish(&base, &ends, before.map(|before| before.id))?;
    // From here on it is a matter of a few flushes; writes go on, but for those that follow others' moves.
    let gate = core.outside.close();
    if *gate != passed {
        return Ok(None);
    }
    let (pack, step) = made;
    move_ref(core, Some(pack), step)?;
    reach(Step::CutCheckpoint)?;
    core.repository.set_ends(ends)?;
    reach(Step::CutShallow)?;
    drop(gate);
    Checkpoint::find(&core.repository, &reader)
}

/// The commits at which history will end.
fn ends(core: &Core, reader: &Reader, cut: &Cut, base: &Base) -> Result<Ends, ServiceError> {
    let mut heads: Vec<Revision> =
        base.heads.iter().filter_map(|head| head.at.map(|(_, head)| head)).collect();
    heads.sort();
    heads.dedup();
    let bridges = bridges(core, reader, &heads)?;
    heads.push(cut.journal);
    let mut ignored: HashSet<String> =
        stale_kept(core, cut.sequence)?.into_iter().map(|(name, _)| name).collect();
    ignored.insert(checkpoint::REF.to_owned());
    let single: Vec<Revision> = bridges.values().copied().collect();
    let plan = CutPlan { heads: &heads, single: &single, ignored: &ignored };
    let stop = || core.retention.is_stopped();
    let shallow = cut_at::<ServiceError>(&core.repository, &plan, moves(core, cut.sequence), &stop)?;
    Ok(Ends { shallow, bridges })
}

/// The older commits that say what files with problems serve.
fn bridges(
    core: &Core,
    reader: &Reader,
    heads: &[Revision],
) -> Result<HashMap<Revision, Revision>, ServiceError> {
    let mut bridges = HashMap::new();
    let limits = core.limits();
    let loader = Loader { reader, limits: &limits };
    for head in heads {
        let mut from = *head;
        for older in loader.rests_on(*head)? {
            bridges.entry(from).or_insert(older);
            from = older;
        }
    }
    Ok(bridges)
}

/// The steps of branches after a change set, from one commit to another.
fn moves(
    core: &Core,
    after: Sequence,
) -> impl Iterator<Item = Result<(Revision, Revision), ServiceError>> + '_ {
    (after.next().0..=core.history.covered().0).map(Sequence).flat_map(|sequence| {
        let steps = match core.history.change_set(sequence) {
            Ok(change_set) => change_set.into_iter().flat_map(|change_set| change_set.moves),
            Err(error) => return vec![Err(error.into())],
        };
        steps.filter_map(|step| Some(Ok((step.old?, step.new?)))).collect()
    })
}

impl From<CutError> for ServiceError {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Read(error) => error.into(),
            CutError::Io(error) => error.into(),
            stopped_or_torn => std::io::Error::other(stopped_or_torn.to_string()).into(),
        }
    }
}
