//! The streams of an HTTP/2 connection run in the task of the connection: what came in together is answered together,
//! with one write and without waking another thread for each.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the streams that a connection begins; their number is bounded by what the connection allows.
#[derive(Clone, Default)]
pub(super) struct Streams {
    begun: Arc<Mutex<Vec<Stream>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(stream));
    }
}

impl Streams {
    fn take(&self) -> Vec<Stream> {
        std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection together with its streams, until the connection ends.
    pub fn with<C: Future>(self, connection: C) -> Connection<C> {
        Connection { connection: Box::pin(connection), begun: self, running: FuturesUnordered::new() }
    }
}

/// A connection and the streams that run on it.
pub(super) struct Connection<C> {
    connection: Pin<Box<C>>,
    begun: Streams,
    running: FuturesUnordered<Stream>,
}

impl<C: Future> Future for Connection<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        loop {
            // What streams have answered goes out here.
            if let Poll::Ready(ended) = self.connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            let begun = self.begun.take();
            let mut is_quiet = begun.is_empty();
            self.running.extend(begun);
            while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {
                is_quiet = false;
            }
            if is_quiet {
                return Poll::Pending;
            }
        }
    }
}
