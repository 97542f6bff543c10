use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{KeySet, KeysUnavailable};
use crate::model::Timestamp;

/// For how long fetched keys are used without asking again. Also how long a removed key may go on working.
pub(super) const FRESH_MS: u64 = 60 * 60 * 1000;

/// For how long fetched keys are used when the issuer cannot be reached.
pub(super) const STALE_MS: u64 = 24 * FRESH_MS;

/// The least time between two fetches, whatever the tokens ask for and however the first ended.
pub(super) const PAUSE_MS: u64 = 30_000;

/// The most threads that wait for one fetch. A slow issuer and a stranger's tokens with made-up keys must not
/// take up every thread of the server; who finds no room gets what is there already.
const MOST_WAITING: usize = 32;

/// The reason for as long as a fetch has not ended.
const UNFINISHED: &str = "they are being fetched, and that takes long";

/// The fetched keys of one issuer. Its lock is never held while something is fetched; who wants the same at
/// that time waits for the one fetch, and who is content with the keys at hand does not.
#[derive(Debug, Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    attempt: Option<Attempt>,
    fetching: bool,
    waiting: usize,
}

/// The keys of the last fetch that went well.
#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    since: Timestamp,
}

/// The last fetch.
#[derive(Debug)]
struct Attempt {
    at: Timestamp,
    failure: Option<String>,
}

type Outcome = Result<Arc<KeySet>, KeysUnavailable>;

enum Step {
    Use(Outcome),
    Wait,
    Fetch,
}

/// A fetch under way; however it ends, also by a panic, the next may begin.
struct Flight<'a>(&'a Slot);

impl Slot {
    /// The keys in force, from a fetch when that is due. `patience` bounds how long another's fetch is waited
    /// for.
    pub fn keys(
        &self,
        kid: Option<&str>,
        now: Timestamp,
        patience: Duration,
        fetch: impl FnOnce() -> Result<KeySet, String>,
    ) -> Outcome {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            match state.step(kid, now) {
                Step::Use(outcome) => return outcome,
                Step::Fetch => break,
                Step::Wait => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || state.waiting >= MOST_WAITING {
                        return state.outcome(kid, now);
                    }
                    state.waiting += 1;
                    let woken = self.landed.wait_timeout(state, left);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                    state.waiting -= 1;
                }
            }
        }
        state.fetching = true;
        state.attempt = Some(Attempt { at: now, failure: Some(UNFINISHED.to_owned()) });
        drop(state);
        let flight = Flight(self);
        let fetched = fetch();
        let mut state = self.lock();
        state.land(fetched, now);
        let outcome = state.outcome(kid, now);
        drop(state);
        drop(flight);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.lock().fetching = false;
        self.0.landed.notify_all();
    }
}

impl State {
    /// What to do for somebody who wants this key.
    fn step(&self, kid: Option<&str>, now: Timestamp) -> Step {
        if let Some(held) = &self.held
            && apart_ms(now, held.since) < FRESH_MS
            && held.answers(kid)
        {
            return Step::Use(Ok(held.keys.clone()));
        }
        if self.fetching {
            return Step::Wait;
        }
        match &self.attempt {
            Some(attempt) if apart_ms(now, attempt.at) < PAUSE_MS => Step::Use(self.outcome(kid, now)),
            _ => Step::Fetch,
        }
    }

    /// What the last fetch, or the one under way, leaves for somebody who wants this key.
    fn outcome(&self, kid: Option<&str>, now: Timestamp) -> Outcome {
        let held = self.held.as_ref().filter(|held| apart_ms(now, held.since) < STALE_MS);
        let failure = self.attempt.as_ref().and_then(|attempt| attempt.failure.clone());
        match (held, failure) {
            (Some(held), None) => Ok(held.keys.clone()),
            (Some(held), Some(_)) if held.answers(kid) => Ok(held.keys.clone()),
            // The key may be one that could not be fetched: whether it exists is not known.
            (_, failure) => Err(KeysUnavailable { reason: failure.unwrap_or_else(|| UNFINISHED.to_owned()) }),
        }
    }

    fn land(&mut self, fetched: Result<KeySet, String>, now: Timestamp) {
        let failure = match fetched {
            Ok(keys) => {
                self.held = Some(Held { keys: Arc::new(keys), since: now });
                None
            }
            Err(reason) => Some(reason),
        };
        self.attempt = Some(Attempt { at: now, failure });
    }
}

impl Held {
    fn answers(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.keys.has(kid))
    }
}

/// How far two moments are apart, in either direction: callers' moments are not quite in order, and a clock
/// that is set back must not keep keys for longer.
fn apart_ms(a: Timestamp, b: Timestamp) -> u64 {
    a.as_millis().abs_diff(b.as_millis())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;
    const PATIENCE: Duration = Duration::from_secs(10);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW_MS + millis)
    }

    fn empty() -> Result<KeySet, String> {
        Ok(KeySet::default())
    }

    #[test]
    fn a_fetch_that_panics_does_not_block_the_next() {
        let slot = Slot::default();
        let fetch = || slot.keys(None, at(0), PATIENCE, || panic!("a bug"));
        assert!(catch_unwind(AssertUnwindSafe(fetch)).is_err());
        assert!(slot.keys(None, at(1), PATIENCE, empty).is_err(), "so soon nothing is fetched again");
        assert!(slot.keys(None, at(30_000), PATIENCE, empty).is_ok());
    }

    #[test]
    fn clocks_that_jump() {
        // (when the first fetch was, when the next is asked for, whether it takes place)
        for (before, after, fetches) in [
            (0, -1, false),
            (0, -29_999, false),
            (0, -30_000, false),
            (0, -3_599_999, false),
            (0, -3_600_000, true),
            (0, 3_600_000, true),
        ] {
            let slot = Slot::default();
            slot.keys(None, at(before), PATIENCE, empty).unwrap();
            let mut fetched = false;
            let next = || {
                fetched = true;
                empty()
            };
            slot.keys(None, at(after), PATIENCE, next).unwrap();
            assert_eq!(fetched, fetches, "{after}");
        }
    }

    #[test]
    fn only_so_many_wait_and_only_so_long() {
        let slot = Slot::default();
        let (begun, is_begun) = channel();
        let (end, may_end) = channel::<()>();
        thread::scope(|scope| {
            let slot = &slot;
            scope.spawn(move || {
                let fetch = || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    empty()
                };
                assert!(slot.keys(None, at(0), PATIENCE, fetch).is_ok());
            });
            is_begun.recv_timeout(PATIENCE).unwrap();
            let not_another = || -> Result<KeySet, String> { panic!("a second fetch") };
            let impatient = slot.keys(None, at(0), Duration::from_millis(20), not_another);
            assert_eq!(impatient.unwrap_err().reason, UNFINISHED);
            // Filled up by hand: how many threads have come to wait could not be told from outside.
            slot.lock().waiting = MOST_WAITING;
            assert!(slot.keys(None, at(0), PATIENCE, not_another).is_err());
            slot.lock().waiting = 0;
            let patient = scope.spawn(move || slot.keys(None, at(0), PATIENCE, not_another));
            end.send(()).unwrap();
            assert!(patient.join().unwrap().is_ok());
        });
    }
}
