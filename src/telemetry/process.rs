use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::Exposition;

/// What is told of the process: which build it is, since when it runs, what it takes.
pub(super) fn encode(exposition: &mut Exposition<'_>, started: SystemTime) -> fmt::Result {
    let version = vec![("version", env!("CARGO_PKG_VERSION").into())];
    exposition.info("confgit_build", "The build that runs.", version)?;
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    exposition.gauges(
        "process_start_time_seconds",
        "When the process started, since 1970.",
        [(Vec::new(), started)],
    )?;
    let bytes = resident_bytes().map(|bytes| (Vec::new(), bytes as f64));
    exposition.gauges("process_resident_memory_bytes", "The memory that the process has in use.", bytes)?;
    let files = open_files().map(|files| (Vec::new(), files as f64));
    exposition.gauges("process_open_fds", "How many files and sockets the process has open.", files)
}

/// What `/proc` says; none where there is no such folder.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<usize> {
    // One of them is the look itself.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}
