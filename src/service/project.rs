use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::panic::resume_unwind;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::audit_trail::AuditTrail;
use super::bodies::BodyCache;
use super::checkpoint;
use super::committer::{Committer, NewEnvironment, ProposalWork, Worker, Write, Written, settings_with};
use super::core::Core;
use super::fold;
use super::health::Health;
use super::identities::Identities;
use super::last_uses::LastUses;
use super::layout::{CONFIG_REPOSITORY, DERIVED, HISTORY_FILE, META_REPOSITORY};
use super::live::{self, Live};
use super::live_settings::LiveSettings;
use super::load::{Loader, Scope};
use super::meta::{META_BRANCH, read_meta};
use super::open::{OpenError, take_lock};
use super::outside;
use super::outside_gate::OutsideGate;
use super::pace::Pace;
use super::packs::Packs;
use super::past_cache::PastCache;
use super::prepare::{self, Prepared};
use super::proposals::{self, ProposalBoard};
use super::receive::{Received, ReceivedSettings, Verdict};
use super::recover::{self, JournalState};
use super::refs_follower::{RefsFollower, StopFollowing};
use super::retention;
use super::settings_follower::Follower;
use super::signal::Signal;
use super::upstream::{self, UpstreamBoard};
use super::view_checks::ViewChecks;
use super::{ServiceError, alerts, check_views, replay};
use arc_swap::Guard;

use crate::auth::{Access, AccountChange, AdminGrant};
use crate::git::{Reader, Repository};
use crate::history::History;
use crate::index::{Branch, Index, State};
use crate::model::Timestamp;
use crate::proposal::Proposal;
use crate::settings::ProjectSettings;
use crate::telemetry::ProjectMetrics;

/// One project, open: what reads and writes go through.
#[derive(Debug)]
pub struct Project {
    core: Arc<Core>,
    committer: Option<Committer>,
    /// End the threads that follow the settings and check the environments when they go.
    watching: Vec<mpsc::Sender<()>>,
    /// Ends the thread that follows the refs.
    refs_stop: StopFollowing,
    threads: Vec<JoinHandle<()>>,
    /// Held as long as the project is open: there is one committer.
    _lock: File,
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
        let seen = meta.find_ref(META_BRANCH).map_err(|error| unreadable(error.into()))?.id();
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
        let audit = AuditTrail::open(dir, SystemTime::now().into())?;
        let proposals = ProposalBoard::load(&repository).map_err(unreadable)?;
        let (fold, fold_receiver) = Signal::new(fold::PACKS_PER_FOLD);
        let (retention, retention_receiver) = Signal::new(retention::CHANGE_SETS_PER_LOOK);
        let (upstream, upstream_news, pulls_news) = UpstreamBoard::new();
        let core = Arc::new(Core {
            dir: dir.to_owned(),
            repository,
            meta,
            history,
            live: Live::new(&state),
            index: Index::new(state),
            pace: Pace::new(settings.rate),
            settings: LiveSettings::new(settings),
            identities: Identities::new(access, dir.to_owned()),
            audit,
            checks: ViewChecks::default(),
            health: Health::default(),
            metrics,
            bodies: BodyCache::default(),
            past: PastCache::default(),
            whole_loads: Mutex::default(),
            packs: Packs::default(),
            outside: OutsideGate::default(),
            proposals,
            fold,
            retention,
            upstream,
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
                // On a thread that ends: what building the index took goes back to the system with it.
                let caught_up = std::thread::scope(|scope| {
                    scope
                        .spawn(|| prepare::catch_up(&core, &journal))
                        .join()
                        .unwrap_or_else(|panic| resume_unwind(panic))
                });
                match caught_up {
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
        let keeping = {
            let core = core.clone();
            spawn("retention", move || retention::run(&core, &retention_receiver))
        };
        threads.push(keeping.map_err(|e| unreadable(e.into()))?);
        let telling = {
            let core = core.clone();
            spawn("watch", move || live::run(&core))
        };
        threads.push(telling.map_err(|e| unreadable(e.into()))?);
        let refs_follower = RefsFollower::new(core.clone(), committer.watch());
        let refs_stop = refs_follower.stop();
        let refs = spawn("refs", move || refs_follower.run());
        threads.push(refs.map_err(|e| unreadable(e.into()))?);
        let following_upstream = {
            let (core, committer) = (core.clone(), committer.watch());
            spawn("upstream", move || upstream::run(&core, &committer, &upstream_news))
        };
        threads.push(following_upstream.map_err(|e| unreadable(e.into()))?);
        let checking_pulls = {
            let core = core.clone();
            spawn("pulls", move || upstream::pulls::run(&core, &pulls_news))
        };
        threads.push(checking_pulls.map_err(|e| unreadable(e.into()))?);
        let (proposing, proposals_stop) = mpsc::channel();
        let merging = {
            let (core, committer) = (core.clone(), committer.watch());
            spawn("proposals", move || proposals::run(&core, &committer, &proposals_stop))
        };
        threads.push(merging.map_err(|e| unreadable(e.into()))?);
        let (watching, stop) = mpsc::channel();
        let (checking, checks_stop) = mpsc::channel();
        let (alerting, alerts_stop) = mpsc::channel();
        let alerts = {
            let core = core.clone();
            spawn("alerts", move || alerts::run(&core, &alerts_stop))
        };
        threads.push(alerts.map_err(|e| unreadable(e.into()))?);
        let checks = {
            let core = core.clone();
            spawn("checks", move || check_views::run(&core, &checks_stop))
        };
        threads.push(checks.map_err(|e| unreadable(e.into()))?);
        let last_uses = LastUses::load(dir, &core.identities().access());
        let follower = Follower { core: core.clone(), committer: committer.watch(), seen, last_uses };
        let following = spawn("settings", move || follower.run(&stop));
        threads.push(following.map_err(|e| unreadable(e.into()))?);
        Ok(Project {
            core,
            committer: Some(committer),
            watching: vec![watching, checking, alerting, proposing],
            refs_stop,
            threads,
            _lock: lock,
        })
    }

    /// What reads go through.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The accounts.
    pub fn access(&self) -> Guard<Arc<Access>> {
        self.core.identities().access()
    }

    /// Writes, and waits until it is durable.
    pub async fn write(&self, write: Write) -> Result<Written, ServiceError> {
        match &self.committer {
            Some(committer) => {
                let written = committer.write(&self.core, write).await?;
                upstream::until_it_has(&self.core, &written).await?;
                Ok(written)
            }
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

    /// Lets readers see what was pushed by path, where that is not so yet. Blocks.
    pub(super) fn take_in_pushes(&self) -> Result<(), ServiceError> {
        let state = self.core.index.snapshot();
        match &self.committer {
            Some(committer) if !outside::moved_refs(&self.core.repository, &state)?.is_empty() => {
                committer.take_in_blocking(&self.core)
            }
            _ => Ok(()),
        }
    }

    /// Hands a push over to the committer, and waits for its verdicts. Blocks.
    pub(super) fn hand_over_push(&self, received: Received) -> Result<Vec<Verdict>, ServiceError> {
        match &self.committer {
            Some(committer) => committer.receive_blocking(&self.core, received),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// The same for a push to the settings.
    pub(super) fn hand_over_settings(
        &self,
        received: ReceivedSettings,
    ) -> Result<Vec<Verdict>, ServiceError> {
        match &self.committer {
            Some(committer) => committer.receive_settings_blocking(&self.core, received),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// Does something about a proposal, and waits until it is durable. Blocks.
    pub(super) fn propose_work(&self, work: ProposalWork) -> Result<Arc<Proposal>, ServiceError> {
        match &self.committer {
            Some(committer) => committer.propose_blocking(&self.core, work),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// Makes an environment, and waits until it is there. A branch that was pushed for it has to hold what is valid. Blocks.
    pub fn create_environment(&self, new: NewEnvironment) -> Result<Written, ServiceError> {
        let looked_at = match self.core.environments().get(&new.name) {
            None => self.core.look_at_new_branches(&settings_with(&self.core.meta, &new)?)?,
            Some(_) => Default::default(),
        };
        match &self.committer {
            Some(committer) => committer.create_blocking(&self.core, new, looked_at),
            None => Err(ServiceError::NotReady { part: "the committer" }),
        }
    }

    /// Changes an account, and waits until that is durable and in force. Blocks.
    pub fn change_account(&self, grant: AdminGrant, change: AccountChange) -> Result<(), ServiceError> {
        match &self.committer {
            Some(committer) => committer.change_account_blocking(&self.core, grant, change),
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
        self.watching.clear();
        self.core.fold.stop();
        self.core.retention.stop();
        self.core.upstream.stop();
        self.core.live.timeline.close();
        self.refs_stop.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a background thread panicked");
            }
        }
    }
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
