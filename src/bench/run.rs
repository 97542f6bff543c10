//! From the command line to the report.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::args::{BenchArgs, BenchCommand, BenchOptions};
use super::etcd::{INSTALL_HINT, etcd_version};
use super::report::{Machine, Report, Row, render_markdown};
use super::scenario::{Setting, access, git, mixed, read, start, views, watch, whole, write};
use super::yardstick::{Serves, serve_yardstick};
use super::{BenchError, progress};
use crate::model::Timestamp;

/// Runs the command and writes the file asked for; gives the report, which the caller prints, or none when
/// it was the yardstick that ran.
///
/// It blocks the calling thread and brings a runtime of its own, so it must not be called from within one:
/// the load runs on a single thread, which costs a shared machine the least.
pub fn execute(args: &BenchArgs, date: Timestamp) -> Result<Option<Report>, BenchError> {
    if let Some(BenchCommand::Yardstick { listen, body, git }) = &args.command {
        let serves = match git {
            Some(repository) => Serves::Git(repository.clone()),
            None => Serves::Body(body.clone()),
        };
        return serve_yardstick(*listen, serves).map(|()| None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("starting a runtime"))?;
    let command = args.command.clone().unwrap_or(BenchCommand::All);
    let report = runtime.block_on(until_interrupted(measure(&command, &args.options, date)));
    progress::clear();
    let report = report?;
    if let Some(file) = &args.options.out {
        let written = std::fs::write(file, render_markdown(&report));
        written.map_err(BenchError::io(format!("writing {}", file.display())))?;
    }
    Ok(Some(report))
}

/// Measures on the runtime of the caller; the program of the servers is the running one.
pub async fn measure(
    command: &BenchCommand,
    options: &BenchOptions,
    date: Timestamp,
) -> Result<Report, BenchError> {
    let base = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let work = tempfile::Builder::new().prefix("confgit-bench-").tempdir_in(&base);
    let work = work.map_err(BenchError::io(format!("making a directory in {}", base.display())))?;
    let machine = Machine::describe(work.path()).await;
    let setting = Setting {
        program: std::env::current_exe().map_err(BenchError::io("finding this program"))?,
        work: PathBuf::from(work.path()),
        mixed_duration: Duration::from_secs(options.seconds),
        writers: options.writers.iter().copied().map(usize::from).collect(),
        quick: options.quick,
        etcd: etcd_version().await.is_some(),
        progress: progress::on_terminal(),
    };
    let rows = run_scenarios(command, &setting).await?;
    let notes = notes(&setting, &machine);
    let mut report = Report { date, machine, rows, notes };
    if options.quick {
        report.withhold_verdicts();
    }
    Ok(report)
}

/// Scenarios are independent: one that cannot run becomes a failed row, and the next one starts.
async fn run_scenarios(command: &BenchCommand, setting: &Setting) -> Result<Vec<Row>, BenchError> {
    let chosen = |one: &'static str| match command {
        BenchCommand::Read => one == "read",
        BenchCommand::Access => one == "access",
        BenchCommand::Write => one == "write",
        BenchCommand::Mixed => one == "mixed",
        BenchCommand::Start => one == "start",
        BenchCommand::Views => one == "views",
        BenchCommand::Whole => one == "whole",
        BenchCommand::Watch => one == "watch",
        BenchCommand::Git => one == "git",
        BenchCommand::All => true,
        BenchCommand::Yardstick { .. } => false,
    };
    let mut rows = Vec::new();
    let mut add = |scenario, result: Result<Vec<Row>, BenchError>| match result {
        Ok(measured) => rows.extend(measured),
        Err(error) => rows.push(Row::failed(scenario, "the scenario", error.to_string())),
    };
    if chosen("read") {
        add("read", read::run(setting).await);
    }
    if chosen("access") {
        add("access", access::run(setting).await);
    }
    if chosen("write") {
        add("write", write::run(setting).await);
    }
    if chosen("mixed") {
        add("mixed", mixed::run(setting).await);
    }
    if chosen("start") {
        add("start", start::run(setting).await);
    }
    if chosen("views") {
        add("views", views::run(setting).await);
    }
    if chosen("whole") {
        add("whole", whole::run(setting).await);
    }
    if chosen("watch") {
        add("watch", watch::run(setting).await);
    }
    if chosen("git") {
        add("git", git::run(setting).await);
    }
    Ok(rows)
}

fn notes(setting: &Setting, machine: &Machine) -> Vec<String> {
    let mut notes = Vec::new();
    if !setting.etcd {
        notes.push(INSTALL_HINT.into());
    }
    if setting.quick {
        notes.push("a quick run: a tenth of the data, short loads, no verdicts".into());
    }
    if machine.filesystem == "tmpfs" {
        notes.push("the data is on a tmpfs, where a flush costs nothing; choose a disk with --dir".into());
    }
    if machine.busy_cores > 0.2 {
        notes.push(format!("others kept {:.1} cores busy before the bench began", machine.busy_cores));
    }
    notes
}

/// Ends early on Ctrl-C and on a termination signal, so that dropping the work stops the servers.
async fn until_interrupted<T>(work: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(BenchError::io("watching for signals"))?;
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(BenchError::Interrupted),
        _ = terminate.recv() => Err(BenchError::Interrupted),
    }
}
