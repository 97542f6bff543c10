use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, RwLock};

use super::draft::Draft;
use super::file::LogFile;
use super::record::{Frame, Item};
use super::{History, HistoryError, Inner, corrupt};
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

/// How many versions one frame takes.
const VERSIONS_PER_FRAME: usize = 1_000;
/// How many change sets are copied at once.
const CHANGE_SETS_AT_ONCE: usize = 256;

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

    /// Goes on in the file of a beginning, which takes this one's place. What was appended here since it was
    /// made is in it afterwards; writers and readers wait for that little.
    pub fn begin_anew(&self, mut beginning: Beginning) -> Result<(), HistoryError> {
        beginning.catch_up(self)?;
        beginning.inner_mut().file.sync()?;
        let mut inner = self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        beginning.copy_all(&inner)?;
        let generation = inner.generation + 1;
        *inner = beginning.into_place()?;
        inner.generation = generation;
        Ok(())
    }
}

/// An index in the making that begins with a [`Base`], in a file beside the one it will have.
#[derive(Debug)]
pub struct Beginning {
    history: History,
    file: PathBuf,
    made: PathBuf,
}

impl Beginning {
    /// Begins an index that will have this file. What an earlier attempt left goes.
    pub fn new(file: &FilePath, base: &Base) -> io::Result<Self> {
        let made = file.with_extension("new");
        match fs::remove_file(&made) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let inner = Inner::new(LogFile::open(&made)?);
        let history = History { inner: RwLock::new(inner) };
        let mut beginning = Beginning { history, file: file.to_owned(), made };
        beginning.write(|draft, frame| {
            frame.push(Item::Base(base.change_set.sequence));
            base.heads.iter().for_each(|head| draft.head(head, frame));
        })?;
        Ok(beginning)
    }

    /// Adds versions of a branch: each path once.
    pub fn add(&mut self, branch: &Arc<str>, versions: &[BaseVersion]) -> io::Result<()> {
        for versions in versions.chunks(VERSIONS_PER_FRAME) {
            self.write(|draft, frame| {
                versions.iter().for_each(|version| draft.base_version(branch, version, frame));
            })?;
        }
        Ok(())
    }

    /// Adds the change set that the index begins with. Nothing may be added to the beginning after it.
    pub fn end(&mut self, base: &Base) -> io::Result<()> {
        self.write(|draft, frame| draft.change_set(&base.change_set, frame))
    }

    /// Copies what another index of the same journal has beyond this one.
    pub fn catch_up(&mut self, from: &History) -> Result<(), HistoryError> {
        loop {
            let mut batch = Vec::new();
            let covered = self.history.covered();
            let end = from.covered().0.min(covered.0 + CHANGE_SETS_AT_ONCE as u64);
            for number in covered.next().0..=end {
                let sequence = Sequence(number);
                let missing = || corrupt("an unknown change set");
                batch.push((from.change_set(sequence)?.ok_or_else(missing)?, from.versions_of(sequence)?));
            }
            self.history.append(&batch)?;
            if batch.len() < CHANGE_SETS_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// The index, in its file.
    pub fn finish(self) -> io::Result<History> {
        let inner = self.into_place()?;
        Ok(History { inner: RwLock::new(inner) })
    }

    /// The same as [`catch_up`](Self::catch_up) from an index that is locked.
    fn copy_all(&mut self, from: &Inner) -> Result<(), HistoryError> {
        let mut batch = Vec::new();
        for number in self.history.covered().next().0..=from.covered().0 {
            let sequence = Sequence(number);
            let offset = from.change_set_offset(sequence)?;
            batch.push((from.change_set_at(offset)?, from.versions_of(sequence)?));
        }
        Ok(self.history.append(&batch)?)
    }

    fn into_place(self) -> io::Result<Inner> {
        let inner = self.history.inner.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        fs::rename(&self.made, &self.file)?;
        Ok(inner)
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.history.inner.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&mut self, draw: impl FnOnce(&mut Draft<'_>, &mut Frame)) -> io::Result<()> {
        let inner = self.inner_mut();
        let mut frame = Frame::new(inner.file.next_payload());
        draw(&mut Draft::new(inner), &mut frame);
        if frame.bytes.is_empty() {
            return Ok(());
        }
        inner.file.append(&frame.bytes)?;
        frame.items.into_iter().try_for_each(|(at, item)| inner.take_in(at, item))
    }
}
