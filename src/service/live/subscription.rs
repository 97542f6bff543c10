use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{Sleep, sleep};

use super::catch_up::{MOST_AT_ONCE, Missed};
use super::initial::{self, Page};
use super::scene::Scene;
use super::{Facet, FeedKey};
use crate::auth::{Denied, ReadGrant};
use crate::model::{Path, Sequence};
use crate::resolve::Seen;
use crate::service::core::Core;
use crate::service::resolved::may_use;
use crate::service::{Point, ServiceError};
use crate::telemetry::Phase;
use crate::watch::{Client, Delivery, End, Event, Introduction, Parts, Slot, Taken, Watched};

/// After so long without anything to tell, a watcher is told that it is still heard; and it is looked whether it may
/// still watch.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long who goes on from an older moment is let wait for the history index.
const PATIENCE: Duration = Duration::from_secs(20);

/// What somebody wants to watch.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Which environment, and how it is looked at.
    pub key: FeedKey,
    /// At and below which paths.
    pub prefixes: Vec<Path>,
    /// What came after this is told as well.
    pub since: Option<Point>,
    /// Whether the present values come first.
    pub initial: bool,
    /// Who watches, as it says; none for one that waits for a single change.
    pub introduction: Option<Introduction>,
}

/// Something that takes a while, on its way.
type Busy<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Finds out anew what a watcher may read.
pub type Renew = Arc<dyn Fn() -> Busy<Result<ReadGrant, Denied>> + Send + Sync>;

/// What a watcher hears.
#[derive(Debug)]
pub enum Heard {
    /// Values that were there when it began.
    Initial(Arc<Delivery>),
    /// From here on it hears of changes as they happen; all up to this change set is told.
    Ready(Sequence),
    /// A change set, or what several came to.
    Changed(Arc<Delivery>),
    /// Nothing; all up to this change set is told.
    Heartbeat(Sequence),
    /// Why nothing more comes.
    Ended(Ended),
}

/// Why a watch ends from this side.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The server stops.
    #[error("the server stops; connect again")]
    Closing,
    /// The environment was taken out of the settings.
    #[error("the environment is not there any more")]
    NoEnvironment,
    /// Whoever watches may not do so any more.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// What was missed cannot be looked up.
    #[error("{0}")]
    Failed(#[from] ServiceError),
}

/// Where a watch is.
enum Stage {
    /// The present values are told, up to and with this prefix, after this path.
    Initial { scene: Arc<Scene>, prefix: usize, after: Option<Path> },
    /// What was missed is told, up to this change set.
    CatchUp { to: Sequence },
    /// Changes are told as they happen.
    Live,
    /// Nothing more is told.
    Ended,
}

/// What is being waited for.
enum Waiting {
    Page(Busy<Result<Page, ServiceError>>),
    Missed(Busy<Result<Missed, ServiceError>>),
    Grant(Busy<Result<ReadGrant, Denied>>),
}

/// One watch. It is asked what is next, and holds nothing beside a few pointers until then.
pub struct Subscription {
    core: Arc<Core>,
    key: FeedKey,
    prefixes: Arc<[Path]>,
    slot: Arc<Slot>,
    id: u64,
    grant: ReadGrant,
    /// Whether all that the prefixes can show is seen.
    sees_all: bool,
    /// Which accounts and rules that was found with.
    generation: u64,
    renew: Renew,
    renewed: Instant,
    /// All up to this change set was told.
    position: Sequence,
    stage: Stage,
    waiting: Option<Waiting>,
    ready: VecDeque<Heard>,
    is_ready_told: bool,
    heartbeat: Pin<Box<Sleep>>,
    client: Option<Arc<Client>>,
}

impl Core {
    /// Begins a watch.
    pub async fn watch(
        self: &Arc<Self>,
        grant: ReadGrant,
        watch: Watch,
        renew: Renew,
    ) -> Result<Subscription, ServiceError> {
        // Before the grant is looked at: what comes into force meanwhile is noticed.
        let generation = self.identities.generation();
        let Watch { key, prefixes, since, initial, introduction } = watch;
        self.reading(&grant).check_environment(&key.environment)?;
        for prefix in &prefixes {
            if grant.below(&key.environment, prefix, true) == Seen::Nothing {
                grant.demand(&key.environment, prefix)?;
            }
        }
        let since = match since {
            None => None,
            Some(point) => Some(self.begins_after(point).await?),
        };
        self.everybody_told().await;
        let prefixes: Arc<[Path]> = prefixes.into();
        let place = self.live.enter(&key, &prefixes)?;
        let position = since.unwrap_or(place.after);
        let stage = match (since, initial) {
            (None, true) => Stage::Initial { scene: Arc::new(place.scene), prefix: 0, after: None },
            _ => Stage::CatchUp { to: place.after },
        };
        let client = introduction.map(|introduction| {
            let (environment, facet) = (key.environment.clone(), key.facet.name());
            let watched = Watched { environment, facet, prefixes: prefixes.clone() };
            let now = SystemTime::now().into();
            let client = self.live.clients.enter(place.id, introduction, watched, place.slot.clone(), now);
            client.told(position);
            client
        });
        let mut subscription = Subscription {
            core: self.clone(),
            key,
            prefixes,
            slot: place.slot,
            id: place.id,
            sees_all: false,
            grant,
            generation,
            renew,
            renewed: Instant::now(),
            position,
            stage,
            waiting: None,
            ready: VecDeque::new(),
            is_ready_told: false,
            heartbeat: Box::pin(sleep(HEARTBEAT)),
            client,
        };
        subscription.look_at_grant();
        Ok(subscription)
    }

    /// Whether the server stops.
    pub fn is_ending(&self) -> bool {
        self.live.is_closed()
    }

    /// Waits until watchers are told of what readers see already: who writes and then begins to watch begins after that.
    async fn everybody_told(&self) {
        let (newest, until) = (self.index.load().sequence, Instant::now() + PATIENCE);
        while self.live.sequence_hint() < newest && Instant::now() < until {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits a while for the history index, which a start may have to bring up to date.
    async fn history_at_hand(&self) -> Result<(), ServiceError> {
        let until = Instant::now() + PATIENCE;
        while !self.history_ready() && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        self.require_history()
    }

    /// Ends all watches, and lets no further one begin: the server stops.
    pub fn end_watches(&self) {
        self.live.close();
    }

    /// The change set after which a watch begins that goes on from a point.
    async fn begins_after(self: &Arc<Self>, point: Point) -> Result<Sequence, ServiceError> {
        let newest = self.index.load().sequence;
        let sequence = match point {
            Point::Sequence(sequence) if sequence > newest => {
                let reason = format!(
                    "there is no change set {sequence} yet, the newest is {newest}: the id is of another project, or of \
                     one that was restored since; watch anew, with initial=true"
                );
                return Err(ServiceError::NoSuchPoint { reason });
            }
            Point::Sequence(sequence) if sequence == newest => sequence,
            Point::Sequence(sequence) => {
                self.history_at_hand().await?;
                sequence
            }
            other => {
                let core = self.clone();
                let located = tokio::task::spawn_blocking(move || {
                    core.require_history()?;
                    core.locate(&core.repository.reader(), &other)
                });
                let located = located.await.map_err(|error| std::io::Error::other(error.to_string()))??;
                // Within a change set: that is told again.
                let again = u64::from(!located.pins.is_empty());
                Sequence(located.sequence.0.saturating_sub(again))
            }
        };
        match self.history.base() {
            Some(oldest) if sequence < oldest => {
                Err(ServiceError::NotKept { what: format!("change set {sequence}"), oldest })
            }
            _ => Ok(sequence),
        }
    }
}

impl Subscription {
    /// Which environment is watched, and how.
    pub fn key(&self) -> &FeedKey {
        &self.key
    }

    /// What is watched.
    pub fn prefixes(&self) -> &[Path] {
        &self.prefixes
    }

    /// What is next; none after the end.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Heard>> {
        loop {
            let is_current = self.core.identities.generation() == self.generation;
            // Rights that changed are asked for anew before anything more is told.
            if (is_current || matches!(self.stage, Stage::Ended))
                && let Some(heard) = self.ready.pop_front()
            {
                self.heartbeat.as_mut().reset(tokio::time::Instant::now() + HEARTBEAT);
                self.note(&heard);
                return Poll::Ready(Some(heard));
            }
            if let Stage::Ended = self.stage {
                return Poll::Ready(None);
            }
            if let Some(waiting) = &mut self.waiting {
                let result = match waiting {
                    Waiting::Page(page) => {
                        ready!(page.as_mut().poll(context)).map(|page| self.take_page(page))
                    }
                    Waiting::Missed(missed) => {
                        ready!(missed.as_mut().poll(context)).map(|missed| self.take_missed(missed))
                    }
                    Waiting::Grant(grant) => match ready!(grant.as_mut().poll(context)) {
                        Ok(grant) => self.take_grant(grant),
                        Err(denied) => {
                            self.end(denied.into());
                            Ok(())
                        }
                    },
                };
                self.waiting = None;
                if let Err(error) = result {
                    self.end(error.into());
                }
                continue;
            }
            let generation = self.core.identities.generation();
            if generation != self.generation || self.renewed.elapsed() >= HEARTBEAT {
                self.generation = generation;
                self.renewed = Instant::now();
                self.waiting = Some(Waiting::Grant((self.renew)()));
                continue;
            }
            ready!(self.go_on(context));
        }
    }

    /// Notes what goes to the connection now.
    fn note(&self, heard: &Heard) {
        let Some(client) = &self.client else { return };
        match heard {
            Heard::Changed(delivery) => {
                let batch = delivery.batch();
                client.sent(batch.sequence, batch.accepted.unwrap_or(batch.published));
                if let Some(accepted) = batch.accepted {
                    self.core.metrics.took(Phase::Sent, accepted.elapsed());
                }
            }
            Heard::Ready(sequence) | Heard::Heartbeat(sequence) => client.told(*sequence),
            Heard::Initial(_) | Heard::Ended(_) => {}
        }
    }

    /// Finds what is next, or what has to be waited for.
    fn go_on(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.stage {
            Stage::Initial { scene, prefix, after } => match self.prefixes.get(*prefix) {
                Some(at) => {
                    let look = (self.core.clone(), self.key.clone(), self.grant.clone(), scene.clone());
                    let page = initial::page(look, at.clone(), after.take());
                    self.waiting = Some(Waiting::Page(Box::pin(page)));
                }
                None => self.stage = Stage::CatchUp { to: self.position },
            },
            Stage::CatchUp { to } if self.position >= *to => {
                self.stage = Stage::Live;
                if !std::mem::replace(&mut self.is_ready_told, true) {
                    self.ready.push_back(Heard::Ready(self.position));
                }
            }
            Stage::CatchUp { .. } => match self.core.live.logged(&self.key, self.position, MOST_AT_ONCE) {
                Some(missed) => self.take_missed(missed),
                None => {
                    let (core, key, after) = (self.core.clone(), self.key.clone(), self.position);
                    self.waiting = Some(Waiting::Missed(Box::pin(looked_up(core, key, after))));
                }
            },
            Stage::Live => return self.listen(context),
            Stage::Ended => {}
        }
        Poll::Ready(())
    }

    fn listen(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Looked at before the slot: what everybody was told of is in there by then.
        let told = self.core.live.sequence_hint();
        match self.slot.take(context) {
            Taken::Delivery(delivery) => self.tell(&delivery),
            Taken::Behind { after, last } => {
                self.position = self.position.max(after);
                self.stage = Stage::CatchUp { to: last };
            }
            Taken::Ended(End::Closing) => self.end(Ended::Closing),
            Taken::Ended(End::NoEnvironment) => self.end(Ended::NoEnvironment),
            Taken::Nothing => {
                ready!(self.heartbeat.as_mut().poll(context));
                self.position = self.position.max(told);
                self.ready.push_back(Heard::Heartbeat(self.position));
            }
        }
        Poll::Ready(())
    }

    /// Tells of a delivery what is seen of it, unless that was told already.
    fn tell(&mut self, delivery: &Arc<Delivery>) {
        if delivery.sequence() <= self.position {
            return;
        }
        self.position = delivery.sequence();
        let seen = match self.sees_all
            && (self.grant.sees_everything() || delivery.events().all(|event| event.made_of.is_none()))
        {
            true => Some(delivery.clone()),
            false => delivery.seen(|event| sees(&self.grant, &self.key.environment, event)),
        };
        self.ready.extend(seen.map(Heard::Changed));
    }

    fn take_missed(&mut self, (batches, reached): Missed) {
        for batch in batches {
            if let Some(delivery) = batch.delivery(&self.prefixes) {
                self.tell(&delivery);
            }
        }
        self.position = self.position.max(reached);
    }

    fn take_page(&mut self, page: Page) {
        let Stage::Initial { prefix, after, .. } = &mut self.stage else { return };
        match page.next {
            Some(next) => *after = Some(next),
            None => (*prefix, *after) = (*prefix + 1, None),
        }
        if !page.events.is_empty() {
            let range = (self.position, self.position);
            let batch = crate::watch::Batch::new(
                range,
                self.key.environment.clone(),
                false,
                page.events,
                (None, Instant::now()),
            );
            self.ready.push_back(Heard::Initial(Arc::new(Delivery::whole(Arc::new(batch)))));
        }
    }

    fn take_grant(&mut self, grant: ReadGrant) -> Result<(), ServiceError> {
        self.grant = grant;
        for prefix in self.prefixes.iter() {
            if self.grant.below(&self.key.environment, prefix, true) == Seen::Nothing {
                self.grant.demand(&self.key.environment, prefix)?;
            }
        }
        self.look_at_grant();
        let (grant, environment) = (&self.grant, &self.key.environment);
        let seen = |delivery: Arc<Delivery>| delivery.seen(|event| sees(grant, environment, event));
        let waiting = std::mem::take(&mut self.ready).into_iter().filter_map(|heard| match heard {
            Heard::Changed(delivery) => seen(delivery).map(Heard::Changed),
            Heard::Initial(delivery) => seen(delivery).map(Heard::Initial),
            other => Some(other),
        });
        self.ready = waiting.collect();
        Ok(())
    }

    fn look_at_grant(&mut self) {
        let sees = |prefix| self.grant.below(&self.key.environment, prefix, true) == Seen::All;
        self.sees_all = self.grant.sees_everything() || self.prefixes.iter().all(sees);
    }

    fn end(&mut self, ended: Ended) {
        self.stage = Stage::Ended;
        self.waiting = None;
        self.ready.clear();
        self.ready.push_back(Heard::Ended(ended));
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.core.live.leave(&self.key, &self.prefixes, self.id);
        if self.client.is_some() {
            self.core.live.clients.leave(self.id, (SystemTime::now().into(), Instant::now()));
        }
    }
}

/// Looks up on a thread that may wait what was missed.
async fn looked_up(core: Arc<Core>, key: FeedKey, after: Sequence) -> Result<Missed, ServiceError> {
    let turn = core.live.catching_up.clone().acquire_owned().await;
    let work = tokio::task::spawn_blocking(move || {
        // Work goes on when its watcher hangs up, so it holds its place itself.
        let _turn = turn;
        core.catch_up(&key, after)
    });
    work.await.map_err(|error| std::io::Error::other(error.to_string()))?
}

/// Whether somebody may see an event: its path, and all that its values are made of.
pub(super) fn sees(grant: &ReadGrant, environment: &str, event: &Event) -> bool {
    grant.sees(environment, &event.path)
        && match &event.made_of {
            None => true,
            Some(Parts::Known(parts)) => parts.iter().all(|part| may_use(grant, environment, part)),
            Some(Parts::More) => grant.sees_everything(),
        }
}

impl Facet {
    /// Its name where clients are listed.
    pub fn name(self) -> &'static str {
        match self {
            Facet::Layer => "layer",
            Facet::View => "view",
            Facet::Resolved => "resolved",
        }
    }
}
