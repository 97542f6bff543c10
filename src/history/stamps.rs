use std::io;
use std::sync::Arc;

use super::file::LogFile;
use super::record::{self, Before, Item, VERSION_BYTES};
use super::{History, Inner, VersionRecord, corrupt};
use crate::model::{Path, Sequence, Timestamp};

/// How much of the file is read at once where look-ups go through it in order, and where they jump.
const ONWARD_BYTES: usize = 16 << 10;
const JUMP_BYTES: usize = 512;
/// How much of that lies before what is asked for: a version's change set stands shortly before it.
const BEFORE_BYTES: u64 = 192;
/// How many change sets are remembered.
const CHANGE_SETS: usize = 1024;

/// Looks up the newest versions of many paths of one branch: what lies close together in the file is read
/// once, and what change sets say is remembered, bounded.
#[derive(Debug)]
pub struct Stamps<'a> {
    history: &'a History,
    branch: Option<u32>,
    window: Window,
    /// Sequence, time and account of change sets met lately, at their sequence modulo [`CHANGE_SETS`].
    change_sets: Vec<Option<(Sequence, Timestamp, Arc<str>)>>,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(history: &'a History, branch: &str) -> Self {
        let branch = history.read().branches.ids.get(branch).copied();
        Stamps { history, branch, window: Window::default(), change_sets: vec![None; CHANGE_SETS] }
    }

    /// The newest version of a path, a delete too.
    pub fn last(&mut self, path: &Path) -> io::Result<Option<VersionRecord>> {
        let Some(branch) = self.branch else { return Ok(None) };
        let inner = self.history.read();
        let Some(line) = inner.line_in(branch, path).filter(|line| line.version > 0) else { return Ok(None) };
        self.window.belong_to(inner.generation);
        let item = record::decode_version(self.window.read(&inner.file, line.last, VERSION_BYTES)?)?;
        let (time, account) = match item.before {
            Before::At { .. } => self.written(&inner, item.sequence)?,
            Before::Pruned { time, account } => (time, inner.accounts.get(account)?),
        };
        inner.record_of(&item, time, account).map(Some)
    }

    /// When a change set was accepted, and whose it is.
    fn written(&mut self, inner: &Inner, sequence: Sequence) -> io::Result<(Timestamp, Arc<str>)> {
        let slot = (sequence.0 % CHANGE_SETS as u64) as usize;
        if let Some(Some((met, time, account))) = self.change_sets.get(slot)
            && *met == sequence
        {
            return Ok((*time, account.clone()));
        }
        let offset = inner.change_set_offset(sequence).map_err(io::Error::from)?;
        let window = &mut self.window;
        let read = |length| Ok(window.read(&inner.file, offset, length)?.to_vec());
        let Item::ChangeSet { time, account, .. } = record::decode_change_set(read)? else {
            return Err(corrupt("no change set where one was noted"));
        };
        let account = inner.accounts.get(account)?;
        if let Some(kept) = self.change_sets.get_mut(slot) {
            *kept = Some((sequence, time, account.clone()));
        }
        Ok((time, account))
    }
}

/// The part of the file that was read last. What was appended is never changed, so it gets stale only when
/// the index begins anew in another file.
#[derive(Debug, Default)]
struct Window {
    generation: u64,
    begins: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Forgets what it holds of an earlier file.
    fn belong_to(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Window { generation, ..Window::default() };
        }
    }

    /// So many bytes from `offset`; fewer at the end of the file.
    fn read(&mut self, file: &LogFile, offset: u64, length: usize) -> io::Result<&[u8]> {
        if !self.holds(offset, length) {
            let ended = self.begins + self.bytes.len() as u64;
            let goes_on = offset >= self.begins && offset < ended + ONWARD_BYTES as u64;
            let before = offset.min(BEFORE_BYTES);
            let wanted = (if goes_on { ONWARD_BYTES } else { JUMP_BYTES }).max(before as usize + length);
            self.begins = offset - before;
            // What a failed read leaves in the buffer is nothing that may be held.
            file.read_into(&mut self.bytes, self.begins, wanted).inspect_err(|_| self.bytes.clear())?;
        }
        let from = ((offset - self.begins) as usize).min(self.bytes.len());
        let to = (from + length).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    fn holds(&self, offset: u64, length: usize) -> bool {
        let from = offset.checked_sub(self.begins).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| from.checked_add(length)).is_some_and(|to| to <= self.bytes.len())
    }
}
