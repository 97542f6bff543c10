use serde_json::value::RawValue;

use super::CliError;
use crate::client::{Expect, Place};
use crate::model::{Path, Value};
use crate::wire::BatchEdit;

/// One change of one path in an environment's own layer.
#[derive(Debug)]
pub struct LayerChange {
    /// The path.
    pub path: Path,
    /// Its value from now on; none takes it away.
    pub value: Option<Value>,
    /// What has to hold of it in the layer.
    pub expect: Expect,
}

impl LayerChange {
    /// The same as an edit of a batch.
    pub fn into_batch_edit(self, place: &Place) -> Result<BatchEdit, CliError> {
        let value = self.value.map(|value| RawValue::from_string(value.to_json())).transpose();
        Ok(BatchEdit {
            op: if matches!(value, Ok(Some(_))) { "put" } else { "delete" }.to_owned(),
            path: self.path.to_string(),
            env: place.env.clone(),
            value: value.map_err(|error| CliError::Failed(error.to_string()))?,
            if_version: if_version(self.expect),
            ..BatchEdit::default()
        })
    }
}

/// What a batch calls a precondition.
fn if_version(expect: Expect) -> Option<u64> {
    match expect {
        Expect::Anything => None,
        Expect::Absent => Some(0),
        Expect::Version(version) => Some(version),
    }
}
