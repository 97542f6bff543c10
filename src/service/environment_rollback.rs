use std::sync::Arc;

use super::committer::{Edit, EditOp, Precondition, Write};
use super::{Core, Point, ServiceError};
use crate::auth::WriteGrant;
use crate::git::ReadError;
use crate::model::Path;

/// The write that brings the branch of an environment back to what it held at a point, as a new commit. Finding
/// that reads Git and blocks.
pub fn environment_rollback(
    core: &Core,
    write: WriteGrant,
    environment: &str,
    to: &str,
    message: Option<String>,
) -> Result<Write, ServiceError> {
    core.require_history()?;
    let environment = core.environment(environment)?;
    let reader = core.repository.reader();
    let located = core.locate(&reader, &Point::parse(to))?;
    let head = core.located_head(&located, &environment.branch)?.ok_or_else(|| {
        ServiceError::NoSuchPoint { reason: format!("{} had no commit at {to}", environment.name) }
    })?;
    let commit = reader.commit(head).map_err(|error| match error {
        ReadError::Missing { .. } => ServiceError::NoSuchPoint {
            reason: format!("the commit {head} of {} was pruned from the repository", environment.branch),
        },
        other => other.into(),
    })?;
    let edit = Edit {
        environment: Arc::clone(&environment.name),
        path: Path::root(),
        layer_only: true,
        op: EditOp::Restore { commit: head, tree: commit.tree, seen_at: located.sequence },
        precondition: Precondition::None,
    };
    let message = message.unwrap_or_else(|| format!("roll {} back to {to}", environment.name));
    Ok(Write { grant: write, message: Some(message), request_id: None, edits: vec![edit] })
}
