use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Slot;
use crate::model::{Path, Sequence, Timestamp};

/// How many deliveries of one client are waited for to be acknowledged; of those before, the oldest counts.
const MOST_UNACKNOWLEDGED: usize = 64;

/// How many clients that are gone are remembered, and for how long.
const MOST_LOST: usize = 10_000;
const LOST_IS_REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// An event stream.
    EventStream,
    /// gRPC.
    Grpc,
}

impl Transport {
    /// Its name where clients are listed.
    pub fn name(self) -> &'static str {
        match self {
            Transport::EventStream => "sse",
            Transport::Grpc => "grpc",
        }
    }
}

/// What a client says of itself, and what is seen of it.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// What it calls itself; one that does not is numbered.
    pub name: Option<Arc<str>>,
    /// The account that it came with.
    pub account: Arc<str>,
    /// Where it comes from.
    pub address: Option<Arc<str>>,
    /// What it is built with, as it says.
    pub sdk: Option<Arc<str>>,
    /// How it is connected.
    pub transport: Transport,
}

/// What a client watches.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The environment.
    pub environment: Arc<str>,
    /// `layer`, `view` or `resolved`.
    pub facet: &'static str,
    /// At and below which paths.
    pub prefixes: Arc<[Path]>,
}

/// A client: one watch that somebody has open, or had.
#[derive(Debug)]
pub struct Client {
    /// Its number: which watch of the process it is.
    pub number: u64,
    /// What it is called; of one without a name, a number.
    pub id: Arc<str>,
    /// What it says of itself.
    pub introduction: Introduction,
    /// What it watches.
    pub watched: Watched,
    /// Since when.
    pub connected_at: Timestamp,
    slot: Arc<Slot>,
    sequence: AtomicU64,
    acknowledged: AtomicU64,
    unacknowledged: Mutex<VecDeque<(Sequence, Instant)>>,
    /// Whether it said that it leaves.
    is_leaving: AtomicBool,
}

impl Client {
    /// Up to which change set it was told.
    pub fn sequence(&self) -> Sequence {
        Sequence(self.sequence.load(Ordering::Relaxed))
    }

    /// Up to which change set it says that it follows; none where it never said so.
    pub fn acknowledged(&self) -> Option<Sequence> {
        match self.acknowledged.load(Ordering::Relaxed) {
            0 => None,
            sequence => Some(Sequence(sequence)),
        }
    }

    /// Notes that all up to a change set was handed to its connection.
    pub fn told(&self, sequence: Sequence) {
        self.sequence.fetch_max(sequence.0, Ordering::Relaxed);
    }

    /// Notes that a change set with events for it was handed to its connection.
    pub fn sent(&self, sequence: Sequence, accepted: Instant) {
        self.told(sequence);
        let mut unacknowledged = self.unacknowledged();
        if unacknowledged.len() == MOST_UNACKNOWLEDGED {
            // The oldest says how far behind it is; what is between matters less.
            unacknowledged.pop_back();
        }
        unacknowledged.push_back((sequence, accepted));
    }

    fn unacknowledged(&self) -> MutexGuard<'_, VecDeque<(Sequence, Instant)>> {
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that it follows a change set, and answers when those were accepted that it did not follow before.
    fn acknowledge(&self, sequence: Sequence) -> Vec<Instant> {
        self.acknowledged.fetch_max(sequence.0, Ordering::Relaxed);
        let mut unacknowledged = self.unacknowledged();
        let count = unacknowledged.iter().take_while(|(sent, _)| *sent <= sequence).count();
        unacknowledged.drain(..count).map(|(_, accepted)| accepted).collect()
    }

    /// How long the oldest change waits that it was not told of; of one that acknowledges, that it does not follow yet.
    pub fn lag(&self, now: Instant) -> Duration {
        let waiting = self.slot.waiting_since();
        let unacknowledged =
            self.acknowledged().and_then(|_| self.unacknowledged().front().map(|(_, at)| *at));
        let oldest = waiting.into_iter().chain(unacknowledged).min();
        oldest.map(|since| now.saturating_duration_since(since)).unwrap_or_default()
    }
}

/// A client with a name that was here, and did not say that it leaves.
#[derive(Debug, Clone)]
pub struct Lost {
    /// As it was last.
    pub client: Arc<Client>,
    /// When its connection ended.
    pub left_at: Timestamp,
    left: Instant,
}

/// Who watches, and who did.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    connected: HashMap<u64, Arc<Client>>,
    lost: HashMap<(Arc<str>, Arc<str>), Lost>,
}

impl Clients {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody watches. One that was lost is found again.
    pub fn enter(
        &self,
        number: u64,
        introduction: Introduction,
        watched: Watched,
        slot: Arc<Slot>,
        now: Timestamp,
    ) -> Arc<Client> {
        let id = introduction.name.clone().unwrap_or_else(|| format!("#{number}").into());
        let client = Arc::new(Client {
            number,
            id: id.clone(),
            introduction,
            watched,
            connected_at: now,
            slot,
            sequence: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            unacknowledged: Mutex::default(),
            is_leaving: AtomicBool::new(false),
        });
        let mut registry = self.registry();
        if let Some(lost) = registry.lost.remove(&(client.introduction.account.clone(), id)) {
            let acknowledged = lost.client.acknowledged.load(Ordering::Relaxed);
            client.acknowledged.store(acknowledged, Ordering::Relaxed);
        }
        registry.connected.insert(number, client.clone());
        client
    }

    /// Notes that a watch ended. Who has a name, and no other watch, is missed from then on.
    pub fn leave(&self, number: u64, now: (Timestamp, Instant)) {
        let mut registry = self.registry();
        let Some(client) = registry.connected.remove(&number) else { return };
        let is_expected = client.introduction.name.is_none() || client.is_leaving.load(Ordering::Relaxed);
        if is_expected || registry.of(&client.introduction.account, &client.id).next().is_some() {
            return;
        }
        registry.forget_old(now.1);
        let key = (client.introduction.account.clone(), client.id.clone());
        registry.lost.insert(key, Lost { client, left_at: now.0, left: now.1 });
    }

    /// Takes leave of a client that says it goes; whether it was known.
    pub fn say_goodbye(&self, account: &str, id: &str) -> bool {
        let mut registry = self.registry();
        let key = (Arc::from(account), Arc::from(id));
        let was_lost = registry.lost.remove(&key).is_some();
        let here: Vec<_> = registry.of(account, id).collect();
        here.iter().for_each(|client| client.is_leaving.store(true, Ordering::Relaxed));
        was_lost || !here.is_empty()
    }

    /// Notes that a client follows a change set: when what it newly follows was accepted, or none where it is not here.
    pub fn acknowledge(&self, account: &str, id: &str, sequence: Sequence) -> Option<Vec<Instant>> {
        let registry = self.registry();
        let mut found = registry.of(account, id).peekable();
        found.peek()?;
        Some(found.flat_map(|client| client.acknowledge(sequence)).collect())
    }

    /// Who is connected.
    pub fn connected(&self) -> Vec<Arc<Client>> {
        self.registry().connected.values().cloned().collect()
    }

    /// Who has been gone for so long, in the order of ids.
    pub fn lost(&self, after: Duration, now: Instant) -> Vec<Lost> {
        let mut registry = self.registry();
        registry.forget_old(now);
        let is_lost = |lost: &&Lost| now.saturating_duration_since(lost.left) >= after;
        let mut lost: Vec<Lost> = registry.lost.values().filter(is_lost).cloned().collect();
        lost.sort_by(|a, b| a.client.id.cmp(&b.client.id));
        lost
    }
}

impl Registry {
    fn of(&self, account: &str, id: &str) -> impl Iterator<Item = &Arc<Client>> {
        let is_it =
            move |client: &&Arc<Client>| *client.id == *id && *client.introduction.account == *account;
        self.connected.values().filter(is_it)
    }

    fn forget_old(&mut self, now: Instant) {
        self.lost.retain(|_, lost| now.saturating_duration_since(lost.left) < LOST_IS_REMEMBERED);
        while self.lost.len() >= MOST_LOST {
            let oldest = self.lost.iter().min_by_key(|(_, lost)| lost.left).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.lost.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(clients: &Clients, number: u64, name: Option<&str>) -> Arc<Client> {
        let introduction = Introduction {
            name: name.map(Into::into),
            account: "svc".into(),
            address: None,
            sdk: None,
            transport: Transport::EventStream,
        };
        let watched =
            Watched { environment: "prod".into(), facet: "view", prefixes: Arc::new([Path::root()]) };
        clients.enter(number, introduction, watched, Arc::default(), Timestamp::from_millis(1))
    }

    #[test]
    fn who_leaves_without_a_word_is_missed() {
        let (clients, begun) = (Clients::default(), Instant::now());
        let at = |seconds: u64| {
            (Timestamp::from_millis(seconds as i64 * 1_000), begun + Duration::from_secs(seconds))
        };
        let lost = |seconds| {
            let lost = clients.lost(Duration::from_secs(60), at(seconds).1);
            lost.iter().map(|lost| lost.client.id.to_string()).collect::<Vec<_>>()
        };
        enter(&clients, 1, Some("pay-1"));
        enter(&clients, 2, Some("pay-1"));
        enter(&clients, 3, None);
        enter(&clients, 4, Some("pay-2"));
        assert_eq!(clients.connected().len(), 4);
        [1, 3, 4].into_iter().for_each(|number| clients.leave(number, at(0)));
        assert_eq!(lost(59), [""; 0]);
        assert_eq!(lost(60), ["pay-2"], "pay-1 has another watch, and who has no name is not missed");
        clients.leave(2, at(10));
        assert_eq!(lost(70), ["pay-1", "pay-2"]);
        enter(&clients, 5, Some("pay-1"));
        assert_eq!(lost(70), ["pay-2"], "it came back");
        assert!(clients.say_goodbye("svc", "pay-2") && !clients.say_goodbye("other", "pay-1"));
        assert_eq!(lost(70), [""; 0]);
        assert!(clients.say_goodbye("svc", "pay-1"), "it is still here");
        clients.leave(5, at(70));
        assert_eq!(lost(200), [""; 0]);
        assert_eq!(lost(24 * 3_600 + 100), [""; 0]);
    }

    #[test]
    fn lag_is_that_of_the_oldest_change_that_is_not_followed() {
        let (clients, begun) = (Clients::default(), Instant::now());
        let client = enter(&clients, 1, Some("pay-1"));
        let after = |seconds| begun + Duration::from_secs(seconds);
        client.sent(Sequence(5), begun);
        client.sent(Sequence(7), after(2));
        assert_eq!(client.lag(after(9)), Duration::ZERO, "one that never acknowledged is not expected to");
        assert_eq!(clients.acknowledge("svc", "pay-1", Sequence(4)), Some(vec![]));
        assert_eq!(client.lag(after(9)), Duration::from_secs(9));
        assert_eq!(clients.acknowledge("svc", "pay-1", Sequence(6)), Some(vec![begun]));
        assert_eq!(client.lag(after(9)), Duration::from_secs(7));
        assert_eq!(clients.acknowledge("svc", "pay-1", Sequence(7)), Some(vec![after(2)]));
        assert_eq!((client.lag(after(9)), client.acknowledged()), (Duration::ZERO, Some(Sequence(7))));
        assert_eq!(clients.acknowledge("other", "pay-1", Sequence(7)), None);
        for sequence in 8..1_000 {
            client.sent(Sequence(sequence), after(sequence));
        }
        assert_eq!(client.lag(after(1_008)), Duration::from_secs(1_000));
    }
}
