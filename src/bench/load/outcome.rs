//! What a load saw.

use std::time::Duration;

use crate::bench::histogram::Histogram;

/// The answers of one load, counted and timed.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// Latencies of the answers that counted.
    pub latency: Histogram,
    /// Calls that failed.
    pub errors: u64,
    /// The first failure, in words.
    pub first_error: Option<String>,
    /// From the first call to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answers that counted, per second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.latency.count() as f64 / seconds } else { 0.0 }
    }

    /// Adds what another client of the same load saw.
    pub fn merge(&mut self, other: Outcome) {
        self.latency.merge(&other.latency);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    pub(super) fn fail(&mut self, message: String) {
        self.errors += 1;
        self.first_error.get_or_insert(message);
    }
}
