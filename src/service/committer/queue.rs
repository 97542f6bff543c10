use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::proposing::ProposalWork;
use super::request::{NewEnvironment, Write, Written};
use super::{Adopted, Judged, Waiting, Work, Worker};
use crate::auth::{AccountChange, AdminGrant};
use crate::proposal::Proposal;
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::new_branches::LookedAt;
use crate::service::receive::{Received, ReceivedSettings, Verdict};
use crate::telemetry::Phase;

/// How many writes may wait for the committer; one more is told to try again.
pub const QUEUE_CAPACITY: usize = 4_096;

/// How many writes one batch takes: bounds how long the first of them waits for the last.
const MOST_IN_BATCH: usize = 512;

/// When writers are many, batches begin at least so far apart, so that packs stay few.
const LEAST_DISTANCE: Duration = Duration::from_millis(5);

/// The way to a project's committer.
#[derive(Debug, Clone)]
pub struct Committer {
    sender: mpsc::Sender<Waiting>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl Committer {
    pub(in crate::service) fn channel() -> (Self, mpsc::Receiver<Waiting>) {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        (Committer { sender }, receiver)
    }

    /// Hands a write over and waits until it is durable or refused. Once handed over, it is decided even if
    /// the caller no longer waits.
    pub async fn write(&self, core: &Core, write: Write) -> Result<Written, ServiceError> {
        let begun = Instant::now();
        let result = match self.hand_over(core, Work::Write(write)) {
            Ok(answer) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Err(refused) => Err(refused),
        };
        noted(core, begun, result)
    }

    /// Makes an environment: its settings, and its branch. A caller in async code does this on a thread that
    /// may wait.
    pub(in crate::service) fn create_blocking(
        &self,
        core: &Core,
        new: NewEnvironment,
        looked_at: LookedAt,
    ) -> Result<Written, ServiceError> {
        let answer = self.hand_over(core, Work::Create(new, looked_at))?;
        answer.blocking_recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Changes an account. A caller in async code does this on a thread that may wait.
    pub fn change_account_blocking(
        &self,
        core: &Core,
        grant: AdminGrant,
        change: AccountChange,
    ) -> Result<(), ServiceError> {
        let answer = self.hand_over(core, Work::ChangeAccount(grant, Box::new(change)))?;
        answer.blocking_recv().unwrap_or_else(|_| Err(stopped())).map(drop)
    }

    /// Takes in what was pushed by path.
    pub fn take_in_blocking(&self, core: &Core) -> Result<(), ServiceError> {
        let answer = self.hand_over(core, Work::TakeIn)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(stopped())).map(drop)
    }

    /// Hands a push over, and waits until what it moves is durable. A caller in async code does this on a thread that may
    /// wait.
    pub(in crate::service) fn receive_blocking(
        &self,
        core: &Core,
        received: Received,
    ) -> Result<Vec<Verdict>, ServiceError> {
        self.verdicts(core, |sender| Work::Receive(Box::new(received), sender))
    }

    /// Does something about a proposal, and waits until it is durable. A caller in async code does this on a thread that may
    /// wait.
    pub(in crate::service) fn propose_blocking(
        &self,
        core: &Core,
        work: ProposalWork,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let begun = Instant::now();
        let (sender, proposal) = oneshot::channel();
        let answer = self.hand_over(core, Work::Propose(Box::new(work), sender));
        let result = answer.and_then(|answer| answer.blocking_recv().unwrap_or_else(|_| Err(stopped())));
        noted(core, begun, result)?;
        proposal.blocking_recv().map_err(|_| stopped())
    }

    /// The same for a push to the settings.
    pub(in crate::service) fn receive_settings_blocking(
        &self,
        core: &Core,
        received: ReceivedSettings,
    ) -> Result<Vec<Verdict>, ServiceError> {
        self.verdicts(core, |sender| Work::ReceiveSettings(Box::new(received), sender))
    }

    fn verdicts(
        &self,
        core: &Core,
        work: impl FnOnce(oneshot::Sender<Judged>) -> Work,
    ) -> Result<Vec<Verdict>, ServiceError> {
        let begun = Instant::now();
        let (sender, verdicts) = oneshot::channel();
        let answer = self.hand_over(core, work(sender));
        let result = answer.and_then(|answer| answer.blocking_recv().unwrap_or_else(|_| Err(stopped())));
        noted(core, begun, result)?;
        Ok(verdicts.blocking_recv().map_err(|_| stopped())?.verdicts)
    }

    /// The same for a caller that is no async task.
    pub fn write_blocking(&self, core: &Core, write: Write) -> Result<Written, ServiceError> {
        let begun = Instant::now();
        let result = match self.hand_over(core, Work::Write(write)) {
            Ok(answer) => answer.blocking_recv().unwrap_or_else(|_| Err(stopped())),
            Err(refused) => Err(refused),
        };
        noted(core, begun, result)
    }

    fn hand_over(
        &self,
        core: &Core,
        work: Work,
    ) -> Result<oneshot::Receiver<Result<Written, ServiceError>>, ServiceError> {
        core.writable()?;
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting { work, answer, since: Instant::now(), span: Span::current() };
        self.sender.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServiceError::Busy,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        Ok(receiver)
    }

    /// How many writes wait.
    pub fn waiting(&self) -> usize {
        QUEUE_CAPACITY - self.sender.capacity()
    }

    /// A look at the queue that does not keep it open.
    pub(in crate::service) fn watch(&self) -> QueueWatch {
        QueueWatch(self.sender.downgrade())
    }
}

/// Looks at a committer's queue for as long as there is one.
pub(in crate::service) struct QueueWatch(mpsc::WeakSender<Waiting>);

impl QueueWatch {
    /// Lets the committer go on with other settings; false when it is gone, or has too much to do.
    pub fn adopt(&self, adopted: Adopted) -> bool {
        let Some(sender) = self.0.upgrade() else { return false };
        let (answer, receiver) = oneshot::channel();
        let work = Work::Adopt(Box::new(adopted));
        let waiting = Waiting { work, answer, since: Instant::now(), span: Span::none() };
        sender.try_send(waiting).is_ok() && receiver.blocking_recv().is_ok_and(|adopted| adopted.is_ok())
    }

    /// Takes in what was pushed by path; false when the committer is gone, or has too much to do.
    pub fn take_in(&self) -> bool {
        let Some(sender) = self.0.upgrade() else { return false };
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting { work: Work::TakeIn, answer, since: Instant::now(), span: Span::none() };
        sender.try_send(waiting).is_ok() && receiver.blocking_recv().is_ok_and(|taken| taken.is_ok())
    }

    /// Does something about a proposal, and waits until it is durable.
    pub fn propose(&self, work: ProposalWork) -> Result<Arc<Proposal>, ServiceError> {
        let sender = self.0.upgrade().ok_or_else(stopped)?;
        let (to, proposal) = oneshot::channel();
        let (answer, receiver) = oneshot::channel();
        let work = Work::Propose(Box::new(work), to);
        let waiting = Waiting { work, answer, since: Instant::now(), span: Span::none() };
        sender.try_send(waiting).map_err(|_| ServiceError::Busy)?;
        drop(sender);
        receiver.blocking_recv().unwrap_or_else(|_| Err(stopped()))?;
        proposal.blocking_recv().map_err(|_| stopped())
    }

    /// Hands a push over, and waits until what it moves is durable.
    pub fn receive(&self, received: Received) -> Result<Vec<Verdict>, ServiceError> {
        let sender = self.0.upgrade().ok_or_else(stopped)?;
        let (to, verdicts) = oneshot::channel();
        let (answer, receiver) = oneshot::channel();
        let work = Work::Receive(Box::new(received), to);
        let waiting = Waiting { work, answer, since: Instant::now(), span: Span::none() };
        sender.try_send(waiting).map_err(|_| ServiceError::Busy)?;
        drop(sender);
        receiver.blocking_recv().unwrap_or_else(|_| Err(stopped()))?;
        Ok(verdicts.blocking_recv().map_err(|_| stopped())?.verdicts)
    }

    /// How many writes wait.
    pub fn waiting(&self) -> usize {
        self.0.upgrade().map_or(0, |sender| QUEUE_CAPACITY - sender.capacity())
    }
}

/// Measures an answered write, and hands the answer on.
fn noted(
    core: &Core,
    begun: Instant,
    result: Result<Written, ServiceError>,
) -> Result<Written, ServiceError> {
    match &result {
        Ok(_) => core.metrics.took(Phase::Write, begun.elapsed()),
        Err(error) => core.metrics.refused(error.refusal()),
    }
    result
}

fn stopped() -> ServiceError {
    ServiceError::WritesUnavailable { reason: "the server is stopping".to_owned() }
}

/// Runs a worker until the last sender is gone; what was handed over by then is finished.
pub(in crate::service) fn run(mut worker: Worker, core: &Arc<Core>, mut receiver: mpsc::Receiver<Waiting>) {
    let mut begun = Instant::now();
    let mut last_size = 0;
    loop {
        let mut waiting = Vec::new();
        // Pushes go one by one, each after the writes that came meanwhile.
        if !worker.has_pushes() {
            match receiver.blocking_recv() {
                Some(first) => waiting.push(first),
                None => return,
            }
        }
        // A lone writer is never kept waiting. Several are waited for, a moment, until as many are here as
        // last time: those that were just answered are about to write again.
        let until = begun + LEAST_DISTANCE;
        loop {
            while waiting.len() < MOST_IN_BATCH
                && let Ok(next) = receiver.try_recv()
            {
                waiting.push(next);
            }
            let left = until.saturating_duration_since(Instant::now());
            if worker.has_pushes()
                || last_size <= 1
                || waiting.len() >= last_size.min(MOST_IN_BATCH)
                || left.is_zero()
            {
                break;
            }
            std::thread::sleep(left.min(Duration::from_micros(200)));
        }
        begun = Instant::now();
        if !waiting.is_empty() {
            last_size = waiting.len();
        }
        for waiting in &waiting {
            core.metrics.took(Phase::Queue, begun.duration_since(waiting.since));
        }
        worker.process(waiting);
    }
}
