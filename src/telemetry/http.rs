use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Histogram;
use super::exposition::{Exposition, Labels};

/// What a request was about: the label `class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    /// The plain read of an entry, answered the fast way.
    PlainRead,
    /// Any other read of one path.
    Read,
    /// Lists, pages of entries, searches.
    List,
    /// The versions of a path, commits, differences.
    History,
    /// A write of one path.
    Write,
    /// Several edits or several reads in one request.
    Batch,
    /// Status, probes, metrics.
    Operations,
    /// What no route takes.
    Other,
    /// Watches, and reads that wait for a change: from the head to the answer's beginning.
    Watch,
}

impl RequestClass {
    /// All of them, in the order of their numbers.
    const ALL: [RequestClass; 9] = [
        RequestClass::PlainRead,
        RequestClass::Read,
        RequestClass::List,
        RequestClass::History,
        RequestClass::Write,
        RequestClass::Batch,
        RequestClass::Operations,
        RequestClass::Other,
        RequestClass::Watch,
    ];

    /// The class as metrics, logs and traces show it.
    pub fn name(self) -> &'static str {
        match self {
            RequestClass::PlainRead => "plain-read",
            RequestClass::Read => "read",
            RequestClass::List => "list",
            RequestClass::History => "history",
            RequestClass::Write => "write",
            RequestClass::Batch => "batch",
            RequestClass::Operations => "operations",
            RequestClass::Other => "other",
            RequestClass::Watch => "watch",
        }
    }
}

/// The classes of statuses: the label `status`. What is below 200 is no answer.
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The bounds of a request's duration: 1 µs, doubled up to 8.4 s.
const FIRST_BOUND: Duration = Duration::from_micros(1);
const BOUNDS: usize = 24;

/// What is measured of requests and connections.
#[derive(Debug)]
pub struct HttpMetrics {
    /// By class, then by class of status.
    requests: [[Histogram; STATUSES.len()]; RequestClass::ALL.len()],
    in_flight: AtomicI64,
    connections: AtomicI64,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let histogram = |_| Histogram::of_durations(FIRST_BOUND, BOUNDS);
        HttpMetrics {
            requests: std::array::from_fn(|_| std::array::from_fn(histogram)),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
        }
    }
}

/// Something under way, until dropped.
#[derive(Debug)]
pub struct UnderWay<'a>(&'a AtomicI64);

impl<'a> UnderWay<'a> {
    fn begin(counted: &'a AtomicI64) -> Self {
        counted.fetch_add(1, Ordering::Relaxed);
        UnderWay(counted)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpMetrics {
    /// Notes an answered request.
    pub fn answered(&self, class: RequestClass, status: u16, duration: Duration) {
        let status = usize::from((status / 100).clamp(2, 5) - 2);
        self.requests[class as usize][status].observe(duration);
    }

    /// Counts a request as in flight until the answer is dropped. Plain reads never wait for anything, so
    /// they are not counted.
    pub fn request(&self) -> UnderWay<'_> {
        UnderWay::begin(&self.in_flight)
    }

    /// Counts a connection as open until the answer is dropped.
    pub fn connection(&self) -> UnderWay<'_> {
        UnderWay::begin(&self.connections)
    }

    /// How many requests of these classes were answered with these classes of status.
    fn count(&self, classes: &[RequestClass], statuses: std::ops::Range<usize>) -> u64 {
        let of_class = |class: &RequestClass| -> u64 {
            self.requests[*class as usize][statuses.clone()].iter().map(Histogram::count).sum()
        };
        classes.iter().map(of_class).sum()
    }

    pub(super) fn encode(&self, exposition: &mut Exposition<'_>) -> fmt::Result {
        let all = RequestClass::ALL;
        for (name, help, count) in [
            ("confgit_http_reads", "Plain reads that were answered.", self.count(&all[..1], 0..2)),
            (
                "confgit_http_other_requests",
                "Other requests that were answered below 400.",
                self.count(&all[1..], 0..2),
            ),
            ("confgit_http_refused_requests", "Requests answered with 4xx.", self.count(&all, 2..3)),
            ("confgit_http_failed_requests", "Requests answered with 5xx.", self.count(&all, 3..4)),
        ] {
            exposition.counters(name, help, [(Vec::new(), count)])?;
        }
        let durations = all.iter().flat_map(|class| {
            let labels = |status: usize| -> Labels<'_> {
                vec![("class", class.name().into()), ("status", STATUSES[status].into())]
            };
            self.requests[*class as usize]
                .iter()
                .enumerate()
                .map(move |(status, histogram)| (labels(status), histogram))
        });
        exposition.histograms(
            "confgit_http_request_seconds",
            "From a request's head to its answer, by class of request and of status.",
            // Most pairs never happen; a pair appears with its first request.
            durations.filter(|(_, histogram)| histogram.count() > 0),
        )?;
        for (name, help, value) in [
            (
                "confgit_http_requests_in_flight",
                "Requests being answered, plain reads aside.",
                &self.in_flight,
            ),
            ("confgit_http_connections", "Open connections.", &self.connections),
        ] {
            exposition.gauges(name, help, [(Vec::new(), value.load(Ordering::Relaxed) as f64)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_stand_at_their_numbers() {
        for (index, class) in RequestClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index, "{}", class.name());
        }
    }

    #[test]
    fn statuses_fall_into_their_class() {
        let metrics = HttpMetrics::default();
        for status in [100, 200, 299, 304, 404, 499, 500, 599, 700] {
            metrics.answered(RequestClass::Read, status, Duration::ZERO);
        }
        let counts = [0, 1, 2, 3].map(|status| metrics.count(&[RequestClass::Read], status..status + 1));
        assert_eq!(counts, [3, 1, 2, 3]);
    }
}
