use super::change;
use crate::service::{CommitInfo, CommitView};
use crate::wire;

/// One commit of an environment's branch.
pub fn commit(info: &CommitInfo) -> wire::Commit {
    wire::Commit {
        revision: info.revision.to_string(),
        sequence: info.sequence.0,
        env: info.environment.to_string(),
        updated_at: info.time.to_string(),
        updated_by: info.account.to_string(),
        author: info.author.to_string(),
        message: info.message.clone(),
        entries: info.entries,
    }
}

/// One commit with what it changed.
pub fn commit_details(view: &CommitView) -> wire::CommitDetails {
    wire::CommitDetails {
        commit: commit(&view.info),
        parents: view.parents.iter().map(ToString::to_string).collect(),
        changes: view.changes.iter().map(change).collect(),
        next: view.next.as_ref().map(ToString::to_string),
    }
}
