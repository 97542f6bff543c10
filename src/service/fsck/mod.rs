//! Checking a project: the journal, references, objects, settings, the history index, documents.
//!
//! Nothing of the project is changed. Without a server the project is checked in place, and its lock held
//! meanwhile; beside a running one a pinned copy of one moment is.

mod documents;
mod history;
mod journal;
mod objects;
mod refs;
mod report;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};

use tempfile::TempDir;

pub use self::report::{Check, Finding, FsckReport, Severity};

use self::report::Findings;
use super::backup::Staging;
use super::layout::{CONFIG_REPOSITORY, META_REPOSITORY};
use super::moment::Moment;
use super::open::take_lock;
use super::progress::Progress;
use super::{OpenError, ServiceError};
use crate::git::{PinError, RefState, Repository, pin};
use crate::model::ObjectId;

/// Why a project cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// It is no project.
    #[error("{} is no confgit project; name the directory that holds config.git and meta.git", dir.display())]
    NoProject {
        /// The directory.
        dir: PathBuf,
    },
    /// A server has it, and somebody else has the place for a pinned copy.
    #[error("another backup or check of this project is under way; try again when it has ended")]
    Busy,
    /// A repository cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::git::OpenError),
    /// A repository cannot be pinned beside the server that has it.
    #[error(
        "beside a running server a copy is checked, and it cannot be made ({0}); stop the server, and check again"
    )]
    Pin(#[from] PinError),
    /// The project cannot be read.
    #[error("the project cannot be read: {0}")]
    Read(#[from] ServiceError),
    /// The file system failed.
    #[error("the project cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What is checked: the repositories, in place or pinned, with the references of one moment.
struct Subject<'a> {
    dir: &'a FilePath,
    config: Repository,
    meta: Repository,
    moment: Moment,
    /// Why the moment is not ordered by the journal.
    disorder: Option<String>,
    meta_refs: BTreeMap<String, ObjectId>,
    meta_torn: Vec<String>,
    /// Where files may be made.
    room: Room,
    _lock: Option<File>,
}

/// Where a check makes files of its own: beside the project, or elsewhere where that cannot be written.
enum Room {
    Staging(Staging),
    Elsewhere(TempDir),
}

impl Room {
    fn dir(&self) -> &FilePath {
        match self {
            Room::Staging(staging) => staging.dir(),
            Room::Elsewhere(temporary) => temporary.path(),
        }
    }
}

/// Checks the project in a directory.
pub fn fsck(dir: &FilePath, progress: &mut dyn Progress) -> Result<FsckReport, FsckError> {
    let subject = Subject::open(dir)?;
    let (journal, walked) = journal::check(&subject);
    let refs = refs::check(&subject, &walked);
    let objects = objects::check(&subject, progress)?;
    let (settings, found) = documents::check_settings(&subject);
    let history = history::check(&subject, &walked, found.as_ref(), progress)?;
    let (documents, entries) = documents::check(&subject, found.as_ref());
    let checks = vec![journal, refs, objects, settings, history, documents];
    let result = checks.iter().map(|check| check.result).max().unwrap_or(Severity::Ok);
    Ok(FsckReport { result, sequence: subject.moment.sequence.0, entries, checks })
}

impl<'a> Subject<'a> {
    fn open(dir: &'a FilePath) -> Result<Self, FsckError> {
        if [CONFIG_REPOSITORY, META_REPOSITORY].iter().any(|name| !dir.join(name).is_dir()) {
            return Err(FsckError::NoProject { dir: dir.to_owned() });
        }
        let config = Repository::open(dir.join(CONFIG_REPOSITORY))?;
        let meta = Repository::open(dir.join(META_REPOSITORY))?;
        let (lock, is_served) = match take_lock(dir) {
            Ok(lock) => (Some(lock), false),
            Err(OpenError::InUse { .. }) => (None, true),
            // Nobody can write here, so nothing moves.
            Err(OpenError::Unreadable { source: ServiceError::Io(error), .. }) if is_read_only(&error) => {
                (None, false)
            }
            Err(OpenError::Unreadable { source, .. }) => return Err(source.into()),
            Err(other) => return Err(io::Error::other(other.to_string()).into()),
        };
        let room = match Staging::take(dir) {
            Ok(Some(staging)) => Room::Staging(staging),
            Ok(None) if is_served => return Err(FsckError::Busy),
            Err(error) if is_served => return Err(error.into()),
            Ok(None) | Err(_) => Room::Elsewhere(tempfile::tempdir()?),
        };
        let (moment, disorder) = match Moment::observe(&config, &config.reader()) {
            Ok(moment) => (moment, None),
            Err(error) => (Moment::unordered(&config)?, Some(error.to_string())),
        };
        let (mut meta_refs, mut meta_torn) = (BTreeMap::new(), Vec::new());
        for (name, state) in meta.refs("refs/")? {
            match state {
                RefState::At(id) => drop(meta_refs.insert(name, id)),
                RefState::Torn => meta_torn.push(name),
                RefState::Absent => {}
            }
        }
        let (config, meta) = if is_served {
            let pinned = pin(&config, &moment.refs, &room.dir().join(CONFIG_REPOSITORY))?;
            (pinned, pin(&meta, &meta_refs, &room.dir().join(META_REPOSITORY))?)
        } else {
            (config, meta)
        };
        Ok(Subject { dir, config, meta, moment, disorder, meta_refs, meta_torn, room, _lock: lock })
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// A number with its noun, in the plural where it has to be.
fn counted(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}
