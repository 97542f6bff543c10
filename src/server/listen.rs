use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::socket::Socket;
use super::streams::Streams;
use crate::api::http::Http;

/// How many connections are served at once; further ones wait in the kernel.
const MOST_CONNECTIONS: usize = 16_384;
/// How long a connection may say nothing at its beginning.
const SILENCE: Duration = Duration::from_secs(10);
/// A connection on which no request begins for so long, and none is under way, is closed: it is idle, or
/// somebody sends the head of a request a byte at a time.
const IDLE: Duration = Duration::from_secs(75);
/// How long a stopping server waits for requests under way.
const GRACE: Duration = Duration::from_secs(20);
/// The read and write buffer of a connection: bounds the head of a request.
const BUFFER_BYTES: usize = 64 << 10;

/// Accepts and serves connections until `shutdown` resolves, then lets those under way finish.
pub(super) async fn accept(listener: TcpListener, http: Http, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let http1 = http1();
    tokio::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit,
            () = &mut shutdown => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most often too many open files: waiting a moment lets some close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (http1, http, watcher) = (http1.clone(), http.clone(), graceful.watcher());
        tokio::spawn(async move {
            serve_connection((stream, peer), http1, http, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    tracing::info!("stopping: what is under way is finished first");
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// How connections of HTTP/1.1 are served, which takes a third of the memory less than of either version.
fn http1() -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.max_buf_size(BUFFER_BYTES).writev(false);
    http1
}

/// How a connection of either version is served.
fn either(streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    // Without `pipeline_flush`, which holds whole bodies in memory: hyper then flushes only when no request
    // waits, and bounds nothing meanwhile. Small answers go out in one piece as they are.
    builder.http1().max_buf_size(BUFFER_BYTES).writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1_000)
        .max_header_list_size(BUFFER_BYTES as u32)
        .max_send_buf_size(BUFFER_BYTES)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn serve_connection(
    (stream, peer): (TcpStream, SocketAddr),
    http1: http1::Builder,
    http: Http,
    watcher: Watcher,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let counting = http.clone();
    let _open = counting.metrics().connection();
    // The builder waits for the first bytes without a timer, so that wait is bounded here.
    let mut first = [0];
    if !matches!(tokio::time::timeout(SILENCE, stream.peek(&mut first)).await, Ok(Ok(1..))) {
        return;
    }
    let requests = Arc::new(Requests::default());
    let counted = requests.clone();
    let (stream, flag) = Socket::new(stream);
    // Counted by connection: what all connections count, their threads would wait for each other to count.
    let shared = Arc::new((http, flag));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = shared.clone();
        let under_way = Requests::begin(&counted);
        async move {
            let response = shared.0.answer((peer, &shared.1), request).await;
            Ok::<_, std::convert::Infallible>(under_way.until_sent(response))
        }
    });
    // Only the methods that begin so, and the preface of HTTP/2, leave open which version it is. Boxed, so that a
    // connection takes no more than the one that it is needs.
    if first[0] == b'P' {
        let streams = Streams::default();
        let connection = either(streams.clone()).serve_connection(TokioIo::new(stream), service).into_owned();
        Box::pin(until_idle(streams.with(watcher.watch(connection)), requests)).await;
    } else {
        let connection = http1.serve_connection(TokioIo::new(stream), service);
        Box::pin(until_idle(watcher.watch(connection), requests)).await;
    }
}

/// Serves a connection until it ends, or nothing happens on it for long.
async fn until_idle<E: std::fmt::Display>(
    connection: impl Future<Output = Result<(), E>>,
    requests: Arc<Requests>,
) {
    tokio::pin!(connection);
    loop {
        let begun = requests.begun.load(Ordering::Relaxed);
        tokio::select! {
            // Clients hang up as they like; that is no news.
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            () = tokio::time::sleep(IDLE) => {
                if requests.begun.load(Ordering::Relaxed) == begun && requests.under_way.load(Ordering::Relaxed) == 0 {
                    return;
                }
            }
        }
    }
}

/// The requests of one connection. hyper has a timer of its own for this, but sets it anew for each request.
#[derive(Default)]
struct Requests {
    begun: AtomicU64,
    under_way: AtomicU64,
}

/// One request under way, until dropped.
struct UnderWay(Arc<Requests>);

impl Requests {
    fn begin(requests: &Arc<Self>) -> UnderWay {
        requests.begun.fetch_add(1, Ordering::Relaxed);
        requests.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(requests.clone())
    }
}

impl UnderWay {
    /// Lets a request last until its answer has been taken: one that fits no buffer may take a slow client
    /// longer than an idle connection is kept.
    fn until_sent(self, response: Response) -> Response {
        if response.body().size_hint().exact().is_some_and(|bytes| bytes <= BUFFER_BYTES as u64) {
            return response;
        }
        response.map(|body| axum::body::Body::new(Sending { body, _under_way: self }))
    }
}

/// The body of an answer, and the request that it belongs to.
struct Sending {
    body: axum::body::Body,
    _under_way: UnderWay,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
