use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::problem::Problem;
use super::query::Query;
use super::reply::SEQUENCE;
use super::{App, caller};
use crate::git::PinError;
use crate::model::Timestamp;
use crate::service::{Backup, BackupError, ServiceError};

/// How much of the archive waits in memory for a slow client: so many chunks of so many bytes.
const MOST_CHUNKS: usize = 4;
const CHUNK_BYTES: usize = 64 << 10;

/// How long a client may take nothing: one backup is made at a time, and others wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// `GET /api/backup`: the whole project as a tar archive, for administrators. It is pinned and hashed before
/// the first byte is sent, so what cannot be backed up is answered with its reason.
pub(super) async fn backup(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    // A backup holds the settings and the hashes of keys.
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    if request.method() == Method::HEAD {
        return Ok(answer(Body::empty()));
    }
    let prepare = move || {
        let core = app.project.core();
        core.audit_trail().export(grant.account(), (None, None), "backup").map_err(BackupError::from)?;
        let dir = &core.dir;
        Backup::prepare(dir, &app.name, &grant, now(), &mut ())
    };
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let backup = prepared.map_err(|panic| problem(&BackupError::Io(io::Error::other(panic))))?;
    let backup = backup.map_err(|error| problem(&error))?;
    let (sequence, left) = (backup.manifest().sequence, backup.size());
    let (sender, chunks) = mpsc::channel(MOST_CHUNKS);
    tokio::task::spawn_blocking(move || send(backup, sender));
    let mut response = answer(Body::new(Archive { chunks, left }));
    response.headers_mut().insert(SEQUENCE, HeaderValue::from(sequence));
    Ok(response)
}

fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers
        .insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"confgit-backup.tar\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn send(backup: Backup, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut chunks = Chunks { sender, buffer: BytesMut::with_capacity(CHUNK_BYTES), patience: PATIENCE };
    let written = backup.write(&mut chunks, &mut ());
    // Whoever has the last byte may ask for the next backup at once, so this one makes room before it goes.
    drop(backup);
    match written.and_then(|()| chunks.pass_on().map_err(BackupError::Write)) {
        Ok(()) => {}
        // The client went away.
        Err(BackupError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            tracing::error!(%error, "a backup was given up half-way");
            // The connection ends before the announced length, so nobody takes the part for the whole.
            let _ = chunks.sender.try_send(Err(io::Error::other(error.to_string())));
        }
    }
}

/// Gathers what is written into chunks, and waits until the client takes them. The last one stays until it is
/// passed on.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
    patience: Duration,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == CHUNK_BYTES {
            self.pass_on()?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Chunks {
    fn pass_on(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK_BYTES)).freeze();
        if chunk.is_empty() {
            return Ok(());
        }
        let sending = timeout(self.patience, self.sender.send(Ok(chunk)));
        match Handle::current().block_on(sending) {
            Ok(sent) => sent.map_err(|_| io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the client took nothing for {} seconds", self.patience.as_secs()),
            )),
        }
    }
}

/// The archive as the body of an answer.
struct Archive {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// How many bytes are still to come.
    left: u64,
}

impl HttpBody for Archive {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = self.chunks.poll_recv(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.left = self.left.saturating_sub(chunk.len() as u64);
        }
        polled.map_ok(Frame::data)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn problem(error: &BackupError) -> Problem {
    let detail = error.to_string();
    match error {
        BackupError::Busy => Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail),
        BackupError::Restless | BackupError::Changed { .. } | BackupError::Pin(PinError::Restless { .. }) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
        BackupError::Torn { .. }
        | BackupError::Dangling { .. }
        | BackupError::Name { .. }
        | BackupError::TooManyFiles
        | BackupError::Pin(PinError::Borrows { .. }) => {
            // What only an administrator can mend, told to an administrator.
            tracing::error!(%error, "no backup can be made");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
        BackupError::NoProject { .. }
        | BackupError::Open(_)
        | BackupError::Read(_)
        | BackupError::Write(_)
        | BackupError::Io(_)
        | BackupError::Pin(PinError::Open(_) | PinError::Io(_)) => {
            ServiceError::Io(io::Error::other(detail)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (sender, _taken_by_nobody) = mpsc::channel(1);
        let patience = Duration::from_millis(5);
        let mut chunks = Chunks { sender, buffer: BytesMut::new(), patience };
        let write = move || chunks.write_all(&vec![0; 3 * CHUNK_BYTES]);
        let written = tokio::task::spawn_blocking(write).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
