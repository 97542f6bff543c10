//! One HTTP/1.1 keep-alive connection.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::response::{Head, parse_head};
use crate::bench::BenchError;

/// Bytes asked for in one read: an answer of the bench fits, so that it costs one system call.
const READ_BYTES: usize = 8 * 1024;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    /// The answer handed out last; its bytes are dropped when the next request starts.
    last: Option<Head>,
}

impl Connection {
    /// Connects to a server on this machine.
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        if !address.ip().is_loopback() {
            return Err(BenchError::NotLoopback(address));
        }
        let connected = TcpStream::connect(address).await;
        let stream = connected.map_err(BenchError::io(format!("connecting to {address}")))?;
        stream.set_nodelay(true).map_err(BenchError::io("setting TCP_NODELAY"))?;
        Ok(Connection { stream, buffer: vec![0; READ_BYTES], filled: 0, last: None })
    }

    /// Sends one request and waits for the whole answer; gives its status.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.forget_last();
        self.stream.write_all(request).await?;
        loop {
            if let Some(head) = parse_head(&self.buffer[..self.filled]).map_err(io::Error::other)? {
                self.read_until(head.end()).await?;
                self.last = Some(head);
                return Ok(head.status);
            }
            self.read_more().await?;
        }
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        self.last.map_or(&[], |head| &self.buffer[head.body_start..head.end()])
    }

    /// Whether the server said that it closes the connection after the last answer.
    pub fn closing(&self) -> bool {
        self.last.is_some_and(|head| head.close)
    }

    fn forget_last(&mut self) {
        if let Some(head) = self.last.take() {
            self.buffer.copy_within(head.end()..self.filled, 0);
            self.filled -= head.end();
        }
    }

    async fn read_until(&mut self, end: usize) -> io::Result<()> {
        while self.filled < end {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.filled < READ_BYTES / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled += read;
        Ok(())
    }
}
