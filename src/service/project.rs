use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use quick_cache::sync::Cache;

use super::checkpoint;
use super::committer::{Committer, NewEnvironment, Worker, Write, Written};
use super::fold::{self, Packs};
use super::health::Health;
use super::load::{Loader, Scope};
use super::outside;
use super::past::PastCache;
use super::prepare::{self, Prepared};
use super::read::BodyCache;
use super::recover::{self, JournalState};
use super::retention::{self, OutsideGate};
use super::signal::Signal;
use super::{ServiceError, replay};
use crate::auth::{ACCESS_FILE, Access};
use crate::git::{Reader, Repository};
use crate::history::History;
use crate::index::{Branch, Index, State};
use crate::model::{Diagnostic, Environments, Limits, Revision, Timestamp};
use crate::settings::{ProjectSettings, SETTINGS_FILE};
use crate::telemetry::ProjectMetrics;

/// Where the parts of a project are, within its directory.
pub(super) const CONFIG_REPOSITORY: &str = "config.git";
pub(super) const META_REPOSITORY: &str = "meta.git";
pub(super) const DERIVED: &str = "derived";
pub(super) const HISTORY_FILE: &str = "history";
pub(super) const LOCK_FILE: &str = "lock";

/// Why a project's directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is none.
    #[error("{} is no confgit project; make one with `confgit init {}`", dir.display(), dir.display())]
    NoProject {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("{} is in use by another confgit process; stop that one first", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Its settings or access file have mistakes.
    #[error("the settings of {} cannot be used:\n{}", dir.display(), mistakes.iter().map(|m| format!("  {m}")).collect::<Vec<_>>().join("\n"))]
    Settings {
        /// The directory.
        dir: PathBuf,
        /// What is wrong, and where.
        mistakes: Vec<Diagnostic>,
    },
    /// A repository cannot be opened.
    #[error(transparent)]
    Repository(#[from] crate::git::OpenError),
    /// The project cannot be read.
    #[error("{}: {source}", dir.display())]
    Unreadable {
        /// The directory.
        dir: PathBuf,
        /// What failed.
        source: ServiceError,
    },
}

/// One project, open: what reads and writes go through.
#[derive(Debug)]
pub struct Project {
    core: Arc<Core>,
    access: Access,
    committer: Option<Committer>,
    threads: Vec<JoinHandle<()>>,
    /// Held as long as the project is open: there is one committer.
    _lock: File,
}

/// What all parts of an open project share.
pub struct Core {
    /// The project's directory.
    pub dir: PathBuf,
    pub(super) repository: Repository,
    /// Settings and access.
    pub(super) meta: Repository,
    pub(super) history: History,
    pub(super) index: Index,
    pub(super) settings: ProjectSettings,
    pub(super) health: Health,
    pub(super) metrics: ProjectMetrics,
    pub(super) bodies: BodyCache,
    pub(super) past: PastCache,
    /// Held while a commit is read as a whole: two at once would take twice the memory.
    pub(super) whole_loads: Mutex<()>,
    pub(super) packs: Packs,
    pub(super) outside: OutsideGate,
    fold: Signal,
    pub(super) retention: Signal,
    history_ready: AtomicBool,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Project {
    /// Opens the project in a directory: repairs what the last run left, reads every branch, and starts the
    /// committer. Reading is possible at once; writing and history once the history index has caught up.
    pub fn open(dir: &FilePath, metrics: ProjectMetrics) -> Result<Self, OpenError> {
        let no_project = || OpenError::NoProject { dir: dir.to_owned() };
        if !dir.join(CONFIG_REPOSITORY).is_dir() || !dir.join(META_REPOSITORY).is_dir() {
            return Err(no_project());
        }
        let lock = take_lock(dir)?;
        let unreadable = |source: ServiceError| OpenError::Unreadable { dir: dir.to_owned(), source };
        let meta = Repository::open(dir.join(META_REPOSITORY))?;
        let (settings, access) = read_meta(dir, &meta)?;
        let repository = Repository::open(dir.join(CONFIG_REPOSITORY))?;
        let swept = repository.sweep().map_err(|error| unreadable(error.into()))?;
        if !swept.files.is_empty() {
            tracing::info!(files = swept.files.len(), "what the last run left unfinished is removed");
        }
        let reader = repository.reader();
        let mut checkpoint = checkpoint::restore_ends(&repository, &reader).map_err(unreadable)?;
        let mut journal = recover::bring_refs_to_journal(&repository, &reader).map_err(unreadable)?;
        if journal.tip.is_none() {
            // Numbers begin anew, and what the checkpoint says is of the old ones.
            if checkpoint.take().is_some() {
                checkpoint::forget(&repository).map_err(unreadable)?;
            }
            journal =
                recover::make_journal(&repository, &reader, &settings.environments).map_err(unreadable)?;
        }
        super::backup::sweep(dir);
        fs::create_dir_all(dir.join(DERIVED)).map_err(|error| unreadable(error.into()))?;
        let history_file = dir.join(DERIVED).join(HISTORY_FILE);
        let history = prepare::open_history(&history_file, &reader, &journal, checkpoint.as_ref())
            .map_err(unreadable)?;
        let state = first_state(&settings, &reader, &history, &journal).map_err(unreadable)?;
        let moved = outside::moved_refs(&repository, &state).map_err(unreadable)?;
        let is_current = history.covered() == journal.sequence && moved.is_empty();
        let (fold, fold_receiver) = Signal::new(fold::PACKS_PER_FOLD);
        let (retention, retention_receiver) = Signal::new(retention::CHANGE_SETS_PER_LOOK);
        let core = Arc::new(Core {
            dir: dir.to_owned(),
            repository,
            meta,
            history,
            index: Index::new(state),
            settings,
            health: Health::default(),
            metrics,
            bodies: BodyCache::default(),
            past: PastCache::default(),
            whole_loads: Mutex::default(),
            packs: Packs::default(),
            outside: OutsideGate::default(),
            fold,
            retention,
            history_ready: AtomicBool::new(is_current),
        });
        // Short runs leave packs behind that no later one would count.
        core.packs_added(fold::PACKS_PER_FOLD);
        let (committer, receiver) = Committer::channel();
        let committing = {
            let core = core.clone();
            spawn("committer", move || {
                let _guard = EndOfWrites(core.clone());
                let time = journal.time.unwrap_or(Timestamp::from_millis(0));
                match prepare::catch_up(&core, &journal) {
                    Ok(Prepared) => {
                        let mut worker = Worker::new(core.clone(), journal.tip, time);
                        if let Err(error) = worker.take_in_outside_moves() {
                            tracing::error!(%error, "refs moved from outside could not be taken in");
                            core.health.refuse(&error.to_string());
                        }
                        core.history_ready.store(true, Ordering::Release);
                        super::committer::run(worker, &core, receiver);
                    }
                    Err(error) => {
                        tracing::error!(%error, "the history index cannot be brought up to date");
                        core.health
                            .break_down(&format!("the history index cannot be brought up to date: {error}"));
                    }
                }
            })
        };
        let folding = {
            let core = core.clone();
            spawn("fold", move || fold::run(&core, &fold_receiver))
        };
        let mut threads =
            vec![committing.map_err(|e| unreadable(e.into()))?, folding.map_err(|e| unreadable(e.into()))?];
        core.metrics.look_with({
            let (core, queue) = (Arc::downgrade(&core), committer.watch());
            move || core.upgrade().map(|core| core.present(queue.waiting()))
        });
        if core.settings.retention.is_some() || retention::is_unfinished(&core, checkpoint.as_ref()) {
            let core = core.clone();
            let keeping = spawn("retention", move || retention::run(&core, &retention_receiver));
            threads.push(keeping.map_err(|e| unreadable(e.into()))?);
        }
        Ok(Project { core, access, committer: Some(committer), threads, _lock: lock })
    }

    /// What reads go through.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The accounts.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Writes, and waits until it is durable.
    pub async fn write(&self, write: Write) -> Result<Written, ServiceError> {
        match &self.committer {
            Some(committer) => committer.write(&self.core, write).await,
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// The same for a caller that is no async task.
    pub fn write_blocking(&self, write: Write) -> Result<Written, ServiceError> {
        match &self.committer {
            Some(committer) => committer.write_blocking(&self.core, write),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// Makes an environment, and waits until it is there. Blocks.
    pub fn create_environment(&self, new: NewEnvironment) -> Result<Written, ServiceError> {
        match &self.committer {
            Some(committer) => committer.create_blocking(&self.core, new),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// How many writes wait.
    pub fn waiting_writes(&self) -> usize {
        self.committer.as_ref().map_or(0, Committer::waiting)
    }

    /// Waits until writes and history are possible, or will not become so.
    pub fn wait_until_ready(&self) -> Result<(), ServiceError> {
        while !self.core.history_ready() {
            self.core.health.check()?;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Project {
    /// Finishes what was accepted, then lets the directory go.
    fn drop(&mut self) {
        self.committer = None;
        self.core.fold.stop();
        self.core.retention.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a background thread panicked");
            }
        }
    }
}

impl Core {
    /// Whether versions are known and writes possible.
    pub fn history_ready(&self) -> bool {
        self.history_ready.load(Ordering::Acquire)
    }

    pub(super) fn writable(&self) -> Result<(), ServiceError> {
        self.health.check()?;
        if self.history_ready() { Ok(()) } else { Err(ServiceError::NotReady { part: "the history index" }) }
    }

    /// Tells the folding thread that there are more packs.
    pub(super) fn packs_added(&self, packs: usize) {
        self.fold.add(packs);
    }

    /// How large what people write may be.
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// The environments there are now.
    pub fn environments(&self) -> Arc<Environments> {
        self.index.load().environments.clone()
    }
}

pub(super) fn take_lock(dir: &FilePath) -> Result<File, OpenError> {
    let io = |source: io::Error| OpenError::Unreadable { dir: dir.to_owned(), source: source.into() };
    let file =
        File::options().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// The branch of the settings' repository that counts.
pub(super) const META_BRANCH: &str = "refs/heads/main";

/// The head of the settings' repository, and what one of its files holds; a missing file is empty.
pub(super) fn read_meta_file(
    meta: &Repository,
    reader: &Reader,
    name: &str,
) -> Result<(Revision, Vec<u8>), ServiceError> {
    let head = meta.find_ref(META_BRANCH)?.id();
    let head =
        head.ok_or_else(|| io::Error::other(format!("{} has no {META_BRANCH}", meta.dir().display())))?;
    let tree = reader.tree(reader.commit(head)?.tree)?;
    let content = match tree.get(name.as_bytes()) {
        Some(entry) => reader.blob(entry.id, Limits::default().document_bytes as u64)?,
        None => Vec::new(),
    };
    Ok((head, content))
}

pub(super) fn read_meta(dir: &FilePath, meta: &Repository) -> Result<(ProjectSettings, Access), OpenError> {
    let unreadable = |source: ServiceError| OpenError::Unreadable { dir: dir.to_owned(), source };
    let reader = meta.reader();
    let file = |name: &str| read_meta_file(meta, &reader, name).map(|(_, content)| content);
    let mistakes = |mistakes| OpenError::Settings { dir: dir.to_owned(), mistakes };
    let settings = ProjectSettings::parse(&file(SETTINGS_FILE).map_err(unreadable)?).map_err(mistakes)?;
    let access = Access::parse(&file(ACCESS_FILE).map_err(unreadable)?).map_err(mistakes)?;
    if !settings.without_effect.is_empty() {
        tracing::warn!(sections = ?settings.without_effect, "settings that this version does not act on");
    }
    Ok((settings, access))
}

/// What readers see first: every branch where the journal has it.
fn first_state(
    settings: &ProjectSettings,
    reader: &Reader,
    history: &History,
    journal: &JournalState,
) -> Result<State, ServiceError> {
    let heads = prepare::journaled_heads(reader, history, journal, &settings.environments)?;
    let is_current = history.covered() == journal.sequence;
    let mut branches = HashMap::new();
    for environment in settings.environments.iter() {
        let head = heads.get(&environment.branch).copied().flatten();
        let (tree, snapshot) = match head {
            None => Default::default(),
            Some(head) => {
                let loader = Loader { reader, limits: &settings.limits };
                let loaded = loader.load(head, Scope::Everything)?;
                let stamped =
                    if is_current { replay::stamped(&loaded, &environment.branch, history)? } else { loaded };
                (Some(reader.commit(head)?.tree), stamped)
            }
        };
        branches.insert(environment.branch.clone(), Branch { head, tree, snapshot: Arc::new(snapshot) });
    }
    Ok(State::new(journal.sequence, settings.environments.clone(), branches))
}

/// Says that there will be no further writes, once the committer's thread has ended, however it did.
struct EndOfWrites(Arc<Core>);

impl Drop for EndOfWrites {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .health
                .break_down("the committer failed unexpectedly; restart the server, and see its log");
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// A bounded cache of bytes by key.
pub(super) type ByteCache<K> = Cache<K, Bytes, ByLength>;

/// Weighs cached bytes by their length.
#[derive(Debug, Clone)]
pub(super) struct ByLength;

impl<K> quick_cache::Weighter<K, Bytes> for ByLength {
    fn weight(&self, _: &K, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 64
    }
}
