use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::boundary::{self, Boundary, Ends};
use super::reader::Reader;
use super::refs::{self, RefState};
use crate::model::Revision;

/// Why a directory cannot be used as a repository.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not a bare Git repository.
    #[error("{} is no bare Git repository: {reason}", dir.display())]
    NotBare {
        /// The directory.
        dir: PathBuf,
        /// What is missing or in the way.
        reason: String,
    },
    /// It uses something of Git that confgit does not.
    #[error("{} uses {feature}, which is not supported", dir.display())]
    Unsupported {
        /// The directory.
        dir: PathBuf,
        /// The object format, reference format or extension.
        feature: String,
    },
    /// A repository was to be made where something is.
    #[error("{} is not empty", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// The file system failed.
    #[error("cannot open the repository {}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// A bare Git repository with SHA-1 ids and files for references. Cloning shares it.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    store: ArcSwap<gix::odb::Store>,
    boundary: Arc<Boundary>,
}

/// How many packs can be known at a time. The store's own default of 32 is passed within a second.
const SLOTS: u16 = 4096;

/// The same of a folder that holds one. Each slot costs something when the store goes.
const FEW_SLOTS: u16 = 8;

/// Git must not repack behind our back from a push, and what it does write it shall flush.
pub(super) const CONFIG: &str = "[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
\tfsync = all
[gc]
\tauto = 0
[receive]
\tautogc = false
\tunpackLimit = 1
[maintenance]
\tauto = false
[repack]
\twriteBitmaps = false
[transfer]
\thideRefs = refs/confgit
";

impl Repository {
    /// The commits whose parents were taken away, as the file `shallow` names them, sorted; none in a whole repository.
    pub fn shallow(&self) -> io::Result<Vec<Revision>> {
        let mut shallow: Vec<Revision> = boundary::read(self.dir())?.into_iter().collect();
        shallow.sort();
        Ok(shallow)
    }

    /// Makes a bare repository whose HEAD is the unborn branch `main`. The directory is made; if it exists,
    /// it must be empty.
    pub fn init(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(OpenError::NotEmpty { dir });
        }
        lay_out(&dir).map_err(|source| OpenError::Io { dir: dir.clone(), source })?;
        Self::open(dir)
    }

    /// Opens a bare repository.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        check(&dir)?;
        let store = open_store(&dir).map_err(|source| OpenError::Io { dir: dir.clone(), source })?;
        let boundary = Boundary::open(&dir).map_err(|source| OpenError::Io { dir: dir.clone(), source })?;
        Ok(Repository { shared: Arc::new(Shared { dir, store: ArcSwap::from_pointee(store), boundary }) })
    }

    /// Gives a directory with `HEAD`, references and objects what else a repository has: its folders, and
    /// confgit's own settings in place of any others.
    pub fn complete(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        let failed = |source| OpenError::Io { dir: dir.clone(), source };
        make_folders(&dir).map_err(failed)?;
        let config = dir.join("config");
        if config.exists() {
            fs::remove_file(&config).map_err(failed)?;
        }
        super::durable::write_file(&config, CONFIG.as_bytes()).map_err(failed)?;
        Self::open(dir)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Where the packs are.
    pub(super) fn pack_dir(&self) -> PathBuf {
        self.dir().join("objects/pack")
    }

    /// How many packs there are.
    pub fn packs(&self) -> io::Result<usize> {
        let mut packs = 0;
        for entry in fs::read_dir(self.pack_dir())? {
            packs += usize::from(Path::new(&entry?.file_name()).extension().is_some_and(|e| e == "pack"));
        }
        Ok(packs)
    }

    /// A handle to read objects with, for one thread.
    pub fn reader(&self) -> Reader {
        Reader::new(&self.shared.store.load(), self.shared.boundary.clone())
    }

    /// A reader of a folder of objects, and of the repository besides.
    pub(super) fn reader_with(&self, objects: &Path) -> io::Result<Reader> {
        Ok(self.reader().beside(&Arc::new(open_objects(objects.to_owned(), FEW_SLOTS)?)))
    }

    /// A reader of nothing but a folder of objects.
    pub(super) fn reader_of(&self, objects: &Path) -> io::Result<Reader> {
        let store = open_objects(objects.to_owned(), FEW_SLOTS)?;
        Ok(Reader::still(&Arc::new(store), self.shared.boundary.clone()))
    }

    /// A reference that this one cannot be beside: one that is a folder of it, or within it.
    pub fn neighbour_in_the_way(&self, full_name: &str) -> io::Result<Option<String>> {
        for (at, _) in full_name.match_indices('/').skip(2) {
            if self.find_ref(&full_name[..at])? != RefState::Absent {
                return Ok(Some(full_name[..at].to_owned()));
            }
        }
        Ok(self.refs(&format!("{full_name}/"))?.into_iter().next().map(|(name, _)| name))
    }

    /// A reader of what is there now and of nothing that comes later: for what may well be missing. While packs
    /// keep coming, another reader would look for it in each new one, and go on looking.
    pub fn still_reader(&self) -> io::Result<Reader> {
        Ok(Reader::still(&Arc::new(open_store(self.dir())?), self.shared.boundary.clone()))
    }

    /// Lets go of packs that are gone, which otherwise take their room until something is looked for and not
    /// found. Readers that were made before hold them as long as they live.
    pub fn forget_packs(&self) -> io::Result<()> {
        self.shared.store.store(Arc::new(open_store(self.dir())?));
        Ok(())
    }

    /// Makes history end at these commits: durably, then for every reader at once.
    pub fn set_ends(&self, ends: Ends) -> io::Result<()> {
        self.shared.boundary.replace(self.dir(), ends)
    }

    /// All branches by name without `refs/heads/`, sorted, with their heads; torn ones are among them.
    pub fn branches(&self) -> io::Result<Vec<(String, RefState)>> {
        const HEADS: &str = "refs/heads/";
        let all = refs::list(self.dir(), HEADS)?;
        let short = |name: String| name.strip_prefix(HEADS).map(str::to_owned);
        Ok(all.into_iter().filter_map(|(name, state)| Some((short(name)?, state))).collect())
    }

    /// All references whose full names begin with `prefix`, such as `refs/proposals/`, sorted.
    pub fn refs(&self, prefix: &str) -> io::Result<Vec<(String, RefState)>> {
        Ok(refs::list(self.dir(), prefix)?.into_iter().collect())
    }

    /// Flushes the folders of references that moved.
    pub fn flush_refs<'n>(&self, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
        let folders: BTreeSet<PathBuf> =
            names.filter_map(|name| Some(self.dir().join(name).parent()?.to_owned())).collect();
        folders
            .iter()
            .filter(|folder| folder.exists())
            .try_for_each(|folder| super::durable::sync_dir(folder))
    }

    /// What a reference, given by its full name, points at.
    pub fn find_ref(&self, full_name: &str) -> io::Result<RefState> {
        refs::find(self.dir(), full_name)
    }
}

fn make_folders(dir: &Path) -> io::Result<()> {
    const FOLDERS: [&str; 7] =
        ["objects/pack", "objects/info", "refs/heads", "refs/tags", "refs/confgit", "info", "hooks"];
    FOLDERS.iter().try_for_each(|folder| fs::create_dir_all(dir.join(folder)))
}

fn open_store(dir: &Path) -> io::Result<gix::odb::Store> {
    open_objects(dir.join("objects"), SLOTS)
}

fn open_objects(objects: PathBuf, slots: u16) -> io::Result<gix::odb::Store> {
    let options = gix::odb::store::init::Options {
        slots: gix::odb::store::init::Slots::Given(slots),
        alloc_limit_bytes: Some(Reader::MAX_OBJECT as usize),
        ..Default::default()
    };
    gix::odb::Store::at_opts(objects, gix::hash::Kind::Sha1, &mut std::iter::empty(), options)
}

fn lay_out(dir: &Path) -> io::Result<()> {
    make_folders(dir)?;
    super::durable::write_file(&dir.join("config"), CONFIG.as_bytes())?;
    super::durable::write_file(&dir.join("description"), b"a confgit project\n")?;
    super::durable::write_file(&dir.join("HEAD"), b"ref: refs/heads/main\n")?;
    for sub in ["objects", "refs", "refs/heads", ""] {
        super::durable::sync_dir(&dir.join(sub))?;
    }
    // Without this a loss of power could take the whole repository with it.
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => super::durable::sync_dir(Path::new(".")),
        Some(parent) => super::durable::sync_dir(parent),
        None => Ok(()),
    }
}

fn check(dir: &Path) -> Result<(), OpenError> {
    let not_bare = |reason: &str| OpenError::NotBare { dir: dir.to_owned(), reason: reason.to_owned() };
    if dir.join(".git").exists() {
        return Err(not_bare("it has a working tree; give its `.git` made bare, or a bare clone"));
    }
    for part in ["HEAD", "objects", "refs"] {
        if !dir.join(part).exists() {
            return Err(not_bare(&format!("`{part}` is missing")));
        }
    }
    let path = dir.join("config");
    let config = gix::config::File::from_path_no_includes(path, gix::config::Source::Local)
        .map_err(|error| not_bare(&format!("its `config` cannot be read: {error}")))?;
    if matches!(config.boolean("core.bare"), Ok(Some(false))) {
        return Err(not_bare("`core.bare` is false"));
    }
    let unsupported = |feature: String| OpenError::Unsupported { dir: dir.to_owned(), feature };
    for (key, only) in [("extensions.objectFormat", "sha1"), ("extensions.refStorage", "files")] {
        match config.string(key) {
            Some(value) if value.as_slice() != only.as_bytes() => {
                return Err(unsupported(format!("{key} = {value}")));
            }
            _ => {}
        }
    }
    if dir.join("reftable").exists() {
        return Err(unsupported("reftable".to_owned()));
    }
    Ok(())
}
