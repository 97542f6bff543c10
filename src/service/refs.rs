//! How the journal and the refs of a project are named.

use std::sync::Arc;

use crate::git::RefMove;
use crate::model::{ChangeSet, Move, ObjectId};

/// The trailer of a journal commit whose change sets others had made before: their branches stand there.
pub(super) const OUTSIDE_TRAILER: &str = "Outside";

/// The trailer of a journal commit that says which record of the audit log was durable by then, and its hash.
pub(super) const AUDIT_TRAILER: &str = "Audit";

/// The trailer of a journal commit that names a ref which moved with its change sets and is no branch of an environment:
/// `<name> <old> <new>`.
pub(super) const REF_TRAILER: &str = "Ref";

/// The value of that trailer.
pub(super) fn ref_trailer(step: &RefMove) -> String {
    let id = |id: Option<ObjectId>| id.unwrap_or(ObjectId::ZERO);
    format!("{} {} {}", step.name, id(step.old), id(step.new))
}

/// The step that such a trailer tells of.
pub(super) fn ref_of_trailer(value: &str) -> Option<RefMove> {
    let mut words = value.split(' ');
    let name = words.next()?.to_owned();
    let mut id = || words.next()?.parse::<ObjectId>().ok().map(|id| (!id.is_zero()).then_some(id));
    Some(RefMove { name, old: id()?, new: id()? })
}

/// Where a head is kept that a branch was moved away from: history goes on naming it.
pub(super) const KEPT: &str = "refs/confgit/kept";

/// Each branch's one step over all change sets of a batch.
pub(super) fn branch_moves<'a>(change_sets: impl Iterator<Item = &'a ChangeSet>) -> Vec<RefMove> {
    let mut steps: Vec<RefMove> = Vec::new();
    for Move { branch, old, new } in change_sets.flat_map(|change_set| &change_set.moves) {
        let name = branch_ref(branch);
        match steps.iter_mut().find(|step| step.name == name) {
            Some(step) => step.new = *new,
            None => steps.push(RefMove { name, old: *old, new: *new }),
        }
    }
    steps
}

/// The full name of a branch's ref.
pub(super) fn branch_ref(branch: &Arc<str>) -> String {
    format!("refs/heads/{branch}")
}
