use std::sync::Arc;

use super::{Path, PathGlob};

/// How what several layers have at one path becomes one value, where the nearest does not simply replace the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeStrategy {
    /// Of an array, the parent's items come first, then those of the layer.
    Append,
    /// The same, without items that equal one before them.
    Unique,
    /// The same for objects as items: one that has an equal value at this member as one of the parent's is merged into
    /// that, key by key, in the parent's place.
    By(Arc<str>),
    /// An object hides all of its parent's, as values do.
    Replace,
}

/// Which paths are merged otherwise than by default: objects key by key, anything else by replacing.
///
/// Of several rules that match a path the first one counts.
///
/// ```
/// use confgit::model::{MergeRules, MergeStrategy, Path, PathGlob};
/// let rules = MergeRules::new(vec![(PathGlob::new("/shop/*/origins"), MergeStrategy::Unique)]);
/// let path: Path = "/shop/eu/origins".parse().unwrap();
/// assert_eq!(rules.of(&path), Some(&MergeStrategy::Unique));
/// assert_eq!(rules.of(&Path::root()), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeRules {
    rules: Vec<(PathGlob, MergeStrategy)>,
}

impl MergeRules {
    /// These rules, in the order in which they are tried.
    pub fn new(rules: Vec<(PathGlob, MergeStrategy)>) -> Self {
        MergeRules { rules }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The strategy for what stands at a path; none for the default.
    pub fn of(&self, path: &Path) -> Option<&MergeStrategy> {
        self.rules.iter().find(|(glob, _)| glob.matches(path)).map(|(_, strategy)| strategy)
    }

    /// Whether objects at a path hide those of their parents.
    pub fn replaces(&self, path: &Path) -> bool {
        self.of(path) == Some(&MergeStrategy::Replace)
    }

    /// Whether any object hides those of its parents.
    pub fn has_replacing(&self) -> bool {
        self.rules.iter().any(|(_, strategy)| *strategy == MergeStrategy::Replace)
    }
}
