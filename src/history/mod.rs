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
mod draft;
mod error;
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
use record::{Before, Item, VersionItem};

pub use base::{Base, BaseHead, BaseVersion, Beginning};
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

#[derive(Debug)]
struct Inner {
    /// How often the index began anew in another file.
    generation: u64,
    file: LogFile,
    /// The change set that the index begins with, where that is not the first.
    base: Option<Sequence>,
    /// By branch number, what [`Base`] says of its head.
    heads: HashMap<u32, (Sequence, Revision)>,
    branches: Names,
    accounts: Names,
    paths: HashMap<(u32, Path), u32>,
    /// Branch and path of each path number; the text is shared with `paths`.
    names: Vec<(u32, Path)>,
    lines: Vec<Line>,
    /// Where the record of each change set begins, from the first or the base on.
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

impl Inner {
    fn new(file: LogFile) -> Self {
        Inner {
            generation: 0,
            file,
            base: None,
            heads: HashMap::new(),
            branches: Names::default(),
            accounts: Names::default(),
            paths: HashMap::new(),
            names: Vec::new(),
            lines: Vec::new(),
            change_sets: Vec::new(),
            lengths: Vec::new(),
            moves: Vec::new(),
        }
    }

    /// The number of the first change set in the index.
    fn first(&self) -> u64 {
        self.base.map_or(1, |base| base.0)
    }

    fn covered(&self) -> Sequence {
        Sequence((self.first() + self.change_sets.len() as u64).saturating_sub(1))
    }

    fn pruned(&self) -> HistoryError {
        HistoryError::Pruned { oldest: Sequence(self.first()) }
    }

    /// Refuses what is before the change set that the index begins with.
    fn check_kept(&self, sequence: Sequence) -> Result<(), HistoryError> {
        match self.base {
            Some(base) if sequence < base => Err(self.pruned()),
            _ => Ok(()),
        }
    }

    /// Where a change set is in the lists of them.
    fn place_of(&self, sequence: Sequence) -> Option<usize> {
        usize::try_from(sequence.0.checked_sub(self.first())?).ok()
    }

    /// The change set that moved a branch to where it was after this one, and the head.
    fn head_at(&self, branch: &str, sequence: Sequence) -> io::Result<Option<(Sequence, Revision)>> {
        let Some(&id) = self.branches.ids.get(branch) else { return Ok(None) };
        let moves = self.moves.get(id as usize).map(Vec::as_slice).unwrap_or_default();
        let later = moves.partition_point(|moved| *moved <= sequence.0);
        let Some(&moved) = later.checked_sub(1).and_then(|index| moves.get(index)) else {
            return Ok(self.heads.get(&id).copied());
        };
        let offset = self.place_of(Sequence(moved)).and_then(|place| self.change_sets.get(place)).copied();
        let change_set = self.change_set_at(offset.ok_or_else(|| corrupt("an unknown change set"))?)?;
        let last = change_set.moves.iter().rev().find(|step| &*step.branch == branch);
        Ok(last.and_then(|step| Some((Sequence(moved), step.new?))))
    }

    /// The newest version of a path by a change set, deletes among them.
    fn newest_at(
        &self,
        line: Line,
        sequence: Sequence,
        unmade: &HashSet<Revision>,
    ) -> io::Result<Option<VersionItem>> {
        if line.version == 0 {
            return Ok(None);
        }
        let mut item = self.version_at(line.last)?;
        loop {
            let is_too_new = item.sequence > sequence;
            let is_unmade = item.sequence == sequence && unmade.contains(&item.revision);
            if !is_too_new && !is_unmade {
                return Ok(Some(item));
            }
            let Before::At { previous, skip } = item.before else { return Ok(None) };
            if previous == 0 {
                return Ok(None);
            }
            // The far record is taken only while it is still too new; else the answer may lie before it.
            let far = if is_too_new && skip != 0 { Some(self.version_at(skip)?) } else { None };
            item = match far {
                Some(far) if far.sequence > sequence => far,
                _ => self.version_at(previous)?,
            };
        }
    }

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
            Item::Base(sequence) => {
                if self.base.is_some() || !self.branches.list.is_empty() || !self.change_sets.is_empty() {
                    return Err(corrupt("it begins twice"));
                }
                self.base = Some(sequence);
            }
            Item::Head { branch, sequence, revision } => {
                self.heads.insert(branch, (sequence, revision));
            }
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
                if sequence.0 != self.first() + self.change_sets.len() as u64 {
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
                let is_next = match item.before {
                    Before::At { .. } => item.version == line.version + 1,
                    Before::Pruned { .. } => line.version == 0 && self.change_sets.is_empty(),
                };
                if !is_next {
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

    fn versions_of(&self, sequence: Sequence) -> Result<Vec<NewVersion>, HistoryError> {
        if self.base == Some(sequence) {
            return Err(self.pruned());
        }
        let offset = self.change_set_offset(sequence)?;
        let length = self.place_of(sequence).and_then(|place| self.lengths.get(place)).copied();
        let bytes = self.file.read(offset, length.unwrap_or_default() as usize)?;
        let mut versions = Vec::new();
        for item in record::decode(offset, &bytes) {
            if let (_, Item::Version(item)) = item? {
                versions.push(self.new_version(&item)?);
            }
        }
        Ok(versions)
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
    fn change_set_offset(&self, sequence: Sequence) -> Result<u64, HistoryError> {
        self.check_kept(sequence)?;
        let found = self.place_of(sequence).and_then(|place| self.change_sets.get(place)).copied();
        Ok(found.ok_or_else(|| corrupt("an unknown change set"))?)
    }

    /// The record of version `number`, starting from a newer one's; none where it is not kept any more.
    fn seek(&self, from: u64, number: u64) -> io::Result<Option<VersionItem>> {
        let mut item = self.version_at(from)?;
        while item.version > number {
            let Before::At { previous, skip } = item.before else { return Ok(None) };
            let is_near = skip == 0 || record::skip_target(item.version) < number;
            item = self.version_at(if is_near { previous } else { skip })?;
        }
        Ok(Some(item))
    }

    fn record(&self, item: &VersionItem) -> Result<VersionRecord, HistoryError> {
        let (time, account) = match item.before {
            Before::At { .. } => {
                let change_set = self.change_set_at(self.change_set_offset(item.sequence)?)?;
                (change_set.time, change_set.account)
            }
            Before::Pruned { time, account } => (time, self.accounts.get(account)?),
        };
        Ok(self.record_of(item, time, account)?)
    }

    fn record_of(&self, item: &VersionItem, time: Timestamp, account: Arc<str>) -> io::Result<VersionRecord> {
        let (held_by, is_oldest) = match item.before {
            Before::At { previous, .. } => (item.revision, previous == 0),
            Before::Pruned { .. } => {
                let (branch, _) =
                    self.names.get(item.path as usize).ok_or_else(|| corrupt("an unknown path"))?;
                (self.heads.get(branch).map_or(item.revision, |(_, head)| *head), true)
            }
        };
        let (version, deleted) = (Version(item.version), item.deleted);
        let (sequence, revision) = (item.sequence, item.revision);
        Ok(VersionRecord { version, deleted, sequence, revision, time, account, held_by, is_oldest })
    }
}
