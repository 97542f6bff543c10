use std::collections::BTreeSet;

use super::Says;
use crate::model::Path;
use crate::snapshot::Snapshot;

/// What a merge of two states of one layer comes to, in the order of paths.
#[derive(Debug, Default)]
pub struct LayerMerge {
    /// What comes over to our state.
    pub taken: Vec<(Path, Says)>,
    /// What both changed, each in its way.
    pub conflicts: Vec<Path>,
}

/// Merges two states of one layer that were alike once: what theirs changed since comes over, entry by entry.
pub fn merge_layers(
    paths: &BTreeSet<Path>,
    base: &Snapshot,
    theirs: &Snapshot,
    ours: &Snapshot,
) -> LayerMerge {
    let mut merge = LayerMerge::default();
    for path in paths {
        let [base, theirs, ours] = [base, theirs, ours].map(|layer| Says::of(layer, path));
        if theirs.is_same(&base) || theirs.is_same(&ours) {
            continue;
        }
        match ours.is_same(&base) {
            true => merge.taken.push((path.clone(), theirs)),
            false => merge.conflicts.push(path.clone()),
        }
    }
    merge
}
