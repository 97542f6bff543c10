//! A gRPC client of one stream at a time, over a connection that it may share with others.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use tokio::net::TcpStream;

use super::{CallError, Client};
use crate::bench::BenchError;

/// Gives the next message, framed.
pub type Messages = Box<dyn FnMut() -> Bytes + Send>;

/// A client that calls one method again and again.
pub struct GrpcClient {
    connection: GrpcConnection,
    uri: Uri,
    /// The caller's key.
    token: Option<HeaderValue>,
    messages: Messages,
    /// A shorter answer is an error: a range that finds nothing would be a cheap read.
    least_answer_bytes: usize,
}

/// A connection for several clients.
#[derive(Clone)]
pub struct GrpcConnection {
    address: SocketAddr,
    sender: SendRequest<Bytes>,
}

impl GrpcConnection {
    /// Connects to a server on this machine.
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        Ok(GrpcConnection { address, sender: connect(address).await? })
    }
}

impl GrpcClient {
    /// A client that calls a method, such as `/etcdserverpb.KV/Range`, over a connection of its own.
    pub async fn open(
        address: SocketAddr,
        method: &str,
        messages: Messages,
        least_answer_bytes: usize,
    ) -> Result<Self, BenchError> {
        let connection = GrpcConnection::open(address).await?;
        GrpcClient::over(connection, (method, None), messages, least_answer_bytes)
    }

    /// The same over a connection that others use as well, with the key that it shows.
    pub fn over(
        connection: GrpcConnection,
        (method, token): (&str, Option<&str>),
        messages: Messages,
        least_answer_bytes: usize,
    ) -> Result<Self, BenchError> {
        let uri = format!("http://{}{method}", connection.address).parse();
        let uri = uri.map_err(|error| broken("the address of a method", &error))?;
        let token = token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))).transpose();
        let token = token.map_err(|error| broken("the key", &error))?;
        Ok(GrpcClient { connection, uri, token, messages, least_answer_bytes })
    }

    async fn exchange(&mut self, message: Bytes) -> Result<(), CallError> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        std::future::poll_fn(|context| self.connection.sender.poll_ready(context)).await.map_err(lost)?;
        let (response, mut stream) = self.connection.sender.send_request(request, false).map_err(lost)?;
        stream.send_data(message, true).map_err(lost)?;
        let response = response.await.map_err(lost)?;
        let mut status = response.headers().get("grpc-status").cloned();
        let mut body = response.into_body();
        let mut received = 0;
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(lost)?;
            received += chunk.len();
            body.flow_control().release_capacity(chunk.len()).map_err(lost)?;
        }
        if status.is_none() {
            let trailers = body.trailers().await.map_err(lost)?;
            status = trailers.and_then(|trailers| trailers.get("grpc-status").cloned());
        }
        let code = status.as_ref().and_then(|status| status.to_str().ok()?.parse().ok()).unwrap_or(2);
        if code != 0 || received < self.least_answer_bytes {
            let body = format!("gRPC status {code} with {received} bytes");
            return Err(CallError::Status { expected: 0, actual: code, body });
        }
        Ok(())
    }
}

impl Client for GrpcClient {
    async fn call(&mut self) -> Result<(), CallError> {
        let message = (self.messages)();
        self.exchange(message).await
    }

    async fn reconnect(&mut self) -> Result<(), BenchError> {
        self.connection = GrpcConnection::open(self.connection.address).await?;
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, BenchError> {
    if !address.ip().is_loopback() {
        return Err(BenchError::NotLoopback(address));
    }
    let stream = TcpStream::connect(address).await.map_err(BenchError::io("connecting over HTTP/2"))?;
    stream.set_nodelay(true).map_err(BenchError::io("setting TCP_NODELAY"))?;
    let (sender, connection) =
        h2::client::handshake(stream).await.map_err(|error| broken("the HTTP/2 handshake", &error))?;
    // The task ends with the connection, whose errors the next call sees.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn lost(error: h2::Error) -> CallError {
    CallError::Broken(error.to_string())
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Answer { request: what.into(), expected: "a gRPC server".into(), actual: error.to_string() }
}
