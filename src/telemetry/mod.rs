//! Metrics: what the server counts and measures, in the OpenMetrics text format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::model::Sequence;

/// All metrics of a server.
#[derive(Clone)]
pub struct Telemetry {
    registry: Arc<Mutex<Registry>>,
    /// Requests by what became of them.
    pub requests: RequestMetrics,
}

/// Counts of HTTP requests. Plain counters rather than labels: a read costs one addition.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics {
    /// Reads answered with a value or 304.
    pub reads: Counter,
    /// All other requests answered below 400.
    pub others: Counter,
    /// Requests answered with 4xx.
    pub refused: Counter,
    /// Requests answered with 5xx.
    pub failed: Counter,
}

/// What is measured of one project.
#[derive(Debug, Clone)]
pub struct ProjectMetrics {
    sequence: Gauge,
    oldest_sequence: Gauge,
    change_sets: Counter,
    batch_size: Histogram,
    publish_seconds: Histogram,
    queue_seconds: Histogram,
    packs_folded: Counter,
    rebuilt_change_sets: Gauge,
    rebuild_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("confgit");
        let requests = RequestMetrics::default();
        registry.register("http_reads", "reads of configuration that were answered", requests.reads.clone());
        registry.register(
            "http_other_requests",
            "other requests that were answered below 400",
            requests.others.clone(),
        );
        registry.register("http_refused_requests", "requests answered with 4xx", requests.refused.clone());
        registry.register("http_failed_requests", "requests answered with 5xx", requests.failed.clone());
        Telemetry { registry: Arc::new(Mutex::new(registry)), requests }
    }
}

impl Telemetry {
    /// The metrics of a project of this name.
    pub fn project(&self, name: &str) -> ProjectMetrics {
        let metrics = ProjectMetrics {
            sequence: Gauge::default(),
            oldest_sequence: Gauge::default(),
            change_sets: Counter::default(),
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            publish_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            queue_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 14)),
            packs_folded: Counter::default(),
            rebuilt_change_sets: Gauge::default(),
            rebuild_seconds: Gauge::default(),
        };
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_label(("project".into(), name.to_owned().into()));
        registry.register("sequence", "the last change set", metrics.sequence.clone());
        registry.register(
            "oldest_sequence",
            "the oldest change set after which the project can be seen",
            metrics.oldest_sequence.clone(),
        );
        registry.register("change_sets", "change sets accepted since the start", metrics.change_sets.clone());
        registry.register("batch_size", "change sets in one published batch", metrics.batch_size.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "publish",
            "from a built batch to its durability",
            seconds.clone(),
            metrics.publish_seconds.clone(),
        );
        registry.register_with_unit(
            "queue",
            "from a write's arrival to its batch",
            seconds.clone(),
            metrics.queue_seconds.clone(),
        );
        registry.register("packs_folded", "small packs that were folded", metrics.packs_folded.clone());
        registry.register(
            "history_rebuilt_change_sets",
            "change sets followed at the start",
            metrics.rebuilt_change_sets.clone(),
        );
        registry.register_with_unit(
            "history_rebuild",
            "time it took to follow them",
            seconds,
            metrics.rebuild_seconds.clone(),
        );
        metrics
    }

    /// Everything in the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

impl ProjectMetrics {
    /// Notes a published batch.
    pub fn batch(&self, size: usize, publishing: Duration) {
        self.change_sets.inc_by(size as u64);
        self.batch_size.observe(size as f64);
        self.publish_seconds.observe(publishing.as_secs_f64());
    }

    /// Notes how long writes waited for their batch.
    pub fn queue_wait(&self, waits: impl Iterator<Item = Duration>) {
        waits.for_each(|wait| self.queue_seconds.observe(wait.as_secs_f64()));
    }

    /// Notes the last change set.
    pub fn sequence(&self, sequence: Sequence) {
        self.sequence.set(i64::try_from(sequence.0).unwrap_or(i64::MAX));
    }

    /// Notes the oldest change set after which the project can be seen.
    pub fn oldest_sequence(&self, sequence: Sequence) {
        self.oldest_sequence.set(i64::try_from(sequence.0).unwrap_or(i64::MAX));
    }

    /// Notes packs that were folded.
    pub fn folded(&self, packs: usize) {
        self.packs_folded.inc_by(packs as u64);
    }

    /// Notes that the history index was brought up to date.
    pub fn rebuilt(&self, change_sets: usize, seconds: f64) {
        self.rebuilt_change_sets.set(i64::try_from(change_sets).unwrap_or(i64::MAX));
        self.rebuild_seconds.set(seconds);
    }
}
