//! The body of a request, as it comes.

use std::io::{self, ErrorKind, Read, Write as _};
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use bytes::{Buf as _, Bytes, BytesMut};
use flate2::write::GzDecoder;
use hyper::body::Body as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::pkt_line::{self, Head};

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

/// After so long at least so many bytes a second have come: others wait for the place.
const LEISURE: Duration = Duration::from_secs(120);
const LEAST_PER_SECOND: u64 = 4 << 10;

/// How much is inflated at a time: what comes of it is a thousand times that at most.
const INFLATED_AT_ONCE: usize = 1 << 10;

/// How many pieces wait between the connection and who reads them.
const MOST_PIECES: usize = 4;

/// Why a body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum InflowError {
    /// The client went away, or its connection broke.
    #[error("the request did not come to its end")]
    CutOff,
    /// Nothing came for long.
    #[error("too little came for {} seconds", PATIENCE.as_secs())]
    TooSlow,
    /// It is not as the protocol says.
    #[error("{0}")]
    Malformed(String),
}

/// A body whose lines are read one by one, and whose rest is handed on.
pub struct Inflow {
    body: Body,
    gzip: Option<GzDecoder<Vec<u8>>>,
    /// What came and is not inflated yet.
    packed: Bytes,
    buffer: BytesMut,
    begun: Instant,
    /// How many bytes came.
    taken: u64,
}

impl Inflow {
    /// The body of a request with these headers.
    pub fn new(headers: &HeaderMap, body: Body) -> Result<Self, InflowError> {
        let gzip = match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => None,
            Some(b"gzip" | b"x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(_) => {
                return Err(InflowError::Malformed(
                    "the body may be plain or gzip, no other encoding".to_owned(),
                ));
            }
        };
        Ok(Inflow {
            body,
            gzip,
            packed: Bytes::new(),
            buffer: BytesMut::new(),
            begun: Instant::now(),
            taken: 0,
        })
    }

    /// The next line; none for a flush.
    pub async fn line(&mut self) -> Result<Option<Bytes>, InflowError> {
        let mut digits = [0; 4];
        self.need(4).await?;
        self.buffer.copy_to_slice(&mut digits);
        match pkt_line::head(digits) {
            None => Err(InflowError::Malformed("a line has no length in front of it".to_owned())),
            Some(Head::Flush) => Ok(None),
            Some(Head::Line(length)) => {
                self.need(length).await?;
                Ok(Some(self.buffer.split_to(length).freeze()))
            }
        }
    }

    /// Whether nothing follows.
    pub async fn is_over(&mut self) -> Result<bool, InflowError> {
        while self.buffer.is_empty() {
            if !self.more().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next piece of what follows; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, InflowError> {
        Ok(if self.is_over().await? { None } else { Some(self.buffer.split().freeze()) })
    }

    /// What follows, for a thread that may wait; the future brings it there.
    pub fn into_reader(mut self) -> (impl Future<Output = ()>, impl Read) {
        let (sender, receiver) = mpsc::channel(MOST_PIECES);
        let feed = async move {
            loop {
                let piece = self.piece().await.map_err(io::Error::from);
                let is_last = !matches!(piece, Ok(Some(_)));
                if sender.send(piece).await.is_err() || is_last {
                    return;
                }
            }
        };
        (feed, Pieces { receiver, piece: Bytes::new(), is_over: false })
    }

    async fn need(&mut self, bytes: usize) -> Result<(), InflowError> {
        while self.buffer.len() < bytes {
            if !self.more().await? {
                return Err(InflowError::CutOff);
            }
        }
        Ok(())
    }

    /// Takes what comes next into the buffer; false at the end.
    async fn more(&mut self) -> Result<bool, InflowError> {
        if let Some(gzip) = self.gzip.as_mut().filter(|_| !self.packed.is_empty()) {
            let part = self.packed.split_to(self.packed.len().min(INFLATED_AT_ONCE));
            gzip.write_all(&part).map_err(|error| broken(&error))?;
            self.buffer.extend_from_slice(gzip.get_ref());
            gzip.get_mut().clear();
            // What comes of little may be much: others come first.
            tokio::task::yield_now().await;
            return Ok(true);
        }
        let next = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
        let frame = match timeout(PATIENCE, next).await.map_err(|_| InflowError::TooSlow)? {
            None => return self.end(),
            Some(frame) => frame.map_err(|_| InflowError::CutOff)?,
        };
        let Ok(data) = frame.into_data() else { return Ok(true) };
        self.taken += data.len() as u64;
        let elapsed = self.begun.elapsed();
        if elapsed > LEISURE && self.taken < elapsed.as_secs() * LEAST_PER_SECOND {
            return Err(InflowError::TooSlow);
        }
        match &self.gzip {
            None => self.buffer.extend_from_slice(&data),
            Some(_) => self.packed = data,
        }
        Ok(true)
    }

    /// What the end of the body brings to light.
    fn end(&mut self) -> Result<bool, InflowError> {
        if let Some(mut gzip) = self.gzip.take() {
            gzip.try_finish().map_err(|error| broken(&error))?;
            self.buffer.extend_from_slice(gzip.get_ref());
            return Ok(true);
        }
        Ok(false)
    }
}

fn broken(error: &io::Error) -> InflowError {
    InflowError::Malformed(format!("the body is no gzip stream: {error}"))
}

/// Pieces as one stream.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Option<Bytes>>>,
    piece: Bytes,
    is_over: bool,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.is_over {
            match self.receiver.blocking_recv() {
                // Whoever brings the pieces is gone, and with it the client.
                None => return Err(InflowError::CutOff.into()),
                Some(piece) => match piece? {
                    Some(piece) => self.piece = piece,
                    None => self.is_over = true,
                },
            }
        }
        let taken = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..taken]);
        Ok(taken)
    }
}

impl From<InflowError> for io::Error {
    fn from(error: InflowError) -> Self {
        let kind = match error {
            InflowError::CutOff => ErrorKind::UnexpectedEof,
            InflowError::TooSlow => ErrorKind::TimedOut,
            InflowError::Malformed(_) => ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
