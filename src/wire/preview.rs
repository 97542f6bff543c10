use serde::{Deserialize, Serialize};

use super::{Change, ProblemItem};

/// What edits would come to: `POST /api/preview`, whose body is that of `POST /api/batch`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Preview {
    /// The last change set before them.
    pub sequence: u64,
    /// Whether anything would change at all.
    pub changed: bool,
    /// Whether they would be taken: the account may make them, and nothing would be wrong that is not wrong yet.
    pub accepted: bool,
    /// Every environment that would show something else, in the order of the settings.
    pub environments: Vec<PreviewedEnvironment>,
    /// Why the account may not make them, and what would be wrong and is not yet.
    pub problems: Vec<ProblemItem>,
}

/// What one environment would show.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreviewedEnvironment {
    /// The environment.
    pub env: String,
    /// How many entries would be others.
    pub entries: usize,
    /// They, as they are written, in the order of their paths: the first 1,000, and no more than 16 MiB in all.
    pub changes: Vec<Change>,
    /// Where what services read would be another though nothing is written there, because of references and templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
    /// Whether there is more than is listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}
