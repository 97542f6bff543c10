//! Reads and writes together at a fixed rate, as a busy installation sees them.

use super::Setting;
use super::traffic::{Reads, writes};
use crate::bench::BenchError;
use crate::bench::confgit::Project;
use crate::bench::data::{Layout, Shape};
use crate::bench::load::{HttpClient, Outcome, Schedule, open_loop};
use crate::bench::report::{Bar, Measure, Row, Unit};

const SCENARIO: &str = "mixed";
const VALUE_BYTES: usize = 1000;
const READS_PER_SECOND: f64 = 10_000.0;
const WRITES_PER_SECOND: f64 = 1_000.0;
/// Connections for each kind: more than are busy at once at the latencies aimed at, so that requests wait
/// in the server and not for a connection.
const READERS: usize = 64;
const WRITERS: usize = 128;
const DISTINCT_READS: usize = 20_000;

/// Measures 10,000 GET and 1,000 PUT a second with independent arrivals over values of 1 KB.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("mixed: making a project");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "mixed", &shape).await?;
    let server = project.serve().await?;
    let origin = server.origin();
    let reads = Reads::of_values(origin, &shape, DISTINCT_READS);
    let readers = HttpClient::open_many(origin, READERS, |number| reads.traffic(number)).await?;
    let writers = HttpClient::open_many(origin, WRITERS, |number| writes(origin, shape, number)).await?;
    let duration = setting.lasting(setting.mixed_duration);
    setting.tell(&format!("mixed: {} s of reads and writes", duration.as_secs()));
    let schedule = |per_second, seed| Schedule { per_second, duration, seed };
    let before = server.usage()?;
    let (gets, puts) = tokio::join!(
        open_loop(readers, schedule(READS_PER_SECOND, 1)),
        open_loop(writers, schedule(WRITES_PER_SECOND, 2)),
    );
    let after = server.usage()?;
    server.stop().await?;
    let cores = (after.cpu_seconds - before.cpu_seconds) / duration.as_secs_f64();
    let memory = Measure::of(Unit::Megabytes, [after.resident_bytes as f64 / 1e6]);
    let mut rows = latency_rows("GET", READS_PER_SECOND, &gets, (10.0, 2.0));
    rows.extend(latency_rows("PUT", WRITES_PER_SECOND, &puts, (100.0, 25.0)));
    rows.push(
        Row::shown(SCENARIO, "resident memory at the end", memory)
            .noted(format!("the server kept {cores:.2} cores busy for {} s", duration.as_secs())),
    );
    Ok(rows)
}

fn latency_rows(method: &str, per_second: f64, outcome: &Outcome, (must_ms, aim_ms): (f64, f64)) -> Vec<Row> {
    let rate = Unit::PerSecond.show(per_second);
    let quantile = |quantile| Measure::latency(outcome.latency.quantile(quantile));
    let answered = Unit::PerSecond.show(outcome.per_second());
    let longest = Measure::latency(outcome.latency.max());
    vec![
        Row::shown(SCENARIO, format!("{method} p50 at {rate}"), quantile(0.5)),
        Row::shown(SCENARIO, format!("{method} p99 at {rate}"), quantile(0.99))
            .judged(Bar::Below(must_ms), Bar::Below(aim_ms))
            .noted(format!("{answered} answered, max {longest}"))
            .checked(outcome),
    ]
}
