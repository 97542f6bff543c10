//! Latencies in logarithmic buckets.

use std::time::Duration;

/// Buckets of one power of two: 64 keep the error of a quantile under 1.6 %.
const STEPS_LOG2: u32 = 6;
const STEPS: u64 = 1 << STEPS_LOG2;
/// 2^40 ns are 18 minutes: longer than any load of the bench may last.
const POWERS: u64 = 40 - STEPS_LOG2 as u64 + 1;
const BUCKETS: usize = (STEPS * POWERS) as usize;

/// A histogram of latencies from 1 ns to 18 minutes, in 18 KB, with an error under 1.6 %.
///
/// The layout is that of HdrHistogram: below 64 ns one bucket a nanosecond, above it 64 buckets for each
/// power of two. Longer latencies count in the last bucket; `max` and `mean` are exact.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS], count: 0, sum_ns: 0, max_ns: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(ns)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds all latencies of another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest latency.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The mean latency; zero when nothing was counted.
    pub fn mean(&self) -> Duration {
        let mean = self.sum_ns.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The latency that the share `quantile` (0 to 1) of all requests did not exceed.
    ///
    /// It is the upper edge of its bucket, so that the bench never flatters; zero when nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = ((self.count as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_edge(index).min(self.max_ns));
            }
        }
        self.max()
    }
}

fn bucket_of(ns: u64) -> usize {
    let shift = ns.max(1).ilog2().saturating_sub(STEPS_LOG2);
    let index = u64::from(shift) * STEPS + (ns >> shift);
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    let step = index % STEPS + STEPS;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_within_its_bucket_and_the_error_stays_small() {
        let mut ns = 1u64;
        while ns < 1 << 39 {
            let upper = upper_edge(bucket_of(ns));
            assert!(upper >= ns, "{ns} is above its bucket, which ends at {upper}");
            assert!(upper - ns <= ns / 64, "{ns} is told as {upper}");
            ns += 1 + ns / 97;
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(upper_edge(index)), index);
            assert_eq!(bucket_of(upper_edge(index) + 1), index + 1);
        }
    }

    #[test]
    fn quantiles_count_requests() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let p50 = histogram.quantile(0.5).as_secs_f64() * 1e6;
        assert!((500.0..=508.0).contains(&p50), "{p50}");
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(1));
        assert_eq!(histogram.mean(), Duration::from_nanos(500_500));
        assert_eq!(histogram.count(), 1000);
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.99), empty.max(), empty.mean()), Default::default());
    }

    #[test]
    fn merged_histograms_hold_both() {
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        left.record(Duration::from_millis(1));
        right.record(Duration::from_hours(10));
        left.merge(&right);
        assert_eq!(left.count(), 2);
        assert_eq!(left.max(), Duration::from_hours(10));
        assert!(left.quantile(1.0) >= Duration::from_secs(1000));
    }
}
