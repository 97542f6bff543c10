//! kill -9 under load, again and again, with a thousand who watch: what each heard, in order, is the history.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::chained;
use crate::harness::{Server, TestProject, exchange, wait_for};

const WATCHERS: usize = 1_000;
const PATHS: usize = 20;
const ROUNDS: usize = 3;
/// Who comes back waits a moment, as the stream tells it to.
const PAUSE: Duration = Duration::from_millis(200);

/// What one watcher has heard: change sets with the value of each.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<(u64, String)>>,
    coalesced: AtomicU64,
    reconnects: AtomicU64,
    /// Whether the server answers it at present.
    is_open: AtomicBool,
}

/// Watches a path for as long as the test lasts, through whatever happens to the server.
async fn follow(address: String, key: String, path: String, heard: Arc<Heard>, stop: Arc<AtomicBool>) {
    let mut last = None;
    while !stop.load(Ordering::Relaxed) {
        if listen(&address, &key, &path, &heard, &mut last).await.is_err() {
            heard.is_open.store(false, Ordering::Relaxed);
            heard.reconnects.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn listen(
    address: &str,
    key: &str,
    path: &str,
    heard: &Heard,
    last: &mut Option<String>,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let from = last.as_ref().map_or("&since=1".to_owned(), |_| String::new());
    let id = last.as_ref().map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!(
        "GET /api/config{path}?watch=true{from} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n{id}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::new();
    let mut id = None;
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        heard.is_open.store(true, Ordering::Relaxed);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(number) = line.strip_prefix("id: ") {
                id = Some(number.to_owned());
            } else if let Some(data) = line.strip_prefix("data: {\"type\":\"update\"") {
                let event: Value = serde_json::from_str(&format!("{{\"type\":\"update\"{data}")).unwrap();
                if event.get("coalesced").is_some() {
                    heard.coalesced.fetch_add(1, Ordering::Relaxed);
                }
                let value = event["value"].as_str().unwrap_or_default().to_owned();
                heard.events.lock().unwrap().push((event["sequence"].as_u64().unwrap(), value));
            } else if line.is_empty() && id.is_some() {
                // The number counts once its event is there, whole.
                *last = id.take();
            }
        }
    }
}

fn serve(project: &TestProject, address: &str) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.args(["serve", project.dir().to_str().unwrap(), "--listen", address]);
    Server::spawn(command, &project.key).unwrap()
}

/// Writes until the server is gone, which is killed while all watch.
fn load(server: &Server, round: usize, all: &[Arc<Heard>]) {
    let is_killed = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let bearer = format!("Bearer {}", server.key);
                let headers = [("Host", server.address.as_str()), ("Authorization", bearer.as_str())];
                for number in 0.. {
                    let path = format!("/api/config/load/p{}", (writer * 7 + number) % PATHS);
                    let body = json!({ "value": format!("{round}-{writer}-{number}") }).to_string();
                    if exchange(&server.address, "PUT", &path, &headers, body.as_bytes()).is_err()
                        || is_killed.load(Ordering::Relaxed)
                    {
                        return;
                    }
                }
            });
        }
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(1_500));
            let is_open = |heard: &Arc<Heard>| heard.is_open.load(Ordering::Relaxed);
            wait_for("all to watch", || all.iter().all(is_open));
            let pid = server.child.id().to_string();
            assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            is_killed.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn what_each_of_a_thousand_heard_is_the_history() {
    let project = chained();
    let mut server = project.serve();
    let address = server.address.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let all: Vec<Arc<Heard>> = (0..WATCHERS).map(|_| Arc::default()).collect();
    for (number, heard) in all.iter().enumerate() {
        let path = format!("/load/p{}", number % PATHS);
        runtime.spawn(follow(address.clone(), server.key.clone(), path, heard.clone(), stop.clone()));
    }
    for round in 0..ROUNDS {
        load(&server, round, &all);
        drop(server);
        server = serve(&project, &address);
    }
    for path in 0..PATHS {
        server.put(&format!("/load/p{path}"), json!("the end"));
    }
    let has_ended =
        |heard: &Arc<Heard>| heard.events.lock().unwrap().last().is_some_and(|(_, value)| value == "the end");
    wait_for("all to have heard the end", || all.iter().all(has_ended));
    stop.store(true, Ordering::Relaxed);
    for path in 0..PATHS {
        let history = server.get(&format!("/api/config/load/p{path}/history?limit=1000")).expect(200).json();
        let mut history: Vec<(u64, String)> = history
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["sequence"].as_u64().unwrap(), item["value"].as_str().unwrap().to_owned()))
            .collect();
        history.reverse();
        assert!(history.len() > ROUNDS, "there was load");
        for heard in all.iter().skip(path).step_by(PATHS) {
            let events = heard.events.lock().unwrap();
            let mut once: Vec<(u64, String)> = Vec::new();
            for event in events.iter() {
                // What is heard twice is what was heard before.
                match once.last() {
                    Some((last, _)) if event.0 <= *last => assert!(once.contains(event), "{event:?}"),
                    _ => once.push(event.clone()),
                }
            }
            assert_eq!(once, history, "watcher of p{path}");
            assert_eq!(heard.coalesced.load(Ordering::Relaxed), 0);
            assert!(heard.reconnects.load(Ordering::Relaxed) >= ROUNDS as u64);
        }
    }
    runtime.shutdown_background();
}
