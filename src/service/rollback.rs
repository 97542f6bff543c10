use std::sync::Arc;

use super::committer::{Edit, EditOp, Precondition, Write};
use super::read::value_of_json;
use super::{Core, ServiceError};
use crate::auth::{ReadGrant, WriteGrant};
use crate::model::{Path, Value, Version};
use crate::snapshot::EntryKind;

/// The write that gives a path the value it had in an older version. Reading that value blocks.
pub fn rollback_write(
    core: &Core,
    (read, write): (&ReadGrant, WriteGrant),
    environment: &str,
    path: &Path,
    version: Version,
    precondition: Precondition,
) -> Result<Write, ServiceError> {
    let past = core.version(read, environment, path, version)?;
    let damaged = || ServiceError::Invalid {
        path: path.clone(),
        reason: format!("version {version} cannot be read back"),
    };
    let value = value_of_json(past.entry.json()).ok_or_else(damaged)?;
    let value = match (past.entry.kind(), value) {
        (EntryKind::Bytes, Value::String(text)) => {
            Value::Bytes(crate::model::bytes_of_base64(&text).ok_or_else(damaged)?)
        }
        (EntryKind::Tombstone, _) => {
            let reason = format!("version {version} hides a parent's value; use DELETE with ?hide=true");
            return Err(ServiceError::Invalid { path: path.clone(), reason });
        }
        (_, value) => value,
    };
    let op = EditOp::Put { value, metadata: Box::default(), as_text: false };
    let edit =
        Edit { environment: Arc::from(environment), path: path.clone(), layer_only: false, op, precondition };
    let message = format!("roll {path} back to version {version}");
    Ok(Write { grant: write, message: Some(message), request_id: None, edits: vec![edit] })
}
