//! Many who listen, each on a connection of its own, and when each of them heard what.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::grpc::answers_to_pings;
use crate::bench::BenchError;
use crate::bench::histogram::Histogram;

/// What a value of the bench begins with: `<when it was sent>-<its number>-` follows, the time in nanoseconds since the
/// crowd began.
const VALUE: &str = "at-";

/// How the value of an event of confgit begins, other than the one before it.
pub const IN_EVENT: &[u8] = b"\"value\":\"at-";

/// How any value of the bench begins.
pub const ANYWHERE: &[u8] = VALUE.as_bytes();

/// How many connections are opened at once.
const OPENING: usize = 200;

/// How long a listener may take to be let in.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a crowd has heard.
#[derive(Debug)]
pub struct Heard {
    begun: Instant,
    /// What marks the beginning of a value that counts.
    mark: &'static [u8],
    latency: Mutex<Histogram>,
    /// By number of the value: how many heard it, and how long the last one took.
    values: Vec<(AtomicU64, AtomicU64)>,
    broken: AtomicU64,
}

impl Heard {
    /// Of so many values, which are found by what they begin with.
    pub fn new(values: usize, mark: &'static [u8]) -> Arc<Self> {
        let values = (0..values).map(|_| Default::default()).collect();
        Arc::new(Heard {
            begun: Instant::now(),
            mark,
            latency: Mutex::default(),
            values,
            broken: AtomicU64::new(0),
        })
    }

    /// A value that tells when it is sent, of so many bytes.
    pub fn value(&self, number: usize, bytes: usize) -> String {
        let mut value = format!("{VALUE}{}-{number}-", self.begun.elapsed().as_nanos());
        let missing = bytes.saturating_sub(value.len());
        value.extend(std::iter::repeat_n('x', missing));
        value
    }

    /// How many heard a value.
    pub fn count(&self, number: usize) -> u64 {
        self.values.get(number).map_or(0, |(count, _)| count.load(Ordering::Relaxed))
    }

    /// How many times anything was heard.
    pub fn total(&self) -> u64 {
        self.values.iter().map(|(count, _)| count.load(Ordering::Relaxed)).sum()
    }

    /// How long it took until the last one had heard a value.
    pub fn last(&self, number: usize) -> Duration {
        Duration::from_nanos(self.values.get(number).map_or(0, |(_, last)| last.load(Ordering::Relaxed)))
    }

    /// How long it took each time.
    pub fn latency(&self) -> Histogram {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many listeners lost their connection.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    /// Waits until so many have heard a value; false where that takes too long.
    pub async fn until(&self, number: usize, count: u64, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.count(number) < count {
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    }

    /// Notes all values in some bytes, and answers how many of those bytes may hold the beginning of another one.
    fn note(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&bytes[at..], self.mark) {
            let start = at + found + self.mark.len();
            // The number ends with a hyphen; what is cut off in it comes with the next bytes.
            let Some((sent, rest)) = digits(&bytes[start..]) else { return bytes.len() - (at + found) };
            let Some((number, _)) = digits(rest) else { return bytes.len() - (at + found) };
            let now = self.begun.elapsed();
            let latency = now.saturating_sub(Duration::from_nanos(sent));
            if let Some((count, last)) = self.values.get(number as usize) {
                count.fetch_add(1, Ordering::Relaxed);
                last.fetch_max(latency.as_nanos() as u64, Ordering::Relaxed);
            }
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).record(latency);
            at = start;
        }
        bytes.len().saturating_sub(at).min(self.mark.len() - 1)
    }
}

/// The number before a hyphen, and what comes after that; none where it is cut off.
fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'-')?;
    let number = std::str::from_utf8(&bytes[..end]).ok()?.parse().unwrap_or(u64::MAX);
    Some((number, &bytes[end + 1..]))
}

/// What a listener says at the beginning, and what it waits for before it counts as one.
#[derive(Clone)]
pub struct Opening {
    /// The bytes of its request.
    pub request: Bytes,
    /// What the answer holds once it is let in.
    pub expected: &'static [u8],
    /// The receive buffer of the connection, where it is another than usual.
    pub receive_bytes: Option<u32>,
    /// Whether it is HTTP/2, which asks now and then whether anybody is there.
    pub is_http2: bool,
}

/// A connection that was let in, and whether it is HTTP/2.
type Opened = Result<(TcpStream, bool), BenchError>;

/// Listeners that are connected; dropped, they hang up.
pub struct Crowd {
    tasks: JoinSet<()>,
    /// Those that never read.
    silent: Vec<TcpStream>,
}

impl Crowd {
    /// Lets so many listen.
    pub async fn gather(
        address: SocketAddr,
        openings: impl Iterator<Item = Opening>,
        heard: &Arc<Heard>,
    ) -> Result<Self, BenchError> {
        let mut crowd = Crowd { tasks: JoinSet::new(), silent: Vec::new() };
        let mut waiting: JoinSet<Opened> = JoinSet::new();
        for opening in openings {
            if waiting.len() >= OPENING {
                crowd.seat(waiting.join_next().await, heard)?;
            }
            waiting.spawn(open(address, opening));
        }
        while let Some(opened) = waiting.join_next().await {
            crowd.seat(Some(opened), heard)?;
        }
        Ok(crowd)
    }

    /// The same for some that never read anything after that.
    pub async fn gather_silent(
        address: SocketAddr,
        openings: impl Iterator<Item = Opening>,
    ) -> Result<Self, BenchError> {
        let mut crowd = Crowd { tasks: JoinSet::new(), silent: Vec::new() };
        for opening in openings {
            crowd.silent.push(open(address, opening).await?.0);
        }
        Ok(crowd)
    }

    fn seat(
        &mut self,
        opened: Option<Result<Opened, tokio::task::JoinError>>,
        heard: &Arc<Heard>,
    ) -> Result<(), BenchError> {
        let Some(Ok(opened)) = opened else { return Err(BenchError::Lost) };
        let (stream, is_http2) = opened?;
        self.tasks.spawn(listen(stream, is_http2, heard.clone()));
        Ok(())
    }
}

async fn open(address: SocketAddr, opening: Opening) -> Opened {
    if !address.ip().is_loopback() {
        return Err(BenchError::NotLoopback(address));
    }
    let failed = || BenchError::io("letting a listener in");
    let socket = tokio::net::TcpSocket::new_v4().map_err(failed())?;
    if let Some(bytes) = opening.receive_bytes {
        socket.set_recv_buffer_size(bytes).map_err(failed())?;
    }
    let mut stream = socket.connect(address).await.map_err(failed())?;
    stream.write_all(&opening.request).await.map_err(failed())?;
    let mut buffer = Vec::with_capacity(2_048);
    let let_in = async {
        while memchr::memmem::find(&buffer, opening.expected).is_none() {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, let_in).await {
        Ok(Ok(())) => Ok((stream, opening.is_http2)),
        Ok(Err(error)) => Err(failed()(error)),
        Err(_) => Err(BenchError::Answer {
            request: "a watch".into(),
            expected: String::from_utf8_lossy(opening.expected).into_owned(),
            actual: String::from_utf8_lossy(&buffer).into_owned(),
        }),
    }
}

async fn listen(mut stream: TcpStream, is_http2: bool, heard: Arc<Heard>) {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(1_024);
        match stream.read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                heard.broken.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let answers = if is_http2 { answers_to_pings(&buffer) } else { Vec::new() };
        if !answers.is_empty() && stream.write_all(&answers).await.is_err() {
            heard.broken.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let kept = heard.note(&buffer);
        let from = buffer.len() - kept;
        buffer.copy_within(from.., 0);
        buffer.truncate(kept);
        // One large answer is no reason to keep as much for each listener.
        buffer.shrink_to(2_048);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_noted_however_they_are_cut() {
        let heard = Heard::new(3, ANYWHERE);
        let text = format!("data: \"{}\" data: \"{}\"", heard.value(1, 60), heard.value(2, 10));
        for cut in 0..text.len() {
            let heard = Heard::new(3, ANYWHERE);
            let kept = heard.note(&text.as_bytes()[..cut]);
            let rest = [&text.as_bytes()[cut - kept..cut], &text.as_bytes()[cut..]].concat();
            heard.note(&rest);
            assert_eq!(
                (heard.count(0), heard.count(1), heard.count(2), heard.total()),
                (0, 1, 1, 2),
                "{cut}"
            );
        }
    }
}
