use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::etcd::etcd_version;
use crate::bench::process::run_to_end;

/// What the figures depend on besides the code.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Machine {
    /// Version of confgit.
    pub confgit: String,
    /// The processor as it names itself.
    pub cpu: String,
    /// Cores that the bench and the servers share.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// The filesystem under the data.
    pub filesystem: String,
    /// Median milliseconds to create and flush a file of 1 KB there.
    pub flush_ms: f64,
    /// Version of Git.
    pub git: String,
    /// Version of etcd.
    pub etcd: String,
    /// Cores that others kept busy before the bench began.
    pub busy_cores: f64,
}

impl Machine {
    /// Looks at this machine, with the data under the directory `work`.
    pub async fn describe(work: &Path) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let git = run_to_end(Path::new("git"), &["--version"], Duration::from_secs(10)).await;
        Machine {
            confgit: format!("{} ({})", env!("CARGO_PKG_VERSION"), build()),
            cpu: cpu.map_or("unknown", |cpu| cpu.trim_start_matches([' ', '\t', ':'])).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: parse_memory_bytes(&read("/proc/meminfo")).unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem: find_filesystem(&read("/proc/mounts"), work),
            flush_ms: flush_ms(work).unwrap_or(0.0),
            git: git.map_or_else(|_| "not found".into(), |text| text.trim().to_owned()),
            etcd: etcd_version().await.unwrap_or_else(|| "not found".into()),
            busy_cores: busy_cores().await.unwrap_or(0.0),
        }
    }

    /// One line for a terminal.
    pub fn summary(&self) -> String {
        format!(
            "confgit {}; {} cores {}, shared with the load; {:.0} GB; Linux {}; {}, flush {:.2} ms; {}; {}; {:.2} cores busy before",
            self.confgit,
            self.cores,
            self.cpu,
            self.memory_bytes as f64 / 1e9,
            self.kernel,
            self.filesystem,
            self.flush_ms,
            self.git,
            self.etcd,
            self.busy_cores,
        )
    }
}

/// A debug build measures nothing that matters, so the report must say when it is one.
fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug build: figures are worthless" } else { "release build" }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn parse_memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The type of the mount with the longest path that contains the directory.
fn find_filesystem(mounts: &str, directory: &Path) -> String {
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let covering = mounted.filter(|(path, _)| directory.starts_with(path));
    // Of mounts at one path the last one is seen.
    let found = covering.max_by_key(|(path, _)| path.as_os_str().len());
    found.map_or("unknown filesystem", |(_, kind)| kind).to_owned()
}

fn flush_ms(work: &Path) -> std::io::Result<f64> {
    let mut samples = Vec::new();
    for _ in 0..21 {
        let mut file = tempfile::tempfile_in(work)?;
        let started = Instant::now();
        file.write_all(&[b'x'; 1024])?;
        file.sync_all()?;
        samples.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(super::Measure::of(super::Unit::Milliseconds, samples).median)
}

async fn busy_cores() -> Option<f64> {
    let before = parse_busy_ticks(&read("/proc/stat"))?;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = parse_busy_ticks(&read("/proc/stat"))?;
    Some((after - before) / 100.0 / started.elapsed().as_secs_f64())
}

/// Ticks of all cores that were neither idle nor waiting for a disk.
fn parse_busy_ticks(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().take(8).sum::<f64>() - ticks.get(3)? - ticks.get(4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(parse_memory_bytes("MemTotal:       2 kB\nMemFree: 1 kB\n"), Some(2048));
        assert_eq!(parse_busy_ticks("cpu  10 1 5 1000 50 2 3 4 0 0\ncpu0 1\n"), Some(25.0));
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n";
        assert_eq!(find_filesystem(mounts, Path::new("/")), "ext4");
        assert_eq!(find_filesystem("", Path::new("/")), "unknown filesystem");
    }
}
