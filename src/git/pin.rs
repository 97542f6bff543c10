//! Pinning: a second name for everything a repository consists of at one moment, while others go on with it.
//!
//! Packs and loose objects are never changed once they have their names, so a hard link to each is a copy that
//! costs nothing and that nobody can take away. References and small files are written out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::repository::{CONFIG, OpenError, Repository};
use crate::model::ObjectId;

/// Why a repository could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It does not hold all of its objects itself.
    #[error("{} borrows objects from another repository (objects/info/alternates): run `git repack -ad` in it, and remove that file", dir.display())]
    Borrows {
        /// The repository.
        dir: PathBuf,
    },
    /// Packs are replaced from outside faster than they can be linked.
    #[error("the packs of {} are replaced faster than they can be read; wait until `git gc` has ended there", dir.display())]
    Restless {
        /// The repository.
        dir: PathBuf,
    },
    /// The pinned repository cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How often packs and loose objects are looked through until nothing vanishes meanwhile.
const MOST_PASSES: usize = 32;

/// The small files that belong to a repository, with the largest size that is taken, in bytes. Its `config`
/// is not among them: it can name commands and hold passwords, so a pinned repository gets confgit's own.
const SMALL_FILES: [(&str, u64); 3] = [("HEAD", 4 << 10), ("description", 64 << 10), (SHALLOW, 16 << 20)];

/// The file that lists commits whose parents were taken away: gitrepository-layout(5).
const SHALLOW: &str = "shallow";

/// Makes a repository in the directory `to`, which must be empty, that holds these references and every
/// object of the given one. The references must have been read before, so that what they lead to is there.
pub fn pin(
    repository: &Repository,
    refs: &BTreeMap<String, ObjectId>,
    to: &Path,
) -> Result<Repository, PinError> {
    let dir = repository.dir();
    if dir.join("objects/info/alternates").exists() {
        return Err(PinError::Borrows { dir: dir.to_owned() });
    }
    Repository::init(to)?;
    link_objects(dir, to)?;
    for (name, most_bytes) in SMALL_FILES {
        copy_small(&dir.join(name), &to.join(name), most_bytes)?;
    }
    fs::write(to.join("packed-refs"), packed_refs(refs))?;
    // Only now is it known where history ends.
    Ok(Repository::open(to)?)
}

/// What a file `packed-refs` with these references says: git-pack-refs(1).
pub fn packed_refs(refs: &BTreeMap<String, ObjectId>) -> String {
    let mut text = String::from("# pack-refs with: sorted \n");
    for (name, id) in refs {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{id} {name}");
    }
    text
}

impl Repository {
    /// What somebody put into the repository that a pinned one does not have, such as hooks: names within it.
    pub fn extras(&self) -> io::Result<Vec<String>> {
        const KNOWN: [&str; 10] = [
            "HEAD",
            "branches",
            "config",
            "description",
            "hooks",
            "info",
            "objects",
            "packed-refs",
            "refs",
            SHALLOW,
        ];
        let mut extras = Vec::new();
        for entry in fs::read_dir(self.dir())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !KNOWN.contains(&name.as_str()) && !name.ends_with(".lock") {
                extras.push(name);
            }
        }
        if fs::read(self.dir().join("config"))? != CONFIG.as_bytes() {
            extras.push("config".to_owned());
        }
        for entry in fs::read_dir(self.dir().join("hooks")).into_iter().flatten() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".sample") {
                extras.push(format!("hooks/{name}"));
            }
        }
        extras.sort();
        Ok(extras)
    }
}

fn copy_small(from: &Path, to: &Path, most_bytes: u64) -> io::Result<()> {
    match fs::metadata(from) {
        Ok(found) if found.len() > most_bytes => {
            Err(io::Error::new(ErrorKind::InvalidData, format!("{} is too large", from.display())))
        }
        Ok(_) => fs::write(to, fs::read(from)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Links what is there, and looks again until nothing vanished: what a repack took away meanwhile, it had put
/// into a new pack before, which the next look finds. The first look alone could miss both.
fn link_objects(from: &Path, to: &Path) -> Result<(), PinError> {
    for pass in 0..MOST_PASSES {
        let loose = link_loose(&from.join("objects"), &to.join("objects"))?;
        let packs = link_packs(&from.join("objects/pack"), &to.join("objects/pack"))?;
        if loose && packs && pass > 0 {
            return Ok(());
        }
    }
    Err(PinError::Restless { dir: from.to_owned() })
}

/// Answers whether everything that was listed was there.
fn link_loose(from: &Path, to: &Path) -> io::Result<bool> {
    let is_hex = |name: &str| name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut complete = true;
    for folder in names(from)?.into_iter().filter(|name| name.len() == 2 && is_hex(name)) {
        let files = match names(&from.join(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            files => files?,
        };
        for file in files.into_iter().filter(|name| name.len() == 38 && is_hex(name)) {
            fs::create_dir_all(to.join(&folder))?;
            complete &= link(&from.join(&folder).join(&file), &to.join(&folder).join(&file))?;
        }
    }
    Ok(complete)
}

/// A pack counts with its index, which comes after it and goes before it.
fn link_packs(from: &Path, to: &Path) -> io::Result<bool> {
    let mut complete = true;
    for idx in names(from)?.into_iter().filter(|name| name.starts_with("pack-") && name.ends_with(".idx")) {
        let linked = to.join(&idx);
        if linked.exists() {
            continue;
        }
        if !link(&from.join(&idx), &linked)? {
            complete = false;
            continue;
        }
        let pack = format!("{}.pack", idx.trim_end_matches(".idx"));
        if !link(&from.join(&pack), &to.join(&pack))? {
            fs::remove_file(&linked)?;
            // An index that stays without its pack is damage, which another look would not mend.
            complete &= from.join(&idx).exists();
        }
    }
    Ok(complete)
}

/// Answers whether the file was there. File systems that take no link get a copy.
fn link(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(_) => match fs::copy(from, to) {
            Ok(_) => fs::set_permissions(to, Permissions::from_mode(0o444)).map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        },
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
