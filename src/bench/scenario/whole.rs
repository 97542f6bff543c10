//! What goes through everything: searches, comparisons, and imports of 100,000 entries as one change set.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Setting;
use super::traffic::{Reads, writes};
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server};
use crate::bench::data::{Layout, Shape, Values};
use crate::bench::load::{Bounds, HttpClient, closed_loop};
use crate::bench::process::run_to_end;
use crate::bench::report::{Bar, Measure, Row, Unit};

const SCENARIO: &str = "whole";
const VALUE_BYTES: usize = 100;
const CALLS: u64 = 50;
const IMPORTS: u64 = 3;
/// How long one import may take before it counts as lost.
const IMPORT_LIMIT: Duration = Duration::from_secs(300);

/// Measures searches and comparisons over 100,000 entries of 100 bytes, and imports of as many.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("whole: making a project");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "whole", &shape).await?;
    let server = project.serve().await?;
    let mut rows = searches(setting, &server).await?;
    rows.push(comparison(setting, &server, shape).await?);
    server.stop().await?;
    rows.push(import_folder(setting, &shape).await?);
    rows.push(import_export(setting).await?);
    Ok(rows)
}

async fn searches(setting: &Setting, server: &Server) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (name, query) in [
        ("a word that nothing has", "no-such-word-anywhere"),
        ("a pattern and a word that nothing has", "%2F**%2Fkey-7%20no-such-word"),
        ("a word that a tenth has, the first 1,000", "key-7"),
    ] {
        setting.tell("whole: searching");
        let target = format!("/api/config/?q={query}");
        let traffic = Reads::of_one(server.origin(), &target).traffic(0);
        let client = HttpClient::open(server.origin(), traffic).await?;
        let (clients, _) = closed_loop(vec![client], Bounds::calls(3)).await;
        let (_, outcome) = closed_loop(clients, Bounds::calls(setting.scaled(CALLS))).await;
        let what = format!("search over {} entries, {name}: p50", setting.entries());
        let row = Row::shown(SCENARIO, what, Measure::latency(outcome.latency.quantile(0.5)))
            .judged(Bar::Below(50.0), Bar::Below(20.0))
            .noted(format!("p99 {:.2} ms", outcome.latency.quantile(0.99).as_secs_f64() * 1e3))
            .checked(&outcome);
        rows.push(row);
    }
    Ok(rows)
}

/// Compares now with a hundred change sets ago.
async fn comparison(setting: &Setting, server: &Server, shape: Shape) -> Result<Row, BenchError> {
    setting.tell("whole: comparing");
    let client = HttpClient::open(server.origin(), writes(server.origin(), shape, 0)).await?;
    closed_loop(vec![client], Bounds::calls(100)).await;
    let traffic = Reads::of_one(server.origin(), "/api/diff?from=1").traffic(0);
    let client = HttpClient::open(server.origin(), traffic).await?;
    let (_, outcome) = closed_loop(vec![client], Bounds::calls(setting.scaled(CALLS))).await;
    let what = format!("diff of 100 changed entries of {}: p50", setting.entries());
    Ok(Row::shown(SCENARIO, what, Measure::latency(outcome.latency.quantile(0.5))).checked(&outcome))
}

/// 10,000 files of ten entries, kept as they are.
async fn import_folder(setting: &Setting, shape: &Shape) -> Result<Row, BenchError> {
    let tree = setting.work().join("import-tree");
    shape.write_tree(&tree)?;
    let folder = tree.join("base");
    let what =
        format!("import of {} entries in {} files as one change set", setting.entries(), shape.documents);
    let row = import(setting, what, &folder, "folder").await;
    fs::remove_dir_all(&tree).map_err(BenchError::io("removing the test data"))?;
    row
}

/// As many keys in 1,000 folders, exported from Consul.
async fn import_export(setting: &Setting) -> Result<Row, BenchError> {
    let file = setting.work().join("consul.json");
    let mut values = Values::new(7);
    let mut text = String::from("[");
    for entry in 0..setting.entries() {
        let separator = if entry == 0 { "" } else { "," };
        let value = STANDARD.encode(values.next(VALUE_BYTES));
        let (folder, key) = (entry / 100, entry % 100);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{separator}{{\"key\":\"svc-{folder:04}/key-{key}\",\"flags\":0,\"value\":\"{value}\"}}"
        );
    }
    text.push(']');
    fs::write(&file, text).map_err(BenchError::io("writing the test data"))?;
    let what = format!("import of {} keys of a Consul export as one change set", setting.entries());
    import(setting, what, &file, "consul").await
}

async fn import(setting: &Setting, what: String, source: &Path, format: &str) -> Result<Row, BenchError> {
    let mut seconds = Vec::new();
    for number in 0..setting.scaled(IMPORTS).max(2) {
        setting.tell("whole: importing");
        let empty = Shape::new(Layout::Nested, 0, VALUE_BYTES);
        let name = format!("import-{format}-{number}");
        let project = Project::create(&setting.program, setting.work(), &name, &empty).await?;
        let server = project.serve().await?;
        let url = format!("http://{}", server.address());
        let source = source.to_string_lossy();
        let arguments =
            ["import", &*source, "--format", format, "--to", "/", "--server", &url, "--token", project.key()];
        let begun = Instant::now();
        run_to_end(&setting.program, &arguments, IMPORT_LIMIT).await?;
        seconds.push(begun.elapsed().as_secs_f64());
        server.stop().await?;
    }
    Ok(Row::shown(SCENARIO, what, Measure::of(Unit::Seconds, seconds))
        .judged(Bar::Below(30.0), Bar::Below(10.0))
        .noted("from the start of the command to its end"))
}
