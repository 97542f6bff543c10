use std::fmt;
use std::sync::Arc;

use super::{Revision, Timestamp};

/// The number of a change set in its project: 1, 2, 3 …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence after this one.
    pub fn next(self) -> Self {
        Sequence(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many commits have created, changed or deleted a path within a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One branch's step within a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The branch, without `refs/heads/`.
    pub branch: Arc<str>,
    /// Its head before; none when the branch was created.
    pub old: Option<Revision>,
    /// Its head after; none when the branch was deleted.
    pub new: Option<Revision>,
}

/// What one accepted write changed, in one or several branches: one line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its place in the order of the project.
    pub sequence: Sequence,
    /// When the committer accepted it.
    pub time: Timestamp,
    /// Who wrote it.
    pub account: Arc<str>,
    /// The branches it moved; none for a change of settings alone.
    pub moves: Vec<Move>,
}
