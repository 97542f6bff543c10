//! Publishing: one pack and the references that lead to it, durable and all or nothing.

mod error;
pub(super) mod install;

use std::fs::File;
use std::io;
use std::path::Path;

pub use self::error::PublishError;
use self::install::Install;
use super::durable::sync_dir;
use super::failpoint::{Step, reach};
use super::pack::PackFile;
use super::refs::lock::Lock;
use super::refs::{self, RefState, check_name, packed};
use super::repository::Repository;
use crate::model::ObjectId;

/// The step of one reference, valid only from its expected old value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMove {
    /// The full name, such as `refs/heads/main`.
    pub name: String,
    /// Where it must be; none when it must not exist.
    pub old: Option<ObjectId>,
    /// Where it goes; none to delete it.
    pub new: Option<ObjectId>,
}

/// Publishes a batch: its pack, the journal's step and those of the branches.
///
/// Every reference is locked the way Git does it and compared with its expected value; pack and index are
/// written and flushed; then the journal moves, which is the **commit point**; then the branches follow.
/// Without a journal the first branch is the commit point. A `.keep` file guards the pack against a repack
/// from outside until the references lead to it.
pub fn publish(
    repository: &Repository,
    pack: Option<PackFile>,
    journal: Option<&RefMove>,
    branches: &[RefMove],
) -> Result<(), PublishError> {
    let pack_dir = repository.pack_dir();
    let mut install = match &pack {
        Some(file) => Some(Install::begin(&pack_dir, &file.checksum.to_string())?),
        None => None,
    };
    let mut locked = Vec::with_capacity(1 + branches.len());
    for step in journal.into_iter().chain(branches) {
        locked.push(prepare(repository, step)?);
    }
    reach(Step::RefsLocked).map_err(PublishError::writing)?;
    let mut flushes = Vec::with_capacity(2 + locked.len());
    if let (Some(install), Some(file)) = (&mut install, &pack) {
        flushes.extend(install.write(file)?);
    }
    for (lock, step) in &mut locked {
        flushes.extend(stage(lock, step)?);
    }
    reach(Step::RefsWritten).map_err(PublishError::writing)?;
    flush_all(&flushes).and_then(|()| reach(Step::AllSynced)).map_err(PublishError::flushing)?;
    if let Some(install) = &mut install {
        install.rename()?;
    }

    let mut locked = locked.into_iter();
    if let Some((lock, step)) = locked.next() {
        apply(repository, lock, step)?;
        if let Some(install) = &mut install {
            install.settle();
        }
        sync_ref_dir(repository.dir(), &step.name).map_err(PublishError::Uncertain)?;
        reach(Step::JournalMoved).map_err(PublishError::AfterCommitPoint)?;
    }
    for (lock, step) in locked {
        apply(repository, lock, step).map_err(PublishError::after_commit_point)?;
        reach(Step::BranchMoved).map_err(PublishError::AfterCommitPoint)?;
    }
    match &mut install {
        Some(install) => {
            install.settle();
            install.release().map_err(PublishError::AfterCommitPoint)
        }
        None => Ok(()),
    }
}

/// Sets a reference to what the journal says, whatever it holds now; durable. For recovery only.
pub fn restore_ref(repository: &Repository, name: &str, to: Option<ObjectId>) -> Result<(), PublishError> {
    let step = RefMove { name: name.to_owned(), old: None, new: to };
    let mut lock = lock(repository, &step)?;
    lock.make_room()?;
    let staged: Vec<File> = stage(&mut lock, &step)?.into_iter().collect();
    flush_all(&staged).map_err(PublishError::flushing)?;
    apply(repository, lock, &step)?;
    sync_ref_dir(repository.dir(), name).map_err(PublishError::flushing)
}

fn lock(repository: &Repository, step: &RefMove) -> Result<Lock, PublishError> {
    if let Err(error) = check_name(&step.name) {
        return Err(PublishError::BadRef { name: error.name, reason: "that is no name of one".to_owned() });
    }
    Ok(Lock::acquire(repository.dir(), &step.name)?)
}

/// Locks a reference and compares it with what is expected.
fn prepare<'a>(repository: &Repository, step: &'a RefMove) -> Result<(Lock, &'a RefMove), PublishError> {
    let lock = lock(repository, step)?;
    let actual = refs::find(repository.dir(), &step.name).map_err(PublishError::writing)?;
    let expected = step.old.map_or(RefState::Absent, RefState::At);
    if actual != expected {
        return Err(PublishError::Moved { name: step.name.clone(), expected: step.old, actual });
    }
    if step.old.is_none() && step.new.is_some() {
        lock.make_room()?;
        check_packed_neighbours(repository.dir(), &step.name)?;
    }
    Ok((lock, step))
}

/// A new reference must not need a directory where a packed one has its name, nor the other way round.
fn check_packed_neighbours(git_dir: &Path, name: &str) -> Result<(), PublishError> {
    let packed = packed::read(git_dir).map_err(PublishError::writing)?;
    let below = format!("{name}/");
    let inside = |other: &&String| other.starts_with(&below) || name.starts_with(&format!("{other}/"));
    match packed.keys().find(inside) {
        // It may have been deleted since and be packed no more: only a live one is in the way.
        Some(other) if refs::find(git_dir, other).is_ok_and(|state| state != RefState::Absent) => {
            let reason = format!("it cannot be beside `{other}`");
            Err(PublishError::BadRef { name: name.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// Writes the new value into the lock file; answers the file, to be flushed, unless the reference goes.
fn stage(lock: &mut Lock, step: &RefMove) -> Result<Option<File>, PublishError> {
    let Some(new) = step.new else { return Ok(None) };
    Ok(Some(lock.write(format!("{new}\n").as_bytes())?))
}

/// Flushes files, two at a time: the file system does the work of one flush for both.
fn flush_all(files: &[File]) -> io::Result<()> {
    let flush = |files: &[File]| files.iter().try_for_each(File::sync_all);
    let (mine, others) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| flush(others));
        let own = flush(mine);
        // A panic over there says no more than that the flush is not known to have happened.
        other.join().unwrap_or_else(|_| Err(io::Error::other("the flushing thread died"))).and(own)
    })
}

/// Moves or deletes the reference.
fn apply(repository: &Repository, lock: Lock, step: &RefMove) -> Result<(), PublishError> {
    if step.new.is_some() {
        return Ok(lock.commit()?);
    }
    // Packed first: while the loose file stands, it hides the packed value and not the other way round.
    packed::remove(repository.dir(), lock.name())?;
    Ok(lock.delete()?)
}

fn sync_ref_dir(git_dir: &Path, name: &str) -> io::Result<()> {
    match git_dir.join(name).parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}
