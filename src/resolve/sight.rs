use std::fmt::Debug;

use crate::model::Path;
use crate::snapshot::{Node, Object};

/// How much of what stands at and below a path somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing, whatever stands there.
    Nothing,
    /// Some of it; what, each path says.
    Part,
    /// All of it.
    All,
}

/// What somebody sees of an environment. What stands somewhere changes nothing of it: it is known before anything is
/// looked for.
pub trait Sight: Debug + Send + Sync {
    /// Whether a value at this very path is seen.
    fn sees(&self, path: &Path) -> bool;

    /// How much is seen at and below a path. `has_hidden` says whether names below may begin with a dot.
    fn below(&self, path: &Path, has_hidden: bool) -> Seen;

    /// Whether a variable at this path is kept from somebody who sees a value that names it.
    fn is_kept_from(&self, path: &Path) -> bool;
}

/// How many entries of one layer at and below a path are seen, tombstones included; where nobody's sight counts, all.
pub fn entries_seen(sight: Option<&dyn Sight>, at: &Path, object: &Object) -> usize {
    let Some(eyes) = sight else { return object.entries() };
    match eyes.below(at, object.has_hidden()) {
        Seen::All => object.entries(),
        Seen::Nothing => 0,
        Seen::Part => {
            let members = object.children().map(|(name, node)| match (at.child(name), node) {
                (Ok(path), Node::Entry(_)) => usize::from(eyes.sees(&path)),
                (Ok(path), Node::Object(inner)) => entries_seen(sight, &path, inner),
                // Every path in a snapshot was checked when its file was read.
                (Err(_), _) => 0,
            });
            members.sum()
        }
    }
}
