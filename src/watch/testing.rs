use std::sync::Arc;
use std::time::Instant;

use super::{Batch, Delivery, Event, EventKind};
use crate::model::Sequence;

/// A batch of updates of these paths.
pub(super) fn batch(sequence: u64, paths: &[&str]) -> Arc<Batch> {
    let event = |path: &&str| Event {
        kind: EventKind::Update,
        path: path.parse().unwrap(),
        new: None,
        old: None,
        origin: "base".into(),
        revision: None,
        updated: None,
        secret_changed: false,
        is_unresolvable: false,
        made_of: None,
    };
    let events = paths.iter().map(event).collect();
    Arc::new(Batch::new(
        (Sequence(sequence.saturating_sub(1)), Sequence(sequence)),
        "base".into(),
        false,
        events,
        (None, Instant::now()),
    ))
}

/// All of such a batch.
pub(super) fn delivery(sequence: u64, paths: &[&str]) -> Arc<Delivery> {
    Arc::new(Delivery::whole(batch(sequence, paths)))
}
