use super::entry::{encoding, raw};
use crate::model::Version;
use crate::service::{Difference, EntryChange, Side};
use crate::snapshot::EntryKind;
use crate::wire;

/// One entry that differs.
pub fn change(change: &EntryChange) -> wire::Change {
    let (old, new) = (change.old.as_ref(), change.new.as_ref());
    let bytes = |found: &crate::resolve::FoundEntry| encoding(found.entry.kind() == EntryKind::Bytes);
    let version = |version: Option<Version>| version.map(|version| version.0);
    let stamp = new.and_then(|found| found.entry.stamp());
    wire::Change {
        kind: if new.is_some() { "update" } else { "delete" }.to_owned(),
        path: change.path.to_string(),
        value: new.map(|found| raw(found.entry.json())),
        old_value: old.map(|found| raw(found.entry.json())),
        encoding: new.and_then(bytes),
        old_encoding: old.and_then(bytes),
        version: version(new.and_then(|found| found.entry.version())),
        old_version: version(old.and_then(|found| found.entry.version())),
        origin: new.map(|found| found.origin.to_string()),
        old_origin: old.map(|found| found.origin.to_string()),
        revision: stamp.map(|stamp| stamp.origin.revision.to_string()),
        updated_at: stamp.map(|stamp| stamp.origin.time.to_string()),
        updated_by: stamp.map(|stamp| stamp.origin.account.to_string()),
    }
}

/// One side of a comparison.
fn side(side: &Side) -> wire::DiffSide {
    wire::DiffSide {
        env: side.environment.to_string(),
        sequence: side.sequence.0,
        revision: side.revision.map(|revision| revision.to_string()),
        version: side.version.map(|version| version.0),
    }
}

/// A page of what differs.
pub fn diff(difference: &Difference) -> wire::Diff {
    wire::Diff {
        path: difference.path.to_string(),
        from: side(&difference.from),
        to: side(&difference.to),
        changes: difference.changes.iter().map(change).collect(),
        next: difference.next.as_ref().map(ToString::to_string),
    }
}
