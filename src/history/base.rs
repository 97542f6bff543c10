use std::collections::HashSet;
use std::sync::Arc;

use super::{History, HistoryError, corrupt};
use crate::model::{ChangeSet, Path, Revision, Sequence, Timestamp, Version};

/// Where an index begins that does not begin with the first change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The change set it begins with: the state after it is the oldest that can be asked for.
    pub change_set: ChangeSet,
    /// All branches there had been by then, in the order of their names.
    pub heads: Vec<BaseHead>,
}

/// A branch where an index begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseHead {
    /// The branch.
    pub branch: Arc<str>,
    /// Its head, and the change set that moved it there; none where it did not exist.
    pub at: Option<(Sequence, Revision)>,
}

/// The newest version of a path where an index begins: a delete too, since numbers go on after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseVersion {
    /// The path.
    pub path: Path,
    /// Its number.
    pub version: Version,
    /// Whether it is a delete.
    pub deleted: bool,
    /// The change set that made it.
    pub sequence: Sequence,
    /// The commit that made it.
    pub revision: Revision,
    /// When the change set was accepted.
    pub time: Timestamp,
    /// Who wrote it.
    pub account: Arc<str>,
}

impl History {
    /// Where an index would begin that begins with this change set.
    pub fn base_at(&self, sequence: Sequence) -> Result<Base, HistoryError> {
        let missing = || corrupt("an unknown change set");
        let change_set = self.change_set(sequence)?.ok_or_else(missing)?;
        let inner = self.read();
        let mut branches = inner.branches.list.clone();
        branches.sort();
        let mut heads = Vec::new();
        for branch in branches {
            let at = inner.head_at(&branch, sequence)?;
            heads.push(BaseHead { branch, at });
        }
        Ok(Base { change_set, heads })
    }

    /// The newest version that every path of a branch had after a change set, in the order of paths.
    ///
    /// Writers wait for one path at most.
    pub fn base_versions(&self, branch: &str, sequence: Sequence) -> Result<Vec<BaseVersion>, HistoryError> {
        let mut paths: Vec<Path> = {
            let inner = self.read();
            let id = inner.branches.ids.get(branch).copied();
            inner.names.iter().filter(|(of, _)| Some(*of) == id).map(|(_, path)| path.clone()).collect()
        };
        paths.sort();
        let none = HashSet::new();
        let mut versions = Vec::new();
        for path in paths {
            let inner = self.read();
            inner.check_kept(sequence)?;
            let Some(line) = inner.line(branch, &path) else { continue };
            let Some(item) = inner.newest_at(line, sequence, &none)? else { continue };
            let record = inner.record(&item)?;
            let (version, deleted, sequence) = (record.version, record.deleted, record.sequence);
            let (revision, time, account) = (record.revision, record.time, record.account);
            versions.push(BaseVersion { path, version, deleted, sequence, revision, time, account });
        }
        Ok(versions)
    }
}
