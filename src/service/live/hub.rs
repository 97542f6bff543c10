use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::scene::{Scene, Step};
use super::{FeedKey, Timeline};
use crate::index::State;
use crate::model::{Path, Sequence};
use crate::service::ServiceError;
use crate::watch::{Batch, Clients, End, Feed, Slot};

/// How many watches a project has at once.
const MOST_WATCHERS: usize = 50_000;

/// How long a feed that nobody watches is kept up to date: who comes back finds it.
const IDLE_FEED: Duration = Duration::from_secs(60);

/// How many look up at once what they missed.
const CATCHING_UP: usize = 2;

/// Who watches a project, and what they are told.
#[derive(Debug)]
pub(in crate::service) struct Live {
    pub timeline: Timeline,
    feeds: Mutex<Feeds>,
    next_id: AtomicU64,
    pub clients: Clients,
    /// The change set up to which everybody was told, for those who look often.
    told: AtomicU64,
    /// Whoever looks up what was missed: two at once, so that the second of many finds what the first put into the log.
    pub(super) catching_up: Arc<Semaphore>,
}

#[derive(Debug)]
pub(super) struct Feeds {
    feeds: HashMap<FeedKey, (Feed, Option<Instant>)>,
    /// What everybody was told of.
    pub scene: Scene,
    pub sequence: Sequence,
    watchers: usize,
    is_closed: bool,
}

/// A watcher's place.
pub(super) struct Place {
    pub slot: Arc<Slot>,
    pub id: u64,
    /// What comes after this change set will be in the slot.
    pub after: Sequence,
    /// All branches right after it.
    pub scene: Scene,
}

impl Live {
    /// Nobody watches a project that stands at this state.
    pub fn new(state: &State) -> Self {
        let scene = Scene::of(state);
        let feeds = Feeds {
            feeds: HashMap::new(),
            scene: scene.clone(),
            sequence: state.sequence,
            watchers: 0,
            is_closed: false,
        };
        Live {
            timeline: Timeline::new(scene, state.sequence),
            feeds: Mutex::new(feeds),
            next_id: AtomicU64::new(1),
            clients: Clients::default(),
            told: AtomicU64::new(state.sequence.0),
            catching_up: Arc::new(Semaphore::new(CATCHING_UP)),
        }
    }

    /// The same moment with what history says of it, which was not known before; nothing has happened since.
    pub fn begin_with(&self, state: &State) {
        let scene = Scene::of(state);
        self.feeds().scene = scene.clone();
        self.timeline.begin_with(scene);
    }

    pub(super) fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new watcher.
    pub(super) fn enter(&self, key: &FeedKey, prefixes: &Arc<[Path]>) -> Result<Place, ServiceError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot::default());
        let mut feeds = self.feeds();
        if feeds.is_closed {
            return Err(ServiceError::NotReady { part: "the server" });
        }
        if feeds.watchers >= MOST_WATCHERS {
            return Err(ServiceError::TooManyWatchers { most: MOST_WATCHERS });
        }
        let (after, scene) = (feeds.sequence, feeds.scene.clone());
        let (feed, idle_since) = feeds.feeds.entry(key.clone()).or_insert_with(|| (Feed::new(after), None));
        feed.add(prefixes, id, slot.clone());
        *idle_since = None;
        feeds.watchers += 1;
        Ok(Place { slot, id, after, scene })
    }

    /// Gives a watcher's place up.
    pub(super) fn leave(&self, key: &FeedKey, prefixes: &Arc<[Path]>, id: u64) {
        let mut feeds = self.feeds();
        if let Some((feed, idle_since)) = feeds.feeds.get_mut(key) {
            feed.remove(prefixes, id);
            if feed.is_idle() {
                *idle_since = Some(Instant::now());
            }
            feeds.watchers -= 1;
        }
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.feeds().watchers
    }

    /// Up to which change set everybody was told.
    pub fn sequence(&self) -> Sequence {
        self.feeds().sequence
    }

    /// The same without a lock: perhaps a little less.
    pub(super) fn sequence_hint(&self) -> Sequence {
        Sequence(self.told.load(Ordering::Acquire))
    }

    /// Tells everybody of a step, where these are all the feeds there are; else answers those that are missing.
    pub(super) fn publish(
        &self,
        step: &Step,
        after: &Scene,
        batches: &mut HashMap<FeedKey, Option<Arc<Batch>>>,
    ) -> Vec<FeedKey> {
        let mut feeds = self.feeds();
        let missing: Vec<FeedKey> =
            feeds.feeds.keys().filter(|key| !batches.contains_key(*key)).cloned().collect();
        if missing.is_empty() {
            feeds.publish(step, after.clone(), std::mem::take(batches));
            self.told.store(step.sequence.0, Ordering::Release);
        }
        missing
    }

    /// What was told after a change set, at most so much, and up to where that is all; none where it is not in memory.
    pub(super) fn logged(
        &self,
        key: &FeedKey,
        after: Sequence,
        most: usize,
    ) -> Option<(Vec<Arc<Batch>>, Sequence)> {
        let mut feeds = self.feeds();
        let sequence = feeds.sequence;
        let (feed, _) = feeds.feeds.get_mut(key)?;
        let batches = feed.log().since(after, most)?;
        let is_all = batches.len() < most;
        let reached = batches.last().filter(|_| !is_all).map_or(sequence, |last| last.sequence);
        Some((batches, reached.max(after)))
    }

    /// Lets every watcher look whether it may still watch.
    pub fn nudge(&self) {
        self.feeds().feeds.values().for_each(|(feed, _)| feed.nudge());
    }

    /// Whether no watch may begin any more.
    pub fn is_closed(&self) -> bool {
        self.feeds().is_closed
    }

    /// Ends all watches, and lets no further one begin.
    pub fn close(&self) {
        let mut feeds = self.feeds();
        feeds.is_closed = true;
        feeds.feeds.values().for_each(|(feed, _)| feed.end(End::Closing));
    }
}

impl Feeds {
    pub fn feed(&mut self, key: &FeedKey) -> Option<&mut Feed> {
        self.feeds.get_mut(key).map(|(feed, _)| feed)
    }

    fn publish(&mut self, step: &Step, after: Scene, batches: HashMap<FeedKey, Option<Arc<Batch>>>) {
        for (key, batch) in batches {
            if let (Some((feed, _)), Some(batch)) = (self.feeds.get_mut(&key), batch) {
                feed.publish(batch);
            }
        }
        if step.environments.is_some() {
            for (key, (feed, _)) in &self.feeds {
                if after.environments.get(&key.environment).is_none() {
                    feed.end(End::NoEnvironment);
                }
            }
        }
        self.scene = after;
        self.sequence = step.sequence;
        let is_kept = |since: &Option<Instant>| since.is_none_or(|since| since.elapsed() < IDLE_FEED);
        self.feeds.retain(|_, (_, idle_since)| is_kept(idle_since));
    }
}
