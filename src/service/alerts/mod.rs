//! Alerts of clients that are lost or lag, and of what the upstream overruled: found by looking, posted to webhooks, signed, tried again, and in the end put
//! aside.

mod dead;
mod look;
mod post;
mod queue;
mod sign;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use self::look::Looker;
use self::post::Poster;
use self::queue::{Delivery, Queue};
use super::core::Core;
use crate::model::Timestamp;
use crate::settings::Webhook;
use crate::telemetry::Posted;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How long one round of posting may take, before it is looked again.
const ROUND: Duration = Duration::from_secs(2);

/// Something that happened, as webhooks are told.
struct Alert {
    /// What, such as `client.lost`.
    kind: &'static str,
    /// About whom.
    data: serde_json::Value,
}

/// Looks and posts until the project closes.
pub(super) fn run(core: &Arc<Core>, stop: &Receiver<()>) {
    let (mut looker, mut queue) = (Looker::default(), Queue::default());
    let poster = Poster::new();
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(LOOK) {
        let webhooks = core.settings.load().webhooks.clone();
        let now: Timestamp = SystemTime::now().into();
        for alert in looker.look(core) {
            tracing::warn!(alert = alert.kind, about = %alert.data, "somebody should have a look");
            for webhook in webhooks.iter().filter(|webhook| webhook.wants(alert.kind)) {
                if let Some(dropped) = queue.add(Delivery::of(&webhook.name, &alert, now)) {
                    put_aside(core, &dropped, "more alerts waited than there is room for");
                }
            }
        }
        post_due(core, &mut queue, &webhooks, &poster);
        core.metrics.webhooks_waiting(queue.len());
    }
}

/// Posts what is due: to each webhook one after the other, to several side by side.
fn post_due(core: &Core, queue: &mut Queue, webhooks: &[Webhook], poster: &Poster) {
    let (due, begun) = (queue.take_due(Instant::now()), Instant::now());
    let answered: Vec<(Delivery, Result<(), String>)> = std::thread::scope(|scope| {
        let posting = webhooks.iter().map(|webhook| {
            let mine: Vec<Delivery> =
                due.iter().filter(|delivery| delivery.webhook == webhook.name).cloned().collect();
            scope.spawn(move || {
                let mut answered = Vec::new();
                for delivery in mine {
                    let result = poster.post(core, webhook, &delivery);
                    // Where one is not taken, those after it hardly are.
                    let is_over = result.is_err() || begun.elapsed() > ROUND;
                    answered.push((delivery, result));
                    if is_over {
                        break;
                    }
                }
                answered
            })
        });
        let posting: Vec<_> = posting.collect();
        posting.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    for delivery in due {
        let found = answered.iter().find(|(other, _)| other.id == delivery.id);
        let is_known = webhooks.iter().any(|webhook| webhook.name == delivery.webhook);
        match found.map(|(_, result)| result) {
            Some(Ok(())) => core.metrics.posted(Posted::Delivered),
            Some(Err(reason)) => {
                core.metrics.posted(Posted::Failed);
                tracing::warn!(webhook = %delivery.webhook, %reason, attempt = delivery.attempts + 1, "an alert was not taken");
                if let Some(given_up) = queue.failed(delivery, Instant::now()) {
                    put_aside(core, &given_up, reason);
                }
            }
            // One before it was not taken, or there was no time left.
            None if is_known => queue.put_back(delivery),
            None => put_aside(core, &delivery, "the settings do not name this webhook any more"),
        }
    }
}

fn put_aside(core: &Core, delivery: &Delivery, reason: &str) {
    core.metrics.posted(Posted::Dead);
    if let Err(error) = dead::keep(&core.dir, delivery, reason) {
        tracing::error!(%error, webhook = %delivery.webhook, "an alert that nobody took could not be put aside");
    }
}
