use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::draft::Draft;
use super::file::LogFile;
use super::record::{self, Before, Item, VersionItem};
use super::{HistoryError, NewVersion, VersionRecord, corrupt};
use crate::model::{ChangeSet, Move, Path, Revision, Sequence, Timestamp, Version};

/// The file, and what memory holds of it.
#[derive(Debug)]
pub(super) struct Inner {
    /// How often the index began anew in another file.
    pub generation: u64,
    pub file: LogFile,
    /// The change set that the index begins with, where that is not the first.
    pub base: Option<Sequence>,
    /// By branch number, what [`Base`](super::Base) says of its head.
    pub heads: HashMap<u32, (Sequence, Revision)>,
    pub branches: Names,
    pub accounts: Names,
    pub paths: HashMap<(u32, Path), u32>,
    /// Branch and path of each path number; the text is shared with `paths`.
    pub names: Vec<(u32, Path)>,
    pub lines: Vec<Line>,
    /// Where the record of each change set begins, from the first or the base on.
    pub change_sets: Vec<u64>,
    /// How many bytes the record of each change set and those of its versions take together.
    pub lengths: Vec<u32>,
    /// Per branch number, the sequences of the change sets that move it, in order.
    pub moves: Vec<Vec<u64>>,
}

/// The versions of one path in one branch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub version: u64,
    /// Where the record of that version begins.
    pub last: u64,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    pub list: Vec<Arc<str>>,
    pub ids: HashMap<Arc<str>, u32>,
}

impl Names {
    pub fn add(&mut self, name: Arc<str>) -> u32 {
        let id = self.list.len() as u32;
        self.ids.insert(name.clone(), id);
        self.list.push(name);
        id
    }

    pub fn get(&self, id: u32) -> io::Result<Arc<str>> {
        self.list.get(id as usize).cloned().ok_or_else(|| corrupt("a name that was never defined"))
    }
}

impl Inner {
    pub fn new(file: LogFile) -> Self {
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
    pub fn first(&self) -> u64 {
        self.base.map_or(1, |base| base.0)
    }

    pub fn covered(&self) -> Sequence {
        Sequence((self.first() + self.change_sets.len() as u64).saturating_sub(1))
    }

    pub fn pruned(&self) -> HistoryError {
        HistoryError::Pruned { oldest: Sequence(self.first()) }
    }

    /// Refuses what is before the change set that the index begins with.
    pub fn check_kept(&self, sequence: Sequence) -> Result<(), HistoryError> {
        match self.base {
            Some(base) if sequence < base => Err(self.pruned()),
            _ => Ok(()),
        }
    }

    /// Where a change set is in the lists of them.
    pub fn place_of(&self, sequence: Sequence) -> Option<usize> {
        usize::try_from(sequence.0.checked_sub(self.first())?).ok()
    }

    /// The change set that moved a branch to where it was after this one, and the head.
    pub fn head_at(&self, branch: &str, sequence: Sequence) -> io::Result<Option<(Sequence, Revision)>> {
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
    pub fn newest_at(
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

    pub fn line(&self, branch: &str, path: &Path) -> Option<Line> {
        self.line_in(*self.branches.ids.get(branch)?, path)
    }

    pub fn line_in(&self, branch: u32, path: &Path) -> Option<Line> {
        let id = *self.paths.get(&(branch, path.clone()))?;
        self.lines.get(id as usize).copied()
    }

    /// Lets an item that stands in the file at `at` count.
    pub fn take_in(&mut self, at: u64, item: Item) -> io::Result<()> {
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

    pub fn encode(
        &self,
        batch: &[(ChangeSet, Vec<NewVersion>)],
        frame: &mut record::Frame,
    ) -> io::Result<()> {
        let mut draft = Draft::new(self);
        for (change_set, versions) in batch {
            draft.change_set(change_set, frame);
            for version in versions {
                draft.version(change_set, version, frame)?;
            }
        }
        Ok(())
    }

    pub fn versions_of(&self, sequence: Sequence) -> Result<Vec<NewVersion>, HistoryError> {
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

    pub fn new_version(&self, item: &VersionItem) -> io::Result<NewVersion> {
        let (branch, path) = self.names.get(item.path as usize).ok_or_else(|| corrupt("an unknown path"))?;
        Ok(NewVersion {
            branch: self.branches.get(*branch)?,
            path: path.clone(),
            version: Version(item.version),
            revision: item.revision,
            deleted: item.deleted,
        })
    }

    pub fn version_at(&self, offset: u64) -> io::Result<VersionItem> {
        record::decode_version(&self.file.read(offset, record::VERSION_BYTES)?)
    }

    pub fn change_set_at(&self, offset: u64) -> io::Result<ChangeSet> {
        let read = |length| self.file.read_up_to(offset, length);
        let Item::ChangeSet { sequence, time, account, moves } = record::decode_change_set(read)? else {
            return Err(corrupt("no change set where one was noted"));
        };
        let moves = moves
            .into_iter()
            .map(|(branch, old, new)| Ok(Move { branch: self.branches.get(branch)?, old, new }))
            .collect::<io::Result<_>>()?;
        Ok(ChangeSet { sequence, time, account: self.accounts.get(account)?, moves })
    }

    /// Where the record of a change set begins.
    pub fn change_set_offset(&self, sequence: Sequence) -> Result<u64, HistoryError> {
        self.check_kept(sequence)?;
        let found = self.place_of(sequence).and_then(|place| self.change_sets.get(place)).copied();
        Ok(found.ok_or_else(|| corrupt("an unknown change set"))?)
    }

    /// The record of version `number`, starting from a newer one's; none where it is not kept any more.
    pub fn seek(&self, from: u64, number: u64) -> io::Result<Option<VersionItem>> {
        let mut item = self.version_at(from)?;
        while item.version > number {
            let Before::At { previous, skip } = item.before else { return Ok(None) };
            let is_near = skip == 0 || record::skip_target(item.version) < number;
            item = self.version_at(if is_near { previous } else { skip })?;
        }
        Ok(Some(item))
    }

    pub fn record(&self, item: &VersionItem) -> Result<VersionRecord, HistoryError> {
        let (time, account) = match item.before {
            Before::At { .. } => {
                let change_set = self.change_set_at(self.change_set_offset(item.sequence)?)?;
                (change_set.time, change_set.account)
            }
            Before::Pruned { time, account } => (time, self.accounts.get(account)?),
        };
        Ok(self.record_of(item, time, account)?)
    }

    pub fn record_of(
        &self,
        item: &VersionItem,
        time: Timestamp,
        account: Arc<str>,
    ) -> io::Result<VersionRecord> {
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
