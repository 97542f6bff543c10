use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::exposition::Exposition;
use super::present::{Present, labels};
use super::{Histogram, Refusal};

/// What is measured of one project; a clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct ProjectMetrics {
    measured: Arc<Measured>,
}

#[derive(Debug)]
pub(super) struct Measured {
    name: Arc<str>,
    /// Looks up how the project is now; none once it is closed.
    present: OnceLock<Look>,
    phases: [Histogram; Phase::ALL.len()],
    batch_size: Histogram,
    change_sets: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    posted: [AtomicU64; Posted::ALL.len()],
    webhooks_waiting: AtomicU64,
    packs_folded: AtomicU64,
    failed_folds: AtomicU64,
    rebuilt_change_sets: AtomicU64,
    rebuild_nanoseconds: AtomicU64,
}

struct Look(Box<dyn Fn() -> Option<Present> + Send + Sync>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// What takes time within a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A write: from its arrival to its batch.
    Queue,
    /// A write: its precondition, the edit, and the check for new problems.
    Decide,
    /// A write: its blobs, trees and commits.
    Build,
    /// A batch: pack, flush and refs.
    Publish,
    /// A batch: history index, and the swap that lets readers see it.
    Index,
    /// A write: from its arrival to its answer.
    Write,
    /// Packs: folding small ones.
    Fold,
    /// The past: reading from the repository what a commit holds around a path.
    PastLoad,
    /// A change: from the write's arrival to its being seen by readers.
    Seen,
    /// A change: from the write's arrival to the connection of one who watches.
    Sent,
    /// A change: from the write's arrival to the word of one who watches that it follows.
    Acknowledged,
}

/// What became of an alert on its way to a webhook: the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It was taken.
    Delivered,
    /// It was not taken, and is tried again or given up.
    Failed,
    /// It was given up.
    Dead,
}

impl Posted {
    const ALL: [Posted; 3] = [Posted::Delivered, Posted::Failed, Posted::Dead];

    fn name(self) -> &'static str {
        match self {
            Posted::Delivered => "delivered",
            Posted::Failed => "failed",
            Posted::Dead => "dead",
        }
    }
}

impl Phase {
    /// All of them, in the order of their numbers.
    const ALL: [Phase; 11] = [
        Phase::Queue,
        Phase::Decide,
        Phase::Build,
        Phase::Publish,
        Phase::Index,
        Phase::Write,
        Phase::Fold,
        Phase::PastLoad,
        Phase::Seen,
        Phase::Sent,
        Phase::Acknowledged,
    ];

    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Phase::Queue => ("confgit_queue_seconds", "From a write's arrival to its batch."),
            Phase::Decide => ("confgit_decide_seconds", "Precondition, edit and check of a write."),
            Phase::Build => ("confgit_build_seconds", "Making the blobs, trees and commits of a write."),
            Phase::Publish => ("confgit_publish_seconds", "From a built batch to its durability."),
            Phase::Index => {
                ("confgit_index_seconds", "From a batch's durability to its being seen by readers.")
            }
            Phase::Write => ("confgit_write_seconds", "From a write's arrival to its answer."),
            Phase::Fold => ("confgit_fold_seconds", "Folding small packs into one."),
            Phase::Seen => (
                "confgit_propagation_seen_seconds",
                "From the arrival of a write to its being seen by readers.",
            ),
            Phase::Sent => (
                "confgit_propagation_sent_seconds",
                "From the arrival of a write to the connection of one who watches.",
            ),
            Phase::Acknowledged => (
                "confgit_propagation_acknowledged_seconds",
                "From the arrival of a write to the acknowledgement of one who watches.",
            ),
            Phase::PastLoad => {
                ("confgit_past_load_seconds", "Reading what an old commit holds around a path.")
            }
        }
    }

    fn histogram(self) -> Histogram {
        let (first_us, bounds) = match self {
            Phase::Queue => (100, 14),
            Phase::Decide | Phase::Build | Phase::Index | Phase::PastLoad => (10, 18),
            Phase::Publish | Phase::Write | Phase::Seen => (250, 14),
            Phase::Sent | Phase::Acknowledged => (250, 20),
            Phase::Fold => (1_000, 16),
        };
        Histogram::of_durations(Duration::from_micros(first_us), bounds)
    }
}

impl Default for Measured {
    fn default() -> Self {
        Measured {
            name: Arc::default(),
            present: OnceLock::new(),
            phases: Phase::ALL.map(Phase::histogram),
            batch_size: Histogram::of_counts(10),
            change_sets: AtomicU64::new(0),
            refused: Default::default(),
            posted: Default::default(),
            webhooks_waiting: AtomicU64::new(0),
            packs_folded: AtomicU64::new(0),
            failed_folds: AtomicU64::new(0),
            rebuilt_change_sets: AtomicU64::new(0),
            rebuild_nanoseconds: AtomicU64::new(0),
        }
    }
}

impl ProjectMetrics {
    pub(super) fn named(name: &str) -> Self {
        ProjectMetrics { measured: Arc::new(Measured { name: name.into(), ..Measured::default() }) }
    }

    /// Says how to look up what the project is at a scrape. The first one stays.
    pub fn look_with(&self, look: impl Fn() -> Option<Present> + Send + Sync + 'static) {
        // A project is opened once with its metrics.
        let _ = self.measured.present.set(Look(Box::new(look)));
    }

    /// Notes how long something took.
    pub fn took(&self, phase: Phase, duration: Duration) {
        self.measured.phases[phase as usize].observe(duration);
    }

    /// Notes a published batch.
    pub fn published(&self, change_sets: usize, duration: Duration) {
        self.measured.change_sets.fetch_add(change_sets as u64, Ordering::Relaxed);
        self.measured.batch_size.observe_count(change_sets);
        self.took(Phase::Publish, duration);
    }

    /// Notes a refused write.
    pub fn refused(&self, refusal: Refusal) {
        self.measured.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what became of an alert on its way to a webhook.
    pub fn posted(&self, posted: Posted) {
        self.measured.posted[posted as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many alerts wait for their webhook.
    pub fn webhooks_waiting(&self, count: usize) {
        self.measured.webhooks_waiting.store(count as u64, Ordering::Relaxed);
    }

    /// Notes packs that were folded.
    pub fn folded(&self, packs: usize, duration: Duration) {
        self.measured.packs_folded.fetch_add(packs as u64, Ordering::Relaxed);
        self.took(Phase::Fold, duration);
    }

    /// Notes packs that could not be folded.
    pub fn fold_failed(&self) {
        self.measured.failed_folds.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the history index was brought up to date.
    pub fn rebuilt(&self, change_sets: usize, duration: Duration) {
        self.measured.rebuilt_change_sets.store(change_sets as u64, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.measured.rebuild_nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn present(&self) -> Option<(Arc<str>, Present)> {
        let look = self.measured.present.get()?;
        Some((self.measured.name.clone(), look.0()?))
    }
}

pub(super) fn encode(exposition: &mut Exposition<'_>, projects: &[ProjectMetrics]) -> fmt::Result {
    let all = || projects.iter().map(|project| (labels(&project.measured.name), &*project.measured));
    for phase in Phase::ALL {
        let (name, help) = phase.describe();
        exposition.histograms(
            name,
            help,
            all().map(|(labels, measured)| (labels, &measured.phases[phase as usize])),
        )?;
    }
    let sizes = all().map(|(labels, measured)| (labels, &measured.batch_size));
    exposition.histograms("confgit_batch_size", "Change sets in one published batch.", sizes)?;
    type Count = fn(&Measured) -> &AtomicU64;
    let counters: [(&str, &str, Count); 3] = [
        ("confgit_change_sets", "Change sets accepted since the start.", |measured| &measured.change_sets),
        ("confgit_packs_folded", "Small packs that were folded.", |measured| &measured.packs_folded),
        ("confgit_failed_folds", "Times that packs could not be folded.", |measured| &measured.failed_folds),
    ];
    for (name, help, counter) in counters {
        let samples = all().map(|(labels, measured)| (labels, counter(measured).load(Ordering::Relaxed)));
        exposition.counters(name, help, samples)?;
    }
    let refused = all().flat_map(|(labels, measured)| {
        Refusal::ALL.into_iter().map(move |refusal| {
            let mut labels = labels.clone();
            labels.push(("reason", refusal.name().into()));
            (labels, measured.refused[refusal as usize].load(Ordering::Relaxed))
        })
    });
    exposition.counters("confgit_refused_writes", "Writes that were refused, by reason.", refused)?;
    let posted = all().flat_map(|(labels, measured)| {
        Posted::ALL.into_iter().map(move |result| {
            let mut labels = labels.clone();
            labels.push(("result", result.name().into()));
            (labels, measured.posted[result as usize].load(Ordering::Relaxed))
        })
    });
    exposition.counters(
        "confgit_webhook_deliveries",
        "Alerts on their way to webhooks, by what became of them.",
        posted,
    )?;
    let waiting =
        all().map(|(labels, measured)| (labels, measured.webhooks_waiting.load(Ordering::Relaxed) as f64));
    exposition.gauges("confgit_webhook_waiting", "Alerts that wait for their webhook.", waiting)?;
    let followed =
        all().map(|(labels, measured)| (labels, measured.rebuilt_change_sets.load(Ordering::Relaxed) as f64));
    exposition.gauges(
        "confgit_history_rebuilt_change_sets",
        "Change sets that the history index had to follow at the start.",
        followed,
    )?;
    let seconds = all().map(|(labels, measured)| {
        (labels, measured.rebuild_nanoseconds.load(Ordering::Relaxed) as f64 / 1e9)
    });
    exposition.gauges("confgit_history_rebuild_seconds", "How long following them took.", seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_at_their_numbers() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index, "{phase:?}");
        }
    }
}
