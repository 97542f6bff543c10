use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::api::http::problem::Problem;
use crate::present;
use crate::service::{Ended, Heard, Subscription};
use crate::watch::Delivery;
use crate::wire;

/// How long a client waits before it connects again, in milliseconds; each is told another number, so that not all of
/// them come at once.
const RETRY_MS: std::ops::Range<u32> = 500..1_500;

/// What a connection is told once an answer on it has no end.
#[derive(Debug, Clone, Default)]
pub struct StreamFlag(Arc<AtomicBool>);

impl StreamFlag {
    /// Says that there is such an answer.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether there is one, or was.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of an answer that tells changes as they happen.
pub(super) struct EventStream {
    subscription: Subscription,
    is_begun: bool,
}

impl EventStream {
    pub fn new(subscription: Subscription) -> Self {
        EventStream { subscription, is_begun: false }
    }

    fn text_of(&self, heard: Heard) -> Bytes {
        match heard {
            Heard::Initial(delivery) => events(&delivery, None),
            Heard::Changed(delivery) => delivery.written(|| events(&delivery, Some(delivery.sequence().0))),
            Heard::Ready(sequence) => {
                let env = self.subscription.key().environment.to_string();
                let ready = wire::WatchReady { sequence: sequence.0, env };
                let data = serde_json::to_string(&ready).unwrap_or_default();
                Bytes::from(format!("event: ready\nid: {sequence}\ndata: {data}\n\n"))
            }
            // Without data this is no event, and yet the client notes how far it has come.
            Heard::Heartbeat(sequence) => Bytes::from(format!(": heartbeat\nid: {sequence}\n\n")),
            Heard::Ended(ended) => {
                let data = serde_json::to_string(&problem_of(ended).to_wire()).unwrap_or_default();
                Bytes::from(format!("event: end\ndata: {data}\n\n"))
            }
        }
    }
}

/// The problem that a watch ends with.
pub(in crate::api) fn problem_of(ended: Ended) -> Problem {
    match ended {
        Ended::Denied(denied) => denied.into(),
        Ended::Failed(error) => error.into(),
        closed @ (Ended::Closing | Ended::NoEnvironment) => Problem::unavailable(closed.to_string()),
    }
}

/// Events as a stream has them. The last one alone has the number of the change set: who breaks off before that is
/// told all of it again.
fn events(delivery: &Delivery, id: Option<u64>) -> Bytes {
    let mut text = String::new();
    let last = delivery.count().saturating_sub(1);
    for (at, event) in delivery.events().enumerate() {
        let _ = writeln!(text, "event: {}", event.kind.name());
        if let Some(id) = id.filter(|_| at == last) {
            let _ = writeln!(text, "id: {id}");
        }
        text.push_str("data: ");
        let data = serde_json::to_string(&present::event(delivery.batch(), event));
        text.push_str(&data.unwrap_or_default());
        text.push_str("\n\n");
    }
    Bytes::from(text.into_bytes())
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let retry = format!("retry: {}\n\n", fastrand::u32(RETRY_MS));
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(retry)))));
        }
        match self.subscription.poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(heard)) => {
                let text = self.text_of(heard);
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
        }
    }
}
