//! The history index: which commits made which version of which path. Derived: deleted, it is rebuilt from
//! the journal and the commits, with equal numbers.
//!
//! One append-only file. Each record of a version points at the one before it of the same path, and at one
//! further back, so that newest-first listing reads only what it shows and any version is found in
//! O(log² n) reads. In memory: 1 number per change set and 1 per move of a branch, and per path its name,
//! version and last record.
//!
//! Where a project keeps only its newer history, the index begins with a [`Base`]: where every branch was
//! as of a change set, and the newest version that every path had by then.

mod base;
mod beginning;
mod compare;
mod draft;
mod error;
mod file;
mod inner;
mod record;
mod stamps;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::model::{ChangeSet, Path, Revision, Sequence, Timestamp, Version};

use file::LogFile;
use inner::Inner;
use record::Before;

pub use base::{Base, BaseHead, BaseVersion};
pub use beginning::Beginning;
pub use error::HistoryError;
pub use stamps::Stamps;

/// One version of one path, as a change set makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The branch whose layer holds the path.
    pub branch: Arc<str>,
    /// The path.
    pub path: Path,
    /// Its number, one more than the path's last.
    pub version: Version,
    /// The commit that made it.
    pub revision: Revision,
    /// Whether the commit deleted the path.
    pub deleted: bool,
}

/// One version of a path, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    /// Its number.
    pub version: Version,
    /// Whether this version is a delete.
    pub deleted: bool,
    /// The change set that made it.
    pub sequence: Sequence,
    /// The commit that made it.
    pub revision: Revision,
    /// When the change set was accepted.
    pub time: Timestamp,
    /// Who wrote it.
    pub account: Arc<str>,
    /// A commit that holds its value: the one that made it, or, where the history kept begins with it, the
    /// head that its branch had at that beginning.
    pub held_by: Revision,
    /// Whether it is the oldest version that is kept.
    pub is_oldest: bool,
}

/// The index of one project.
#[derive(Debug)]
pub struct History {
    inner: RwLock<Inner>,
}

fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the history index is damaged: {what}"))
}

impl History {
    /// Opens the index in this file, creating it when it is missing. A tail that a crash left half-written
    /// is cut off; a file of another format or with damage further up is an `InvalidData` error, and the
    /// caller deletes it and rebuilds.
    pub fn open(path: &FilePath) -> io::Result<Self> {
        let mut inner = Inner::new(LogFile::open(path)?);
        let mut reader = inner.file.frames()?;
        while let Some((offset, frame)) = reader.next()? {
            for item in record::decode(offset, &frame) {
                let (at, item) = item?;
                inner.take_in(at, item)?;
            }
        }
        let end = reader.position();
        inner.file.truncate(end)?;
        if inner.base.is_some() && inner.change_sets.is_empty() {
            return Err(corrupt("its beginning is not whole"));
        }
        Ok(History { inner: RwLock::new(inner) })
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // A panic while writing cannot leave `Inner` half-changed in a way that reading would notice late:
        // offsets are added after their records were written.
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The last change set in the index; 0 when it is empty.
    pub fn covered(&self) -> Sequence {
        self.read().covered()
    }

    /// The change set that the index begins with: none where that is the first.
    pub fn base(&self) -> Option<Sequence> {
        self.read().base
    }

    /// Appends change sets and the versions they made, which must follow what is covered without a gap.
    pub fn append(&self, batch: &[(ChangeSet, Vec<NewVersion>)]) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut frame = record::Frame::new(inner.file.next_payload());
        let result = inner.encode(batch, &mut frame).and_then(|()| inner.file.append(&frame.bytes));
        if result.is_ok() {
            for (at, item) in frame.items {
                inner.take_in(at, item)?;
            }
        }
        result
    }

    /// Looks up the newest versions of many paths of one branch, cheaply.
    pub fn stamps(&self, branch: &str) -> Stamps<'_> {
        Stamps::new(self, branch)
    }

    /// The number of the newest version of a path in a branch; 0 when it never existed.
    pub fn last_version(&self, branch: &str, path: &Path) -> Version {
        Version(self.read().line(branch, path).map_or(0, |line| line.version))
    }

    /// One version of a path: none when it never had it, an error when it is not kept any more.
    pub fn version(
        &self,
        branch: &str,
        path: &Path,
        version: Version,
    ) -> Result<Option<VersionRecord>, HistoryError> {
        let inner = self.read();
        let Some(line) = inner.line(branch, path) else { return Ok(None) };
        if version.0 == 0 || version.0 > line.version {
            return Ok(None);
        }
        match inner.seek(line.last, version.0)? {
            Some(item) => inner.record(&item).map(Some),
            None => Err(inner.pruned()),
        }
    }

    /// The versions of a path below a number (all when none), newest first, at most `limit`, down to the
    /// oldest that is kept.
    pub fn versions(
        &self,
        branch: &str,
        path: &Path,
        below: Option<Version>,
        limit: usize,
    ) -> Result<Vec<VersionRecord>, HistoryError> {
        let inner = self.read();
        let Some(line) = inner.line(branch, path) else { return Ok(Vec::new()) };
        let newest = below.map_or(line.version, |below| line.version.min(below.0.saturating_sub(1)));
        let mut records = Vec::new();
        let mut next = match newest {
            0 => None,
            _ => inner.seek(line.last, newest)?,
        };
        while let Some(item) = next.filter(|_| records.len() < limit) {
            records.push(inner.record(&item)?);
            next = match item.before {
                Before::At { previous, .. } if previous != 0 => Some(inner.version_at(previous)?),
                _ => None,
            };
        }
        Ok(records)
    }

    /// The newest version of a path that a change set up to this one made; none where that is a delete.
    /// `unmade` names commits of that very change set whose versions do not count yet: one in the middle of a
    /// push is asked for.
    pub fn as_of(
        &self,
        branch: &str,
        path: &Path,
        sequence: Sequence,
        unmade: &HashSet<Revision>,
    ) -> Result<Option<VersionRecord>, HistoryError> {
        let inner = self.read();
        inner.check_kept(sequence)?;
        let Some(line) = inner.line(branch, path) else { return Ok(None) };
        match inner.newest_at(line, sequence, unmade)? {
            Some(item) if !item.deleted => inner.record(&item).map(Some),
            _ => Ok(None),
        }
    }

    /// The change set of this number: none when there is none yet, an error when it is not kept any more.
    pub fn change_set(&self, sequence: Sequence) -> Result<Option<ChangeSet>, HistoryError> {
        let inner = self.read();
        inner.check_kept(sequence)?;
        let Some(&offset) = inner.place_of(sequence).and_then(|place| inner.change_sets.get(place)) else {
            return Ok(None);
        };
        Ok(Some(inner.change_set_at(offset)?))
    }

    /// The versions that a change set made, branch by branch, each in the order of paths. Reads one piece of
    /// the file. Of the change set that the index begins with they are not kept.
    pub fn versions_of(&self, sequence: Sequence) -> Result<Vec<NewVersion>, HistoryError> {
        self.read().versions_of(sequence)
    }

    /// The last change set before this one that moved a branch, of those whose versions are kept.
    pub fn moved_before(&self, branch: &str, sequence: Sequence) -> Option<Sequence> {
        let inner = self.read();
        let moves = inner.moves.get(*inner.branches.ids.get(branch)? as usize)?;
        let later = moves.partition_point(|moved| *moved < sequence.0);
        let moved = moves.get(later.checked_sub(1)?).map(|moved| Sequence(*moved));
        moved.filter(|moved| inner.base != Some(*moved))
    }

    /// The last change set accepted at or before this moment; 0 when there is none, an error when it is not
    /// kept any more.
    pub fn sequence_at(&self, time: Timestamp) -> Result<Sequence, HistoryError> {
        let inner = self.read();
        // The committer never lets time run backwards within the journal, so the order is that of the numbers.
        let (mut low, mut high) = (0, inner.change_sets.len());
        while low < high {
            let middle = (low + high) / 2;
            let found = inner.change_sets.get(middle).copied().ok_or_else(|| corrupt("a gap"))?;
            if inner.change_set_at(found)?.time <= time { low = middle + 1 } else { high = middle }
        }
        match low {
            0 if inner.base.is_some() => Err(inner.pruned()),
            _ => Ok(Sequence(inner.first() + low as u64 - 1)),
        }
    }

    /// The head of a branch after this change set: none when it did not exist then. Reads one record.
    pub fn head_at(&self, branch: &str, sequence: Sequence) -> Result<Option<Revision>, HistoryError> {
        let inner = self.read();
        inner.check_kept(sequence)?;
        Ok(inner.head_at(branch, sequence)?.map(|(_, head)| head))
    }
}
