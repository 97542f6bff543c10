//! Three-way merges of layers, entry by entry: what changed on their side since both sides were alike comes over to
//! ours, and what both changed otherwise is a conflict.

mod layers;
mod side;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::Path;
use crate::snapshot::{Node, Snapshot};

pub use layers::{LayerMerge, merge_layers, obstacles};
pub use side::{Ours, Says};

/// The three sides of a merge.
pub trait Sides {
    /// What a path was when both sides were alike; `own` is what our layer says of it.
    fn base(&self, path: &Path, own: &Says) -> Says;

    /// What their layer says of a path now.
    fn theirs(&self, path: &Path) -> Says;

    /// What there is at a path on our side now.
    fn ours(&self, path: &Path) -> Ours;

    /// Our own layer.
    fn own(&self) -> &Snapshot;
}

/// An entry that both sides changed, each in its way.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Where.
    pub path: Path,
    /// What it was when both sides were alike.
    pub base: Says,
    /// What our side shows.
    pub ours: Ours,
    /// What their layer says.
    pub theirs: Says,
    /// Where our layer has what would be lost, though it was not changed: at the path, or above it.
    pub in_the_way: Option<Path>,
}

/// What a merge comes to, in the order of paths.
#[derive(Debug, Default)]
pub struct Merge {
    /// What comes over to our layer.
    pub taken: Vec<(Path, Says)>,
    /// What somebody has to decide.
    pub conflicts: Vec<Conflict>,
}

/// Merges the entries at these paths: those at which their side may have changed.
pub fn merge(paths: &BTreeSet<Path>, sides: &impl Sides) -> Merge {
    let mut merge = Merge::default();
    for path in paths {
        let (ours, theirs) = (sides.ours(path), sides.theirs(path));
        let base = sides.base(path, &ours.says);
        if base.is_same(&theirs) {
            continue;
        }
        if ours.is(&theirs) {
            continue;
        }
        if ours.is(&base) {
            merge.taken.push((path.clone(), theirs));
        } else {
            merge.conflicts.push(Conflict { path: path.clone(), base, ours, theirs, in_the_way: None });
        }
    }
    merge.find_what_is_in_the_way(sides);
    merge
}

impl Merge {
    /// A value takes the place of all that the layer has below it, and nothing can be below a value. What would be lost
    /// so and is no part of the merge is a conflict.
    fn find_what_is_in_the_way(&mut self, sides: &impl Sides) {
        let goes = |says: &Says| matches!(says, Says::Nothing);
        let gone: BTreeSet<Path> =
            self.taken.iter().filter(|(_, says)| goes(says)).map(|(path, _)| path.clone()).collect();
        let (mut taken, mut in_the_way) = (Vec::new(), Vec::new());
        for (path, theirs) in std::mem::take(&mut self.taken) {
            match obstacle(&path, &gone, sides.own()).filter(|_| !goes(&theirs)) {
                None => taken.push((path, theirs)),
                Some(at) => {
                    let mut ours = sides.ours(&path);
                    let base = sides.base(&path, &ours.says);
                    if at != path {
                        ours = sides.ours(&at);
                    }
                    in_the_way.push(Conflict { path, base, ours, theirs, in_the_way: Some(at) });
                }
            }
        }
        self.taken = taken;
        self.conflicts.append(&mut in_the_way);
        self.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

/// Where a layer has something below a path, or at one above it, that does not go.
fn obstacle(path: &Path, gone: &BTreeSet<Path>, own: &Snapshot) -> Option<Path> {
    if let Some(Node::Object(object)) = own.find(path) {
        let mut stays = false;
        object.visit(path, &mut |below, _| stays |= !gone.contains(&below));
        if stays {
            return Some(path.clone());
        }
    }
    std::iter::successors(path.parent(), Path::parent)
        .find(|above| !gone.contains(above) && matches!(own.find(above), Some(Node::Entry(_))))
}
