//! Backing up: one consistent copy of a project, made while others go on writing.
//!
//! The references are taken of one moment of the journal; then everything the repositories consist of gets a
//! second name in a private place; what has its second name nobody can take away, so that hashing and sending
//! may take as long as they like. The archive is a tar file (POSIX.1-1988 ustar) whose first member,
//! `manifest.json`, lists every other one with size and SHA-256: sizes and hashes are known first because
//! what was pinned does not change any more.

mod archive;
mod error;
mod manifest;
mod refusal;
mod staging;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path as FilePath;

use sha2::{Digest as _, Sha256};

pub use self::archive::check_archive;
pub(super) use self::archive::unpack;
pub use self::error::BackupError;
pub(super) use self::manifest::REPOSITORIES;
pub use self::manifest::{Manifest, ManifestFile, RepositoryRefs};
pub use self::refusal::ArchiveError;
pub(super) use self::staging::{Staging, sweep};

use self::archive::ArchiveWriter;
use self::manifest::{FORMAT, MANIFEST_FILE, MOST_MANIFEST_BYTES, PRIMARY_FOLDERS, is_member};
use super::ServiceError;
use super::layout::{CONFIG_REPOSITORY, DERIVED, LOCK_FILE, META_REPOSITORY};
use super::moment::{Boundary, Moment};
use super::progress::Progress;
use crate::auth::AdminGrant;
use crate::git::{RefState, Repository, pin};
use crate::model::{ObjectId, Timestamp};

/// A project, pinned and hashed, ready to be written out; its private place is given back when dropped.
#[derive(Debug)]
pub struct Backup {
    staging: Staging,
    manifest: Manifest,
    /// The manifest as it is written.
    text: Vec<u8>,
    time: Timestamp,
}

/// How often the project is pinned until the boundary of its history stands still.
const MOST_ATTEMPTS: usize = 8;

impl Backup {
    /// Pins the project in a directory, whether or not a server has it, and hashes what it consists of. One
    /// at a time. A backup holds all there is, settings and access among it.
    pub fn prepare(
        dir: &FilePath,
        project: &str,
        _grant: &AdminGrant,
        time: Timestamp,
        progress: &mut dyn Progress,
    ) -> Result<Self, BackupError> {
        if REPOSITORIES.iter().any(|name| !dir.join(name).is_dir()) {
            return Err(BackupError::NoProject { dir: dir.to_owned() });
        }
        let staging = Staging::take(dir)?.ok_or(BackupError::Busy)?;
        let pinned = pin_project(dir, &staging)?;
        for folder in PRIMARY_FOLDERS {
            copy_folder(dir, folder, staging.dir())?;
        }
        let spelled = |refs: &BTreeMap<String, ObjectId>| {
            refs.iter().map(|(name, id)| (name.clone(), id.to_string())).collect()
        };
        let repositories = [(CONFIG_REPOSITORY, &pinned.config.refs), (META_REPOSITORY, &pinned.meta)];
        let manifest = Manifest {
            format: FORMAT,
            confgit: env!("CARGO_PKG_VERSION").to_owned(),
            project: project.to_owned(),
            time: time.to_string(),
            sequence: pinned.config.sequence.0,
            journal: pinned.config.journal.map(|tip| tip.to_string()),
            repositories: repositories
                .map(|(name, refs)| (name.to_owned(), RepositoryRefs { refs: spelled(refs) }))
                .into(),
            files: hash_all(staging.dir(), progress)?,
            not_included: not_included(dir)?,
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
        if text.len() as u64 > MOST_MANIFEST_BYTES {
            return Err(BackupError::TooManyFiles);
        }
        Ok(Backup { staging, manifest, text, time })
    }

    /// What the backup holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many bytes the archive has.
    pub fn size(&self) -> u64 {
        archive::size(
            std::iter::once(self.text.len() as u64).chain(self.manifest.files.iter().map(|f| f.size)),
        )
    }

    /// Writes the archive; `progress` hears of each byte.
    pub fn write(&self, out: &mut dyn Write, progress: &mut dyn Progress) -> Result<(), BackupError> {
        let total = self.manifest.files.iter().map(|file| file.size).sum();
        progress.begin("writing", total);
        let mut archive = ArchiveWriter::new(out, self.time.as_seconds());
        archive
            .member(MANIFEST_FILE, self.text.len() as u64, &mut &self.text[..])
            .map_err(BackupError::Write)?;
        archive.folders().map_err(BackupError::Write)?;
        for file in &self.manifest.files {
            let mut content = File::open(self.staging.dir().join(&file.name))?;
            let written = archive.member(&file.name, file.size, &mut content).map_err(BackupError::Write)?;
            if !written {
                return Err(BackupError::Changed { name: file.name.clone() });
            }
            progress.advance(file.size);
        }
        archive.finish().map_err(BackupError::Write)
    }
}

/// The references of a pinned project.
struct Pinned {
    config: Moment,
    meta: BTreeMap<String, ObjectId>,
}

/// Pins both repositories: references first, then the objects they lead to.
fn pin_project(dir: &FilePath, staging: &Staging) -> Result<Pinned, BackupError> {
    let config = Repository::open(dir.join(CONFIG_REPOSITORY))?;
    let meta = Repository::open(dir.join(META_REPOSITORY))?;
    for _ in 0..MOST_ATTEMPTS {
        let before = Boundary::observe(&config)?;
        let moment = Moment::observe(&config, &config.reader())?;
        if let Some(name) = moment.torn.first() {
            return Err(BackupError::Torn { repository: CONFIG_REPOSITORY, name: name.clone() });
        }
        pin_one(&config, CONFIG_REPOSITORY, &moment.refs, staging)?;
        let mut refs = BTreeMap::new();
        for (name, state) in meta.refs("refs/")? {
            match state {
                RefState::At(id) => drop(refs.insert(name, id)),
                RefState::Torn => return Err(BackupError::Torn { repository: META_REPOSITORY, name }),
                RefState::Absent => {}
            }
        }
        pin_one(&meta, META_REPOSITORY, &refs, staging)?;
        if Boundary::observe(&config)? == before {
            return Ok(Pinned { config: moment, meta: refs });
        }
        staging.clear()?;
    }
    Err(BackupError::Restless)
}

fn pin_one(
    repository: &Repository,
    name: &'static str,
    refs: &BTreeMap<String, ObjectId>,
    staging: &Staging,
) -> Result<(), BackupError> {
    let reader = pin(repository, refs, &staging.dir().join(name))?.reader();
    for (reference, id) in refs {
        if !reader.contains(*id).map_err(ServiceError::from)? {
            return Err(BackupError::Dangling { repository: name, name: reference.clone(), id: *id });
        }
    }
    Ok(())
}

/// Copies a folder's files, each as long as it is now. Links are not followed.
fn copy_folder(dir: &FilePath, folder: &str, to: &FilePath) -> Result<(), BackupError> {
    let from = dir.join(folder);
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to.join(folder))?;
    // The audit log's head says what is there at least: taken last, it would name records that were not copied.
    let head = from.join("head");
    if head.is_file() {
        fs::copy(&head, to.join(folder).join("head"))?;
    }
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        if ["head", "head.tmp"].iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(dir, &name, to)?;
        } else if kind.is_file() {
            if !is_member(&name) {
                return Err(BackupError::Name { name });
            }
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Every file below a directory, sorted, with its size and hash.
fn hash_all(dir: &FilePath, progress: &mut dyn Progress) -> Result<Vec<ManifestFile>, BackupError> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push(format!("{name}/"));
            } else {
                found.push((name, entry.metadata()?.len()));
            }
        }
    }
    found.sort();
    progress.begin("hashing", found.iter().map(|(_, size)| size).sum());
    let mut files = Vec::with_capacity(found.len());
    for (name, size) in found {
        let mut hash = Hashing(Sha256::new());
        let read = io::copy(&mut File::open(dir.join(&name))?, &mut hash)?;
        if read != size {
            return Err(BackupError::Changed { name });
        }
        progress.advance(size);
        files.push(ManifestFile { name, size, sha256: hex(&hash.0.finalize()) });
    }
    Ok(files)
}

/// A sink that keeps the hash of what goes into it.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What lies in the project's directory and belongs to nobody: an operator may have forgotten it there.
fn not_included(dir: &FilePath) -> Result<Vec<String>, BackupError> {
    let known = |name: &str| {
        REPOSITORIES.contains(&name)
            || PRIMARY_FOLDERS.contains(&name)
            || [DERIVED, LOCK_FILE].contains(&name)
    };
    let mut left = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !known(&name) {
            left.push(name);
        }
    }
    for name in REPOSITORIES {
        let extras = Repository::open(dir.join(name))?.extras()?;
        left.extend(extras.into_iter().map(|extra| format!("{name}/{extra}")));
    }
    left.sort();
    Ok(left)
}

/// Bytes as lowercase hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
