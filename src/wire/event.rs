use serde::{Deserialize, Serialize};

use super::Json;

/// One change of one path, as those who watch are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeEvent {
    /// `update`, `delete`, or `initial` for a value that was there when the watch began.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path.
    pub path: String,
    /// The value now; bytes as base64. Absent after a delete, where a secret is part of it, and where it cannot be resolved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encoding: Option<String>,
    /// The value before; absent where there was none, and as for `value`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old_value: Option<Json>,
    /// `base64` when the value before is bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old_encoding: Option<String>,
    /// The version of the value in the layer of `origin`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// The version of the value before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old_version: Option<u64>,
    /// The environment whose layer holds the value, or held the one that was deleted; of a value that comes from a
    /// template, the path of that.
    pub origin: String,
    /// The commit that made the change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<String>,
    /// The change set: all events of one come together, in the order of their paths.
    pub sequence: u64,
    /// The environment that is watched.
    pub env: String,
    /// The account that made the change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated_by: Option<String>,
    /// When it was accepted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated_at: Option<String>,
    /// Whether a secret is part of the value, which is why it is not told: read it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub secret_changed: bool,
    /// Whether the value cannot be worked out any more: its references lead nowhere.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unresolvable: bool,
    /// Whether this is what several change sets came to, told as one.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub coalesced: bool,
}

/// From here on changes are told as they happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WatchReady {
    /// All up to this change set has been told.
    pub sequence: u64,
    /// The environment that is watched.
    pub env: String,
}
