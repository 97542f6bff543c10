//! The tree of a branch's head, edited in memory and written into a batch's pack.

mod dir;
mod lookup;
mod versions;

use self::dir::Dir;
use super::pack::{Pack, PackError};
use super::reader::{ReadError, Reader};
use super::tree::EntryKind;
use crate::model::ObjectId;

/// Why an edit of a tree was refused. The tree is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WorkTreeError {
    /// A path that no file in a Git repository may have.
    #[error("`{path}` is no path of a file: {reason}")]
    BadPath {
        /// The path given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory on the way could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The tree of one branch's head, in memory: directories are loaded when they are first touched, edited as
/// the bytes that Git stores, and hashed again only from the first change on.
///
/// After a publication that failed, or an error from [`write`](WorkTree::write), it holds what the
/// repository does not: drop it and begin anew from the head.
pub struct WorkTree {
    root: Dir,
}

/// The longest path in bytes.
const MAX_PATH: usize = 4096;
/// The most parts between slashes, so that no path endangers the stack.
const MAX_PARTS: usize = 256;

impl WorkTree {
    /// The tree with this id, none being the empty one. Nothing is read yet.
    pub fn new(tree: Option<ObjectId>) -> Self {
        WorkTree { root: tree.map_or_else(Dir::empty, Dir::unloaded) }
    }

    /// Puts a file with the content `blob` at a path such as `a/b.yaml`, or with none removes what stands
    /// there, file or directory. Answers whether that changed anything.
    ///
    /// A file keeps its executable bit; a link becomes a file. A file in the way of a directory goes, and
    /// so does a directory in the way of a file. A directory that becomes empty goes too.
    pub fn set(
        &mut self,
        reader: &Reader,
        path: &str,
        blob: Option<ObjectId>,
    ) -> Result<bool, WorkTreeError> {
        self.put(reader, path, blob.map(|blob| (None, blob)))
    }

    /// The same, but what is put there is of this kind, whatever stood there. A directory cannot be put.
    pub fn set_as(
        &mut self,
        reader: &Reader,
        path: &str,
        entry: Option<(EntryKind, ObjectId)>,
    ) -> Result<bool, WorkTreeError> {
        if matches!(entry, Some((EntryKind::Dir, _))) {
            let reason = "a directory is made by the files in it".to_owned();
            return Err(WorkTreeError::BadPath { path: path.to_owned(), reason });
        }
        self.put(reader, path, entry.map(|(kind, id)| (Some(kind), id)))
    }

    fn put(
        &mut self,
        reader: &Reader,
        path: &str,
        file: Option<(Option<EntryKind>, ObjectId)>,
    ) -> Result<bool, WorkTreeError> {
        let parts = split(path)?;
        self.root.load(reader, &parts)?;
        Ok(self.root.set(&parts, file))
    }

    /// What stands at a path: its kind and object. A directory with unwritten changes has none.
    pub fn get(
        &mut self,
        reader: &Reader,
        path: &str,
    ) -> Result<Option<(EntryKind, ObjectId)>, WorkTreeError> {
        let parts = split(path)?;
        self.root.load(reader, &parts)?;
        Ok(self.root.get(&parts).filter(|(_, id)| !id.is_zero()))
    }

    /// Adds every directory that changed since the last time to the pack; answers the root's id.
    pub fn write(&mut self, pack: &mut Pack) -> Result<ObjectId, PackError> {
        self.root.write(pack)
    }
}

fn split(path: &str) -> Result<Vec<&str>, WorkTreeError> {
    let bad = |reason: String| WorkTreeError::BadPath { path: path.chars().take(200).collect(), reason };
    if path.len() > MAX_PATH {
        return Err(bad(format!("it is longer than {MAX_PATH} bytes")));
    }
    if path.split('/').nth(MAX_PARTS).is_some() {
        return Err(bad(format!("it has more than {MAX_PARTS} parts")));
    }
    for part in path.split('/') {
        check_part(part).map_err(bad)?;
    }
    Ok(path.split('/').collect())
}

/// Whether Git lets a file or folder have this name; else why not. `.git` and what passes for it on other
/// systems are among those it refuses.
pub fn check_file_name(name: &str) -> Result<(), String> {
    check_part(name)
}

fn check_part(part: &str) -> Result<(), String> {
    use gix::validate::path::component::{Error, Options};
    const PROTECT: Options = Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let check = |part: &str| gix::validate::path::component(part.into(), None, PROTECT).map(drop);
    if part.contains('\0') {
        return Err("it holds a NUL character".to_owned());
    }
    check(part).map_err(|error| error.to_string())?;
    // On Windows a backslash separates, so Git refuses names that would pass for `.git` after one.
    for piece in part.split('\\').skip(1) {
        if let Err(error @ Error::DotGitDir) = check(piece) {
            return Err(error.to_string());
        }
    }
    Ok(())
}
