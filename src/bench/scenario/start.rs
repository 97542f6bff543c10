//! Starting, rebuilding what was derived, memory at rest, and the cost of a large document.

use std::time::Duration;

use super::traffic::{large_writes, writes};
use super::{REST, Setting};
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server, entry_target, value_target};
use crate::bench::data::{Layout, Shape};
use crate::bench::load::{Bounds, HttpClient, Outcome, closed_loop};
use crate::bench::report::{Bar, Measure, Row, Unit};

const SCENARIO: &str = "start";
const VALUE_BYTES: usize = 100;
/// Entries of the large document: with their keys they make 1 MiB.
const LARGE_ENTRIES: usize = 9_400;
/// Commits that the history index has to read when it is rebuilt.
const HISTORY_COMMITS: u64 = 20_000;
const HISTORY_WRITERS: usize = 256;
const STARTS: u64 = 5;
const LARGE_WRITES: u64 = 300;

/// Measures a project of 100,000 entries of 100 bytes, 9,400 of them in one document of 1 MiB.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("start: making a project");
    let rest = setting.entries().saturating_sub(LARGE_ENTRIES);
    let shape = Shape { large_entries: LARGE_ENTRIES, ..Shape::new(Layout::Nested, rest, VALUE_BYTES) };
    let project = Project::create(&setting.program, setting.work(), "start", &shape).await?;
    let mut rows = vec![memory_row(setting, &project, "after the first start").await?];
    setting.tell("start: writing a history");
    let server = project.serve().await?;
    write_history(setting, &server, shape).await?;
    server.stop().await?;
    // Before the large document has a history: one of its versions costs as much as a thousand others.
    let rebuilt = rebuild(setting, &project, &shape).await;
    setting.tell("start: writing into the large document");
    let server = project.serve().await?;
    rows.extend(write_large_document(setting, &server, shape).await?);
    server.stop().await?;
    rows.extend(start_warm(setting, &project, &shape).await?);
    rows.push(memory_row(setting, &project, "with its history").await?);
    rows.push(
        rebuilt
            .unwrap_or_else(|error| Row::failed(SCENARIO, "rebuild of the history index", error.to_string())),
    );
    Ok(rows)
}

async fn memory_row(setting: &Setting, project: &Project, when: &str) -> Result<Row, BenchError> {
    setting.tell("start: memory at rest");
    let server = project.serve().await?;
    tokio::time::sleep(REST).await;
    let usage = server.usage()?;
    server.stop().await?;
    let resident = usage.resident_bytes as f64 / 1e6;
    let what = format!("resident memory at rest, {} entries of 100 bytes, {when}", setting.entries());
    Ok(Row::shown(SCENARIO, what, Measure::of(Unit::Megabytes, [resident]))
        .judged(Bar::Below(300.0), Bar::Below(120.0))
        .noted(format!("{:.0} MB at its peak, while starting", usage.peak_bytes as f64 / 1e6)))
}

async fn write_history(setting: &Setting, server: &Server, shape: Shape) -> Result<(), BenchError> {
    let traffic = |number| writes(server.origin(), shape, number);
    let clients = HttpClient::open_many(server.origin(), HISTORY_WRITERS, traffic).await?;
    let calls = setting.scaled(HISTORY_COMMITS).div_ceil(HISTORY_WRITERS as u64);
    closed_loop(clients, Bounds { duration: Duration::from_secs(30), calls_per_client: calls }).await;
    Ok(())
}

async fn write_large_document(
    setting: &Setting,
    server: &Server,
    shape: Shape,
) -> Result<[Row; 2], BenchError> {
    let client = HttpClient::open(server.origin(), large_writes(server.origin(), shape, 0)).await?;
    let (clients, _) = closed_loop(vec![client], Bounds::calls(5)).await;
    let bounds = Bounds { duration: Duration::from_secs(30), calls_per_client: setting.scaled(LARGE_WRITES) };
    let (_, outcome) = closed_loop(clients, bounds).await;
    let row = |name: &str, quantile| large_row(name, &outcome, quantile);
    Ok([row("p50", 0.5), row("p99", 0.99).judged(Bar::Below(100.0), Bar::Below(30.0)).checked(&outcome)])
}

fn large_row(name: &str, outcome: &Outcome, quantile: f64) -> Row {
    let what = format!("one key in a 1 MiB document, 1 writer, {name}");
    Row::shown(SCENARIO, what, Measure::latency(outcome.latency.quantile(quantile)))
        .noted(format!("{} writes", outcome.latency.count()))
}

async fn start_warm(setting: &Setting, project: &Project, shape: &Shape) -> Result<[Row; 2], BenchError> {
    let (mut ready, mut first_get) = (Vec::new(), Vec::new());
    for _ in 0..setting.scaled(STARTS).max(2) {
        setting.tell("start: with a warm history index");
        let server = project.serve().await?;
        ready.push(server.spawned().elapsed().as_secs_f64());
        server.get(&value_target(&shape.path(0))).await?;
        first_get.push(server.spawned().elapsed().as_secs_f64());
        server.stop().await?;
    }
    let row = |what: String, samples| Row::shown(SCENARIO, what, Measure::of(Unit::Seconds, samples));
    let entries = setting.entries();
    Ok([
        row(format!("start on {entries} entries, warm history index: spawn to /readyz"), ready)
            .judged(Bar::Below(2.0), Bar::Below(0.5)),
        row("the same: spawn to the first GET answered".into(), first_get),
    ])
}

/// Deletes the history index and waits until envelopes have a `version` again, which is when it is whole.
async fn rebuild(setting: &Setting, project: &Project, shape: &Shape) -> Result<Row, BenchError> {
    setting.tell("start: without the history index");
    let commits = project.commits().await?;
    project.delete_history_index()?;
    let mut server = project.serve().await?;
    let ready = server.spawned().elapsed().as_secs_f64();
    server.wait_for(&entry_target(&shape.path(1)), has_version).await?;
    let whole = server.spawned().elapsed().as_secs_f64();
    server.stop().await?;
    let rate = Measure::of(Unit::PerSecond, [commits as f64 / whole]);
    Ok(Row::shown(SCENARIO, "rebuild of the history index, commits a second", rate)
        .judged(Bar::AtLeast(5_000.0), Bar::AtLeast(20_000.0))
        .noted(format!(
            "{commits} commits in {whole:.2} s from spawn, start included; ready after {ready:.2} s"
        )))
}

fn has_version(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        version: Option<u64>,
    }
    serde_json::from_slice::<Envelope>(body).is_ok_and(|envelope| envelope.version.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_without_a_version_is_not_whole() {
        assert!(has_version(br#"{"path":"/a","version":1}"#));
        assert!(!has_version(br#"{"path":"/a","value":{"version":1}}"#));
        assert!(!has_version(b"not JSON"));
    }
}
