use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Json, PathVersion, Preview, present};

/// How many conflicts one request may decide one by one.
pub const MOST_RESOLUTIONS: usize = 10_000;

/// The body of `POST /api/promote`: what the layer of one environment says comes over to that of another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The environment that is promoted.
    pub from: String,
    /// The environment whose layer is written.
    pub to: String,
    /// What is at or below this path comes over, with what describes it; all but `/.confgit/variables` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which side counts where both changed an entry and no resolution says it: `ours` is the environment that is
    /// written, `theirs` the one that is promoted. When absent, such entries are 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<Side>,
    /// What becomes of single conflicts, by path.
    #[cfg_attr(test, schemars(extend("maxProperties" = MOST_RESOLUTIONS)))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolutions: BTreeMap<String, Resolution>,
    /// What the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether it is only told what would come of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// One of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The environment that is written.
    Ours,
    /// The environment that is promoted.
    Theirs,
}

/// What becomes of a conflict: one of `take`, `value` and `delete`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The conflict's id: where both sides are others by now, this is no resolution of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The entry is as this side has it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub take: Option<Side>,
    /// The entry is this; null hides what parents have.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// True: the layer has nothing there, so that what is inherited shows.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub delete: Option<bool>,
}

/// The answer of `POST /api/promote`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Promoted {
    /// The environment that was promoted.
    pub from: String,
    /// The environment whose layer was written.
    pub to: String,
    /// The path.
    pub path: String,
    /// The commit that was promoted: the head of the branch of `from`; absent while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_revision: Option<String>,
    /// Since when both sides were compared.
    pub base: PromotionBase,
    /// The change set; when nothing changed the newest one.
    pub sequence: u64,
    /// The head of the branch of `to`; absent while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether there is a commit.
    pub changed: bool,
    /// Every entry that changed.
    pub entries: Vec<PathVersion>,
    /// Where both sides had changed: of a dry run those that are to be decided, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<PromotionConflict>,
    /// Of a dry run: what every environment would show, conflicts that are to be decided left as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The proposal that was made of it (202), where others have to agree first: nothing has changed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
}

/// Since when two environments are compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PromotionBase {
    /// `promotion`: since the last one; `ancestor`: with what the environment shows from which both inherit; `nothing`:
    /// there is none.
    pub kind: String,
    /// The commit that was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The environment from which both inherit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// An entry that both sides changed, each in its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PromotionConflict {
    /// The path.
    pub path: String,
    /// Tells this conflict from another one at the same path: for `resolutions`.
    pub id: String,
    /// What it was when both sides were alike.
    pub base: ConflictSide,
    /// What the environment shows that is written.
    pub ours: ConflictSide,
    /// What the layer says that is promoted.
    pub theirs: ConflictSide,
    /// Whether the request says what becomes of it.
    pub resolved: bool,
}

/// One side of a conflict.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConflictSide {
    /// `entry`, `object`, `tombstone` (nothing shows, whatever is inherited), `nothing`, or `unknown`: of a base of which
    /// history is not kept.
    pub has: String,
    /// Where that stands, where it is above the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The value of an entry; bytes as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The environment whose layer holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The version in that layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The commit that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When that was accepted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// The account that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// Whom Git names as the author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
