use super::entry::{encoding, raw};
use crate::watch::{Batch, Event, Side};
use crate::wire::ChangeEvent;

/// An event of a batch as it is told.
pub fn event(batch: &Batch, event: &Event) -> ChangeEvent {
    let value = |side: &Option<Side>| side.as_ref().and_then(|side| side.json.as_ref()).map(|json| raw(json));
    let bytes =
        |side: &Option<Side>| side.as_ref().and_then(|side| encoding(side.is_bytes && side.json.is_some()));
    let version = |side: &Option<Side>| side.as_ref().and_then(|side| side.version).map(|version| version.0);
    ChangeEvent {
        kind: event.kind.name().to_owned(),
        path: event.path.to_string(),
        value: value(&event.new),
        encoding: bytes(&event.new),
        old_value: value(&event.old),
        old_encoding: bytes(&event.old),
        version: version(&event.new),
        old_version: version(&event.old),
        origin: event.origin.to_string(),
        revision: event.revision.map(|revision| revision.to_string()),
        sequence: batch.sequence.0,
        env: batch.environment.to_string(),
        updated_by: event.updated.as_ref().map(|(_, account)| account.to_string()),
        updated_at: event.updated.as_ref().map(|(time, _)| time.to_string()),
        secret_changed: event.secret_changed,
        unresolvable: event.is_unresolvable,
        coalesced: batch.is_coalesced,
    }
}
