use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use crate::model::{Path, Revision, Sequence, Timestamp, Version};

/// What an event says of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// There is a value, and it is another than before, or the first one.
    Update,
    /// There is no value any more.
    Delete,
    /// A value that was there when the watch began.
    Initial,
}

impl EventKind {
    /// Its name where events are written.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Update => "update",
            EventKind::Delete => "delete",
            EventKind::Initial => "initial",
        }
    }
}

/// A value as one side of a change shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The value as JSON, bytes as base64; none where it holds a secret, or cannot be resolved.
    pub json: Option<Bytes>,
    /// Whether the JSON is base64 of bytes.
    pub is_bytes: bool,
    /// The version in the layer that holds it, where that is known.
    pub version: Option<Version>,
}

/// What a value is made of, beside what stands at its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// Of what stands at these paths.
    Known(Box<[Path]>),
    /// Of more than is told.
    More,
}

/// One path whose value is another.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Where.
    pub path: Path,
    /// The value now; none after a delete.
    pub new: Option<Side>,
    /// The value before; none where there was none.
    pub old: Option<Side>,
    /// The environment whose layer holds the value (or held it), or the path of the template it comes from.
    pub origin: Arc<str>,
    /// The commit that made the change.
    pub revision: Option<Revision>,
    /// When the change was accepted, and who made it, where one change set is what it is.
    pub updated: Option<(Timestamp, Arc<str>)>,
    /// Whether a secret is part of the value, so that it is not told.
    pub secret_changed: bool,
    /// Whether the value cannot be worked out: its references lead nowhere.
    pub is_unresolvable: bool,
    /// What the values are made of: who may not see all of that is not told. None where that is the path alone.
    pub made_of: Option<Parts>,
}

/// About how much memory an event takes beside its values.
const EVENT_BYTES: usize = 320;

impl Event {
    fn bytes(&self) -> usize {
        let values = [&self.new, &self.old].into_iter().flatten();
        EVENT_BYTES + values.filter_map(|side| side.json.as_ref()).map(Bytes::len).sum::<usize>()
    }
}

/// What one change set is for who watches an environment: its events, in the order of their paths.
#[derive(Debug)]
pub struct Batch {
    /// The change set before the first in it.
    pub after: Sequence,
    /// The last change set in it.
    pub sequence: Sequence,
    /// The environment.
    pub environment: Arc<str>,
    /// Whether it is what several change sets came to together.
    pub is_coalesced: bool,
    /// The events; never none.
    pub events: Vec<Event>,
    /// When readers saw it.
    pub published: Instant,
    /// When the write was accepted; none where that is long ago, or several.
    pub accepted: Option<Instant>,
    /// About how much memory it takes.
    bytes: usize,
}

impl Batch {
    /// The batch of these events.
    pub fn new(
        (after, sequence): (Sequence, Sequence),
        environment: Arc<str>,
        is_coalesced: bool,
        events: Vec<Event>,
        (accepted, published): (Option<Instant>, Instant),
    ) -> Self {
        let bytes = events.iter().map(Event::bytes).sum();
        Batch { after, sequence, environment, is_coalesced, events, published, accepted, bytes }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What of a batch is for those who watch the same prefixes, and how that is written: once for all of them.
#[derive(Debug)]
pub struct Delivery {
    batch: Arc<Batch>,
    /// Which of its events; none for all.
    which: Option<Box<[u32]>>,
    /// As event streams have it.
    written: OnceLock<Bytes>,
}

impl Delivery {
    /// All of a batch.
    pub fn whole(batch: Arc<Batch>) -> Self {
        Delivery { batch, which: None, written: OnceLock::new() }
    }

    /// Some events of a batch, by their places in it.
    pub fn part(batch: Arc<Batch>, which: Vec<u32>) -> Self {
        let which = (which.len() < batch.events.len()).then(|| which.into_boxed_slice());
        Delivery { batch, which, written: OnceLock::new() }
    }

    /// The batch it is of.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The last change set in it.
    pub fn sequence(&self) -> Sequence {
        self.batch.sequence
    }

    /// About how much memory keeping it takes.
    pub fn bytes(&self) -> usize {
        self.batch.bytes
    }

    /// How many events it has.
    pub fn count(&self) -> usize {
        self.which.as_ref().map_or(self.batch.events.len(), |which| which.len())
    }

    /// Its events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let count = self.count();
        (0..count).filter_map(|at| {
            let place = self.which.as_ref().map_or(at, |which| which[at] as usize);
            self.batch.events.get(place)
        })
    }

    /// The same without the events that somebody is not to see; none where nothing is left.
    pub fn seen(self: &Arc<Self>, sees: impl Fn(&Event) -> bool) -> Option<Arc<Self>> {
        let places = 0..self.count();
        let of = |at: usize| self.which.as_ref().map_or(at as u32, |which| which[at]);
        let seen: Vec<u32> = places
            .map(of)
            .filter(|place| self.batch.events.get(*place as usize).is_some_and(&sees))
            .collect();
        match seen.len() {
            0 => None,
            all if all == self.count() => Some(self.clone()),
            _ => Some(Arc::new(Delivery::part(self.batch.clone(), seen))),
        }
    }

    /// How it is written in an event stream, by the first who asks.
    pub fn written(&self, write: impl FnOnce() -> Bytes) -> Bytes {
        self.written.get_or_init(write).clone()
    }
}
