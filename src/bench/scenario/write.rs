//! Durable writes of single keys, beside etcd's puts.

use std::time::Duration;

use super::Setting;
use super::traffic::writes;
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server};
use crate::bench::data::{Layout, Shape};
use crate::bench::etcd::Etcd;
use crate::bench::load::{Bounds, Client, HttpClient, Outcome, closed_loop};
use crate::bench::report::{Bar, Measure, Row, Unit};

const SCENARIO: &str = "write";
const VALUE_BYTES: usize = 100;
/// Loads of each kind; their range shows how steady a figure is.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(1500);

/// What a layout must reach with 256 writers, and what the project aims at.
struct Bars {
    layout: Layout,
    is_demanding: bool,
    must_per_second: f64,
    aim_per_second: f64,
    must_p99_ms: f64,
    aim_p99_ms: f64,
}

impl Bars {
    fn name(&self) -> String {
        let demands = if self.is_demanding { ", 20 environments, 1,000 schema rules" } else { "" };
        format!("{}{demands}", self.layout.name())
    }
}

/// The aims for p99 are what the storage engine alone reached on two cores.
const BARS: [Bars; 3] = [
    Bars {
        layout: Layout::Nested,
        is_demanding: false,
        must_per_second: 4_000.0,
        aim_per_second: 8_000.0,
        must_p99_ms: 100.0,
        aim_p99_ms: 50.0,
    },
    Bars {
        layout: Layout::Flat,
        is_demanding: false,
        must_per_second: 2_000.0,
        aim_per_second: 4_000.0,
        must_p99_ms: 150.0,
        aim_p99_ms: 100.0,
    },
    Bars {
        layout: Layout::Nested,
        is_demanding: true,
        must_per_second: 1_000.0,
        aim_per_second: 3_000.0,
        must_p99_ms: 400.0,
        aim_p99_ms: 150.0,
    },
];

/// Measures `PUT /api/config/…` of values of 100 bytes by each number of writers in both layouts.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for bars in &BARS {
        rows.extend(run_layout(setting, bars).await?);
    }
    if setting.etcd {
        rows.extend(run_etcd(setting).await?);
    }
    Ok(rows)
}

async fn run_layout(setting: &Setting, bars: &Bars) -> Result<Vec<Row>, BenchError> {
    let layout = &bars.name();
    setting.tell(&format!("write: making a project of {layout}"));
    let shape =
        Shape { is_demanding: bars.is_demanding, ..Shape::new(bars.layout, setting.entries(), VALUE_BYTES) };
    let name = format!("write-{:?}-{}", bars.layout, bars.is_demanding).to_lowercase();
    let project = Project::create(&setting.program, setting.work(), &name, &shape).await?;
    let server = project.serve().await?;
    warm_up(setting, &server, shape).await?;
    let before = project.commits().await?;
    let mut rows = Vec::new();
    let mut acknowledged = 0;
    for &writers in &setting.writers {
        setting.tell(&format!("write: {writers} writers, {layout}"));
        let traffic = |number| writes(server.origin(), shape, writers * 10_000 + number);
        let clients = HttpClient::open_many(server.origin(), writers, traffic).await?;
        let (rates, total) = rounds(setting, clients).await;
        acknowledged += total.latency.count();
        rows.extend(writer_rows(bars, writers, rates, &total));
    }
    let commits = project.commits().await?.saturating_sub(before);
    rows.push(commits_row(layout, commits, acknowledged));
    server.stop().await?;
    Ok(rows)
}

async fn run_etcd(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    let etcd = Etcd::start(setting.work(), "etcd-write").await?;
    let mut rows = Vec::new();
    for &writers in &setting.writers {
        setting.tell(&format!("write: {writers} writers, etcd"));
        let clients = etcd.writers(writers, setting.entries(), VALUE_BYTES).await?;
        let (rates, total) = rounds(setting, clients).await;
        let what = format!("etcd: durable puts, {}", count(writers));
        rows.push(Row::shown(SCENARIO, what, rates).noted(latencies(&total)).checked(&total));
    }
    Ok(rows)
}

async fn warm_up(setting: &Setting, server: &Server, shape: Shape) -> Result<(), BenchError> {
    let clients = HttpClient::open_many(server.origin(), 16, |number| writes(server.origin(), shape, number));
    closed_loop(clients.await?, Bounds::lasting(setting.lasting(ROUND / 3))).await;
    Ok(())
}

async fn rounds<C: Client>(setting: &Setting, mut clients: Vec<C>) -> (Measure, Outcome) {
    let mut rates = Vec::new();
    let mut total = Outcome::default();
    for _ in 0..ROUNDS {
        let (back, outcome) = closed_loop(clients, Bounds::lasting(setting.lasting(ROUND))).await;
        clients = back;
        rates.push(outcome.per_second());
        total.merge(outcome);
    }
    (Measure::of(Unit::PerSecond, rates), total)
}

fn writer_rows(bars: &Bars, writers: usize, rates: Measure, total: &Outcome) -> Vec<Row> {
    let layout = bars.name();
    let what = format!("durable commits, {}, {layout}", count(writers));
    let rate = Row::shown(SCENARIO, what, rates).noted(latencies(total)).checked(total);
    let latency = |name: &str, quantile| {
        let what = format!("{name}, {}, {layout}", count(writers));
        Row::shown(SCENARIO, what, Measure::latency(total.latency.quantile(quantile)))
    };
    match writers {
        256 => vec![
            rate.judged(Bar::AtLeast(bars.must_per_second), Bar::AtLeast(bars.aim_per_second)).checked(total),
            latency("p99", 0.99).judged(Bar::Below(bars.must_p99_ms), Bar::Below(bars.aim_p99_ms)),
        ],
        1 => vec![rate, latency("p50", 0.5).judged(Bar::Below(6.0), Bar::Below(3.0))],
        _ => vec![rate],
    }
}

/// Every acknowledged write must be a commit that Git itself can count.
fn commits_row(layout: &str, commits: u64, acknowledged: u64) -> Row {
    let ratio = Measure::of(Unit::Ratio, [commits as f64 / acknowledged.max(1) as f64]);
    let note = format!("{commits} commits by `git rev-list`, {acknowledged} answers 200");
    Row::shown(SCENARIO, format!("commits per acknowledged write, {layout}"), ratio)
        .judged(Bar::AtLeast(1.0), Bar::AtLeast(1.0))
        .noted(note)
}

fn count(writers: usize) -> String {
    if writers == 1 { "1 writer".into() } else { format!("{writers} writers") }
}

fn latencies(total: &Outcome) -> String {
    let [p50, p99] = [0.5, 0.99].map(|quantile| Measure::latency(total.latency.quantile(quantile)));
    format!("p50 {p50}, p99 {p99}, max {}", Measure::latency(total.latency.max()))
}
