use std::collections::BTreeMap;

use super::{MergeRules, Path, PathGlob};

/// What settings say about how layers and references become values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolutionRules {
    /// How what several layers have at one path becomes one value.
    pub merge: MergeRules,
    /// Paths whose values are read as they are written, references and all.
    pub as_written: Vec<PathGlob>,
    /// The variables of the server's process that references may name, with their values; none for one that is not
    /// set.
    pub process: BTreeMap<String, Option<String>>,
}

impl ResolutionRules {
    /// Whether the values at a path are read as they are written.
    pub fn is_as_written(&self, path: &Path) -> bool {
        self.as_written.iter().any(|glob| glob.matches(path))
    }
}
