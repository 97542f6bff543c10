//! Authenticated reads of single values, beside a bare handler and etcd.

use std::time::Duration;

use super::Setting;
use super::traffic::Reads;
use crate::bench::BenchError;
use crate::bench::confgit::{Project, value_target};
use crate::bench::data::{Layout, Shape};
use crate::bench::etcd::Etcd;
use crate::bench::load::{Client, HttpClient};
use crate::bench::pairing::{Side, paired_ratio};
use crate::bench::report::{Bar, Measure, Row};
use crate::bench::yardstick::Yardstick;

const SCENARIO: &str = "read";
const CONNECTIONS: usize = 64;
const VALUE_BYTES: usize = 300;
/// Entries asked for: enough that the processor's caches do not hold them all.
const DISTINCT_READS: usize = 20_000;
const PAIRS: u64 = 5;
const RUN: Duration = Duration::from_secs(1);

/// Measures `GET /v1/config/…` of values of 300 bytes over 64 connections.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("read: making a project");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "read", &shape).await?;
    let server = project.serve().await?;
    let body = server.get(&value_target(&shape.path(0))).await?;
    let yardstick =
        Yardstick::start(&setting.program, setting.work(), &String::from_utf8_lossy(&body)).await?;
    let (run, pairs) = (setting.lasting(RUN), setting.scaled(PAIRS).max(2));

    let reads = Reads::of_values(server.origin(), &shape, DISTINCT_READS);
    let clients = HttpClient::open_many(server.origin(), CONNECTIONS, |number| reads.traffic(number)).await?;
    let mut subject = Side::new(clients, || server.usage());
    let bare = Reads::of_one(yardstick.origin(), "/v1/config/team-00/svc-00/config/key-0");
    let clients =
        HttpClient::open_many(yardstick.origin(), CONNECTIONS, |number| bare.traffic(number)).await?;
    let mut axum = Side::new(clients, || yardstick.usage());

    setting.tell("read: beside a bare axum handler");
    axum.warm_up(run / 2).await;
    subject.warm_up(run / 2).await;
    let ratio = paired_ratio(&mut axum, &mut subject, pairs, run).await?;
    let mut rows = vec![
        Row::shown(SCENARIO, "authenticated GET against a bare axum handler", ratio)
            .judged(Bar::AtLeast(0.75), Bar::AtLeast(0.9))
            .noted("64 connections, the same bytes")
            .checked(&subject.total())
            .checked(&axum.total()),
    ];
    let mut beside = side_rows("bare axum handler", &axum);
    if setting.etcd {
        setting.tell("read: beside etcd");
        let etcd = Etcd::start(setting.work(), "etcd-read").await?;
        etcd.store(body.clone()).await?;
        let clients = etcd.readers(CONNECTIONS, body.len()).await?;
        let mut range = Side::new(clients, || etcd.usage());
        range.warm_up(run / 2).await;
        let ratio = paired_ratio(&mut range, &mut subject, pairs, run).await?;
        rows.push(
            Row::shown(SCENARIO, "authenticated GET against etcd's serializable range", ratio)
                .judged(Bar::AtLeast(2.0), Bar::AtLeast(4.0))
                .noted("gRPC, 64 connections with one stream each")
                .checked(&subject.total())
                .checked(&range.total()),
        );
        beside.extend(side_rows("etcd serializable range", &range));
    }
    rows.extend(side_rows("confgit", &subject));
    rows.extend(beside);
    drop(subject);
    server.stop().await?;
    Ok(rows)
}

fn side_rows<C: Client>(name: &str, side: &Side<'_, C>) -> Vec<Row> {
    let total = side.total();
    let latency = format!(
        "p50 {}, p99 {}",
        Measure::latency(total.latency.quantile(0.5)),
        Measure::latency(total.latency.quantile(0.99))
    );
    vec![
        Row::shown(SCENARIO, format!("{name}: answers a second"), side.rates())
            .noted(latency)
            .checked(&total),
        Row::shown(SCENARIO, format!("{name}: server CPU per answer"), side.server_cpu())
            .noted(format!("load generator {}", side.generator_cpu())),
    ]
}
