//! The history index: which commits made which version of which path. Derived: deleted, it is rebuilt from
//! the journal and the commits, with equal numbers.
//!
//! One append-only file. Each record of a version points at the one before it of the same path, and at one
//! further back, so that newest-first listing reads only what it shows and any version is found in
//! O(log² n) reads. In memory: 1 number per change set and 1 per move of a branch, and per path its name,
//! version and last record.

mod file;
mod record;
mod stamps;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::model::{ChangeSet, Path, Revision, Sequence, Timestamp, Version};

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
    lines: Vec<Line>,
    /// Where the record of each change set begins: that of sequence n is at n - 1.
    change_sets: Vec<u64>,
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
            lines: Vec::new(),
            change_sets: Vec::new(),
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
                self.paths.insert((branch, path), self.lines.len() as u32);
                self.lines.push(Line { version: 0, last: 0 });
            }
            Item::ChangeSet { sequence, moves, .. } => {
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
            }
            Item::Version(item) => {
                let line =
                    self.lines.get_mut(item.path as usize).ok_or_else(|| corrupt("an unknown path"))?;
                if item.version != line.version + 1 {
                    return Err(corrupt("versions out of order"));
                }
                *line = Line { version: item.version, last: at };
            }
        }
        Ok(())
    }

    fn encode(&self, batch: &[(ChangeSet, Vec<NewVersion>)], frame: &mut record::Frame) -> io::Result<()> {
        let mut draft =
            Draft { inner: self, names: HashMap::new(), paths: HashMap::new(), lines: HashMap::new() };
        for (change_set, versions) in batch {
            draft.change_set(change_set, frame);
            for version in versions {
                draft.version(change_set, version, frame)?;
            }
        }
        Ok(())
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

/// What a batch adds to the index, before it is written.
struct Draft<'a> {
    inner: &'a Inner,
    /// New branches (`true`) and accounts (`false`).
    names: HashMap<(bool, Arc<str>), u32>,
    paths: HashMap<(u32, Path), u32>,
    lines: HashMap<u32, Vec<(u64, VersionItem)>>,
}

impl Draft<'_> {
    fn name(&mut self, is_branch: bool, name: &Arc<str>, frame: &mut record::Frame) -> u32 {
        let known = if is_branch { &self.inner.branches } else { &self.inner.accounts };
        if let Some(&id) = known.ids.get(name).or_else(|| self.names.get(&(is_branch, name.clone()))) {
            return id;
        }
        let fresh = self.names.keys().filter(|(kind, _)| *kind == is_branch).count();
        let id = (known.list.len() + fresh) as u32;
        self.names.insert((is_branch, name.clone()), id);
        frame.push(if is_branch { Item::Branch(name.clone()) } else { Item::Account(name.clone()) });
        id
    }

    fn change_set(&mut self, change_set: &ChangeSet, frame: &mut record::Frame) {
        let account = self.name(false, &change_set.account, frame);
        let moves = change_set
            .moves
            .iter()
            .map(|step| (self.name(true, &step.branch, frame), step.old, step.new))
            .collect();
        frame.push(Item::ChangeSet { sequence: change_set.sequence, time: change_set.time, account, moves });
    }

    fn version(
        &mut self,
        change_set: &ChangeSet,
        new: &NewVersion,
        frame: &mut record::Frame,
    ) -> io::Result<()> {
        let branch = self.name(true, &new.branch, frame);
        let key = (branch, new.path.clone());
        let path = match self.inner.paths.get(&key).or_else(|| self.paths.get(&key)) {
            Some(&path) => path,
            None => {
                let path = (self.inner.lines.len() + self.paths.len()) as u32;
                frame.push(Item::Path { branch, path: new.path.clone() });
                self.paths.insert(key, path);
                path
            }
        };
        let previous = match self.lines.get(&path).and_then(|drafted| drafted.last()) {
            Some((offset, item)) => Some((*offset, item.version)),
            None => self
                .inner
                .lines
                .get(path as usize)
                .filter(|line| line.version > 0)
                .map(|line| (line.last, line.version)),
        };
        let skip = match previous {
            Some((offset, version)) => {
                self.skip(path, offset, version, record::skip_target(new.version.0))?
            }
            None => 0,
        };
        let item = VersionItem {
            path,
            version: new.version.0,
            deleted: new.deleted,
            sequence: change_set.sequence,
            revision: new.revision,
            previous: previous.map_or(0, |(offset, _)| offset),
            skip,
        };
        let at = frame.push(Item::Version(item.clone()));
        self.lines.entry(path).or_default().push((at, item));
        Ok(())
    }

    /// Where the record of version `target` stands, walking back from `version` at `offset`.
    fn skip(&self, path: u32, mut offset: u64, mut version: u64, target: u64) -> io::Result<u64> {
        if target == 0 {
            return Ok(0);
        }
        while version > target {
            let drafted =
                self.lines.get(&path).and_then(|list| list.iter().rev().find(|(at, _)| *at == offset));
            let item = match drafted {
                Some((_, item)) => item.clone(),
                None => self.inner.version_at(offset)?,
            };
            let far = record::skip_target(version);
            (offset, version) = if far >= target { (item.skip, far) } else { (item.previous, version - 1) };
        }
        Ok(offset)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::model::{Move, ObjectId};

    fn change(sequence: u64) -> ChangeSet {
        let id = |n: u64| {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            ObjectId::from_bytes(bytes)
        };
        let step = Move {
            branch: "main".into(),
            old: (sequence > 1).then(|| id(sequence - 1)),
            new: Some(id(sequence)),
        };
        ChangeSet {
            sequence: Sequence(sequence),
            time: Timestamp::from_millis(1000 * sequence as i64),
            account: "ann".into(),
            moves: vec![step],
        }
    }

    fn version(change: &ChangeSet, path: &str, version: u64) -> NewVersion {
        let revision = change.moves[0].new.unwrap();
        NewVersion {
            branch: "main".into(),
            path: path.parse().unwrap(),
            version: Version(version),
            revision,
            deleted: version.is_multiple_of(7),
        }
    }

    fn filled(path: &FilePath, range: std::ops::RangeInclusive<u64>, per_batch: usize) -> History {
        let history = History::open(path).unwrap();
        let list: Vec<_> = range
            .map(|n| {
                let change = change(n);
                let versions = vec![version(&change, "/a", n), version(&change, &format!("/only/{n}"), 1)];
                (change, versions)
            })
            .collect();
        for batch in list.chunks(per_batch) {
            history.append(batch).unwrap();
        }
        history
    }

    #[test]
    fn every_version_is_found_whatever_the_batches() {
        for per_batch in [1, 3, 100] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("history");
            drop(filled(&file, 1..=60, per_batch));
            let history = filled(&file, 61..=100, per_batch);
            let a: Path = "/a".parse().unwrap();
            assert_eq!(history.covered(), Sequence(100));
            assert_eq!(history.last_version("main", &a), Version(100));
            for n in 1..=100 {
                let found = history.version("main", &a, Version(n)).unwrap().unwrap();
                assert_eq!((found.version.0, found.sequence.0, found.deleted), (n, n, n % 7 == 0));
                assert_eq!(found.revision, change(n).moves[0].new.unwrap());
            }
            let page = history.versions("main", &a, Some(Version(51)), 3).unwrap();
            assert_eq!(page.iter().map(|r| r.version.0).collect::<Vec<_>>(), [50, 49, 48]);
            assert_eq!(history.version("main", &a, Version(101)).unwrap(), None);
            assert_eq!(history.version("main", &a, Version(0)).unwrap(), None);
            assert_eq!(history.change_set(Sequence(42)).unwrap().unwrap(), change(42));
            assert_eq!(history.sequence_at(Timestamp::from_millis(42_500)).unwrap(), Sequence(42));
            assert_eq!(history.head_at("main", Sequence(7)).unwrap(), change(7).moves[0].new);
        }
    }

    #[test]
    fn the_head_of_a_branch_is_found_with_one_read_however_long_ago_it_moved() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(&dir.path().join("history")).unwrap();
        let moving = |sequence: u64, branches: &[(&str, bool)]| {
            let mut change = change(sequence);
            let new = change.moves[0].new;
            change.moves = branches
                .iter()
                .map(|(name, there)| Move { branch: (*name).into(), old: None, new: new.filter(|_| *there) })
                .collect();
            (change, Vec::new())
        };
        let mut list = vec![moving(1, &[("main", true)]), moving(2, &[("quiet", true), ("main", true)])];
        list.extend((3..=500).map(|n| moving(n, &[("main", true)])));
        list.push(moving(501, &[("quiet", false), ("twice", true), ("twice", false)]));
        list.push(moving(502, &[("quiet", true)]));
        history.append(&list).unwrap();
        let head = |branch: &str, sequence: u64| {
            let before = history.read().file.reads.load(Ordering::Relaxed);
            let head = history.head_at(branch, Sequence(sequence)).unwrap();
            assert!(
                history.read().file.reads.load(Ordering::Relaxed) <= before + 2,
                "{branch} at {sequence}"
            );
            head
        };
        let made = |sequence: u64| change(sequence).moves[0].new;
        assert_eq!((head("quiet", 0), head("quiet", 1), head("none", 500)), (None, None, None));
        assert_eq!((head("quiet", 2), head("quiet", 500)), (made(2), made(2)));
        assert_eq!(
            (head("quiet", 501), head("quiet", 502), head("quiet", 9999)),
            (None, made(502), made(502))
        );
        assert_eq!((head("main", 1), head("main", 250), head("main", 502)), (made(1), made(250), made(500)));
        assert_eq!(head("twice", 502), None);
    }

    #[test]
    fn newest_versions_of_many_paths_cost_few_reads() {
        let dir = tempfile::tempdir().unwrap();
        let history = filled(&dir.path().join("history"), 1..=500, 7);
        let before = history.read().file.reads.load(Ordering::Relaxed);
        let mut stamps = history.stamps("main");
        for n in 1..=500 {
            let path: Path = format!("/only/{n}").parse().unwrap();
            let record = stamps.last(&path).unwrap().unwrap();
            assert_eq!(Some(record), history.version("main", &path, Version(1)).unwrap());
        }
        assert_eq!(stamps.last(&"/a".parse().unwrap()).unwrap().unwrap().version, Version(500));
        assert_eq!(stamps.last(&"/none".parse().unwrap()).unwrap(), None);
        assert_eq!(history.stamps("none").last(&"/a".parse().unwrap()).unwrap(), None);
        // The comparison above reads two records a path.
        let reads = history.read().file.reads.load(Ordering::Relaxed) - before - 1000;
        assert!(reads < 100, "{reads} reads for 500 paths");
    }

    #[test]
    fn commits_of_a_change_set_that_are_not_made_yet_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let history = filled(&dir.path().join("history"), 1..=2, 1);
        let path: Path = "/a".parse().unwrap();
        let commits: Vec<_> = (31..=33).map(|n| change(n).moves[0].new.unwrap()).collect();
        let mut pushed = change(3);
        pushed.moves[0].new = Some(commits[2]);
        let versions = commits.iter().zip(3..).map(|(revision, number)| NewVersion {
            revision: *revision,
            deleted: number == 5,
            ..version(&pushed, "/a", number)
        });
        let versions = versions.collect();
        history.append(&[(pushed, versions)]).unwrap();
        history.append(&[(change(4), vec![version(&change(4), "/a", 6)])]).unwrap();
        let at = |sequence: u64, made: usize| {
            let unmade = commits[made..].iter().copied().collect();
            let found = history.as_of("main", &path, Sequence(sequence), &unmade).unwrap();
            found.map(|record| record.version.0)
        };
        assert_eq!((at(2, 3), at(3, 1), at(3, 2), at(3, 3)), (Some(2), Some(3), Some(4), None));
        assert_eq!((at(3, 0), at(4, 0), at(0, 3)), (Some(2), Some(6), None));
    }

    #[test]
    fn a_torn_tail_is_cut_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        drop(filled(&file, 1..=10, 1));
        let whole = std::fs::read(&file).unwrap();
        for cut in [1, 5, 40] {
            std::fs::write(&file, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(History::open(&file).unwrap().covered(), Sequence(9));
            assert_eq!(filled(&file, 10..=12, 1).covered(), Sequence(12));
        }
        let mut damaged = whole.clone();
        damaged[60] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
        std::fs::write(&file, b"something else entirely").unwrap();
        assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
