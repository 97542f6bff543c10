use std::fmt::Debug;

use crate::model::Path;

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
