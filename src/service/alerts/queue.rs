use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Alert;
use crate::model::Timestamp;

/// How many wait at most; one more pushes the oldest out.
const MOST_WAITING: usize = 1_000;

/// How long to wait after each attempt that failed; after the last of them it is given up.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
    Duration::from_secs(3_600),
    Duration::from_secs(3 * 3_600),
];

/// One alert on its way to one webhook.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Delivery {
    /// To which.
    pub webhook: String,
    /// What it is called, the same at each attempt.
    pub id: String,
    /// What happened.
    pub kind: &'static str,
    /// What is posted.
    pub body: String,
    /// How many attempts failed.
    pub attempts: usize,
}

impl Delivery {
    pub fn of(webhook: &str, alert: &Alert, now: Timestamp) -> Self {
        let body =
            json!({ "type": alert.kind, "timestamp": now.to_string(), "data": &alert.data }).to_string();
        let id = format!("msg_{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Delivery { webhook: webhook.to_owned(), id, kind: alert.kind, body, attempts: 0 }
    }
}

/// What waits to be posted, in the order in which it happened.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<(Option<Instant>, Delivery)>);

impl Queue {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds one that is due at once; answers one for which there is no room any more.
    pub fn add(&mut self, delivery: Delivery) -> Option<Delivery> {
        self.0.push_back((None, delivery));
        (self.0.len() > MOST_WAITING).then(|| self.0.pop_front().map(|(_, oldest)| oldest)).flatten()
    }

    /// Takes out what is to be posted now.
    pub fn take_due(&mut self, now: Instant) -> Vec<Delivery> {
        let (due, later) =
            std::mem::take(&mut self.0).into_iter().partition(|(at, _)| at.is_none_or(|at| at <= now));
        self.0 = later;
        VecDeque::into_iter(due).map(|(_, delivery)| delivery).collect()
    }

    /// Puts one back that was not tried.
    pub fn put_back(&mut self, delivery: Delivery) {
        self.0.push_back((None, delivery));
    }

    /// Puts one back that was not taken; answers it where it is given up.
    pub fn failed(&mut self, delivery: Delivery, now: Instant) -> Option<Delivery> {
        let Some(pause) = PAUSES.get(delivery.attempts) else { return Some(delivery) };
        let again = Delivery { attempts: delivery.attempts + 1, ..delivery };
        self.0.push_back((Some(now + *pause), again));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(data: u64) -> Delivery {
        let alert = Alert { kind: "client.lost", data: json!(data) };
        Delivery::of("ops", &alert, Timestamp::from_millis(0))
    }

    #[test]
    fn what_is_not_taken_is_tried_again_and_then_given_up() {
        let (mut queue, begun) = (Queue::default(), Instant::now());
        assert_eq!(queue.add(delivery(1)), None);
        let mut now = begun;
        for pause in PAUSES {
            let due = queue.take_due(now);
            assert_eq!(due.len(), 1, "{pause:?}");
            assert_eq!(queue.failed(due[0].clone(), now), None);
            assert!(queue.take_due(now + pause - Duration::from_millis(1)).is_empty());
            now += pause;
        }
        let due = queue.take_due(now);
        let given_up = queue.failed(due[0].clone(), now).unwrap();
        assert_eq!((given_up.id, given_up.attempts, queue.len()), (due[0].id.clone(), PAUSES.len(), 0));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut queue = Queue::default();
        let first = delivery(0);
        assert_eq!(queue.add(first.clone()), None);
        let dropped: Vec<_> =
            (1..=MOST_WAITING as u64).filter_map(|number| queue.add(delivery(number))).collect();
        assert_eq!((dropped, queue.len()), (vec![first], MOST_WAITING));
    }
}
