//! Git over HTTP: pushes, clones beside `git http-backend`, and pushes while the API writes.

use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Setting;
use super::traffic::writes;
use crate::bench::BenchError;
use crate::bench::confgit::{Project, Server};
use crate::bench::data::{Layout, Shape};
use crate::bench::load::{Bounds, Connection, HttpClient, Origin, Schedule, closed_loop, open_loop};
use crate::bench::report::{Bar, Measure, Row, Unit};
use crate::bench::yardstick::Yardstick;

const SCENARIO: &str = "git";
const VALUE_BYTES: usize = 100;
/// Pushes of one changed file, one after the other.
const PUSHES: u64 = 30;
/// Commits that are cloned besides the first.
const COMMITS: u64 = 10_000;
const CLONES: u64 = 5;
/// What is asked of the server at once, in a second.
const PUSHES_PER_SECOND: f64 = 50.0;
const WRITES_PER_SECOND: f64 = 500.0;
const PUSHERS: usize = 16;
const WRITERS: usize = 64;
/// How long small packs take to be folded: their grace, and a moment.
const FOLDED: Duration = Duration::from_secs(8);
const NO_ID: &str = "0000000000000000000000000000000000000000";

/// Measures pushes and clones of a project of 100,000 entries.
pub async fn run(setting: &Setting) -> Result<Vec<Row>, BenchError> {
    setting.tell("git: making a project");
    let shape = Shape::new(Layout::Nested, setting.entries(), VALUE_BYTES);
    let project = Project::create(&setting.program, setting.work(), "git", &shape).await?;
    let server = project.serve().await?;
    let clone = Clone::new(setting, &server)?;
    let mut rows = vec![one_after_the_other(setting, &server, &clone).await?];
    rows.extend(beside_writes(setting, (&project, &server), &clone, shape).await?);
    rows.push(clones(setting, (&project, &server), shape).await?);
    server.stop().await?;
    Ok(rows)
}

/// A clone with a working tree.
struct Clone {
    dir: PathBuf,
}

impl Clone {
    fn new(setting: &Setting, server: &Server) -> Result<Self, BenchError> {
        let dir = setting.work().join("git-clone");
        git(setting.work(), &["clone", "-q", &url(server.origin()), &dir.to_string_lossy()], b"")?;
        Ok(Clone { dir })
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, BenchError> {
        git(&self.dir, arguments, input)
    }

    fn word(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let printed = self.git(arguments, b"")?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// What a client sends to bring a ref from one commit to another.
    fn push(
        &self,
        origin: &Origin,
        (old, new): (&str, &str),
        base: &str,
        name: &str,
    ) -> Result<Vec<u8>, BenchError> {
        let revisions = format!("{new}\n^{base}\n");
        let pack = self.git(&["pack-objects", "--stdout", "--revs", "--thin", "-q"], revisions.as_bytes())?;
        let command = format!("{old} {new} {name}\0report-status side-band-64k\n");
        let length = command.len() + 4;
        let body = [format!("{length:04x}{command}0000").as_bytes(), &pack].concat();
        let head = format!(
            "POST /config.git/git-receive-pack HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/x-git-receive-pack-request\r\ncontent-length: {}\r\n\r\n",
            origin.address(),
            origin.key().unwrap_or_default(),
            body.len()
        );
        Ok([head.as_bytes(), &body].concat())
    }
}

fn url(origin: &Origin) -> String {
    format!("http://bench:{}@{}/config.git", origin.key().unwrap_or_default(), origin.address())
}

fn git(dir: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, BenchError> {
    let what = || format!("running git {}", arguments.first().unwrap_or(&""));
    let mut command = Command::new("git");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "bench")
            .env(format!("GIT_{role}_EMAIL"), "bench@example.com");
    }
    command.args(arguments).current_dir(dir).env("GIT_TERMINAL_PROMPT", "0");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(BenchError::io(what()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(BenchError::io(what()))?;
    }
    let output = child.wait_with_output().map_err(BenchError::io(what()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(BenchError::Answer {
        request: what(),
        expected: "success".into(),
        actual: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

async fn one_after_the_other(setting: &Setting, server: &Server, clone: &Clone) -> Result<Row, BenchError> {
    setting.tell("git: pushing one changed file again and again");
    let files = clone.word(&["ls-files"])?;
    let file = clone.dir.join(files.lines().find(|name| name.ends_with(".yaml")).unwrap_or_default());
    let text = fs::read_to_string(&file).map_err(BenchError::io("reading the clone"))?;
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let name = first.split(':').next().unwrap_or_default();
    let mut connection = Connection::open(server.address()).await?;
    let mut latencies = Vec::new();
    let mut old = clone.word(&["rev-parse", "HEAD"])?;
    for number in 0..setting.scaled(PUSHES).max(3) {
        fs::write(&file, format!("{name}: push-{number}\n{rest}"))
            .map_err(BenchError::io("writing the clone"))?;
        clone.git(&["commit", "-qam", "push"], b"")?;
        let new = clone.word(&["rev-parse", "HEAD"])?;
        let request = clone.push(server.origin(), (&old, &new), &old, "refs/heads/main")?;
        let begun = Instant::now();
        let status = connection.exchange(&request).await.map_err(BenchError::io("pushing"))?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e3);
        let report = String::from_utf8_lossy(connection.body()).into_owned();
        if status != 200 || !report.contains("ok refs/heads/main") {
            let (request, expected) = ("a push".into(), "ok refs/heads/main".into());
            return Err(BenchError::Answer { request, expected, actual: report });
        }
        old = new;
    }
    let what = format!("push of one changed file into {} entries, to its report", setting.entries());
    Ok(Row::shown(SCENARIO, what, Measure::of(Unit::Milliseconds, latencies))
        .judged(Bar::Below(150.0), Bar::Below(30.0))
        .noted("the last is in force when it is reported"))
}

/// Pushes to branches of their own while the API writes to an environment's.
async fn beside_writes(
    setting: &Setting,
    (project, server): (&Project, &Server),
    clone: &Clone,
    shape: Shape,
) -> Result<Vec<Row>, BenchError> {
    let duration = setting.lasting(Duration::from_secs(60));
    // Arrivals are random: a tenth more than are expected.
    let count = (PUSHES_PER_SECOND * duration.as_secs_f64() * 1.1) as usize + 20;
    setting.tell(&format!("git: making {count} commits to push"));
    let base = clone.word(&["rev-parse", "HEAD"])?;
    let mut input = String::new();
    for number in 0..count {
        let content = format!("number: {number}\n");
        input.push_str(&format!(
            "commit refs/heads/load-{number}\ncommitter bench <bench@example.com> 1700000000 +0000\ndata 4\npush\nfrom {base}\n\
             M 644 inline load/n{number}.yaml\ndata {}\n{content}\n",
            content.len()
        ));
    }
    clone.git(&["fast-import", "--quiet"], input.as_bytes())?;
    let heads = clone.word(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/load-*"])?;
    let mut requests = VecDeque::new();
    for line in heads.lines() {
        let (new, name) = line.split_once(' ').unwrap_or_default();
        requests.push_back(clone.push(server.origin(), (NO_ID, new), &base, name)?);
    }
    let origin = server.origin();
    let requests = Arc::new(Mutex::new(requests));
    let idle = origin.get("/healthz");
    let pushers = HttpClient::open_many(origin, PUSHERS, |_| {
        let (requests, idle) = (requests.clone(), idle.clone());
        Box::new(move |out: &mut Vec<u8>| {
            let next = requests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            out.extend_from_slice(next.as_ref().unwrap_or(&idle));
        })
    })
    .await?;
    let writers = HttpClient::open_many(origin, WRITERS, |number| writes(origin, shape, number)).await?;
    setting.tell(&format!("git: {} s of pushes and writes", duration.as_secs()));
    let commits = project.commits().await?;
    let schedule = |per_second, seed| Schedule { per_second, duration, seed };
    let (pushes, puts) = tokio::join!(
        open_loop(pushers, schedule(PUSHES_PER_SECOND, 3)),
        open_loop(writers, schedule(WRITES_PER_SECOND, 4)),
    );
    let sent = count - requests.lock().unwrap_or_else(PoisonError::into_inner).len();
    let arrived = project.branches("load-").await?;
    let written = project.commits().await? - commits;
    let (put, pushed) = (puts.latency.count(), pushes.latency.count());
    let what = format!(
        "push p99 at {PUSHES_PER_SECOND}/s to branches of their own, beside {WRITES_PER_SECOND} PUT/s"
    );
    let mut push_row = Row::shown(SCENARIO, what, Measure::latency(pushes.latency.quantile(0.99)))
        .noted(format!("p50 {}; {arrived} of {sent} arrived", Measure::latency(pushes.latency.quantile(0.5))))
        .checked(&pushes);
    if arrived != sent as u64 || pushed < sent as u64 {
        push_row = Row::failed(
            SCENARIO,
            push_row.what,
            format!(
                "of {sent} pushes {arrived} branches are there, {} failed: {}",
                pushes.errors,
                pushes.first_error.as_deref().unwrap_or("-")
            ),
        );
    }
    let what = format!("PUT p99 at {WRITES_PER_SECOND}/s beside {PUSHES_PER_SECOND} pushes/s");
    let mut put_row = Row::shown(SCENARIO, what, Measure::latency(puts.latency.quantile(0.99)))
        .judged(Bar::Below(200.0), Bar::Below(50.0))
        .noted(format!("p50 {}; {written} commits", Measure::latency(puts.latency.quantile(0.5))))
        .checked(&puts);
    if written != put {
        put_row = Row::failed(
            SCENARIO,
            put_row.what,
            format!(
                "{put} answers, {written} commits, {} failed: {}",
                puts.errors,
                puts.first_error.as_deref().unwrap_or("-")
            ),
        );
    }
    Ok(vec![push_row, put_row])
}

async fn clones(
    setting: &Setting,
    (project, server): (&Project, &Server),
    shape: Shape,
) -> Result<Row, BenchError> {
    let commits = setting.scaled(COMMITS);
    setting.tell(&format!("git: writing {commits} commits to clone"));
    let origin = server.origin();
    let clients = HttpClient::open_many(origin, WRITERS, |number| writes(origin, shape, number)).await?;
    closed_loop(clients, Bounds::calls(commits / WRITERS as u64)).await;
    tokio::time::sleep(FOLDED).await;
    let backend = Yardstick::start_git(&setting.program, setting.work(), &project.repository()).await?;
    setting.tell("git: cloning");
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.scaled(CLONES).max(2) {
        let one = clone_once(setting, &url(origin)).await?;
        let other = clone_once(setting, &format!("http://{}/", backend.origin().address())).await?;
        ratios.push(one / other);
        ours.push(one);
        theirs.push(other);
    }
    let what =
        format!("clone of {} entries with {commits} commits against git http-backend", setting.entries());
    Ok(Row::shown(SCENARIO, what, Measure::of(Unit::Ratio, ratios))
        .judged(Bar::Below(1.5), Bar::Below(1.15))
        .noted(format!("{} and {}", Measure::of(Unit::Seconds, ours), Measure::of(Unit::Seconds, theirs))))
}

async fn clone_once(setting: &Setting, url: &str) -> Result<f64, BenchError> {
    let target = setting.work().join("git-cloned");
    let (dir, url, to) = (setting.work().to_owned(), url.to_owned(), target.to_string_lossy().into_owned());
    let begun = Instant::now();
    let run = move || git(&dir, &["clone", "-q", "--bare", "--single-branch", "-b", "main", &url, &to], b"");
    let ran = tokio::task::spawn_blocking(run).await;
    ran.map_err(|error| BenchError::io("cloning")(std::io::Error::other(error)))??;
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_dir_all(target).map_err(BenchError::io("removing a clone"))?;
    Ok(seconds)
}
