//! Reads of an account with a thousand rules, beside those of callers without a credential; its writes, beside those of
//! an administrator.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::Setting;
use super::traffic::{Reads, writes};
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server, value_target};
use crate::bench::data::{Layout, Shape};
use crate::bench::load::{HttpClient, Origin};
use crate::bench::pairing::{Side, paired_ratio};
use crate::bench::report::{Bar, Measure, Row};

const SCENARIO: &str = "access";
const CONNECTIONS: usize = 64;
/// Of each side.
const WRITERS: usize = 64;
const VALUE_BYTES: usize = 300;
const DISTINCT_READS: usize = 20_000;
const PAIRS: u64 = 7;
const RUN: Duration = Duration::from_secs(1);

/// The account, the team that its rules name, and how many of them there are.
const ACCOUNT: &str = "service";
const RULES: usize = 1_000;

/// Measures `GET /v1/config/…` and `PUT /api/config/…` of one server that lets in all of them.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("access: making a project with 1,000 rules");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let services = services_of(&shape);
    let files = [("meta/access.yaml", access_file(&services))];
    let project = Project::create_with(&setting.program, setting.work(), "access", &shape, &files).await?;
    let key = project.issue_key(ACCOUNT).await?;
    let server = project.serve_with(&["--anonymous", "reader"]).await?;
    let targets: Vec<String> = (0..shape.entries())
        .map(|entry| shape.path(entry))
        .filter(|path| services.contains(&service_of(path)))
        .map(|path| value_target(&path))
        .take(DISTINCT_READS)
        .collect();
    let side = async |key: Option<String>| -> Result<Side<'_, HttpClient>, BenchError> {
        let origin = Origin::new(server.address(), key);
        let reads = Reads::of_targets(&origin, &targets);
        let clients = HttpClient::open_many(&origin, CONNECTIONS, |number| reads.traffic(number)).await?;
        Ok(Side::new(clients, || server.usage()))
    };
    setting.tell("access: reading with and without a key");
    let (run, pairs) = (setting.lasting(RUN), setting.scaled(PAIRS).max(2));
    let (mut anonymous, mut authorized) = (side(None).await?, side(Some(key.clone())).await?);
    anonymous.warm_up(run / 2).await;
    authorized.warm_up(run / 2).await;
    let ratio = paired_ratio(&mut anonymous, &mut authorized, pairs, run).await?;
    let latency = |side: &Side<'_, HttpClient>| Measure::latency(side.total().latency.quantile(0.99));
    let row =
        Row::shown(SCENARIO, "GET of an account with 1,000 rules against one without a credential", ratio)
            .judged(Bar::AtLeast(0.9), Bar::AtLeast(0.95))
            .noted(format!("64 connections; p99 {} and {}", latency(&authorized), latency(&anonymous)))
            .checked(&anonymous.total())
            .checked(&authorized.total());
    drop((anonymous, authorized));
    let writing = write_row(setting, &server, shape, key).await?;
    server.stop().await?;
    Ok(vec![row, writing])
}

/// What it costs that every write is asked of the rules.
async fn write_row(setting: &Setting, server: &Server, shape: Shape, key: String) -> Result<Row, BenchError> {
    setting.tell("access: writing as the account and as an administrator");
    let service = Origin::new(server.address(), Some(key));
    let side = async |origin: &Origin, first: usize| -> Result<Side<'_, HttpClient>, BenchError> {
        let traffic = |number| writes(origin, shape, first + number);
        let clients = HttpClient::open_many(origin, WRITERS, traffic).await?;
        Ok(Side::new(clients, || server.usage()))
    };
    let (run, pairs) = (setting.lasting(RUN), setting.scaled(PAIRS).max(2));
    let (mut admin, mut ruled) = (side(server.origin(), 0).await?, side(&service, WRITERS).await?);
    admin.warm_up(run / 2).await;
    ruled.warm_up(run / 2).await;
    let ratio = paired_ratio(&mut admin, &mut ruled, pairs, run).await?;
    let latency = |side: &Side<'_, HttpClient>| Measure::latency(side.total().latency.quantile(0.99));
    Ok(Row::shown(SCENARIO, "PUT of an account with 1,000 rules against an administrator's", ratio)
        .noted(format!("64 writers; p99 {} and {}", latency(&ruled), latency(&admin)))
        .checked(&admin.total())
        .checked(&ruled.total()))
}

/// The object two segments below the root that holds an entry.
fn service_of(path: &str) -> String {
    path.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// The first so many of them.
fn services_of(shape: &Shape) -> BTreeSet<String> {
    let mut services = BTreeSet::new();
    for path in (0..shape.entries()).map(|entry| shape.path(entry)) {
        services.insert(service_of(&path));
        if services.len() == RULES {
            break;
        }
    }
    services
}

/// Each rule allows to read one service, one to write all of them, and all are about one account.
fn access_file(services: &BTreeSet<String>) -> String {
    let mut text = format!("accounts:\n  {ACCOUNT}: {{ kind: service, teams: [services] }}\nrules:\n");
    for service in services {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  - {{ paths: [\"{service}/**\"], teams: [services], allow: [read] }}");
    }
    text.push_str("  - { paths: [\"/**\"], teams: [services], allow: [write] }\n");
    text
}
