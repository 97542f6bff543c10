use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::App;
use super::problem::Problem;

/// What a body may add to a document of the largest size: its envelope.
const ENVELOPE_BYTES: usize = 64 << 10;
/// How much of bodies may be in memory at once, in KiB: 256 MiB.
const MOST_KIB: usize = 256 << 10;
/// How long a body may take to arrive, and a request wait until there is room for its body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room for the bodies of requests: what one holds is given back when it is answered.
#[derive(Debug, Clone)]
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        BodyRoom(Arc::new(Semaphore::new(MOST_KIB)))
    }
}

/// A request's body, and the room it takes.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Body {
    /// Reads a body, never more of it than the largest document with its envelope.
    pub async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let limits = app.project.core().limits();
        let limit = limits.document_bytes.max(limits.value_bytes).saturating_add(ENVELOPE_BYTES);
        Self::read_within(app, request, limit).await
    }

    /// Reads a body, never more of it than so many bytes.
    pub async fn read_within(app: &App, request: Request, limit: usize) -> Result<Self, Problem> {
        let declared = request.headers().get("content-length");
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(Problem::body_too_large(limit));
        }
        let kib = declared.unwrap_or(limit).div_ceil(1024).min(MOST_KIB);
        let wanted = app.room.0.clone().acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX));
        let full = || {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many large bodies at once; try again")
        };
        let room = timeout(PATIENCE, wanted).await.ok().and_then(Result::ok).ok_or_else(full)?;
        let slow =
            || Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not arrive in time");
        let read = timeout(PATIENCE, to_bytes(request.into_body(), limit)).await.map_err(|_| slow())?;
        let bytes = read.map_err(|_| Problem::body_too_large(limit))?;
        Ok(Body { bytes, _room: room })
    }

    /// What arrived.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body as JSON.
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        json(&self.bytes)
    }
}

/// A JSON text. Serde's messages name line, column and the members that there are.
pub(super) fn json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // Serde would take the members in the order of the type from a list.
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(Problem::malformed("the body is not as expected: it is a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::malformed(format!("the body is not as expected: {error}")))
}
