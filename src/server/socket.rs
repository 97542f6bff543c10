use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::api::http::StreamFlag;

/// How much the kernel keeps for a client that does not read, where an answer has no end: it takes twice as much as it is
/// told, and without a bound megabytes.
const STREAM_BUFFER_BYTES: usize = 32 << 10;

/// A client that takes nothing for so long is gone, or as good as that: milliseconds.
const STREAM_TIMEOUT_MS: u32 = 60_000;

/// A connection, which changes its ways once an answer on it has no end.
pub(super) struct Socket {
    stream: TcpStream,
    flag: StreamFlag,
    is_streaming: bool,
}

impl Socket {
    /// The connection, and how it is told.
    pub fn new(stream: TcpStream) -> (Self, StreamFlag) {
        let flag = StreamFlag::default();
        (Socket { stream, flag: flag.clone(), is_streaming: false }, flag)
    }

    fn look(&mut self) {
        if self.is_streaming || !self.flag.is_set() {
            return;
        }
        self.is_streaming = true;
        // Without these a client that stops reading costs more, and nothing else.
        let bounded = sockopt::set_socket_send_buffer_size(&self.stream, STREAM_BUFFER_BYTES)
            .and_then(|()| sockopt::set_tcp_user_timeout(&self.stream, STREAM_TIMEOUT_MS));
        if let Err(error) = bounded {
            tracing::debug!(%error, "a stream could not be bounded");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look();
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
