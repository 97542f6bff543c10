use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, RwLock};

use super::base::{Base, BaseVersion};
use super::draft::Draft;
use super::file::LogFile;
use super::record::{Frame, Item};
use super::{History, HistoryError, Inner, corrupt};
use crate::model::Sequence;

/// How many versions one frame takes.
const VERSIONS_PER_FRAME: usize = 1_000;
/// How many change sets are copied at once.
const CHANGE_SETS_AT_ONCE: usize = 256;

impl History {
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
