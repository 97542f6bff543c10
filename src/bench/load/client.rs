//! What a load sends: clients that make one call after another.

use std::future::Future;
use std::time::Instant;

use super::connection::Connection;
use super::request::Origin;
use crate::bench::BenchError;

/// Why a call of a load did not count as answered.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The answer came, with another status than the load asked for.
    #[error("expected status {expected}, got {actual}: {body}")]
    Status {
        /// The status that counts as success.
        expected: u16,
        /// The status that came.
        actual: u16,
        /// The beginning of the body.
        body: String,
    },
    /// A gRPC call ended without a message, as one that fails does, or with a shorter one than expected.
    #[error("the call failed, or its answer is shorter than expected: {bytes} bytes")]
    TooShort {
        /// How many bytes came.
        bytes: usize,
    },
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
}

impl CallError {
    /// Whether a further call needs a new connection.
    pub fn is_broken(&self) -> bool {
        matches!(self, CallError::Broken(_))
    }
}

/// One client of a load: it makes calls, waits for an answer, and checks it.
pub trait Client: Send + 'static {
    /// Makes as many calls as it has under way at once, and waits for the next answer; gives when that was asked for.
    fn call(&mut self) -> impl Future<Output = Result<Instant, CallError>> + Send;

    /// Waits for what is under way still, at the end of a load.
    fn settle(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Connects anew after a broken call.
    fn reconnect(&mut self) -> impl Future<Output = Result<(), BenchError>> + Send;
}

/// Writes the next request into an empty buffer.
pub type Traffic = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// A client of HTTP/1.1 over one keep-alive connection.
pub struct HttpClient {
    origin: Origin,
    connection: Connection,
    traffic: Traffic,
    request: Vec<u8>,
}

impl HttpClient {
    /// Connects one client that sends what `traffic` writes and expects 200.
    pub async fn open(origin: &Origin, traffic: Traffic) -> Result<Self, BenchError> {
        let connection = Connection::open(origin.address()).await?;
        Ok(HttpClient { origin: origin.clone(), connection, traffic, request: Vec::with_capacity(2048) })
    }

    /// Connects many clients, each with the traffic made for its number.
    pub async fn open_many(
        origin: &Origin,
        count: usize,
        traffic: impl Fn(usize) -> Traffic,
    ) -> Result<Vec<Self>, BenchError> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            clients.push(HttpClient::open(origin, traffic(number)).await?);
        }
        Ok(clients)
    }
}

impl Client for HttpClient {
    async fn call(&mut self) -> Result<Instant, CallError> {
        self.request.clear();
        (self.traffic)(&mut self.request);
        let sent = Instant::now();
        let answer = self.connection.exchange(&self.request).await;
        match answer.map_err(|error| CallError::Broken(error.to_string()))? {
            200 => {}
            actual => {
                let body = self.connection.body();
                let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
                return Err(CallError::Status { expected: 200, actual, body });
            }
        }
        if self.connection.closing() {
            return Err(CallError::Broken("the server closes the connection after its answer".into()));
        }
        Ok(sent)
    }

    async fn reconnect(&mut self) -> Result<(), BenchError> {
        self.connection = Connection::open(self.origin.address()).await?;
        Ok(())
    }
}
