use std::collections::BTreeSet;

use super::Says;
use crate::model::Path;
use crate::snapshot::{Node, Snapshot};

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

/// The entries of a layer that cannot be beside one at a path, which are those above and below it, but for those that go.
pub fn obstacles(path: &Path, goes: &dyn Fn(&Path) -> bool, layer: &Snapshot) -> Vec<Path> {
    let above = std::iter::successors(path.parent(), Path::parent);
    let mut found: Vec<Path> =
        above.filter(|above| matches!(layer.find(above), Some(Node::Entry(_))) && !goes(above)).collect();
    if let Some(Node::Object(object)) = layer.find(path) {
        object.visit(path, &mut |below, _| {
            if !goes(&below) {
                found.push(below);
            }
        });
    }
    found
}
