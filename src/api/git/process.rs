//! A Git process whose output is the body of an answer.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout;

use super::inflow::Inflow;
use crate::api::http::problem::{Problem, internal};

/// How many clones and fetches are served at once: each packs what it sends.
static AT_ONCE: Semaphore = Semaphore::const_new(16);

/// How many are told at once which refs there are, which takes a moment: those whose clients are slow hold up no others.
static TOLD_AT_ONCE: Semaphore = Semaphore::const_new(16);

/// How long one waits for its turn, and a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much waits for a slow client: so many pieces of so many bytes.
const MOST_PIECES: usize = 4;
const PIECE_BYTES: usize = 64 << 10;

/// What `nice` ends with where there is no such program.
const NOT_FOUND: i32 = 127;

/// How much of what a process says of itself is logged.
const MOST_SAID_BYTES: u64 = 4 << 10;

/// Waits for a place among those that are served.
pub async fn place() -> Result<SemaphorePermit<'static>, Problem> {
    let place = timeout(PATIENCE, AT_ONCE.acquire()).await.ok().and_then(Result::ok);
    place.ok_or_else(busy)
}

fn busy() -> Problem {
    Problem::busy("too many clones and fetches are under way; try again")
}

/// Runs a process to its end; what it prints, which is little.
pub async fn printed(mut command: Command) -> Result<Vec<u8>, Problem> {
    let place = timeout(PATIENCE, TOLD_AT_ONCE.acquire()).await.ok().and_then(Result::ok);
    let _place = place.ok_or_else(busy)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.map_err(|_| internal("git took too long"))?;
    let output = output.map_err(|error| not_started(&error))?;
    if output.status.code() == Some(NOT_FOUND) {
        return Err(no_git());
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(internal(&format!("git ended with {}: {}", output.status, said.trim())));
    }
    Ok(output.stdout)
}

/// Starts a process that reads what a client sends, and answers what it prints.
pub fn conversation(
    mut command: Command,
    inflow: Inflow,
    place: SemaphorePermit<'static>,
) -> Result<Printing, Problem> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().map_err(|error| not_started(&error))?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (sender, pieces) = mpsc::channel(MOST_PIECES);
    tokio::spawn(async move {
        if let Err(error) = converse(child, group, inflow, &sender).await {
            tracing::debug!(%error, "a clone or fetch was given up");
            let _ = sender.send(Err(error)).await;
        }
        drop(place);
    });
    Ok(Printing { pieces })
}

/// A process and all that it started, which end when this is dropped: what packs for a client that hung up would go on until it
/// has something to print.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that ended meanwhile needs no end.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn converse(
    mut child: Child,
    mut group: Group,
    mut inflow: Inflow,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("git has no pipes"));
    };
    // Both ways at once: neither side waits for the other to have read all.
    let feeding = async move {
        while let Some(piece) = inflow.piece().await.map_err(io::Error::from)? {
            if stdin.write_all(&piece).await.is_err() {
                // It has read enough.
                break;
            }
        }
        stdin.shutdown().await.ok();
        Ok::<_, io::Error>(())
    };
    let passing = async {
        loop {
            let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
            if stdout.read_buf(&mut buffer).await? == 0 {
                return Ok::<_, io::Error>(());
            }
            match timeout(PATIENCE, sender.send(Ok(buffer.freeze()))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")),
            }
        }
    };
    let saying = async {
        let mut said = String::new();
        let mut stderr = stderr.take(MOST_SAID_BYTES);
        stderr.read_to_string(&mut said).await.ok();
        // The rest is read as well, so that nobody waits for it.
        tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await.ok();
        Ok::<_, io::Error>(said)
    };
    let gone = sender.closed();
    let conversation = async { tokio::try_join!(feeding, passing, saying) };
    let ((), (), said) = tokio::select! {
        ended = conversation => ended?,
        () = gone => return Err(io::ErrorKind::BrokenPipe.into()),
    };
    let status = child.wait().await?;
    // Its number is somebody else's from now on.
    group.0 = None;
    if !status.success() {
        tracing::info!(%status, said = said.trim(), "a clone or fetch failed");
    }
    Ok(())
}

fn not_started(error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::NotFound {
        return no_git();
    }
    internal(&format!("git cannot be started: {error}"))
}

fn no_git() -> Problem {
    Problem::unavailable("there is no `git` on the server, which it takes to serve clones; install it there")
}

/// What a process prints, as the body of an answer.
pub struct Printing {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl HttpBody for Printing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map_ok(Frame::data)
    }
}
