//! A gRPC client that costs little beside the server it measures: several streams at once over one connection, whose
//! requests differ in their messages alone.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::grpc::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, Request, SETTINGS,
    WINDOW_UPDATE, frame, opening, parse_frame,
};
use super::{CallError, Client};
use crate::bench::BenchError;

/// Gives the next message, framed.
pub type Messages = Box<dyn FnMut() -> Bytes + Send>;

/// Bytes asked for in one read.
const READ_BYTES: usize = 16 * 1024;

/// So much is received before the server is given leave to send as much again; it may be ahead by far more.
const LEAVE: u32 = 16 << 20;

/// A client that calls one method again and again, with several calls under way.
pub struct GrpcClient {
    address: SocketAddr,
    request: Request,
    messages: Messages,
    /// A shorter answer is an error: a range that finds nothing would be a cheap read, and what fails has no answer.
    least_answer_bytes: usize,
    /// How many calls are under way at once.
    streams: usize,
    connection: Connection,
}

/// A connection, and what is under way on it.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    filled: usize,
    to_send: Vec<u8>,
    next_stream: u32,
    calls: Vec<Call>,
    /// Answers that have come, with when they were asked for.
    answered: VecDeque<Result<Instant, CallError>>,
    /// Bytes received since the server was given leave.
    taken: u32,
}

/// A call under way.
struct Call {
    stream: u32,
    sent: Instant,
    answer_bytes: usize,
}

impl GrpcClient {
    /// A client that calls a method, such as `/etcdserverpb.KV/Range`, so many times at once over a connection of its
    /// own; `token` is the caller's key.
    pub async fn open(
        address: SocketAddr,
        (method, token): (&str, Option<&str>),
        streams: usize,
        messages: Messages,
        least_answer_bytes: usize,
    ) -> Result<Self, BenchError> {
        let request = Request::new(address, method, token);
        let connection = Connection::open(address).await?;
        Ok(GrpcClient { address, request, messages, least_answer_bytes, streams, connection })
    }
}

impl Client for GrpcClient {
    async fn call(&mut self) -> Result<Instant, CallError> {
        let connection = &mut self.connection;
        loop {
            if let Some(answered) = connection.answered.pop_front() {
                return answered;
            }
            while connection.calls.len() < self.streams {
                connection.send(&self.request, &(self.messages)());
            }
            connection.exchange(self.least_answer_bytes).await?;
        }
    }

    async fn settle(&mut self) {
        let connection = &mut self.connection;
        // What breaks now breaks the next call.
        while !connection.calls.is_empty() && connection.exchange(self.least_answer_bytes).await.is_ok() {}
        connection.answered.clear();
    }

    async fn reconnect(&mut self) -> Result<(), BenchError> {
        self.connection = Connection::open(self.address).await?;
        Ok(())
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        if !address.ip().is_loopback() {
            return Err(BenchError::NotLoopback(address));
        }
        let stream = TcpStream::connect(address).await.map_err(BenchError::io("connecting over HTTP/2"))?;
        stream.set_nodelay(true).map_err(BenchError::io("setting TCP_NODELAY"))?;
        let mut to_send = Vec::with_capacity(4096);
        opening(&mut to_send);
        Ok(Connection {
            stream,
            received: vec![0; READ_BYTES],
            filled: 0,
            to_send,
            next_stream: 1,
            calls: Vec::new(),
            answered: VecDeque::new(),
            taken: 0,
        })
    }

    /// Notes a call to be sent with the next exchange.
    fn send(&mut self, request: &Request, message: &[u8]) {
        let stream = self.next_stream;
        self.next_stream += 2;
        frame(HEADERS, END_HEADERS, stream, request.headers(stream == 1), &mut self.to_send);
        frame(DATA, END_STREAM, stream, message, &mut self.to_send);
        self.calls.push(Call { stream, sent: Instant::now(), answer_bytes: 0 });
    }

    /// Sends what there is to send and takes what has come, at least something.
    async fn exchange(&mut self, least_answer_bytes: usize) -> Result<(), CallError> {
        if !self.to_send.is_empty() {
            self.stream.write_all(&self.to_send).await.map_err(broken)?;
            self.to_send.clear();
        }
        if self.received.len() - self.filled < READ_BYTES / 2 {
            self.received.resize(self.received.len() * 2, 0);
        }
        let read = self.stream.read(&mut self.received[self.filled..]).await.map_err(broken)?;
        if read == 0 {
            return Err(CallError::Broken("the server closed the connection".into()));
        }
        self.filled += read;
        let mut begin = 0;
        while let Some((parsed, length)) = parse_frame(&self.received[begin..self.filled]) {
            let payload = parsed.payload.len();
            match parsed {
                Frame { kind: DATA, stream, .. } => {
                    self.taken += payload as u32;
                    if let Some(call) = self.calls.iter_mut().find(|call| call.stream == stream) {
                        call.answer_bytes += payload;
                    }
                }
                Frame { kind: SETTINGS, flags, .. } if flags & ACK == 0 => {
                    frame(SETTINGS, ACK, 0, &[], &mut self.to_send);
                }
                Frame { kind: PING, flags, payload, .. } if flags & ACK == 0 => {
                    frame(PING, ACK, 0, payload, &mut self.to_send);
                }
                Frame { kind: GOAWAY | RST_STREAM, .. } => {
                    return Err(CallError::Broken("the server ended the stream or the connection".into()));
                }
                _ => {}
            }
            if matches!(parsed.kind, DATA | HEADERS)
                && parsed.flags & END_STREAM != 0
                && let Some(index) = self.calls.iter().position(|call| call.stream == parsed.stream)
            {
                let call = self.calls.swap_remove(index);
                self.answered.push_back(call.judged(least_answer_bytes));
            }
            begin += length;
        }
        self.received.copy_within(begin..self.filled, 0);
        self.filled -= begin;
        if self.taken >= LEAVE {
            frame(WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes(), &mut self.to_send);
            self.taken = 0;
        }
        Ok(())
    }
}

impl Call {
    /// An error has no message: only an answer is as long as an answer must be.
    fn judged(self, least_answer_bytes: usize) -> Result<Instant, CallError> {
        if self.answer_bytes == 0 || self.answer_bytes < least_answer_bytes {
            return Err(CallError::TooShort { bytes: self.answer_bytes });
        }
        Ok(self.sent)
    }
}

fn broken(error: std::io::Error) -> CallError {
    CallError::Broken(error.to_string())
}
