//! The committer: one thread per project that puts all writes in order and makes them durable in batches.

mod accounts;
mod batch;
mod checks;
mod configuration_file;
mod environment;
mod file_name;
mod proposing;
mod publishing;
mod queue;
mod receiving;
mod receiving_settings;
mod reconcile;
mod request;
mod runs;
mod stage;
mod texts;
mod trial;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use self::batch::{Batch, Context, Failure, Working, working_of};
use self::checks::Checks;
use self::publishing::{Accepted, Outcome};
use self::texts::Texts;
use super::ServiceError;
use super::core::Core;
use super::live::Moved;
use super::new_branches::LookedAt;
use super::outside;
use super::receive::{Received, ReceivedSettings, Verdict};
use crate::auth::{Access, AccountChange, AdminGrant, Denied};
use crate::git::{Pack, Quarantine};
use crate::model::{Environments, Revision, Sequence, Timestamp};
use crate::proposal::Proposal;
use crate::settings::ProjectSettings;
use crate::telemetry::trace;

pub(super) use self::checks::TriedEnvironment;
pub use self::configuration_file::{ConfigurationFile, FileNameError};
pub(super) use self::environment::settings_with;
pub use self::proposing::NewProposal;
pub(super) use self::proposing::ProposalWork;
pub(super) use self::queue::QueueWatch;
pub(super) use self::queue::run;
pub use self::queue::{Committer, QUEUE_CAPACITY};

pub use self::request::{
    ChangedEntry, Edit, EditOp, Member, Metadata, NewEnvironment, Precondition, PromotedEntry, Promotion,
    Resolving, Write, Written, WrittenEdit,
};
pub(super) use self::trial::{try_commit, try_heads, try_out};

/// What the committer is asked to do.
enum Work {
    /// Edits of layers; many go into one batch.
    Write(Write),
    /// A change of the settings; done by itself.
    Create(NewEnvironment, LookedAt),
    /// A change of an account; the same.
    ChangeAccount(AdminGrant, Box<AccountChange>),
    /// Settings that somebody else changed; the same.
    Adopt(Box<Adopted>),
    /// Branches that somebody else moved; the same.
    TakeIn,
    /// Something about a proposal; the same.
    Propose(Box<ProposalWork>, oneshot::Sender<Arc<Proposal>>),
    /// A push; the same, after the writes that wait.
    Receive(Box<Received>, oneshot::Sender<Judged>),
    /// A push to the settings; the same.
    ReceiveSettings(Box<ReceivedSettings>, oneshot::Sender<Judged>),
}

/// The verdicts of a push, and what was sent, which goes with whoever sent it.
struct Judged {
    verdicts: Vec<Verdict>,
    _quarantine: Quarantine,
}

/// Settings and accounts that somebody else changed.
pub(super) struct Adopted {
    /// The commit of `meta.git` that they were read from.
    pub head: Revision,
    /// Who pushed it, where it was pushed here.
    pub by: Option<Arc<str>>,
    pub settings: Arc<ProjectSettings>,
    pub access: Access,
}

/// Work that waits, and who waits for it.
pub(super) struct Waiting {
    work: Work,
    answer: oneshot::Sender<Result<Written, ServiceError>>,
    since: Instant,
    /// The request that it came with.
    span: Span,
}

/// The same for a push.
struct WaitingPush {
    received: Box<Received>,
    to: oneshot::Sender<Judged>,
    answer: oneshot::Sender<Result<Written, ServiceError>>,
    since: Instant,
}

/// The same for a write.
struct WaitingWrite {
    write: Write,
    answer: oneshot::Sender<Result<Written, ServiceError>>,
    since: Instant,
    span: Span,
}

/// How often a batch is tried that somebody else's work in the repository gets in the way of.
const MOST_ATTEMPTS: usize = 8;

/// How long to let somebody else finish what is in the way.
const PAUSE: Duration = Duration::from_millis(10);

/// The committer's own state, on its own thread.
pub(super) struct Worker {
    core: Arc<Core>,
    texts: Texts,
    environments: Arc<Environments>,
    /// Those that watchers know of.
    told_environments: Arc<Environments>,
    branches: HashMap<Arc<str>, Working>,
    checks: Checks,
    journal: Option<Revision>,
    sequence: Sequence,
    last_time: Timestamp,
    /// How often packs had been pruned when the reader was made.
    prunings: u64,
    /// Set by a failure that only a restart mends.
    broken: Option<String>,
    /// Pushes that wait for their turn: no more than are received at once.
    pushes: VecDeque<WaitingPush>,
}

/// What an attempt at a batch came to.
enum Attempt {
    /// Every writer can be told this.
    Done(Vec<Answer>),
    /// Nothing of it is there; this is what every writer is told.
    Failed(Vec<Answer>, String),
    /// Somebody else was in the way; it can be tried again.
    Again(Vec<WaitingWrite>, String),
}

struct Answer {
    to: oneshot::Sender<Result<Written, ServiceError>>,
    since: Instant,
    span: Span,
    result: Result<Written, ServiceError>,
}

impl Worker {
    /// A worker that goes on from what the index shows.
    pub fn new(core: Arc<Core>, journal: Option<Revision>, last_time: Timestamp) -> Self {
        let texts = Texts::new(core.repository.reader(), core.limits());
        let environments = core.environments();
        let mut worker = Worker {
            core,
            texts,
            told_environments: environments.clone(),
            environments,
            branches: HashMap::new(),
            checks: Checks::default(),
            journal,
            sequence: Sequence(0),
            last_time,
            prunings: 0,
            broken: None,
            pushes: VecDeque::new(),
        };
        worker.reset();
        worker
    }

    /// Goes back to what readers see: after a batch that was not published.
    fn reset(&mut self) {
        let state = self.core.index.snapshot();
        self.texts.end_batch(false);
        self.sequence = state.sequence;
        self.environments = state.environments.clone();
        self.branches = working_of(&state);
        self.checks.forget();
    }

    /// Does what waits, in order: writes that stand together as one batch.
    pub fn process(&mut self, waiting: Vec<Waiting>) {
        let mut writes = Vec::new();
        for Waiting { work, answer, since, span } in waiting {
            match work {
                Work::Write(write) => writes.push(WaitingWrite { write, answer, since, span }),
                Work::Create(new, looked_at) => {
                    self.process_writes(std::mem::take(&mut writes));
                    // A client that went away is no reason to do anything else.
                    let _ = answer.send(self.create_environment(&new, &looked_at));
                }
                Work::ChangeAccount(grant, change) => {
                    self.process_writes(std::mem::take(&mut writes));
                    let _ = answer.send(self.change_account(&grant, &change));
                }
                Work::Adopt(adopted) => {
                    self.process_writes(std::mem::take(&mut writes));
                    let _ = answer.send(self.adopt(*adopted));
                }
                Work::TakeIn => {
                    self.process_writes(std::mem::take(&mut writes));
                    let _ = answer.send(self.take_in_outside_moves().map(|()| self.nothing_written()));
                }
                Work::Propose(work, to) => {
                    self.process_writes(std::mem::take(&mut writes));
                    let result = self.propose(&work, since).map(|proposal| {
                        let _ = to.send(proposal);
                        self.nothing_written()
                    });
                    let _ = answer.send(result);
                }
                Work::ReceiveSettings(received, to) => {
                    self.process_writes(std::mem::take(&mut writes));
                    let result = self.receive_settings(&received).map(|verdict| vec![verdict]);
                    let _ = answer.send(self.judged(result, received.quarantine, to));
                }
                Work::Receive(received, to) => {
                    self.pushes.push_back(WaitingPush { received, to, answer, since });
                }
            }
        }
        self.process_writes(writes);
        if let Some(WaitingPush { received, to, answer, since }) = self.pushes.pop_front() {
            let result = self.receive(&received, since);
            let _ = answer.send(self.judged(result, received.quarantine, to));
        }
    }

    /// Whether pushes wait for their turn.
    pub fn has_pushes(&self) -> bool {
        !self.pushes.is_empty()
    }

    /// Takes a batch of writes through to the answers.
    fn process_writes(&mut self, mut waiting: Vec<WaitingWrite>) {
        if waiting.is_empty() {
            return;
        }
        let mut reason = String::new();
        for _ in 0..MOST_ATTEMPTS {
            if let Some(broken) = &self.broken {
                return refuse(waiting.into_iter().map(|waiting| waiting.answer), broken);
            }
            match self.attempt(waiting) {
                Attempt::Done(answers) => {
                    for Answer { to, result, .. } in answers {
                        let _ = to.send(result);
                    }
                    return;
                }
                Attempt::Failed(answers, reason) => {
                    self.core.health.refuse(&reason);
                    return refuse(answers.into_iter().map(|answer| answer.to), &reason);
                }
                Attempt::Again(again, why) => (waiting, reason) = (again, why),
            }
        }
        self.core.health.refuse(&reason);
        refuse(waiting.into_iter().map(|waiting| waiting.answer), &reason);
    }

    fn attempt(&mut self, waiting: Vec<WaitingWrite>) -> Attempt {
        let time = self.now();
        let environments = self.environments.clone();
        let core = self.core.clone();
        let prunings = core.packs.prunings();
        if prunings != self.prunings {
            self.prunings = prunings;
            self.texts.read_with(core.repository.reader());
        }
        let limits = core.limits();
        let context = Context::of(&core, &environments, &limits);
        let mut batch =
            Batch::new(context, (&mut self.branches, &mut self.checks, &mut self.texts), self.sequence, time);
        let (mut answers, mut writes, mut broken) = (Vec::new(), Vec::new(), None);
        for WaitingWrite { write, answer, since, span } in waiting {
            // Accounts and rules may be others since the request came.
            let renewed = core.identities.renewed(&write.grant);
            let write = match &renewed {
                Ok(Some(grant)) => Write { grant: grant.clone(), ..write },
                _ => write,
            };
            let result = match &broken {
                Some(_) => Err(ServiceError::Busy),
                None if renewed.is_err() => {
                    let denied = renewed.err().unwrap_or(Denied::UnknownKey);
                    Err(ServiceError::Denied(Box::new(denied)))
                }
                None => {
                    trace::decide(&span).in_scope(|| batch.add(&write)).map_err(|failure| match failure {
                        Failure::Refused(error) => error,
                        Failure::Broken(error) => {
                            broken = Some(error.to_string());
                            ServiceError::Busy
                        }
                    })
                }
            };
            answers.push(Answer { to: answer, since, span, result });
            writes.push(write);
        }
        let (pack, mut accepted) = batch.into_parts();
        if let Some(reason) = broken {
            self.reset();
            return Attempt::Failed(answers, reason);
        }
        // A refusal, or an answer that nothing changes, was decided on what readers see; a branch that
        // somebody moved since would have made it another one.
        let decided =
            answers.iter().any(|answer| !answer.result.as_ref().is_ok_and(|written| written.changed));
        if decided && self.is_somewhere_else() {
            return self.after_outside_move(answers, writes);
        }
        if accepted.change_sets.is_empty() {
            self.texts.end_batch(false);
            return Attempt::Done(self.propose_refused(answers, &writes));
        }
        let changed =
            answers.iter().filter(|answer| answer.result.as_ref().is_ok_and(|written| written.changed));
        accepted.since = changed.map(|answer| answer.since).collect();
        let span = trace::publish(answers.iter().map(|answer| &answer.span), accepted.change_sets.len());
        let _entered = span.enter();
        match self.publish_batch(pack, accepted) {
            Outcome::Published => Attempt::Done(self.propose_refused(answers, &writes)),
            Outcome::Moved => self.after_outside_move(answers, writes),
            Outcome::InTheWay(reason) => {
                std::thread::sleep(PAUSE);
                Attempt::Again(again(answers, writes), reason)
            }
            Outcome::Failed(reason) => Attempt::Failed(answers, reason),
        }
    }

    /// Makes proposals of the writes that others have to agree to.
    fn propose_refused(&mut self, mut answers: Vec<Answer>, writes: &[Write]) -> Vec<Answer> {
        for (answer, write) in answers.iter_mut().zip(writes) {
            if matches!(answer.result, Err(ServiceError::NeedsApproval { .. })) {
                answer.result = self.propose_write(write);
            }
        }
        answers
    }

    fn after_outside_move(&mut self, answers: Vec<Answer>, writes: Vec<Write>) -> Attempt {
        self.reset();
        match self.take_in_outside_moves() {
            Ok(()) => {
                let reason = "branches are moved from outside faster than writes get through";
                Attempt::Again(again(answers, writes), reason.to_owned())
            }
            Err(error) => Attempt::Failed(answers, error.to_string()),
        }
    }

    /// Sends verdicts to who waits for them.
    fn judged(
        &self,
        result: Result<Vec<Verdict>, ServiceError>,
        quarantine: Quarantine,
        to: oneshot::Sender<Judged>,
    ) -> Result<Written, ServiceError> {
        let verdicts = result?;
        let _ = to.send(Judged { verdicts, _quarantine: quarantine });
        Ok(self.nothing_written())
    }

    fn nothing_written(&self) -> Written {
        Written {
            sequence: self.sequence,
            revisions: BTreeMap::new(),
            changed: false,
            edits: Vec::new(),
            proposal: None,
        }
    }

    /// Whether a branch is elsewhere than readers see it.
    fn is_somewhere_else(&self) -> bool {
        let state = self.core.index.load();
        outside::moved_refs(&self.core.repository, &state).is_ok_and(|moves| !moves.is_empty())
    }

    /// Journals refs that were moved by others, and lets readers see them.
    pub fn take_in_outside_moves(&mut self) -> Result<(), ServiceError> {
        let state = self.core.index.snapshot();
        let moves = outside::moved_refs(&self.core.repository, &state)?;
        if moves.is_empty() {
            return Ok(());
        }
        let core = self.core.clone();
        let _passed = core.outside.pass();
        let time = self.now();
        for step in &moves {
            tracing::info!(branch = %step.branch, "a branch was moved from outside and is taken in");
        }
        let found = outside::follow(&self.core, self.texts.reader(), &state, moves, time)?;
        self.checks.forget();
        let mut moved = Vec::new();
        for (branch, after) in found.branches {
            self.branches.insert(branch.clone(), Working::of(&after));
            let before = state.branches.get(&branch).cloned().unwrap_or_default();
            moved.push(Moved { branch, before, after });
        }
        let sequence = found.change_set.sequence;
        let change_sets = vec![(found.change_set, found.versions)];
        let accepted = Accepted { sequence, time, change_sets, moved: vec![moved], since: Vec::new() };
        match self.publish_outside(Pack::new(), accepted, &found.dropped) {
            Outcome::Published => {
                core.checks.outdate();
                Ok(())
            }
            Outcome::Moved | Outcome::InTheWay(_) => Err(ServiceError::Busy),
            Outcome::Failed(reason) => Err(ServiceError::WritesUnavailable { reason }),
        }
    }

    /// Now, but never before the last change set: order and time agree.
    fn now(&self) -> Timestamp {
        Timestamp::from(std::time::SystemTime::now()).max(self.last_time)
    }
}

/// The writes of a batch, to be tried once more.
fn again(answers: Vec<Answer>, writes: Vec<Write>) -> Vec<WaitingWrite> {
    let zipped = answers.into_iter().zip(writes);
    let waiting = |(answer, write): (Answer, Write)| WaitingWrite {
        write,
        answer: answer.to,
        since: answer.since,
        span: answer.span,
    };
    zipped.map(waiting).collect()
}

fn refuse(writers: impl Iterator<Item = oneshot::Sender<Result<Written, ServiceError>>>, reason: &str) {
    for writer in writers {
        let _ = writer.send(Err(ServiceError::WritesUnavailable { reason: reason.to_owned() }));
    }
}
