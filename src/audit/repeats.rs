use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Record, What};

/// No more different records are counted at a time.
pub(super) const MOST_COUNTED: usize = 10_000;
/// No window is longer; a longer one is taken for this.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Counts records that repeat.
///
/// The first of equal records is written at once and begins a window. Those within the window are counted,
/// and at its end become one: the last of them, with their number.
#[derive(Default)]
pub(super) struct Repeats {
    known: HashMap<Key, Counted>,
    /// When each window ends; the second number tells windows apart that end at one time.
    ends: BTreeMap<(Instant, u64), Key>,
    begun: u64,
}

/// What makes records equal: everything but time, detail, address and request id.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    what: What,
    texts: [Option<Arc<str>>; 6],
}

#[derive(Default)]
struct Counted {
    last: Option<Record>,
    count: u64,
}

impl Repeats {
    /// Sees one, and answers what is to be written now, each with its count: nothing of one that repeats,
    /// the record itself of another. When no more can be remembered, all counts come before it.
    pub fn see(&mut self, record: Record, window: Duration, now: Instant) -> Vec<(Record, u64)> {
        let key = Key::of(&record);
        let mut due = Vec::new();
        if self.known.len() >= MOST_COUNTED && !self.known.contains_key(&key) {
            due = self.drain();
        }
        match self.known.entry(key) {
            Slot::Occupied(mut slot) => {
                let counted = slot.get_mut();
                counted.count += 1;
                counted.last = Some(record);
            }
            Slot::Vacant(slot) => {
                self.begun += 1;
                self.ends.insert((now + window.min(LONGEST_WINDOW), self.begun), slot.key().clone());
                slot.insert(Counted::default());
                due.push((record, 1));
            }
        }
        due
    }

    /// When the next window ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first_key_value().map(|((end, _), _)| *end)
    }

    /// What was counted in windows that have ended, in the order of their ends.
    pub fn ended(&mut self, now: Instant) -> Vec<(Record, u64)> {
        self.end_while(|end| end <= now)
    }

    /// What was counted in all of them.
    pub fn drain(&mut self) -> Vec<(Record, u64)> {
        self.end_while(|_| true)
    }

    fn end_while(&mut self, ends: impl Fn(Instant) -> bool) -> Vec<(Record, u64)> {
        let mut due = Vec::new();
        while let Some(first) = self.ends.first_entry()
            && ends(first.key().0)
        {
            let Some(counted) = self.known.remove(&first.remove()) else { continue };
            due.extend(counted.last.map(|last| (last, counted.count)));
        }
        due
    }
}

impl Key {
    fn of(record: &Record) -> Self {
        let Record { what, account, action, environment, path, secret, rule, .. } = record;
        let texts = [account, action, environment, path, secret, rule].map(Clone::clone);
        Key { what: what.clone(), texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn record(account: &str, at: i64) -> Record {
        let at = Timestamp::from_millis(at);
        let differs = Some(format!("{at}").into());
        Record {
            account: Some(account.into()),
            detail: differs.clone(),
            address: differs.clone(),
            request_id: differs,
            ..Record::new(What::Refused, at)
        }
    }

    #[test]
    fn what_repeats_is_counted() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let window = Duration::from_secs(10);
        let mut repeats = Repeats::default();
        assert_eq!(repeats.next_end(), None);
        assert_eq!(repeats.see(record("ann", 0), window, at(0)), [(record("ann", 0), 1)]);
        assert_eq!(repeats.see(record("ann", 1), window, at(1)), []);
        assert_eq!(repeats.see(record("bob", 2), window, at(2)), [(record("bob", 2), 1)]);
        assert_eq!(repeats.see(record("ann", 3), window, at(3)), []);
        assert_eq!(repeats.next_end(), Some(at(10)));
        assert_eq!(repeats.ended(at(9)), []);
        assert_eq!(repeats.ended(at(10)), [(record("ann", 3), 2)]);
        // Bob came once only, so that there is nothing to add.
        assert_eq!(repeats.ended(at(12)), []);
        assert_eq!(repeats.next_end(), None);
        assert_eq!(repeats.see(record("ann", 13), window, at(13)), [(record("ann", 13), 1)]);
        assert_eq!(repeats.see(record("ann", 14), Duration::MAX, at(14)), []);
        assert_eq!(repeats.drain(), [(record("ann", 14), 1)]);
        assert!(repeats.known.is_empty() && repeats.ends.is_empty());
    }

    #[test]
    fn it_starts_anew_when_it_is_full() {
        let (now, window) = (Instant::now(), Duration::MAX);
        let mut repeats = Repeats::default();
        for account in 0..MOST_COUNTED {
            assert_eq!(repeats.see(record(&account.to_string(), 0), window, now).len(), 1);
        }
        assert_eq!(repeats.see(record("7", 1), window, now), []);
        assert_eq!(repeats.see(record("new", 2), window, now), [(record("7", 1), 1), (record("new", 2), 1)]);
        assert_eq!(repeats.known.len(), 1);
        assert_eq!(repeats.see(record("7", 3), window, now), [(record("7", 3), 1)]);
    }
}
