//! The history index: which commits made which version of which path. Derived: deleted, it is rebuilt from
//! the journal and the commits, with equal numbers.
//!
//! One append-only file. Each record of a version points at the one before it of the same path, and at one
//! further back, so that newest-first listing reads only what it shows and any version is found in
//! O(log² n) reads. In memory: 1 number per change set and 1 per move of a branch, and per path its name,
//! version and last record.

mod compare;
mod draft;
mod file;
mod record;
mod stamps;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::model::{ChangeSet, Path, Revision, Sequence, Timestamp, Version};

use draft::Draft;
use file::LogFile;
use record::{Item, VersionItem};

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
}

/// The index of one project.
#[derive(Debug)]
pub struct History {
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: LogFile,
    branches: Names,
    accounts: Names,
    paths: HashMap<(u32, Path), u32>,
    /// Branch and path of each path number; the text is shared with `paths`.
    names: Vec<(u32, Path)>,
    lines: Vec<Line>,
    /// Where the record of each change set begins: that of sequence n is at n - 1.
    change_sets: Vec<u64>,
    /// How many bytes the record of each change set and those of its versions take together.
    lengths: Vec<u32>,
    /// Per branch number, the sequences of the change sets that move it, in order.
    moves: Vec<Vec<u64>>,
}

/// The versions of one path in one branch.
#[derive(Debug, Clone, Copy)]
struct Line {
    version: u64,
    /// Where the record of that version begins.
    last: u64,
}

#[derive(Debug, Default)]
struct Names {
    list: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl Names {
    fn add(&mut self, name: Arc<str>) -> u32 {
        let id = self.list.len() as u32;
        self.ids.insert(name.clone(), id);
        self.list.push(name);
        id
    }

    fn get(&self, id: u32) -> io::Result<Arc<str>> {
        self.list.get(id as usize).cloned().ok_or_else(|| corrupt("a name that was never defined"))
    }
}

fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the history index is damaged: {what}"))
}

impl History {
    /// Opens the index in this file, creating it when it is missing. A tail that a crash left half-written
    /// is cut off; a file of another format or with damage further up is an `InvalidData` error, and the
    /// caller deletes it and rebuilds.
    pub fn open(path: &FilePath) -> io::Result<Self> {
        let mut inner = Inner {
            file: LogFile::open(path)?,
            branches: Names::default(),
            accounts: Names::default(),
            paths: HashMap::new(),
            names: Vec::new(),
            lines: Vec::new(),
            change_sets: Vec::new(),
            lengths: Vec::new(),
            moves: Vec::new(),
        };
        let mut reader = inner.file.frames()?;
        while let Some((offset, frame)) = reader.next()? {
            for item in record::decode(offset, &frame) {
                let (at, item) = item?;
                inner.take_in(at, item)?;
            }
        }
        let end = reader.position();
        inner.file.truncate(end)?;
        Ok(History { inner: RwLock::new(inner) })
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // A panic while writing cannot leave `Inner` half-changed in a way that reading would notice late:
        // offsets are added after their records were written.
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The last change set in the index; 0 when it is empty.
    pub fn covered(&self) -> Sequence {
        Sequence(self.read().change_sets.len() as u64)
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

    /// One version of a path.
    pub fn version(&self, branch: &str, path: &Path, version: Version) -> io::Result<Option<VersionRecord>> {
        Ok(self
            .versions(branch, path, Some(Version(version.0.saturating_add(1))), 1)?
            .into_iter()
            .find(|r| r.version == version))
    }

    /// The versions of a path below a number (all when none), newest first, at most `limit`.
    pub fn versions(
        &self,
        branch: &str,
        path: &Path,
        below: Option<Version>,
        limit: usize,
    ) -> io::Result<Vec<VersionRecord>> {
        let inner = self.read();
        let Some(line) = inner.line(branch, path) else { return Ok(Vec::new()) };
        let newest = below.map_or(line.version, |below| line.version.min(below.0.saturating_sub(1)));
        let mut records = Vec::new();
        let mut number = newest;
        let mut item = match number {
            0 => return Ok(records),
            _ => inner.seek(line.last, number)?,
        };
        loop {
            records.push(inner.record(&item)?);
            number -= 1;
            if number == 0 || records.len() >= limit {
                return Ok(records);
            }
            item = inner.version_at(item.previous)?;
        }
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
    ) -> io::Result<Option<VersionRecord>> {
        let inner = self.read();
        let Some(line) = inner.line(branch, path).filter(|line| line.version > 0) else { return Ok(None) };
        let mut item = inner.version_at(line.last)?;
        loop {
            let is_too_new = item.sequence > sequence;
            let is_unmade = item.sequence == sequence && unmade.contains(&item.revision);
            if !is_too_new && !is_unmade {
                return if item.deleted { Ok(None) } else { inner.record(&item).map(Some) };
            }
            if item.version == 1 {
                return Ok(None);
            }
            // The far record is taken only while it is still too new; else the answer may lie before it.
            let far = if is_too_new && item.skip != 0 { Some(inner.version_at(item.skip)?) } else { None };
            item = match far {
                Some(far) if far.sequence > sequence => far,
                _ => inner.version_at(item.previous)?,
            };
        }
    }

    /// The change set of this number.
    pub fn change_set(&self, sequence: Sequence) -> io::Result<Option<ChangeSet>> {
        let inner = self.read();
        let Some(&offset) = sequence.0.checked_sub(1).and_then(|index| inner.change_sets.get(index as usize))
        else {
            return Ok(None);
        };
        inner.change_set_at(offset).map(Some)
    }

    /// The versions that a change set made, branch by branch, each in the order of paths. Reads one piece of
    /// the file.
    pub fn versions_of(&self, sequence: Sequence) -> io::Result<Vec<NewVersion>> {
        let inner = self.read();
        let offset = inner.change_set_offset(sequence)?;
        let length = inner.lengths.get(sequence.0.wrapping_sub(1) as usize).copied().unwrap_or_default();
        let bytes = inner.file.read(offset, length as usize)?;
        let mut versions = Vec::new();
        for item in record::decode(offset, &bytes) {
            if let (_, Item::Version(item)) = item? {
                versions.push(inner.new_version(&item)?);
            }
        }
        Ok(versions)
    }

    /// The last change set before this one that moved a branch.
    pub fn moved_before(&self, branch: &str, sequence: Sequence) -> Option<Sequence> {
        let inner = self.read();
        let moves = inner.moves.get(*inner.branches.ids.get(branch)? as usize)?;
        let later = moves.partition_point(|moved| *moved < sequence.0);
        moves.get(later.checked_sub(1)?).map(|moved| Sequence(*moved))
    }

    /// The last change set accepted at or before this moment; 0 when there is none.
    pub fn sequence_at(&self, time: Timestamp) -> io::Result<Sequence> {
        let inner = self.read();
        // The committer never lets time run backwards within the journal, so the order is that of the numbers.
        let (mut low, mut high) = (0, inner.change_sets.len());
        while low < high {
            let middle = (low + high) / 2;
            let found = inner.change_sets.get(middle).copied().ok_or_else(|| corrupt("a gap"))?;
            if inner.change_set_at(found)?.time <= time { low = middle + 1 } else { high = middle }
        }
        Ok(Sequence(low as u64))
    }

    /// The head of a branch after this change set: none when it did not exist then. Reads one record.
    pub fn head_at(&self, branch: &str, sequence: Sequence) -> io::Result<Option<Revision>> {
        let inner = self.read();
        let Some(moves) = inner.branches.ids.get(branch).and_then(|id| inner.moves.get(*id as usize)) else {
            return Ok(None);
        };
        let later = moves.partition_point(|moved| *moved <= sequence.0);
        let Some(&moved) = later.checked_sub(1).and_then(|index| moves.get(index)) else { return Ok(None) };
        let change_set = inner.change_set_at(inner.change_set_offset(Sequence(moved))?)?;
        Ok(change_set.moves.iter().rev().find(|step| &*step.branch == branch).and_then(|step| step.new))
    }
}

impl Inner {
    fn line(&self, branch: &str, path: &Path) -> Option<Line> {
        self.line_in(*self.branches.ids.get(branch)?, path)
    }

    fn line_in(&self, branch: u32, path: &Path) -> Option<Line> {
        let id = *self.paths.get(&(branch, path.clone()))?;
        self.lines.get(id as usize).copied()
    }

    /// Lets an item that stands in the file at `at` count.
    fn take_in(&mut self, at: u64, item: Item) -> io::Result<()> {
        match item {
            Item::Branch(name) => {
                self.branches.add(name);
                self.moves.push(Vec::new());
            }
            Item::Account(name) => {
                self.accounts.add(name);
            }
            Item::Path { branch, path } => {
                self.names.push((branch, path.clone()));
                self.paths.insert((branch, path), self.lines.len() as u32);
                self.lines.push(Line { version: 0, last: 0 });
            }
            Item::ChangeSet { sequence, moves, .. } => {
                let length = record::change_set_bytes(moves.len());
                if sequence.0 != self.change_sets.len() as u64 + 1 {
                    return Err(corrupt("change sets out of order"));
                }
                for (branch, ..) in moves {
                    let moved =
                        self.moves.get_mut(branch as usize).ok_or_else(|| corrupt("an unknown branch"))?;
                    // A change set may move a branch twice.
                    if moved.last() != Some(&sequence.0) {
                        moved.push(sequence.0);
                    }
                }
                self.change_sets.push(at);
                self.lengths.push(length);
            }
            Item::Version(item) => {
                let line =
                    self.lines.get_mut(item.path as usize).ok_or_else(|| corrupt("an unknown path"))?;
                if item.version != line.version + 1 {
                    return Err(corrupt("versions out of order"));
                }
                *line = Line { version: item.version, last: at };
                // The versions of a change set follow it within its frame.
                if let (Some(&begins), Some(length)) = (self.change_sets.last(), self.lengths.last_mut()) {
                    *length = u32::try_from(at - begins).unwrap_or(u32::MAX) + record::VERSION_BYTES as u32;
                }
            }
        }
        Ok(())
    }

    fn encode(&self, batch: &[(ChangeSet, Vec<NewVersion>)], frame: &mut record::Frame) -> io::Result<()> {
        let mut draft = Draft::new(self);
        for (change_set, versions) in batch {
            draft.change_set(change_set, frame);
            for version in versions {
                draft.version(change_set, version, frame)?;
            }
        }
        Ok(())
    }

    fn new_version(&self, item: &VersionItem) -> io::Result<NewVersion> {
        let (branch, path) = self.names.get(item.path as usize).ok_or_else(|| corrupt("an unknown path"))?;
        Ok(NewVersion {
            branch: self.branches.get(*branch)?,
            path: path.clone(),
            version: Version(item.version),
            revision: item.revision,
            deleted: item.deleted,
        })
    }

    fn version_at(&self, offset: u64) -> io::Result<VersionItem> {
        record::decode_version(&self.file.read(offset, record::VERSION_BYTES)?)
    }

    fn change_set_at(&self, offset: u64) -> io::Result<ChangeSet> {
        let read = |length| self.file.read_up_to(offset, length);
        let Item::ChangeSet { sequence, time, account, moves } = record::decode_change_set(read)? else {
            return Err(corrupt("no change set where one was noted"));
        };
        let moves = moves
            .into_iter()
            .map(|(branch, old, new)| Ok(crate::model::Move { branch: self.branches.get(branch)?, old, new }))
            .collect::<io::Result<_>>()?;
        Ok(ChangeSet { sequence, time, account: self.accounts.get(account)?, moves })
    }

    /// Where the record of a change set begins.
    fn change_set_offset(&self, sequence: Sequence) -> io::Result<u64> {
        let found = self.change_sets.get(sequence.0.wrapping_sub(1) as usize).copied();
        found.ok_or_else(|| corrupt("an unknown change set"))
    }

    /// The record of version `number`, starting from a newer one's.
    fn seek(&self, from: u64, number: u64) -> io::Result<VersionItem> {
        let mut item = self.version_at(from)?;
        while item.version > number {
            let skipped = record::skip_target(item.version);
            let next = if skipped >= number { item.skip } else { item.previous };
            item = self.version_at(next)?;
        }
        Ok(item)
    }

    fn record(&self, item: &VersionItem) -> io::Result<VersionRecord> {
        let change_set = self.change_set_at(self.change_set_offset(item.sequence)?)?;
        Ok(VersionRecord {
            version: Version(item.version),
            deleted: item.deleted,
            sequence: item.sequence,
            revision: item.revision,
            time: change_set.time,
            account: change_set.account,
        })
    }
}
