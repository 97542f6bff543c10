//! Those who watch: how soon all of them know, what each costs, and what the others notice of them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Setting;
use super::traffic::{Reads, writes};
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server, entry_target};
use crate::bench::data::{KEYS_PER_DOCUMENT, Layout, Shape};
use crate::bench::etcd::Etcd;
use crate::bench::load::{
    ANYWHERE, Bounds, Connection, Crowd, Heard, HttpClient, IN_EVENT, Opening, closed_loop, framed,
    open_stream,
};
use crate::bench::process::tcp_buffer_bytes;
use crate::bench::report::{Bar, Measure, Row, Unit};
use crate::wire::grpc::WatchRequest;

const SCENARIO: &str = "watch";
const WATCHERS: usize = 10_000;
/// How many watch one key beside etcd.
const BESIDE_ETCD: usize = 1_000;
/// How many never read.
const SILENT: usize = 100;
/// How many changes come to one who never reads, and how large each is.
const UNREAD: u64 = 2_000;
const UNREAD_BYTES: usize = 4_000;
const VALUE_BYTES: usize = 300;
/// How many changes all of them are told of.
const ROUNDS: u64 = 20;
const COMMITS_PER_SECOND: usize = 100;
const WRITERS: usize = 16;
const WATCH_METHOD: &str = "/confgit.v1.ConfigService/Watch";

/// How the first message of a watch begins: `ready`, of two bytes, a position.
const READY_MESSAGE: &[u8] = &[3 << 3 | 2, 2, 1 << 3];

/// How the value of an event begins there: JSON as the first field, of 302 bytes; the old value is another field.
const IN_MESSAGE: &[u8] = b"\x1a\xb1\x02\x0a\xae\x02\"at-";

/// How long a change may take to be heard by all before it counts as missed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures 10,000 watchers of one path and of as many, beside etcd, silent ones, and reads with all of them there.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("watch: making a project");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "watch", &shape).await?;
    let mut rows = Vec::new();
    {
        let server = project.serve().await?;
        let watchers = setting.scaled(WATCHERS as u64) as usize;
        rows.extend(all_of_one(setting, &server, &shape, watchers).await?);
        rows.extend(each_their_own(setting, &server, &shape, watchers).await?);
        server.stop().await?;
    }
    let server = project.serve().await?;
    rows.push(never_reading(setting, &server, &shape).await?);
    server.stop().await?;
    rows.extend(over_grpc(setting).await?);
    rows.extend(beside_etcd(setting, &project, &shape).await?);
    Ok(rows)
}

/// A watch of everything at or below a path.
fn watch(server: &Server, path: &str, receive_bytes: Option<u32>) -> Opening {
    let request = Bytes::from(server.origin().get(&format!("/api/config{path}?watch=true")));
    Opening { request, expected: b"event: ready", receive_bytes, is_http2: false }
}

async fn put(
    connection: &mut Connection,
    server: &Server,
    path: &str,
    value: &str,
) -> Result<(), BenchError> {
    let mut request = Vec::new();
    server.origin().put(&entry_target(path), &format!("{{\"value\":\"{value}\"}}"), &mut request);
    let status = connection.exchange(&request).await.map_err(BenchError::io("writing a watched value"))?;
    match status {
        200 | 201 => Ok(()),
        other => Err(BenchError::Answer {
            request: format!("PUT {path}"),
            expected: "200 or 201".into(),
            actual: format!("{other} {}", String::from_utf8_lossy(connection.body())),
        }),
    }
}

/// Writes the same path again and again, each time waiting until all have heard it: how long the last one took.
async fn rounds(
    server: &Server,
    path: &str,
    heard: &Heard,
    (rounds, watchers): (u64, usize),
) -> Result<(Measure, u64), BenchError> {
    let mut connection = Connection::open(server.address()).await?;
    let (mut latencies, mut missed) = (Vec::new(), 0);
    for round in 0..rounds as usize {
        put(&mut connection, server, path, &heard.value(round, VALUE_BYTES)).await?;
        if !heard.until(round, watchers as u64, PATIENCE).await {
            missed += watchers as u64 - heard.count(round);
        }
        latencies.push(heard.last(round).as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok((Measure::of(Unit::Milliseconds, latencies), missed))
}

async fn all_of_one(
    setting: &Setting,
    server: &Server,
    shape: &Shape,
    watchers: usize,
) -> Result<Vec<Row>, BenchError> {
    let path = shape.path(0);
    let reads = Reads::of_values(server.origin(), shape, 1_000);
    let read = async || -> Result<f64, BenchError> {
        let clients = HttpClient::open_many(server.origin(), 64, |number| reads.traffic(number)).await?;
        let (_, outcome) =
            closed_loop(clients, Bounds::lasting(setting.lasting(Duration::from_secs(3)))).await;
        Ok(outcome.per_second())
    };
    let write = async || -> Result<f64, BenchError> {
        let traffic = |number| writes(server.origin(), *shape, number);
        let clients = HttpClient::open_many(server.origin(), WRITERS, traffic).await?;
        let (_, outcome) =
            closed_loop(clients, Bounds::lasting(setting.lasting(Duration::from_secs(3)))).await;
        Ok(outcome.per_second())
    };
    read().await?;
    let (alone, written_alone) = (read().await?, write().await?);
    tokio::time::sleep(super::REST).await;
    let before = server.usage()?.resident_bytes;
    setting.tell("watch: letting 10,000 watchers in");
    let rounds_of = setting.scaled(ROUNDS).max(3);
    let heard = Heard::new(rounds_of as usize, IN_EVENT);
    let begun = Instant::now();
    let crowd =
        Crowd::gather(server.address(), (0..watchers).map(|_| watch(server, &path, None)), &heard).await?;
    let let_in = begun.elapsed();
    tokio::time::sleep(super::REST).await;
    let idle = server.usage()?.resident_bytes.saturating_sub(before) as f64 / watchers as f64 / 1e3;
    let (beside, written_beside) = (read().await?, write().await?);
    setting.tell("watch: telling 10,000 of one change after the other");
    let cpu = server.usage()?.cpu_seconds;
    let (latency, missed) = rounds(server, &path, &heard, (rounds_of, watchers)).await?;
    let cpu = (server.usage()?.cpu_seconds - cpu) * 1e3 / rounds_of as f64;
    let broken = heard.broken();
    drop(crowd);
    let complete = |row: Row| match missed + broken {
        0 => row,
        _ => Row::failed(SCENARIO, row.what, format!("{missed} changes were missed, {broken} watches broke")),
    };
    Ok(vec![
        complete(
            Row::shown(SCENARIO, format!("a change to all of {watchers} watchers, the last one"), latency)
                .judged(Bar::Below(300.0), Bar::Below(120.0))
                .noted(format!(
                    "from the PUT on; p50 of all {}, {cpu:.0} ms of the server's CPU each; let in within {:.1} s",
                    Measure::latency(heard.latency().quantile(0.5)),
                    let_in.as_secs_f64()
                )),
        ),
        Row::shown(SCENARIO, "memory of an idle watcher", Measure::of(Unit::Kilobytes, [idle]))
            .judged(Bar::Below(36.0), Bar::Below(16.0)),
        Row::shown(
            SCENARIO,
            format!("reads with {watchers} idle watchers against reads without"),
            Measure::of(Unit::Ratio, [beside / alone]),
        )
        .judged(Bar::AtLeast(0.9), Bar::AtLeast(0.95))
        .noted(format!("{} and {}", Unit::PerSecond.show(beside), Unit::PerSecond.show(alone))),
        Row::shown(
            SCENARIO,
            format!("writes with {watchers} idle watchers against writes without"),
            Measure::of(Unit::Ratio, [written_beside / written_alone]),
        )
        .judged(Bar::AtLeast(0.9), Bar::AtLeast(0.95))
        .noted(format!(
            "{WRITERS} writers; {} and {}",
            Unit::PerSecond.show(written_beside),
            Unit::PerSecond.show(written_alone)
        )),
    ])
}

/// The same over gRPC, each on a connection of its own as a client process has it.
async fn over_grpc(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("watch: letting 10,000 watchers in over gRPC");
    // A project of few change sets: the first answer then holds these very bytes.
    let shape = Shape::new(Layout::Nested, 1_000, VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "watch-grpc", &shape).await?;
    let server = project.serve().await?;
    let (path, watchers) = (shape.path(0), setting.scaled(WATCHERS as u64) as usize);
    let message = framed(&WatchRequest { prefixes: vec![path.clone()], ..WatchRequest::default() });
    let request = open_stream(server.address(), (WATCH_METHOD, false), server.origin().key(), &message);
    tokio::time::sleep(super::REST).await;
    let before = server.usage()?.resident_bytes;
    let rounds_of = setting.scaled(ROUNDS).max(3);
    let heard = Heard::new(rounds_of as usize, IN_MESSAGE);
    let opening = Opening { request, expected: READY_MESSAGE, receive_bytes: None, is_http2: true };
    let openings = std::iter::repeat_n(opening, watchers);
    let crowd = Crowd::gather(server.address(), openings, &heard).await?;
    tokio::time::sleep(super::REST).await;
    let idle = server.usage()?.resident_bytes.saturating_sub(before) as f64 / watchers as f64 / 1e3;
    let (latency, missed) = rounds(&server, &path, &heard, (rounds_of, watchers)).await?;
    let broken = heard.broken();
    drop(crowd);
    server.stop().await?;
    let what = format!("gRPC: a change to all of {watchers} watchers, the last one");
    let row = match missed + broken {
        0 => Row::shown(SCENARIO, what, latency).judged(Bar::Below(300.0), Bar::Below(120.0)),
        _ => Row::failed(SCENARIO, what, format!("{missed} changes were missed, {broken} watches broke")),
    };
    let memory = Measure::of(Unit::Kilobytes, [idle]);
    Ok(vec![
        row.noted("a connection each"),
        Row::shown(SCENARIO, "gRPC: memory of an idle watcher", memory)
            .judged(Bar::Below(36.0), Bar::Below(16.0)),
    ])
}

/// Each watches another document, and commits come to all of them in turn.
async fn each_their_own(
    setting: &Setting,
    server: &Server,
    shape: &Shape,
    watchers: usize,
) -> Result<Vec<Row>, BenchError> {
    setting.tell("watch: 10,000 watchers of as many paths, 100 commits a second");
    let seconds = setting.lasting(Duration::from_secs(60)).as_secs() as usize;
    let commits = seconds * COMMITS_PER_SECOND;
    let heard = Heard::new(commits, IN_EVENT);
    let documents = shape.documents.min(watchers);
    let document = |number: usize| shape.path(number % documents * KEYS_PER_DOCUMENT);
    let folder = |number: usize| {
        document(number).rsplit_once('/').map(|(above, _)| above.to_owned()).unwrap_or_default()
    };
    let openings = (0..watchers).map(|number| watch(server, &folder(number), None));
    let crowd = Crowd::gather(server.address(), openings, &heard).await?;
    let cpu = server.usage()?.cpu_seconds;
    let begun = tokio::time::Instant::now() + Duration::from_millis(100);
    let writers = (0..WRITERS).map(async |writer| -> Result<(), BenchError> {
        let mut connection = Connection::open(server.address()).await?;
        for number in (writer..commits).step_by(WRITERS) {
            tokio::time::sleep_until(
                begun + Duration::from_secs(1) * number as u32 / COMMITS_PER_SECOND as u32,
            )
            .await;
            // Far apart, one after the other.
            put(&mut connection, server, &document(number * 7_919), &heard.value(number, VALUE_BYTES))
                .await?;
        }
        Ok(())
    });
    for written in join_all(writers).await {
        written?;
    }
    let per_document = watchers.div_ceil(documents) as u64;
    let expected = commits as u64 * per_document;
    let until = Instant::now() + PATIENCE;
    while heard.total() < expected && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cpu = (server.usage()?.cpu_seconds - cpu) / seconds.max(1) as f64;
    let (latency, broken) = (heard.latency(), heard.broken());
    drop(crowd);
    let what = format!(
        "{watchers} watchers of as many paths at {COMMITS_PER_SECOND} commits/s for {seconds} s: p99"
    );
    let missed = expected.saturating_sub(heard.total());
    if missed > 0 || broken > 0 || heard.total() > expected {
        let reason = format!("of {expected} events {} were heard, {broken} watches broke", heard.total());
        return Ok(vec![Row::failed(SCENARIO, what, reason)]);
    }
    Ok(vec![
        Row::shown(SCENARIO, what, Measure::latency(latency.quantile(0.99)))
            .judged(Bar::Below(100.0), Bar::Below(20.0))
            .noted(format!(
                "from the PUT on; p50 {}, max {}, none missed, {cpu:.2} cores of the server",
                Measure::latency(latency.quantile(0.5)),
                Measure::latency(latency.max())
            )),
    ])
}

/// Futures side by side, on this task.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_pending = false;
        for (future, result) in running.iter_mut().filter(|(_, result)| result.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(done) => *result = Some(done),
                std::task::Poll::Pending => is_pending = true,
            }
        }
        if is_pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}

/// Some that never read, and what is kept for each of them.
async fn never_reading(setting: &Setting, server: &Server, shape: &Shape) -> Result<Row, BenchError> {
    setting.tell("watch: some that never read");
    let path = shape.path(0);
    let heard = Heard::new(0, IN_EVENT);
    let mut connection = Connection::open(server.address()).await?;
    // What telling costs at all is not theirs.
    let attentive =
        Crowd::gather(server.address(), (0..1).map(|_| watch(server, &path, None)), &heard).await?;
    for number in 0..setting.scaled(UNREAD) as usize {
        put(&mut connection, server, &path, &heard.value(number, UNREAD_BYTES)).await?;
    }
    tokio::time::sleep(super::REST).await;
    let (memory, kernel) = (server.usage()?.resident_bytes, tcp_buffer_bytes());
    let silent =
        Crowd::gather_silent(server.address(), (0..SILENT).map(|_| watch(server, &path, Some(16 << 10))))
            .await?;
    for number in 0..setting.scaled(UNREAD) as usize {
        put(&mut connection, server, &path, &heard.value(number, UNREAD_BYTES)).await?;
    }
    tokio::time::sleep(super::REST).await;
    let resident = server.usage()?.resident_bytes.saturating_sub(memory) as f64 / SILENT as f64 / 1e3;
    let buffers = match (kernel, tcp_buffer_bytes()) {
        (Some(before), Some(after)) => after.saturating_sub(before) as f64 / SILENT as f64 / 1e3,
        _ => 0.0,
    };
    drop((silent, attentive));
    let sent = setting.scaled(UNREAD) as f64 * UNREAD_BYTES as f64 / 1e6;
    let measure = Measure::of(Unit::Kilobytes, [resident + buffers]);
    Ok(Row::shown(SCENARIO, "memory behind a watcher that never reads", measure)
        .judged(Bar::Below(512.0), Bar::Below(128.0))
        .noted(format!(
            "{SILENT} of them, {sent:.0} MB of changes for each; {resident:.0} KB of the server and {buffers:.0} KB of the \
             kernel, which holds both ends"
        )))
}

/// A thousand watchers of one key, here and there.
async fn beside_etcd(setting: &Setting, project: &Project, shape: &Shape) -> Result<Vec<Row>, BenchError> {
    let (watchers, rounds_of) = (setting.scaled(BESIDE_ETCD as u64) as usize, setting.scaled(ROUNDS).max(3));
    setting.tell("watch: 1,000 watchers of one key");
    let server = project.serve().await?;
    let path = shape.path(0);
    tokio::time::sleep(super::REST).await;
    let before = server.usage()?.resident_bytes;
    let heard = Heard::new(rounds_of as usize, IN_EVENT);
    let crowd =
        Crowd::gather(server.address(), (0..watchers).map(|_| watch(&server, &path, None)), &heard).await?;
    tokio::time::sleep(super::REST).await;
    let memory = server.usage()?.resident_bytes.saturating_sub(before) as f64 / watchers as f64 / 1e3;
    let (latency, missed) = rounds(&server, &path, &heard, (rounds_of, watchers)).await?;
    drop(crowd);
    server.stop().await?;
    let mut latency_row =
        Row::shown(SCENARIO, format!("a change to all of {watchers} watchers, the last one"), latency);
    let mut memory_row = Row::shown(
        SCENARIO,
        format!("memory of each of {watchers} watchers"),
        Measure::of(Unit::Kilobytes, [memory]),
    );
    if missed > 0 {
        latency_row = Row::failed(SCENARIO, latency_row.what, format!("{missed} changes were missed"));
    }
    if setting.etcd {
        setting.tell("watch: 1,000 watchers of one key of etcd");
        let etcd = Etcd::start(setting.work(), "watch-etcd").await?;
        tokio::time::sleep(super::REST).await;
        let before = etcd.usage()?.resident_bytes;
        let heard = Heard::new(rounds_of as usize, ANYWHERE);
        let crowd = etcd.watchers(watchers, &heard).await?;
        tokio::time::sleep(super::REST).await;
        let memory = etcd.usage()?.resident_bytes.saturating_sub(before) as f64 / watchers as f64 / 1e3;
        let mut latencies = Vec::new();
        for round in 0..rounds_of as usize {
            etcd.put_watched(&heard.value(round, VALUE_BYTES)).await?;
            let is_heard = heard.until(round, watchers as u64, PATIENCE).await;
            latencies.push(if is_heard { heard.last(round).as_secs_f64() * 1e3 } else { f64::INFINITY });
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(crowd);
        let theirs = Measure::of(Unit::Milliseconds, latencies);
        latency_row = latency_row.noted(format!("etcd: {theirs}"));
        memory_row = memory_row.noted(format!("etcd: {}", Unit::Kilobytes.show(memory)));
    }
    Ok(vec![latency_row, memory_row])
}
