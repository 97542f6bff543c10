//! How the journal and the refs of a project are named.

use std::sync::Arc;

use crate::git::RefMove;
use crate::model::{ChangeSet, Move};

/// The trailer of a journal commit whose change sets others had made before: their branches stand there.
pub(super) const OUTSIDE_TRAILER: &str = "Outside";

/// The trailer of a journal commit that says which record of the audit log was durable by then, and its hash.
pub(super) const AUDIT_TRAILER: &str = "Audit";

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
