use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path as FilePath, PathBuf};

use tempfile::TempDir;

use super::backup::{ArchiveError, Manifest, REPOSITORIES, unpack};
use super::fsck::{FsckError, FsckReport, fsck};
use super::layout::CONFIG_REPOSITORY;
use super::progress::Progress;
use crate::git::Repository;

/// Why a project is not restored. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error("{} is not empty; give a directory that is empty or does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// The archive is not taken.
    #[error("the backup is not restored: {0}")]
    Archive(#[from] ArchiveError),
    /// What the archive holds does not hold together.
    #[error("the backup is not restored: {} of its checks found damage; --no-check restores it nevertheless", .0.damaged())]
    Damaged(Box<FsckReport>),
    /// The checks could not be made.
    #[error("the backup is not restored: {0}")]
    Check(#[from] FsckError),
    /// A repository cannot be set up.
    #[error("the backup is not restored: {0}")]
    Repository(#[from] crate::git::OpenError),
    /// The directory cannot be written.
    #[error("{} cannot be written: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// A project, restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says it holds.
    pub manifest: Manifest,
    /// What the checks found; none when they were not asked for.
    pub report: Option<FsckReport>,
}

/// Restores a project from an archive into a directory that is empty or does not exist.
///
/// It is unpacked beside the directory, or in a corner of one that is there, flushed and checked, and only then
/// gets its name.
pub fn restore(
    input: &mut dyn Read,
    dir: &FilePath,
    check: bool,
    progress: &mut dyn Progress,
) -> Result<Restored, RestoreError> {
    let failed = |source| RestoreError::Io { dir: dir.to_owned(), source };
    let exists = match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => return Err(RestoreError::NotEmpty(dir.to_owned())),
            None => true,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => FilePath::new("."),
    };
    // A directory that is there keeps its owner and mode, and may be the root of a file system: it is filled.
    let place = if exists { dir } else { parent };
    let temporary = tempfile::Builder::new().prefix(".confgit-restore-").tempdir_in(place).map_err(failed)?;
    let manifest = unpack(input, Some(temporary.path()), progress)?;
    for name in REPOSITORIES {
        Repository::complete(temporary.path().join(name))?;
    }
    sync_tree(temporary.path()).map_err(failed)?;
    let report = check.then(|| fsck(temporary.path(), progress)).transpose()?;
    if let Some(report) = report.as_ref().filter(|report| report.damaged() > 0) {
        return Err(RestoreError::Damaged(Box::new(report.clone())));
    }
    if exists { fill(&temporary, dir) } else { name(temporary, dir, parent) }.map_err(failed)?;
    Ok(Restored { manifest, report })
}

/// Gives the temporary directory its name.
fn name(temporary: TempDir, dir: &FilePath, parent: &FilePath) -> io::Result<()> {
    fs::rename(temporary.path(), dir)?;
    // Nothing is there any more that it could remove.
    let _ = temporary.keep();
    File::open(parent)?.sync_all()
}

/// Moves what the temporary directory holds to the directory it lies in; until the configuration comes, as the
/// last of it, nobody takes the directory for a project.
fn fill(temporary: &TempDir, dir: &FilePath) -> io::Result<()> {
    let names = fs::read_dir(temporary.path())?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(|name| name == CONFIG_REPOSITORY);
    let mut moved = Vec::new();
    let mut move_all = || {
        for name in &names {
            // All else has its name before the configuration has, whenever power is lost.
            if name == CONFIG_REPOSITORY {
                File::open(dir)?.sync_all()?;
            }
            fs::rename(temporary.path().join(name), dir.join(name))?;
            moved.push(name);
        }
        File::open(dir)?.sync_all()
    };
    move_all().inspect_err(|_| {
        // What was moved goes with what was not; more than trying is not to be done.
        for name in moved.iter().rev() {
            let _ = fs::rename(dir.join(name), temporary.path().join(name));
        }
    })
}

/// Flushes every directory; the files were flushed when they were written.
fn sync_tree(dir: &FilePath) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(dir)?.sync_all()
}
