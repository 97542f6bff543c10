use serde::{Deserialize, Serialize};

use super::Json;

/// What differs between two moments, or two environments: `GET /api/diff`, `GET /api/config/{path}/diff`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diff {
    /// The path at or below which entries were compared.
    pub path: String,
    /// The side that is compared.
    pub from: DiffSide,
    /// The side that it is compared with.
    pub to: DiffSide,
    /// The entries that differ, in the order of their paths.
    pub changes: Vec<Change>,
    /// What `after=` takes for the next page; null at the end.
    pub next: Option<String>,
}

/// One side of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffSide {
    /// The environment.
    pub env: String,
    /// The last change set in it.
    pub sequence: u64,
    /// The head of the environment's own branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The version, where the versions of one entry are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// One entry that is not the same on both sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// `update`, which has no `old_value` where the entry is new; or `delete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path.
    pub path: String,
    /// The value after the change; absent for a delete. Bytes are base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The value before; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// `base64` when the old value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_encoding: Option<String>,
    /// The version after the change, in the layer of `origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_version: Option<u64>,
    /// The environment whose layer holds the value after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The environment whose layer held the old value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_origin: Option<String>,
    /// The commit that made the value after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When that was accepted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// The account that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
}
