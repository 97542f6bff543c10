use std::cmp::Ordering;
use std::rc::Rc;

use super::reader::{ReadError, Reader};
use super::tree::{EntryKind, TreeEntry, key, order, split_entry};
use crate::model::ObjectId;

/// A file that differs between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path from the root of the tree, without a slash in front.
    pub path: String,
    /// What it was; none when it is new.
    pub old: Option<(EntryKind, ObjectId)>,
    /// What it is; none when it was deleted.
    pub new: Option<(EntryKind, ObjectId)>,
}

/// The files that differ between two trees, in the order of the trees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The files. Symbolic links and submodules are among them.
    pub files: Vec<FileChange>,
    /// Paths of changed files that are no UTF-8 (shown with replacement characters) and so can hold no
    /// configuration: the first 1,000.
    pub skipped: Vec<String>,
    /// How many directories were looked into.
    pub folders: usize,
}

/// How many paths are kept that are no UTF-8.
const MOST_SKIPPED: usize = 1_000;

/// How many directories are looked into for each file that may be found, and beside those.
const FOLDERS_A_FILE: usize = 8;
const MOST_OTHER_FOLDERS: usize = 1_000;

/// How deep directories may be nested: many times what a configuration path may have, and no danger to
/// the stack.
const MAX_DEPTH: usize = 256;

/// How many bytes the paths of one comparison may have together.
const MOST_PATH_BYTES: usize = 512 << 20;

impl Reader {
    /// Compares two trees, none being the empty one, without looking into directories that are the same.
    ///
    /// Finding more than `max_files` is an error, so that a tree that contains itself many times over
    /// cannot use up the memory.
    pub fn changed_files(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        max_files: usize,
    ) -> Result<Changes, ReadError> {
        let (path, changes) = (Vec::new(), Changes::default());
        let mut walk = Walk { reader: self, max_files, path, path_bytes: 0, found: 0, changes };
        if old != new {
            walk.directory(old, new, 0)?;
        }
        Ok(walk.changes)
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    max_files: usize,
    path: Vec<u8>,
    /// The bytes of all paths found.
    path_bytes: usize,
    /// How many files were found.
    found: usize,
    changes: Changes,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        depth: usize,
    ) -> Result<(), ReadError> {
        if depth > MAX_DEPTH {
            let path = String::from_utf8_lossy(&self.path).chars().take(80).collect();
            return Err(ReadError::TooDeep { path, limit: MAX_DEPTH });
        }
        // Folders within each other that hold no file can be looked into a million times over, too.
        self.changes.folders += 1;
        if self.changes.folders
            > self.max_files.saturating_mul(FOLDERS_A_FILE).saturating_add(MOST_OTHER_FOLDERS)
        {
            return Err(ReadError::TooManyFiles { limit: self.max_files });
        }
        let load =
            |id: Option<ObjectId>| id.map_or_else(|| Ok(Rc::default()), |id| self.reader.shared_tree(id));
        let (old, new) = (load(old)?, load(new)?);
        let (mut olds, mut news) = (old.raw(), new.raw());
        skip_common(&mut olds, &mut news);
        loop {
            let (a, b) = (split_entry(olds), split_entry(news));
            let side = match (&a, &b) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => order(key(a), key(b)),
            };
            let a = a.filter(|_| side != Ordering::Greater);
            let b = b.filter(|_| side != Ordering::Less);
            if let Some((_, rest)) = a {
                olds = rest;
            }
            if let Some((_, rest)) = b {
                news = rest;
            }
            let (a, b) = (a.map(|(entry, _)| entry), b.map(|(entry, _)| entry));
            if a.map(|a| (a.kind, a.id)) != b.map(|b| (b.kind, b.id)) {
                self.entry(a, b, depth)?;
                // Most commits change one entry of a directory.
                if olds == news {
                    return Ok(());
                }
            }
        }
    }

    fn entry(
        &mut self,
        old: Option<TreeEntry<'_>>,
        new: Option<TreeEntry<'_>>,
        depth: usize,
    ) -> Result<(), ReadError> {
        let Some(one) = old.or(new) else { return Ok(()) };
        let parent = self.path.len();
        if parent > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(one.name);
        // The order of entries sets a directory apart from a file of its name, so both sides agree.
        if one.kind == EntryKind::Dir {
            self.directory(old.map(|entry| entry.id), new.map(|entry| entry.id), depth + 1)?;
        } else {
            self.file(old, new)?;
        }
        self.path.truncate(parent);
        Ok(())
    }

    fn file(&mut self, old: Option<TreeEntry<'_>>, new: Option<TreeEntry<'_>>) -> Result<(), ReadError> {
        // A few folders within each other can name the same files a million times over, by paths of any length.
        self.path_bytes += self.path.len();
        if self.found >= self.max_files || self.path_bytes > MOST_PATH_BYTES {
            return Err(ReadError::TooManyFiles { limit: self.max_files });
        }
        self.found += 1;
        match std::str::from_utf8(&self.path) {
            Ok(path) => self.changes.files.push(FileChange {
                path: path.to_owned(),
                old: old.map(|entry| (entry.kind, entry.id)),
                new: new.map(|entry| (entry.kind, entry.id)),
            }),
            Err(_) if self.changes.skipped.len() == MOST_SKIPPED => {}
            Err(_) => self.changes.skipped.push(String::from_utf8_lossy(&self.path).into_owned()),
        }
        Ok(())
    }
}

/// Skips the entries that both begin with, quickly: wide directories mostly differ in few places.
pub(super) fn skip_common(old: &mut &[u8], new: &mut &[u8]) {
    const STRIDE: usize = 256;
    let same = old.chunks(STRIDE).zip(new.chunks(STRIDE)).take_while(|(a, b)| a == b).count() * STRIDE;
    let same = same.min(old.len()).min(new.len());
    let mut rest = *old;
    // Entries must be walked one by one: only their sequence says where the next begins.
    while let Some((_, tail)) = split_entry(rest) {
        if old.len() - tail.len() > same {
            break;
        }
        rest = tail;
    }
    let skipped = old.len() - rest.len();
    (*old, *new) = (&old[skipped..], &new[skipped..]);
}
