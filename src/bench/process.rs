//! The servers under load: processes of their own, measured from outside and stopped when dropped.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::BenchError;

/// How long a server may take to say that it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Ticks per second of the times in `/proc/PID/stat`: part of Linux's interface, 100 on every machine that
/// confgit is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: u32,
    log: PathBuf,
}

/// What a process has used, at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Seconds of CPU in user and kernel mode since it started.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
}

impl Process {
    /// Starts a program; its standard error goes to the file `log`.
    pub fn start(program: &Path, arguments: &[&str], log: PathBuf) -> Result<Self, BenchError> {
        let name = describe(program, arguments);
        let stderr = fs::File::create(&log).map_err(BenchError::io("creating a log file"))?;
        let mut command = isolated(program);
        command.args(arguments).stderr(stderr).stdout(Stdio::piped()).stdin(Stdio::piped());
        command.kill_on_drop(true);
        let child = command.spawn().map_err(BenchError::io(format!("starting `{name}`")))?;
        let pid = child.id().ok_or(BenchError::Lost)?;
        Ok(Process { name, child, pid, log })
    }

    /// Waits for the line `listening on ADDRESS` and gives the address.
    pub async fn listening(&mut self) -> Result<SocketAddr, BenchError> {
        let Some(stdout) = self.child.stdout.take() else { return Err(BenchError::Lost) };
        let mut lines = BufReader::new(stdout).lines();
        match tokio::time::timeout(START_LIMIT, find_address(&mut lines)).await {
            Err(_) => Err(self.not_ready(START_LIMIT)),
            Ok(None) => {
                let status = self.child.wait().await.map_err(BenchError::io("waiting for a server"))?;
                Err(self.failed(status))
            }
            Ok(Some(address)) => {
                // A server that goes on writing must not block on a full pipe, nor fail on a closed one.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok(address)
            }
        }
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.pid);
            fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))
        };
        let cpu_seconds = parse_cpu_seconds(&read("stat")?);
        let status = read("status")?;
        let usage = || {
            Some(Usage {
                cpu_seconds: cpu_seconds?,
                resident_bytes: parse_bytes(&status, "VmRSS:")?,
                peak_bytes: parse_bytes(&status, "VmHWM:")?,
            })
        };
        usage().ok_or(BenchError::Lost)
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw) {
            // A server that has ended already is what was wanted.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await.map_err(BenchError::io("stopping a server"))?;
        }
        Ok(())
    }

    /// The error of a server that did not get ready in time.
    pub fn not_ready(&self, waited: Duration) -> BenchError {
        BenchError::NotReady { program: self.name.clone(), waited, log: last_lines(&self.log) }
    }

    fn failed(&self, status: ExitStatus) -> BenchError {
        BenchError::Program {
            program: self.name.clone(),
            reason: format!("{status}: {}", last_lines(&self.log)),
        }
    }
}

/// Seconds of CPU that the bench itself has used: the load generator's share of the machine.
pub fn own_cpu_seconds() -> Result<f64, BenchError> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(BenchError::io("reading /proc/self/stat"))?;
    parse_cpu_seconds(&stat).ok_or(BenchError::Lost)
}

/// What the kernel holds for all connections of this machine, in bytes.
pub fn tcp_buffer_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let pages: u64 = line.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

/// Runs a program to its end and gives its standard output.
pub async fn run_to_end(program: &Path, arguments: &[&str], limit: Duration) -> Result<String, BenchError> {
    let name = describe(program, arguments);
    let mut command = isolated(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = tokio::time::timeout(limit, command.output()).await else {
        return Err(BenchError::NotReady { program: name, waited: limit, log: String::new() });
    };
    let output = output.map_err(BenchError::io(format!("running `{name}`")))?;
    if !output.status.success() {
        let reason = format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        return Err(BenchError::Program { program: name, reason });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command that the caller's own confgit settings do not reach.
fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONFGIT_") || name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    command
}

fn describe(program: &Path, arguments: &[&str]) -> String {
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let shown: Vec<&str> = arguments.iter().take(2).copied().collect();
    format!("{program} {}", shown.join(" ")).trim_end().to_owned()
}

async fn find_address(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<SocketAddr> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.trim().strip_prefix("listening on ").and_then(parse_address) {
            return Some(address);
        }
    }
    None
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    text.trim_start_matches("http://").trim_end_matches('/').parse().ok()
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

/// User and kernel time are fields 14 and 15; the name in field 2 may itself hold spaces and parentheses.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn parse_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(parse_cpu_seconds(stat), Some(3.0));
        assert_eq!(parse_bytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2 * 1024 * 1024));
        assert_eq!(parse_bytes("Name:\tx\n", "VmRSS:"), None);
    }

    #[test]
    fn addresses_are_read_with_and_without_scheme() {
        assert_eq!(parse_address("127.0.0.1:80"), parse_address("http://127.0.0.1:80/"));
        assert_eq!(parse_address("somewhere"), None);
    }
}
