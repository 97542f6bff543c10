use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::PublishError;
use crate::git::durable::{sync_dir, write_file};
use crate::git::failpoint::{Step, reach};
use crate::git::pack::PackFile;

/// What our `.keep` files say: a pack whose references may not have moved yet. The start-up sweep takes
/// away those that carry it; Git leaves packs alone that have one.
pub(in crate::git) const KEEP_MARKER: &str = "confgit: being published\n";

/// The file in `objects/info` that the `.keep` files are further names of.
const MARKER_FILE: &str = "confgit-keep-marker";

/// What the names of our unfinished files begin with, that of a pack and that of an index. Git's own
/// `prune` takes away old files that begin with `tmp_`. They have no extension: `git gc` takes a `.idx`
/// without its `.pack` for garbage, also for the moment in which only one of the two has been renamed.
pub(in crate::git) const TMP_PREFIXES: [&str; 2] = ["tmp_pack_confgit_", "tmp_idx_confgit_"];

/// Where a pack and its index are written before they have their names.
pub(in crate::git) fn unfinished(pack_dir: &Path, name: &str) -> [PathBuf; 2] {
    TMP_PREFIXES.map(|prefix| pack_dir.join(format!("{prefix}{name}")))
}

/// A pack on its way into the repository: taken out again when dropped, unless it was settled.
pub(in crate::git) struct Install {
    dir: PathBuf,
    /// Files to remove on failure: the index first, since a pack without one is invisible.
    undo: Vec<PathBuf>,
    keep: PathBuf,
    name: String,
}

impl Install {
    /// Makes the `.keep` file, so that from its first moment the pack is safe from a repack.
    pub(in crate::git) fn begin(pack_dir: &Path, name: &str) -> Result<Self, PublishError> {
        let keep = pack_dir.join(format!("pack-{name}.keep"));
        make_keep(pack_dir, &keep).map_err(PublishError::writing)?;
        let install =
            Install { dir: pack_dir.to_owned(), undo: vec![keep.clone()], keep, name: name.to_owned() };
        reach(Step::KeepWritten).map_err(PublishError::writing)?;
        Ok(install)
    }

    /// Writes pack and index under temporary names; answers both files, to be flushed.
    pub(in crate::git) fn write(&mut self, file: &PackFile) -> Result<[File; 2], PublishError> {
        let [pack, idx] = unfinished(&self.dir, &self.name);
        let pack = self.write_one(pack, &file.pack)?;
        reach(Step::PackWritten).map_err(PublishError::writing)?;
        let idx = self.write_one(idx, &file.idx)?;
        Ok([pack, idx])
    }

    /// Takes pack and index from another folder of this file system, where they have their names already, and keep them:
    /// they get further ones. Whoever made them has flushed them.
    pub(in crate::git) fn adopt(&mut self, from: &Path) -> Result<(), PublishError> {
        for (to, extension) in unfinished(&self.dir, &self.name).into_iter().zip(["pack", "idx"]) {
            let file = from.join(format!("pack-{}.{extension}", self.name));
            let linked = fs::hard_link(&file, &to).or_else(|error| match error.kind() {
                ErrorKind::AlreadyExists => fs::remove_file(&to).and_then(|()| fs::hard_link(&file, &to)),
                // A file system without links.
                _ => fs::copy(&file, &to).and_then(|_| File::open(&to)?.sync_all()),
            });
            linked.map_err(PublishError::writing)?;
            self.undo.push(to);
        }
        Ok(())
    }

    fn write_one(&mut self, path: PathBuf, content: &[u8]) -> Result<File, PublishError> {
        let open = || OpenOptions::new().write(true).create_new(true).open(&path);
        let opened = open().or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => fs::remove_file(&path).and_then(|()| open()),
            _ => Err(error),
        });
        let mut file = opened.map_err(PublishError::writing)?;
        self.undo.push(path);
        file.write_all(content).map_err(PublishError::writing)?;
        file.set_permissions(Permissions::from_mode(0o444)).map_err(PublishError::writing)?;
        Ok(file)
    }

    /// Gives both files their names, the pack first, and flushes the directory.
    pub(in crate::git) fn rename(&mut self) -> Result<(), PublishError> {
        for (from, extension) in unfinished(&self.dir, &self.name).into_iter().zip(["pack", "idx"]) {
            let to = self.dir.join(format!("pack-{}.{extension}", self.name));
            if to.exists() {
                // The checksum is the name, so it is this very pack, and not ours to remove on failure.
                continue;
            }
            fs::rename(from, &to).map_err(PublishError::writing)?;
            self.undo.push(to);
        }
        sync_dir(&self.dir).map_err(PublishError::flushing)?;
        reach(Step::PackRenamed).map_err(PublishError::writing)
    }

    /// Says that the pack stays.
    pub(in crate::git) fn settle(&mut self) {
        self.undo.clear();
    }

    /// Removes the `.keep` file of a pack that stays.
    pub(in crate::git) fn release(&mut self) -> io::Result<()> {
        fs::remove_file(&self.keep)?;
        for path in unfinished(&self.dir, &self.name) {
            // Only there when the pack existed before.
            let _ = fs::remove_file(path);
        }
        reach(Step::KeepRemoved)
    }
}

impl Drop for Install {
    fn drop(&mut self) {
        // Backwards: index, pack, temporary files, and the `.keep` file last.
        for path in self.undo.drain(..).rev() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a `.keep` file as another name of one that stays: file systems are slow to give out an inode
/// again soon after it was freed, and its content outlives a loss of power.
fn make_keep(pack_dir: &Path, keep: &Path) -> io::Result<()> {
    let marker = pack_dir.with_file_name("info").join(MARKER_FILE);
    let linked = fs::hard_link(&marker, keep).or_else(|error| {
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        write_file(&marker, KEEP_MARKER.as_bytes()).and_then(|()| fs::hard_link(&marker, keep))
    });
    match linked {
        Ok(()) => Ok(()),
        // Left by an attempt that died; the pack of this name is this very pack.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // A file system without links, or a repository laid out in another way.
        Err(_) => write_file(keep, KEEP_MARKER.as_bytes()),
    }
}
