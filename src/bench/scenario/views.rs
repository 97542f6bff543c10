//! Twenty environments that inherit: what they cost in memory, how fast what they resolve to is read, and how soon a
//! change of the base shows in all of them.

use std::time::{Duration, Instant};

use super::traffic::Reads;
use super::{REST, Setting};
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server, entry_target, value_target};
use crate::bench::data::{Layout, Shape, Values};
use crate::bench::load::{Connection, HttpClient};
use crate::bench::pairing::{Side, paired_ratio};
use crate::bench::report::{Bar, Measure, Row, Unit};

const SCENARIO: &str = "views";
const VALUE_BYTES: usize = 100;
const CONNECTIONS: usize = 64;
const DISTINCT_READS: usize = 10_000;
const PAIRS: u64 = 5;
const RUN: Duration = Duration::from_secs(1);
const CHANGES: u64 = 100;

/// Measures 100,000 entries of 100 bytes in `base`, of which each of 19 heirs overrides one in a hundred; every other
/// value holds a reference.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    let alone = Shape { refers: true, ..Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES) };
    let shape = Shape { is_demanding: true, ..alone };
    setting.tell("views: making a project of one environment");
    let project = Project::create(&setting.program, setting.work(), "views-alone", &alone).await?;
    let server = project.serve().await?;
    let before = resident(&server).await?;
    server.stop().await?;
    setting.tell("views: making a project of twenty environments");
    let project = Project::create(&setting.program, setting.work(), "views", &shape).await?;
    let server = project.serve().await?;
    let with = resident(&server).await?;
    let mut rows = vec![
        Row::shown(
            SCENARIO,
            "memory at rest of 20 environments with 1 % overrides each, against one",
            Measure::of(Unit::Ratio, [with / before]),
        )
        .judged(Bar::Below(2.0), Bar::Below(1.2))
        .noted(format!(
            "{with:.0} MB against {before:.0} MB, {} entries, 1,000 schema rules",
            setting.entries()
        )),
    ];
    rows.push(resolved_reads(setting, &server, &shape).await?);
    rows.push(base_change(setting, &server, &shape).await?);
    server.stop().await?;
    Ok(rows)
}

async fn resident(server: &Server) -> Result<f64, BenchError> {
    tokio::time::sleep(REST).await;
    Ok(server.usage()?.resident_bytes as f64 / 1e6)
}

/// Reads of values that an heir inherits and whose references are followed, beside reads of what a layer holds.
async fn resolved_reads(setting: &Setting, server: &Server, shape: &Shape) -> Result<Row, BenchError> {
    setting.tell("views: reading resolved values");
    let (run, pairs) = (setting.lasting(RUN), setting.scaled(PAIRS).max(2));
    let targets = |refers: bool, env: &str| -> Vec<String> {
        let entries = (0..shape.entries()).filter(|entry| Shape::holds_reference(*entry) == refers);
        entries.take(DISTINCT_READS).map(|entry| value_target(&shape.path(entry)) + env).collect()
    };
    let side = async |targets: Vec<String>| -> Result<Side<'_, HttpClient>, BenchError> {
        let reads = Reads::of_targets(server.origin(), &targets);
        let clients =
            HttpClient::open_many(server.origin(), CONNECTIONS, |number| reads.traffic(number)).await?;
        Ok(Side::new(clients, || server.usage()))
    };
    let mut plain = side(targets(false, "")).await?;
    let mut resolved = side(targets(true, "?env=heir-7")).await?;
    // What is resolved once is kept until the next change.
    plain.warm_up(run).await;
    resolved.warm_up(run * 2).await;
    let ratio = paired_ratio(&mut plain, &mut resolved, pairs, run).await?;
    Ok(Row::shown(
        SCENARIO,
        "reads of a resolved view, without secrets, against those of a layer's own entries",
        ratio,
    )
    .judged(Bar::AtLeast(0.9), Bar::AtLeast(0.97))
    .noted("64 connections, as many bytes")
    .checked(&plain.total())
    .checked(&resolved.total()))
}

/// From the sending of a write of the base to the answer of the last environment that shows it.
async fn base_change(setting: &Setting, server: &Server, shape: &Shape) -> Result<Row, BenchError> {
    setting.tell("views: changing the base");
    let mut connection = Connection::open(server.address()).await?;
    let (mut dice, mut shown) = (Values::new(9), Vec::new());
    for _ in 0..setting.scaled(CHANGES) {
        let path = shape.path(shape.inherited_entry(&mut dice));
        let value = format!("\"{}\"", dice.next(VALUE_BYTES));
        let mut put = Vec::new();
        server.origin().put(&entry_target(&path), &format!("{{\"value\":{value}}}"), &mut put);
        let begun = Instant::now();
        let status = connection.exchange(&put).await.map_err(BenchError::io("writing"))?;
        expect(status == 200, &path, "200", &status.to_string())?;
        for environment in Shape::environments() {
            let target = format!("{}?env={environment}", value_target(&path));
            let get = server.origin().get(&target);
            connection.exchange(&get).await.map_err(BenchError::io("reading"))?;
            let body = String::from_utf8_lossy(connection.body()).into_owned();
            expect(body == value, &target, &value, &body)?;
        }
        shown.push(begun.elapsed());
    }
    shown.sort();
    let p99 = shown[(shown.len() * 99).div_ceil(100) - 1];
    let p50 = Measure::latency(shown[shown.len() / 2]);
    let what = format!(
        "a change of the base in {} entries, until read in all 20 environments, p99",
        setting.entries()
    );
    Ok(Row::shown(SCENARIO, what, Measure::latency(p99))
        .judged(Bar::Below(50.0), Bar::Below(10.0))
        .noted(format!("p50 {p50}, {} changes, the 20 reads one after the other", shown.len())))
}

fn expect(holds: bool, request: &str, expected: &str, actual: &str) -> Result<(), BenchError> {
    if holds {
        return Ok(());
    }
    Err(BenchError::Answer {
        request: request.to_owned(),
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    })
}
