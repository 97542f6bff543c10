use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use ureq::Agent;

/// How long sending one batch of spans may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer of a collector that is read, in bytes.
const MOST_ANSWER_BYTES: u64 = 64 << 10;

/// Sends spans over HTTP. It blocks: the exporter calls it on a thread of its own.
#[derive(Debug)]
pub(super) struct OtlpClient {
    agent: Agent,
    /// Whether the last attempt failed: a collector that is away is news once, and so is its return.
    is_failing: AtomicBool,
}

impl OtlpClient {
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(SEND_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("confgit/", env!("CARGO_PKG_VERSION")));
        OtlpClient { agent: Agent::new_with_config(config.build()), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut response = self.agent.run(Request::from_parts(head, &body[..]))?;
        let body = response.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_vec()?;
        let (head, _) = response.into_parts();
        Ok(Response::from_parts(head, body.into()))
    }

    fn note(&self, failure: Option<String>) {
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(reason) if !was_failing => {
                tracing::warn!(%reason, "traces cannot be sent; those that do not fit the queue are dropped");
            }
            None if was_failing => tracing::info!("traces are sent again"),
            _ => {}
        }
    }
}

impl HttpClient for OtlpClient {
    fn send_bytes<'client, 'result>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'result>>
    where
        'client: 'result,
        Self: 'result,
    {
        let sent = self.send(request);
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answers {}", response.status())),
            Err(error) => Some(error.to_string()),
        });
        Box::pin(std::future::ready(sent))
    }
}
