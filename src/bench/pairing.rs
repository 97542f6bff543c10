//! Paired runs: what makes a ratio hold on a machine whose speed drifts.
//!
//! The subject's runs sit between two runs of its yardstick: A B A B … A. Each ratio is one run divided by
//! the mean of the runs right before and after it, so that a drift of the whole machine cancels out.

use std::time::Duration;

use super::BenchError;
use super::load::{Bounds, Client, Outcome, closed_loop};
use super::process::{Usage, own_cpu_seconds};
use super::report::{Measure, Unit};

/// One run of one side.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What the clients saw.
    pub outcome: Outcome,
    /// CPU of the server's process for each answer, in microseconds.
    pub server_us: f64,
    /// CPU of the load generator for each answer, in microseconds.
    pub generator_us: f64,
}

/// A server with the clients that load it.
pub struct Side<'a, C> {
    clients: Vec<C>,
    usage: Box<dyn Fn() -> Result<Usage, BenchError> + Send + 'a>,
    samples: Vec<Sample>,
}

impl<'a, C: Client> Side<'a, C> {
    /// Clients, and how to learn what their server has used.
    pub fn new(clients: Vec<C>, usage: impl Fn() -> Result<Usage, BenchError> + Send + 'a) -> Self {
        Side { clients, usage: Box::new(usage), samples: Vec::new() }
    }

    /// Loads the server once without counting, so that its caches and branches are warm.
    pub async fn warm_up(&mut self, duration: Duration) {
        let clients = std::mem::take(&mut self.clients);
        self.clients = closed_loop(clients, Bounds::lasting(duration)).await.0;
    }

    /// Loads the server once; gives the answers per second.
    pub async fn run(&mut self, duration: Duration) -> Result<f64, BenchError> {
        let (server, generator) = ((self.usage)()?.cpu_seconds, own_cpu_seconds()?);
        let clients = std::mem::take(&mut self.clients);
        let (clients, outcome) = closed_loop(clients, Bounds::lasting(duration)).await;
        self.clients = clients;
        let answers = outcome.latency.count().max(1) as f64;
        let server_us = ((self.usage)()?.cpu_seconds - server) * 1e6 / answers;
        let generator_us = (own_cpu_seconds()? - generator) * 1e6 / answers;
        let rate = outcome.per_second();
        self.samples.push(Sample { outcome, server_us, generator_us });
        Ok(rate)
    }

    /// Answers per second over all runs.
    pub fn rates(&self) -> Measure {
        Measure::of(Unit::PerSecond, self.samples.iter().map(|sample| sample.outcome.per_second()))
    }

    /// CPU of the server for each answer over all runs.
    pub fn server_cpu(&self) -> Measure {
        Measure::of(Unit::CpuMicroseconds, self.samples.iter().map(|sample| sample.server_us))
    }

    /// CPU of the load generator for each answer over all runs.
    pub fn generator_cpu(&self) -> Measure {
        Measure::of(Unit::CpuMicroseconds, self.samples.iter().map(|sample| sample.generator_us))
    }

    /// All runs as one.
    pub fn total(&self) -> Outcome {
        let mut total = Outcome::default();
        self.samples.iter().for_each(|sample| total.merge(sample.outcome.clone()));
        total
    }
}

/// Runs both sides in turn and gives the subject's rate as a multiple of the yardstick's.
pub async fn paired_ratio<B: Client, S: Client>(
    yardstick: &mut Side<'_, B>,
    subject: &mut Side<'_, S>,
    pairs: u64,
    duration: Duration,
) -> Result<Measure, BenchError> {
    let mut before = yardstick.run(duration).await?;
    let mut ratios = Vec::new();
    for _ in 0..pairs {
        let rate = subject.run(duration).await?;
        let after = yardstick.run(duration).await?;
        ratios.push(rate / ((before + after) / 2.0));
        before = after;
    }
    Ok(Measure::of(Unit::Ratio, ratios))
}
