//! A gRPC client of one connection and one stream at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use tokio::net::TcpStream;

use crate::bench::BenchError;
use crate::bench::load::{CallError, Client};

/// Gives the next message, framed.
pub type Messages = Box<dyn FnMut() -> Bytes + Send>;

/// A client of etcd that calls one method again and again.
pub struct EtcdClient {
    address: SocketAddr,
    uri: Uri,
    sender: SendRequest<Bytes>,
    messages: Messages,
    /// A shorter answer is an error: a range that finds nothing would be a cheap read.
    least_answer_bytes: usize,
}

impl EtcdClient {
    /// Connects a client that calls a method such as `Range` of etcd's key-value service.
    pub async fn open(
        address: SocketAddr,
        method: &str,
        messages: Messages,
        least_answer_bytes: usize,
    ) -> Result<Self, BenchError> {
        let uri = format!("http://{address}/etcdserverpb.KV/{method}").parse();
        let uri = uri.map_err(|error| broken("the address of etcd", &error))?;
        let sender = connect(address).await?;
        Ok(EtcdClient { address, uri, sender, messages, least_answer_bytes })
    }

    async fn exchange(&mut self, message: Bytes) -> Result<(), CallError> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        std::future::poll_fn(|context| self.sender.poll_ready(context)).await.map_err(lost)?;
        let (response, mut stream) = self.sender.send_request(request, false).map_err(lost)?;
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

impl Client for EtcdClient {
    async fn call(&mut self) -> Result<(), CallError> {
        let message = (self.messages)();
        self.exchange(message).await
    }

    async fn reconnect(&mut self) -> Result<(), BenchError> {
        self.sender = connect(self.address).await?;
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, BenchError> {
    if !address.ip().is_loopback() {
        return Err(BenchError::NotLoopback(address));
    }
    let stream = TcpStream::connect(address).await.map_err(BenchError::io("connecting to etcd"))?;
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
    BenchError::Answer { request: what.into(), expected: "an etcd server".into(), actual: error.to_string() }
}
