//! Open loop: requests arrive at a rate of their own, however slow the answers are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::Client;
use super::outcome::Outcome;

/// How requests are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other, with the seed of their dice.
    Poisson(u64),
}

/// A rate of arrivals for some time.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Requests per second.
    pub per_second: f64,
    /// How long they arrive.
    pub duration: Duration,
    /// How they are spread.
    pub arrivals: Arrivals,
}

impl Schedule {
    /// When each request arrives, counted from the start of the load.
    pub fn offsets(self) -> impl Iterator<Item = Duration> + Send {
        let mut dice = fastrand::Rng::with_seed(match self.arrivals {
            Arrivals::Poisson(seed) => seed,
        });
        let mut at = 0.0;
        let end = self.duration.as_secs_f64();
        std::iter::from_fn(move || {
            at += -(1.0 - dice.f64()).ln() / self.per_second;
            (at < end).then(|| Duration::from_secs_f64(at))
        })
    }
}

/// How long a load waits for answers after the last arrival; what has not come by then is an error.
const GRACE: Duration = Duration::from_secs(10);

/// Arrivals that no client has taken up yet, in order.
///
/// The queue is bounded by the schedule itself; how long a request waits in it is part of its latency.
struct Due {
    arrivals: Mutex<VecDeque<Instant>>,
    ready: Semaphore,
}

impl Due {
    async fn next(&self) -> Option<Instant> {
        self.ready.acquire().await.ok()?.forget();
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn release(&self, batch: &mut Vec<Instant>) {
        let count = batch.len();
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.drain(..));
        self.ready.add_permits(count);
    }
}

/// Sends requests at the rate of the schedule over the clients given; each latency counts from the moment
/// its request was scheduled, so that a server that stalls cannot hide what waited meanwhile.
pub async fn open_loop<C: Client>(clients: Vec<C>, schedule: Schedule) -> Outcome {
    let due = Arc::new(Due { arrivals: Mutex::default(), ready: Semaphore::new(0) });
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(serve_arrivals(client, due.clone(), started));
    }
    let pacer = pace(due.clone(), schedule, started);
    let deadline = tokio::time::Instant::from_std(started + schedule.duration + GRACE);
    let mut total = Outcome::default();
    while let Ok(Some(joined)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
        total.merge(joined.unwrap_or_default());
    }
    let scheduled = pacer.join().unwrap_or(0);
    let missing = scheduled.saturating_sub(total.latency.count() + total.errors);
    if missing > 0 {
        total.fail(format!("{missing} requests were not answered {} s after the end", GRACE.as_secs()));
        total.errors += missing - 1;
    }
    total
}

/// Releases arrivals from a thread of its own: timers of the runtime have a grain of 1 ms, which is as
/// long as the latencies to be measured.
fn pace(due: Arc<Due>, schedule: Schedule, started: Instant) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut count = 0;
        let mut batch = Vec::new();
        for offset in schedule.offsets() {
            let at = started + offset;
            let now = Instant::now();
            if at > now {
                due.release(&mut batch);
                thread::sleep(at - now);
            }
            batch.push(at);
            count += 1;
        }
        due.release(&mut batch);
        // Closing turns waiting clients away at once, so it must come after the queue is empty.
        while due.ready.available_permits() > 0 && started.elapsed() < schedule.duration + GRACE {
            thread::sleep(Duration::from_millis(5));
        }
        due.ready.close();
        count
    })
}

async fn serve_arrivals<C: Client>(mut client: C, due: Arc<Due>, started: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(arrival) = due.next().await {
        match client.call().await {
            Ok(()) => outcome.latency.record(arrival.elapsed()),
            Err(error) => {
                let stuck = error.is_broken() && client.reconnect().await.is_err();
                outcome.fail(error.to_string());
                if stuck {
                    break;
                }
            }
        }
        outcome.elapsed = started.elapsed();
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_arrivals_keep_the_rate_and_the_end() {
        for arrivals in [Arrivals::Even, Arrivals::Poisson(7)] {
            let schedule = Schedule { per_second: 1000.0, duration: Duration::from_secs(10), arrivals };
            let offsets: Vec<Duration> = schedule.offsets().collect();
            assert!((9_700..=10_300).contains(&offsets.len()), "{arrivals:?}: {}", offsets.len());
            assert!(offsets.is_sorted());
            assert!(offsets.last().is_some_and(|last| *last < schedule.duration));
        }
    }
}
