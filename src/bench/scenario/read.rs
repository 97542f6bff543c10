//! Authenticated reads of single values, beside a bare handler and etcd.

use std::time::Duration;

use bytes::Bytes;

use super::Setting;
use super::traffic::Reads;
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server, value_target};
use crate::bench::data::{Layout, Shape, Values};
use crate::bench::etcd::Etcd;
use crate::bench::load::{Client, GrpcClient, HttpClient, Origin, framed};
use crate::bench::pairing::{Side, paired_ratio};
use crate::bench::report::{Bar, Measure, Row};
use crate::bench::yardstick::Yardstick;
use crate::wire::grpc::GetRequest;

const SCENARIO: &str = "read";
const CONNECTIONS: usize = 64;
const VALUE_BYTES: usize = 300;
/// Entries asked for: enough that the processor's caches do not hold them all.
const DISTINCT_READS: usize = 20_000;
/// How gRPC clients are connected.
const GRPC_CONNECTIONS: usize = 8;
const GRPC_STREAMS: usize = 8;
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
    // The same requests to both: sending them costs the load generator, which has half of the machine, the same.
    let same = Origin::new(yardstick.origin().address(), server.origin().key().map(str::to_owned));
    let bare = Reads::of_values(&same, &shape, DISTINCT_READS);
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
            .noted("64 connections, the same requests and bytes")
            .checked(&subject.total())
            .checked(&axum.total()),
    ];
    setting.tell("read: over gRPC");
    let mut grpc = Side::new(grpc_clients(&server, &shape).await?, || server.usage());
    grpc.warm_up(run / 2).await;
    let ratio = paired_ratio(&mut axum, &mut grpc, pairs, run).await?;
    rows.push(
        Row::shown(SCENARIO, "gRPC Get against a bare axum handler", ratio)
            .judged(Bar::AtLeast(0.45), Bar::AtLeast(0.6))
            .noted(format!("{GRPC_CONNECTIONS} connections with {GRPC_STREAMS} streams each"))
            .checked(&grpc.total())
            .checked(&axum.total()),
    );
    let mut beside = side_rows("bare axum handler", &axum);
    beside.extend(side_rows("confgit over gRPC", &grpc));
    drop(grpc);
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

/// Clients that ask for several values at once, each over a connection of its own.
async fn grpc_clients(server: &Server, shape: &Shape) -> Result<Vec<GrpcClient>, BenchError> {
    let mut clients = Vec::new();
    for number in 0..GRPC_CONNECTIONS {
        let mut dice = Values::new(number as u64);
        let requests: Vec<Bytes> = (0..DISTINCT_READS / GRPC_CONNECTIONS)
            .map(|_| shape.path(dice.index(shape.entries())))
            .map(|path| framed(&GetRequest { path, ..GetRequest::default() }))
            .collect();
        let messages = Box::new(move || requests[dice.index(requests.len())].clone());
        let method = ("/confgit.v1.ConfigService/Get", server.origin().key());
        clients.push(GrpcClient::open(server.address(), method, GRPC_STREAMS, messages, VALUE_BYTES).await?);
    }
    Ok(clients)
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
