use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::api::http::Http;

/// How many connections are served at once; further ones wait in the kernel.
const MOST_CONNECTIONS: usize = 16_384;
/// How long a connection may say nothing at its beginning.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive, and an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a stopping server waits for requests under way.
const GRACE: Duration = Duration::from_secs(20);
/// The read and write buffer of a connection: bounds the head of a request.
const BUFFER_BYTES: usize = 64 << 10;

/// Accepts and serves connections until `shutdown` resolves, then lets those under way finish.
pub(super) async fn accept(listener: TcpListener, http: Http, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let builder = builder();
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
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most often too many open files: waiting a moment lets some close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (builder, http, watcher) = (builder.clone(), http.clone(), graceful.watcher());
        tokio::spawn(async move {
            serve_connection(stream, &builder, http, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        .pipeline_flush(true);
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
    stream: TcpStream,
    builder: &Builder<TokioExecutor>,
    http: Http,
    watcher: hyper_util::server::graceful::Watcher,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // The builder waits for the first bytes without a timer, so that wait is bounded here.
    let mut first = [0];
    if !matches!(tokio::time::timeout(SILENCE, stream.peek(&mut first)).await, Ok(Ok(1..))) {
        return;
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let http = http.clone();
        async move { Ok::<_, std::convert::Infallible>(http.answer(request.map(Body::new)).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // Clients hang up as they like; that is no news.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}
