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

/// What a commit changed, as a comparison with the one before it.
pub fn commit_diff(view: &CommitView) -> wire::Diff {
    let side = |sequence: u64, revision: Option<String>| wire::DiffSide {
        env: view.info.environment.to_string(),
        sequence,
        revision,
        version: None,
    };
    let sequence = view.info.sequence.0;
    wire::Diff {
        path: "/".to_owned(),
        from: side(sequence.saturating_sub(1), view.parents.first().map(ToString::to_string)),
        to: side(sequence, Some(view.info.revision.to_string())),
        changes: view.changes.iter().map(change).collect(),
        next: view.next.as_ref().map(ToString::to_string),
    }
}
