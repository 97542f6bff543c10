//! One member of etcd, started for the bench.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{put_request, range_request, watch_request};
use crate::bench::BenchError;
use crate::bench::data::Values;
use crate::bench::load::{Client, Crowd, GrpcClient, Heard, Opening, open_stream};
use crate::bench::process::{Process, Usage, run_to_end};

/// What to say where etcd is missing.
pub const INSTALL_HINT: &str =
    "etcd is not on the PATH; rows beside it are left out (`apt-get install etcd-server`)";

/// How long it may take to elect itself.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The key that reads ask for.
const READ_KEY: &[u8] = b"/bench/read";

/// Its methods.
const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";

/// The key that is watched.
const WATCHED_KEY: &[u8] = b"/bench/watched";

/// What the answer to a request for a watch holds: the field `created` of a `WatchResponse`, set.
const CREATED: &[u8] = &[3 << 3, 1];

/// A running etcd. Dropping it kills it.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    address: SocketAddr,
}

/// The first line of `etcd --version`; `None` when there is no etcd.
pub async fn etcd_version() -> Option<String> {
    let text = run_to_end(Path::new("etcd"), &["--version"], Duration::from_secs(10)).await.ok()?;
    text.lines().next().map(str::to_owned)
}

impl Etcd {
    /// Starts it with its data under the working directory.
    pub async fn start(work: &Path, name: &str) -> Result<Self, BenchError> {
        let (clients, peers) = (free_port()?, free_port()?);
        let (client_url, peer_url) = (format!("http://{clients}"), format!("http://{peers}"));
        let data = work.join(name);
        let cluster = format!("bench={peer_url}");
        let data_text = data.to_string_lossy();
        let arguments = [
            ["--name", "bench"],
            ["--data-dir", &*data_text],
            ["--listen-client-urls", &client_url],
            ["--advertise-client-urls", &client_url],
            ["--listen-peer-urls", &peer_url],
            ["--initial-advertise-peer-urls", &peer_url],
            ["--initial-cluster", &cluster],
            ["--logger", "zap"],
            ["--log-level", "error"],
        ];
        let process = Process::start(Path::new("etcd"), arguments.as_flattened(), work.join("etcd.log"))?;
        let etcd = Etcd { process, address: clients };
        etcd.wait_until_it_writes().await?;
        Ok(etcd)
    }

    /// What its process has used.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        self.process.usage()
    }

    /// Stores the value that the readers will ask for.
    pub async fn store(&self, value: Vec<u8>) -> Result<(), BenchError> {
        self.put(READ_KEY, value).await
    }

    /// Clients that read that value, of so many bytes, with serializable ranges.
    pub async fn readers(&self, count: usize, value_bytes: usize) -> Result<Vec<GrpcClient>, BenchError> {
        let message = range_request(READ_KEY);
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let message = message.clone();
            let messages = Box::new(move || message.clone());
            clients.push(GrpcClient::open(self.address, (RANGE, None), 1, messages, value_bytes).await?);
        }
        Ok(clients)
    }

    /// Clients that put values at random keys, of which there are `keys`.
    pub async fn writers(
        &self,
        count: usize,
        keys: usize,
        value_bytes: usize,
    ) -> Result<Vec<GrpcClient>, BenchError> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let mut values = Values::new(number as u64);
            let messages = Box::new(move || {
                let key = format!("/bench/write/{:06}", values.index(keys));
                put_request(key.as_bytes(), values.next(value_bytes).as_bytes())
            });
            clients.push(GrpcClient::open(self.address, (PUT, None), 1, messages, 0).await?);
        }
        Ok(clients)
    }

    /// Listeners that each watch one key over a connection of its own, as a client process would.
    pub async fn watchers(&self, count: usize, heard: &Arc<Heard>) -> Result<Crowd, BenchError> {
        let message = watch_request(WATCHED_KEY);
        let method = ("/etcdserverpb.Watch/Watch", true);
        let request = open_stream(self.address, method, None, &message);
        let opening = Opening { request, expected: CREATED, receive_bytes: None, is_http2: true };
        let openings = std::iter::repeat_n(opening, count);
        Crowd::gather(self.address, openings, heard).await
    }

    /// Writes what they watch.
    pub async fn put_watched(&self, value: &str) -> Result<(), BenchError> {
        self.put(WATCHED_KEY, value.into()).await
    }

    async fn put(&self, key: &'static [u8], value: Vec<u8>) -> Result<(), BenchError> {
        let messages = Box::new(move || put_request(key, &value));
        let mut client = GrpcClient::open(self.address, (PUT, None), 1, messages, 0).await?;
        client.call().await.map(drop).map_err(|error| BenchError::Answer {
            request: "etcd put".into(),
            expected: "an answer without an error".into(),
            actual: error.to_string(),
        })
    }

    async fn wait_until_it_writes(&self) -> Result<(), BenchError> {
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            let attempt = tokio::time::timeout(Duration::from_secs(2), self.store(b"ready".to_vec()));
            if matches!(attempt.await, Ok(Ok(()))) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(self.process.not_ready(START_LIMIT))
    }
}

/// etcd must be told its ports; one that was free a moment ago is as good as can be had.
fn free_port() -> Result<SocketAddr, BenchError> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(BenchError::io("finding a free port"))?;
    listener.local_addr().map_err(BenchError::io("finding a free port"))
}
