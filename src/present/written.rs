use std::collections::HashSet;

use crate::service::{ChangedEntry, Written};
use crate::wire;

/// What became of a write of one path; none where nothing was asked for.
pub fn written(written: &Written) -> Option<wire::Written> {
    if let Some(proposed) = super::proposed(written) {
        return Some(wire::Written::Proposal(proposed));
    }
    let edit = written.edits.first()?;
    let env = edit.environment.to_string();
    let revision = written.revisions.get(&edit.environment).map(ToString::to_string).unwrap_or_default();
    let sequence = written.sequence.0;
    let path = edit.path.to_string();
    Some(match edit.entry {
        Some(version) => {
            wire::Written::Entry(wire::WrittenEntry { path, version: version.0, revision, sequence, env })
        }
        None => {
            let entries = edit.changed.iter().map(|changed| path_version(changed, None)).collect();
            wire::Written::Object(wire::WrittenObject { path, entries, revision, sequence, env })
        }
    })
}

/// What became of several edits: an entry that several of them changed is told once.
pub fn batch(written: &Written) -> wire::BatchWritten {
    let revisions = written.revisions.iter().map(|(env, revision)| (env.to_string(), revision.to_string()));
    let mut told = HashSet::new();
    let changed = written.edits.iter().flat_map(|edit| {
        let env = &edit.environment;
        edit.changed.iter().map(move |changed| (env, changed))
    });
    let entries = changed
        .filter(|(env, changed)| told.insert((*env, &changed.path)))
        .map(|(env, changed)| path_version(changed, Some(env.to_string())));
    wire::BatchWritten {
        sequence: written.sequence.0,
        entries: entries.collect(),
        revisions: revisions.collect(),
        proposal: written.proposal,
    }
}

/// An entry that changed, and its version.
pub(super) fn path_version(changed: &ChangedEntry, env: Option<String>) -> wire::PathVersion {
    let ChangedEntry { path, version, deleted } = changed;
    wire::PathVersion { path: path.to_string(), version: version.0, deleted: *deleted, env }
}
