use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// How often something took how much, without a lock: noting a value is two relaxed additions.
///
/// The upper bounds double from bucket to bucket, so that a value's bucket is computed rather than looked for.
/// Values are whole numbers: nanoseconds of a duration, or a count.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bound of the first bucket.
    first: u64,
    /// What a value is multiplied by when it is shown.
    scale: Scale,
    /// The last one takes what is above all bounds.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Seconds,
    Count,
}

impl Histogram {
    /// A histogram of durations with this many bounds, doubling from `first`; shown in seconds.
    pub fn of_durations(first: Duration, bounds: usize) -> Self {
        Self::new(nanoseconds(first), bounds, Scale::Seconds)
    }

    /// A histogram of counts with this many bounds, doubling from 1.
    pub fn of_counts(bounds: usize) -> Self {
        Self::new(1, bounds, Scale::Count)
    }

    fn new(first: u64, bounds: usize, scale: Scale) -> Self {
        // 64 bounds are all that a number of 64 bits can tell apart.
        let buckets = (0..=bounds.min(63)).map(|_| AtomicU64::new(0)).collect();
        Histogram { first: first.max(1), scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Notes a duration.
    pub fn observe(&self, duration: Duration) {
        self.note(nanoseconds(duration));
    }

    /// Notes a count.
    pub fn observe_count(&self, count: usize) {
        self.note(count as u64);
    }

    fn note(&self, value: u64) {
        let index = self.index_of(value);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// The first bucket whose bound is not below the value.
    fn index_of(&self, value: u64) -> usize {
        let doublings = u64::BITS - (value.saturating_sub(1) / self.first).leading_zeros();
        (doublings as usize).min(self.buckets.len() - 1)
    }

    /// How many values were noted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    fn shown(&self, value: u64) -> f64 {
        match self.scale {
            Scale::Seconds => value as f64 / 1e9,
            Scale::Count => value as f64,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let last = counts.len() - 1;
        let bound = |index| {
            if index == last { f64::INFINITY } else { self.shown(self.first.saturating_mul(1_u64 << index)) }
        };
        let buckets: Vec<(f64, u64)> =
            counts.iter().enumerate().map(|(index, count)| (bound(index), *count)).collect();
        // The sum of these very buckets, for a value may be noted in between: a scrape must not contradict
        // itself.
        let count = counts.iter().sum();
        let sum = self.shown(self.sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_below_their_bound() {
        let histogram = Histogram::of_durations(Duration::from_micros(1), 4);
        for (nanoseconds, index) in [
            (0, 0),
            (1, 0),
            (1_000, 0),
            (1_001, 1),
            (2_000, 1),
            (2_001, 2),
            (4_000, 2),
            (8_000, 3),
            (8_001, 4),
            (u64::MAX, 4),
        ] {
            assert_eq!(histogram.index_of(nanoseconds), index, "{nanoseconds}");
        }
    }

    #[test]
    fn the_index_is_what_a_search_finds() {
        for first in [1, 3, 250_000] {
            let histogram = Histogram::new(first, 20, Scale::Count);
            for value in (0..5_000).chain((1..40).map(|n| n * 777_777)) {
                let found = (0..20).find(|index| value <= first << index).unwrap_or(20);
                assert_eq!(histogram.index_of(value), found, "{value} from {first}");
            }
        }
    }

    #[test]
    fn threads_lose_nothing() {
        let histogram = Histogram::of_counts(10);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|n| histogram.observe_count(n % 16)));
            }
        });
        assert_eq!(histogram.count(), 40_000);
        assert_eq!(histogram.sum.load(Ordering::Relaxed), 40_000 / 16 * 120);
    }
}
