//! What is measured: one file a scenario.

pub mod access;
pub mod git;
pub mod mixed;
pub mod read;
pub mod start;
pub mod views;
pub mod watch;
pub mod whole;
pub mod write;

mod traffic;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a server is left alone before its memory is read: what its start took goes back to the system within
/// two seconds.
const REST: Duration = Duration::from_secs(3);

/// What all scenarios of a run share.
#[derive(Clone)]
pub struct Setting {
    /// The program that has `init`, `serve` and `bench yardstick`.
    pub program: PathBuf,
    /// A directory of the run's own for data and logs; removed by whoever made it.
    pub work: PathBuf,
    /// How long the mixed load lasts.
    pub mixed_duration: Duration,
    /// Numbers of writers.
    pub writers: Vec<usize>,
    /// A tenth of everything.
    pub quick: bool,
    /// Whether etcd can be started.
    pub etcd: bool,
    /// Is told, in a few words, what is being done.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Setting {
    fn tell(&self, step: &str) {
        (self.progress)(step);
    }

    /// Entries of a project: the 100,000 of every scenario, or a tenth.
    fn entries(&self) -> usize {
        if self.quick { 10_000 } else { 100_000 }
    }

    /// A number of samples, commits or calls that a quick run cuts to a tenth.
    fn scaled(&self, full: u64) -> u64 {
        if self.quick { full.div_ceil(10) } else { full }
    }

    /// A time that a quick run cuts to a fifth.
    fn lasting(&self, full: Duration) -> Duration {
        if self.quick { full / 5 } else { full }
    }

    fn work(&self) -> &Path {
        &self.work
    }
}
