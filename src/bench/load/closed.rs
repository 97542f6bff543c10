//! Closed loop: each client sends its next request when one of its last is answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::Client;
use super::outcome::Outcome;

/// Where a load ends, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// No call starts later than this.
    pub duration: Duration,
    /// No client makes more calls than this.
    pub calls_per_client: u64,
}

impl Bounds {
    /// A load that ends after some time.
    pub fn lasting(duration: Duration) -> Self {
        Bounds { duration, calls_per_client: u64::MAX }
    }

    /// A load that ends after some calls, or after two minutes.
    pub fn calls(calls_per_client: u64) -> Self {
        Bounds { duration: Duration::from_secs(120), calls_per_client }
    }
}

/// How long a load waits for answers after its end; what has not come by then is an error.
const GRACE: Duration = Duration::from_secs(10);

/// Calls that may fail one after another before a client gives up.
const FAILURES_IN_A_ROW: u32 = 20;

/// Runs all clients side by side and gives them back with what they saw.
pub async fn closed_loop<C: Client>(clients: Vec<C>, bounds: Bounds) -> (Vec<C>, Outcome) {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    let count = clients.len();
    for mut client in clients {
        tasks.spawn(async move {
            let outcome = drive(&mut client, bounds, started).await;
            (client, outcome)
        });
    }
    let mut total = Outcome::default();
    let mut clients = Vec::with_capacity(count);
    let deadline = tokio::time::Instant::from_std(started + bounds.duration.saturating_add(GRACE));
    while let Ok(Some(joined)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
        if let Ok((client, outcome)) = joined {
            clients.push(client);
            total.merge(outcome);
        }
    }
    for _ in clients.len()..count {
        total.fail("a client still waited for its answer long after the end of the load".into());
    }
    (clients, total)
}

async fn drive<C: Client>(client: &mut C, bounds: Bounds, started: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    let mut failures = 0;
    let mut now = Instant::now();
    for _ in 0..bounds.calls_per_client {
        if now.duration_since(started) >= bounds.duration || failures >= FAILURES_IN_A_ROW {
            break;
        }
        let answer = client.call().await;
        now = Instant::now();
        match answer {
            Ok(sent) => {
                outcome.latency.record(now - sent);
                failures = 0;
            }
            Err(error) => {
                failures += 1;
                if error.is_broken() && client.reconnect().await.is_err() {
                    failures = FAILURES_IN_A_ROW;
                }
                outcome.fail(error.to_string());
            }
        }
    }
    outcome.elapsed = started.elapsed();
    client.settle().await;
    outcome
}
