use serde::{Deserialize, Serialize};

use super::Json;

/// Why an environment shows what it shows at a path: `GET /api/config/{path}/explain`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The path.
    pub path: String,
    /// The environment asked.
    pub env: String,
    /// `entry`, `object`, or `nothing`: what readers see.
    pub kind: String,
    /// The value of an entry; bytes as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The environment whose layer holds the value of an entry, or the path of the template that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What services read there, where references are followed to it; absent where secrets are part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Json>,
    /// The secrets that are part of what services read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Why services can read nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// The references on the way to what services read, in the order in which they are met; the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ExplainedReference>,
    /// What each layer has there, nearest first.
    pub layers: Vec<ExplainedLayer>,
}

/// A reference, and where it leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedReference {
    /// The path of the value that holds it.
    pub of: String,
    /// How it is written: `${DB_HOST:localhost}`.
    pub reference: String,
    /// Where it leads: `entry`, `object`, `process` (a variable of the server's process), `default`, `secret`,
    /// `parameter` (of a template, not given here) or `nothing`.
    pub leads_to: String,
    /// The path of the entry or object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The environment whose layer holds the entry, or the template it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The value of the entry as it is written; the text of a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The name of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What one layer has at a path, and what becomes of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedLayer {
    /// The environment whose layer it is.
    pub env: String,
    /// The branch that holds it.
    pub branch: String,
    /// `entry`, `object`, `tombstone` (`null` at the path or above it), `value-above` (so that nothing can be below
    /// it), or `nothing`.
    pub has: String,
    /// `shown` to readers; `joined` with the items of a nearer layer; `hides` what the layers after it have; `hidden` by a nearer layer; or `passed`, for it
    /// has nothing.
    pub outcome: String,
    /// The same in words.
    pub reason: String,
    /// Where a tombstone or a value above stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The value of an entry; bytes as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// How many entries an object has in this layer, of those that the caller may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// The file that holds what decides, from the root of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The version within the layer; absent while the history index is being rebuilt, as is all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The commit that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The change set that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When it was accepted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// The account that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// Whom Git names as the author; absent where the commit is not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What the commit says, without confgit's trailers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
