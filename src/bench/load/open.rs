//! Open loop: requests arrive at a rate of their own, however slow the answers are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::Client;
use super::outcome::Outcome;

/// Requests that arrive independently of each other, at a rate, for some time.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Requests per second.
    pub per_second: f64,
    /// How long they arrive.
    pub duration: Duration,
    /// The seed of their dice.
    pub seed: u64,
}

impl Schedule {
    /// When each request arrives, counted from the start of the load: a Poisson process.
    pub fn offsets(self) -> impl Iterator<Item = Duration> + Send {
        let mut dice = fastrand::Rng::with_seed(self.seed);
        let mut at = 0.0;
        let end = self.duration.as_secs_f64();
        std::iter::from_fn(move || {
            at -= (1.0 - dice.f64()).ln() / self.per_second;
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
    /// A permit for each arrival, and at the end one more for each client, which then finds no arrival.
    ready: Semaphore,
}

impl Due {
    /// The next arrival once it is due; `None` after the last one.
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
    let pacer = pace(due.clone(), schedule, started, clients.len());
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(serve_arrivals(client, due.clone(), started));
    }
    let deadline = tokio::time::Instant::from_std(started + schedule.duration + GRACE);
    let mut total = Outcome::default();
    while let Ok(Some(joined)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
        total.merge(joined.unwrap_or_default());
    }
    let scheduled = pacer.join().unwrap_or(0);
    let missing = scheduled.saturating_sub(total.latency.count() + total.errors);
    if missing > 0 {
        total.fail(format!("{missing} requests were not answered within {} s of the end", GRACE.as_secs()));
        total.errors += missing - 1;
    }
    total
}

/// Releases arrivals from a thread of its own: timers of the runtime have a grain of 1 ms, which is as
/// long as the latencies to be measured. The thread ends with the schedule and gives the arrivals in it.
fn pace(due: Arc<Due>, schedule: Schedule, started: Instant, clients: usize) -> thread::JoinHandle<u64> {
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
        due.ready.add_permits(clients);
        count
    })
}

async fn serve_arrivals<C: Client>(mut client: C, due: Arc<Due>, started: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(arrival) = due.next().await {
        match client.call().await {
            Ok(_) => outcome.latency.record(arrival.elapsed()),
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
    use crate::bench::BenchError;
    use crate::bench::load::CallError;

    #[test]
    fn arrivals_keep_the_rate_and_the_end() {
        let schedule = Schedule { per_second: 1000.0, duration: Duration::from_secs(10), seed: 7 };
        let offsets: Vec<Duration> = schedule.offsets().collect();
        assert!((9_700..=10_300).contains(&offsets.len()), "{}", offsets.len());
        assert!(offsets.is_sorted());
        assert!(offsets.last().is_some_and(|last| *last < schedule.duration));
    }

    /// Answers the first call late and counts all of them.
    struct Slow {
        first: bool,
    }

    impl Client for Slow {
        async fn call(&mut self) -> Result<Instant, CallError> {
            if std::mem::take(&mut self.first) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(Instant::now())
        }

        async fn reconnect(&mut self) -> Result<(), BenchError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_waits_behind_a_stall_counts_its_waiting_and_nothing_is_lost() {
        let schedule = Schedule { per_second: 1000.0, duration: Duration::from_millis(200), seed: 3 };
        let outcome = open_loop(vec![Slow { first: true }], schedule).await;
        assert_eq!(outcome.latency.count(), schedule.offsets().count() as u64);
        assert_eq!(outcome.errors, 0, "{:?}", outcome.first_error);
        let halfway = outcome.latency.quantile(0.75);
        assert!(halfway > Duration::from_millis(20), "a quarter waited {halfway:?} or longer");
    }
}
