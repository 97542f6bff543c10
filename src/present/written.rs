use crate::model::{Path, Version};
use crate::service::Written;
use crate::wire;

/// What became of a write of one path; none where nothing was asked for.
pub fn written(written: &Written) -> Option<wire::Written> {
    let edit = written.edits.first()?;
    let env = edit.environment.to_string();
    let revision = written.revisions.get(&edit.environment).map(ToString::to_string).unwrap_or_default();
    let sequence = written.sequence.0;
    let path = edit.path.to_string();
    let own = edit.entries.iter().find(|(path, _)| *path == edit.path).filter(|_| edit.is_entry);
    Some(match own {
        Some((_, version)) => {
            wire::Written::Entry(wire::WrittenEntry { path, version: version.0, revision, sequence, env })
        }
        None => {
            let entries = edit.entries.iter().map(|(path, version)| path_version(path, *version, None));
            let entries = entries.collect();
            wire::Written::Object(wire::WrittenObject { path, entries, revision, sequence, env })
        }
    })
}

/// What became of several edits.
pub fn batch(written: &Written) -> wire::BatchWritten {
    let revisions = written.revisions.iter().map(|(env, revision)| (env.to_string(), revision.to_string()));
    let entries = written.edits.iter().flat_map(|edit| {
        let env = edit.environment.to_string();
        edit.entries.iter().map(move |(path, version)| path_version(path, *version, Some(env.clone())))
    });
    wire::BatchWritten {
        sequence: written.sequence.0,
        revisions: revisions.collect(),
        entries: entries.collect(),
    }
}

/// A path and its version.
pub fn path_version(path: &Path, version: Version, env: Option<String>) -> wire::PathVersion {
    wire::PathVersion { path: path.to_string(), version: version.0, env }
}
