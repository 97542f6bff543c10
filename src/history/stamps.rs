use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::file::LogFile;
use super::record::{self, VERSION_BYTES};
use super::{History, VersionRecord, corrupt};
use crate::model::{Path, Timestamp, Version};

/// How much of the file is read at once, and how much of it lies before what is asked for: a version's
/// change set stands shortly before it, and neighbours in a tree were often written together.
const WINDOW_BYTES: usize = 4096;
const BEFORE_BYTES: u64 = 1024;

/// Looks up the newest versions of many paths of one branch: what lies close together in the file is read
/// once, and each change set is decoded once. For one pass; memory grows with the change sets met.
#[derive(Debug)]
pub struct Stamps<'a> {
    history: &'a History,
    branch: Option<u32>,
    window: Window,
    /// Time and account of the change sets met so far, by sequence.
    change_sets: HashMap<u64, (Timestamp, Arc<str>)>,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(history: &'a History, branch: &str) -> Self {
        let branch = history.read().branches.ids.get(branch).copied();
        Stamps { history, branch, window: Window::default(), change_sets: HashMap::new() }
    }

    /// The newest version of a path, a delete too.
    pub fn last(&mut self, path: &Path) -> io::Result<Option<VersionRecord>> {
        let Some(branch) = self.branch else { return Ok(None) };
        let inner = self.history.read();
        let Some(line) = inner.line_in(branch, path).filter(|line| line.version > 0) else { return Ok(None) };
        let bytes = self.window.read(&inner.file, line.last, VERSION_BYTES)?;
        let item = record::decode_version(bytes)?;
        let (time, account) = match self.change_sets.get(&item.sequence.0) {
            Some(found) => found.clone(),
            None => {
                let offset = inner.change_set_offset(item.sequence)?;
                let window = &mut self.window;
                let read = |length| Ok(window.read(&inner.file, offset, length)?.to_vec());
                let change_set = inner.named(record::decode_change_set(read)?)?;
                if change_set.sequence != item.sequence {
                    return Err(corrupt("another change set than the one noted"));
                }
                let found = (change_set.time, change_set.account);
                self.change_sets.insert(item.sequence.0, found.clone());
                found
            }
        };
        let version = Version(item.version);
        let (deleted, sequence, revision) = (item.deleted, item.sequence, item.revision);
        Ok(Some(VersionRecord { version, deleted, sequence, revision, time, account }))
    }
}

/// The part of the file that was read last. What was appended is never changed, so it does not get stale.
#[derive(Debug, Default)]
struct Window {
    begins: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// So many bytes from `offset`; fewer at the end of the file.
    fn read(&mut self, file: &LogFile, offset: u64, length: usize) -> io::Result<&[u8]> {
        if self.held(offset, length).is_none() {
            let begins = offset.saturating_sub(BEFORE_BYTES);
            let wanted = WINDOW_BYTES.max((offset - begins) as usize + length);
            self.bytes = file.read_up_to(begins, wanted)?;
            self.begins = begins;
        }
        let from = ((offset - self.begins) as usize).min(self.bytes.len());
        let to = (from + length).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    fn held(&self, offset: u64, length: usize) -> Option<()> {
        let from = usize::try_from(offset.checked_sub(self.begins)?).ok()?;
        self.bytes.get(from..from.checked_add(length)?).map(|_| ())
    }
}
