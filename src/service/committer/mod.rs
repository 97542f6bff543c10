//! The committer: one thread per project that puts all writes in order and makes them durable in batches.

mod batch;
mod file_name;
mod queue;
mod reconcile;
mod request;
mod stage;
mod texts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use self::batch::{Batch, Context, Failure, Working, state_of};
use self::texts::Texts;
use super::outside;
use super::project::Core;
use super::{ServiceError, recover};
use crate::git::failpoint::{Step, reach};
use crate::git::{Pack, PublishError, RefMove, WorkTree, journal, publish};
use crate::history::NewVersion;
use crate::model::{ChangeSet, Environments, Move, Revision, Sequence, Timestamp};

pub(super) use self::queue::run;
pub use self::queue::{Committer, QUEUE_CAPACITY};
pub use self::request::{Edit, EditOp, Member, Metadata, Precondition, Write, Written, WrittenEdit};

/// One write that waits, and who waits for it.
pub(super) struct Waiting {
    write: Write,
    answer: oneshot::Sender<Result<Written, ServiceError>>,
    since: Instant,
}

/// The ref that the journal is.
pub(super) const JOURNAL_REF: &str = "refs/confgit/journal";

/// The committer's own state, on its own thread.
pub(super) struct Worker {
    core: Arc<Core>,
    texts: Texts,
    branches: HashMap<Arc<str>, Working>,
    journal: Option<Revision>,
    sequence: Sequence,
    last_time: Timestamp,
    /// Set by a failure that only a restart mends.
    broken: Option<String>,
}

impl Worker {
    /// A worker that goes on from what the index shows.
    pub fn new(core: Arc<Core>, journal: Option<Revision>, last_time: Timestamp) -> Self {
        let texts = Texts::new(core.repository.reader(), core.settings.limits);
        let sequence = core.index.load().sequence;
        let mut worker =
            Worker { core, texts, branches: HashMap::new(), journal, sequence, last_time, broken: None };
        worker.reset();
        worker
    }

    /// Goes back to what readers see: after a batch that was not published.
    fn reset(&mut self) {
        let state = self.core.index.snapshot();
        self.sequence = state.sequence;
        self.branches.clear();
        for (name, branch) in &state.branches {
            let tree =
                branch.head.and_then(|head| self.texts.reader().commit(head).ok()).map(|commit| commit.tree);
            let working =
                Working { head: branch.head, snapshot: branch.snapshot.clone(), tree: WorkTree::new(tree) };
            self.branches.insert(name.clone(), working);
        }
    }

    /// Takes a batch of writes through to the answers.
    pub fn process(&mut self, waiting: Vec<Waiting>) {
        if let Some(reason) = &self.broken {
            return refuse(waiting, &unavailable(reason));
        }
        // A ref that somebody moved is taken in first; the batch then stands on the new head. Each round
        // needs another touch from outside, so a few are enough.
        let mut waiting = waiting;
        for _ in 0..8 {
            match self.attempt(waiting) {
                None => return,
                Some(again) => waiting = again,
            }
        }
        refuse(
            waiting,
            &unavailable("refs of the repository are touched from outside faster than writes get through"),
        );
    }

    /// Answers the writes, or gives them back when they have to be tried on another head.
    fn attempt(&mut self, waiting: Vec<Waiting>) -> Option<Vec<Waiting>> {
        let time = self.now();
        let environments = self.core.index.load().environments.clone();
        let (mut answers, mut writes) = (Vec::new(), Vec::new());
        let context = Context {
            environments: &environments,
            limits: &self.core.settings.limits,
            history: &self.core.history,
        };
        let mut batch = Batch::new(context, &mut self.branches, &mut self.texts, self.sequence, time);
        let mut broken = None;
        for Waiting { write, answer, since } in waiting {
            if broken.is_some() {
                answers.push((answer, since, Err(ServiceError::Busy)));
                continue;
            }
            match batch.add(&write) {
                Ok(written) => answers.push((answer, since, Ok(written))),
                Err(Failure::Refused(error)) => answers.push((answer, since, Err(error))),
                Err(Failure::Broken(error)) => {
                    broken = Some(error.to_string());
                    answers.push((answer, since, Err(ServiceError::Busy)));
                }
            }
            writes.push(write);
        }
        let (sequence, mut pack, accepted) =
            (batch.sequence(), std::mem::take(&mut batch.pack), std::mem::take(&mut batch.accepted));
        drop(batch);
        if let Some(reason) = broken {
            self.give_up();
            self.core.health.refuse(&reason);
            return finish(answers, Some(unavailable(&reason)));
        }
        if accepted.is_empty() {
            self.texts.end_batch(false);
            return finish(answers, None);
        }
        let built = Instant::now();
        match self.publish(&mut pack, &accepted) {
            Ok(journal) => {
                self.core.metrics.batch(accepted.len(), built.elapsed());
                self.commit_done(journal, sequence, time, &environments, &accepted);
                finish(answers, None)
            }
            Err(PublishError::Moved { name, .. }) => {
                self.give_up();
                tracing::info!(reference = %name, "a ref was moved from outside");
                if let Err(error) = self.take_in_outside_moves() {
                    let reason = error.to_string();
                    self.core.health.refuse(&reason);
                    return finish(answers, Some(unavailable(&reason)));
                }
                Some(again(answers, writes))
            }
            Err(error) if is_passing(&error) => {
                tracing::info!(%error, "somebody else is at work in the repository; trying again");
                self.give_up();
                std::thread::sleep(PAUSE);
                Some(again(answers, writes))
            }
            Err(error) => {
                finish(answers, self.publish_failed(error, sequence, time, &environments, &accepted))
            }
        }
    }

    fn publish(
        &mut self,
        pack: &mut Pack,
        accepted: &[(ChangeSet, Vec<NewVersion>)],
    ) -> Result<Revision, PublishError> {
        let mut pack = std::mem::take(pack);
        let change_sets: Vec<ChangeSet> = accepted.iter().map(|(change_set, _)| change_set.clone()).collect();
        let tip = journal::append(&mut pack, self.journal, &change_sets, &[])
            .map_err(|error| PublishError::Io(std::io::Error::other(error.to_string())))?;
        let pack =
            pack.finish().map_err(|error| PublishError::Io(std::io::Error::other(error.to_string())))?;
        let step = RefMove { name: JOURNAL_REF.to_owned(), old: self.journal, new: Some(tip) };
        publish(&self.core.repository, Some(pack), Some(&step), &branch_moves(&change_sets))?;
        Ok(tip)
    }

    /// What follows the commit point: history, then readers.
    fn commit_done(
        &mut self,
        journal: Revision,
        sequence: Sequence,
        time: Timestamp,
        environments: &Arc<Environments>,
        accepted: &[(ChangeSet, Vec<NewVersion>)],
    ) {
        self.journal = Some(journal);
        self.sequence = sequence;
        self.last_time = time;
        self.texts.end_batch(true);
        if let Err(error) = self.core.history.append(accepted) {
            // The index is derived: the next start rebuilds what is missing. Until then versions would be
            // wrong, so there are no further writes.
            let reason = format!("the history index cannot be written ({error}); restart to rebuild it");
            tracing::error!(%error, "the history index cannot be written");
            self.core.health.break_down(&reason);
            self.broken = Some(reason);
        } else {
            self.core.health.recovered();
        }
        if reach(Step::IndexSwapped).is_err() {
            tracing::warn!("a failpoint was set at the index");
        }
        self.core.index.swap(state_of(&self.branches, environments, sequence));
        self.core.metrics.sequence(sequence);
        self.core.packs_added(1);
    }

    fn publish_failed(
        &mut self,
        error: PublishError,
        sequence: Sequence,
        time: Timestamp,
        environments: &Arc<Environments>,
        accepted: &[(ChangeSet, Vec<NewVersion>)],
    ) -> Option<ServiceError> {
        let reason = error.to_string();
        tracing::error!(%reason, "a batch could not be published");
        match error {
            PublishError::AfterCommitPoint(_) => {
                // The journal moved: the writes are durable and everybody is told so. The branches are
                // brought up to it here, or at the latest by the next start.
                let journal = self.core.repository.find_ref(JOURNAL_REF).ok().and_then(|state| state.id());
                if let Some(journal) = journal {
                    self.commit_done(journal, sequence, time, environments, accepted);
                }
                if let Err(error) = recover::restore_heads(&self.core.repository, &self.core.index.load()) {
                    let reason = format!(
                        "branches could not be brought up to the journal ({error}); restart the server"
                    );
                    self.core.health.break_down(&reason);
                    self.broken = Some(reason);
                }
                None
            }
            PublishError::SyncFailed(_) => {
                // What the disk holds is unknown, and a second flush would lie: only a restart looks anew.
                let reason = format!("{reason}; restart the server once the disk is sound");
                self.give_up();
                self.core.health.break_down(&reason);
                self.broken = Some(reason.clone());
                Some(unavailable(&reason))
            }
            _ => {
                self.give_up();
                self.core.health.refuse(&reason);
                Some(unavailable(&reason))
            }
        }
    }

    fn give_up(&mut self) {
        self.texts.end_batch(false);
        self.reset();
    }

    /// Journals refs that were moved by others, and lets readers see them.
    pub fn take_in_outside_moves(&mut self) -> Result<(), ServiceError> {
        let state = self.core.index.snapshot();
        let moves = outside::moved_refs(&self.core.repository, &state)?;
        if moves.is_empty() {
            return Ok(());
        }
        let time = self.now();
        let found = outside::follow(&self.core, self.texts.reader(), &state, moves, time)?;
        let mut pack = Pack::new();
        let accepted = [(found.change_set.clone(), found.versions)];
        let tip = journal::append(&mut pack, self.journal, std::slice::from_ref(&found.change_set), &[])
            .map_err(|error| ServiceError::Io(std::io::Error::other(error.to_string())))?;
        let pack =
            pack.finish().map_err(|error| ServiceError::Io(std::io::Error::other(error.to_string())))?;
        let step = RefMove { name: JOURNAL_REF.to_owned(), old: self.journal, new: Some(tip) };
        publish(&self.core.repository, Some(pack), Some(&step), &[])
            .map_err(|error| ServiceError::WritesUnavailable { reason: error.to_string() })?;
        for (branch, head, snapshot) in found.branches {
            let tree = head.and_then(|head| self.texts.reader().commit(head).ok()).map(|commit| commit.tree);
            let working = Working { head, snapshot: Arc::new(snapshot), tree: WorkTree::new(tree) };
            self.branches.insert(branch, working);
        }
        self.commit_done(tip, found.change_set.sequence, time, &state.environments, &accepted);
        Ok(())
    }

    /// Now, but never before the last change set: order and time agree.
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).max(self.last_time)
    }
}

/// How long to let somebody else finish what is in the way.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Whether a failure comes from another process at work: a ref that is locked, or a folder or file that
/// `git gc` took away as empty or left over, and that the next attempt makes anew.
fn is_passing(error: &PublishError) -> bool {
    match error {
        PublishError::Locked { .. } => true,
        PublishError::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The writes of a batch, to be tried once more.
fn again(answers: Vec<Answer>, writes: Vec<Write>) -> Vec<Waiting> {
    let zipped = answers.into_iter().zip(writes);
    zipped.map(|((answer, since, _), write)| Waiting { write, answer, since }).collect()
}

type Answer = (oneshot::Sender<Result<Written, ServiceError>>, Instant, Result<Written, ServiceError>);

/// Tells every writer what became of its write, or all of them the same failure.
fn finish(answers: Vec<Answer>, failure: Option<ServiceError>) -> Option<Vec<Waiting>> {
    for (answer, _, result) in answers {
        let result = match &failure {
            Some(failure) => Err(unavailable(&failure.to_string())),
            None => result,
        };
        // A client that went away is no reason to do anything else.
        let _ = answer.send(result);
    }
    None
}

fn refuse(waiting: Vec<Waiting>, error: &ServiceError) {
    for Waiting { answer, .. } in waiting {
        let _ = answer.send(Err(unavailable(&error.to_string())));
    }
}

fn unavailable(reason: &str) -> ServiceError {
    let reason = reason.strip_prefix("writes are not possible at present: ").unwrap_or(reason);
    ServiceError::WritesUnavailable { reason: reason.to_owned() }
}

/// Each branch's one step over all change sets of a batch.
pub(super) fn branch_moves(change_sets: &[ChangeSet]) -> Vec<RefMove> {
    let mut steps: Vec<RefMove> = Vec::new();
    for Move { branch, old, new } in change_sets.iter().flat_map(|change_set| &change_set.moves) {
        let name = format!("refs/heads/{branch}");
        match steps.iter_mut().find(|step| step.name == name) {
            Some(step) => step.new = *new,
            None => steps.push(RefMove { name, old: *old, new: *new }),
        }
    }
    steps
}
