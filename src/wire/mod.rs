//! What travels over HTTP: the JSON bodies of requests and answers. `schemas/` describes the same for others.
//!
//! Values are raw JSON, so that the digits of numbers and the order of members survive.

mod access;
mod client;
pub mod codec;
mod commit;
mod diff;
mod environment;
mod event;
mod explanation;
pub mod grpc;
mod listing;
mod preview;
mod promotion;
mod proposal;
mod upstream;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use access::{
    AccessExplanation, AccessRule, Account, AccountKey, Accounts, Audit, AuditItem, AuditReport, IssuedKey,
    NeededApproval, NewAccount, RotateKey,
};
pub use client::{Acknowledge, Acknowledged, Client, Clients};
pub use commit::{Commit, CommitDetails, Commits};
pub use diff::{Change, Diff, DiffSide};
pub use environment::{
    Environment, EnvironmentRollback, Environments, NewEnvironment, Whoami, WrittenEnvironment,
};
pub use event::{ChangeEvent, WatchReady};
pub use explanation::{ExplainedLayer, ExplainedReference, Explanation};
pub use listing::{ListItem, Listing};
pub use preview::{Preview, PreviewedEnvironment};
pub use promotion::{
    ConflictSide, MOST_RESOLUTIONS, Promote, Promoted, PromotionBase, PromotionConflict, Resolution, Side,
};
pub use proposal::{
    NewProposal, Proposal, ProposalAct, ProposalConflict, ProposalDetails, ProposalEvent, ProposalHead,
    ProposalRequirement, Proposals, WrittenProposal,
};
pub use upstream::{
    AcceptUpstream, OverruledEntry, PullRequestStatus, PullRequestsStatus, UpstreamBranch, UpstreamStatus,
    WebhookTaken,
};

/// A raw JSON value.
pub type Json = Box<RawValue>;

/// An entry: `GET /api/config/{path}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entry {
    /// The path.
    pub path: String,
    /// The value; bytes as base64.
    pub value: Json,
    /// `base64` when the value is bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encoding: Option<String>,
    /// The version in the layer of `origin`; absent while the history index is being rebuilt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// The commit that made the version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<String>,
    /// The change set that made the version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequence: Option<u64>,
    /// The environment whose layer holds the value; of a resolved value that comes from a template, the path of that.
    pub origin: String,
    /// The environment asked.
    pub env: String,
    /// When the version was accepted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated_at: Option<String>,
    /// The account that wrote it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated_by: Option<String>,
    /// What the entry is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<Json>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Json>,
    /// The JSON Schema of its value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<Json>,
}

/// An object: `GET /api/config/{path}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Children {
    /// The path.
    pub path: String,
    /// The names below, sorted.
    pub children: Vec<String>,
}

/// Everything below a path: `GET /api/config/{path}?recursive=true`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entries {
    /// The path.
    pub path: String,
    /// The entries, in the order of their paths.
    pub entries: Vec<Entry>,
    /// What `after=` takes for the next page; null at the end.
    pub next: Option<String>,
}

/// The body of `PUT /api/config/{path}` as JSON.
#[derive(Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The value.
    pub value: Json,
    /// `base64` when the value is bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What the entry is for; null removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// Who answers for it; null removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Option<String>>,
    /// The JSON Schema of its value; null removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// What the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A member that is there: where its type has null among its values, null is one, and elsewhere it is refused.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A whole number as JSON Schema understands it: `3.0` is one.
fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let of_float =
        |float: f64| (float.fract() == 0.0 && (0.0..=EXACT).contains(&float)).then_some(float as u64);
    number.as_u64().or_else(|| number.as_f64().and_then(of_float)).ok_or_else(|| {
        serde::de::Error::custom(format!("`{number}` is no whole number from 0 to {}", u64::MAX))
    })
}

fn maybe_whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    /// A number, where it stands.
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] u64);
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|whole| whole.0))
}

/// Up to here a binary64 number is exact: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The answer to a write of one entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrittenEntry {
    /// The path.
    pub path: String,
    /// The version it has now; for a delete that of the delete.
    pub version: u64,
    /// The head of the branch with the write.
    pub revision: String,
    /// The change set.
    pub sequence: u64,
    /// The environment whose layer was written.
    pub env: String,
}

/// The answer to a write of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrittenObject {
    /// The path.
    pub path: String,
    /// Every entry that changed.
    pub entries: Vec<PathVersion>,
    /// The head of the branch with the write.
    pub revision: String,
    /// The change set.
    pub sequence: u64,
    /// The environment whose layer was written.
    pub env: String,
}

/// The answer to a write of a path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Written {
    /// One entry was written.
    Entry(WrittenEntry),
    /// A subtree was written.
    Object(WrittenObject),
    /// Others have to agree first: a proposal was made of it.
    Proposal(WrittenProposal),
}

/// A path and its version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PathVersion {
    /// The path.
    pub path: String,
    /// The version.
    pub version: u64,
    /// Whether the version is a delete.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub deleted: bool,
    /// The environment, where an answer speaks of several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub env: Option<String>,
}

/// One version: `GET /api/config/{path}/history` answers a list of them, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HistoryItem {
    /// The path, where the history is that of an object.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// The version.
    pub version: u64,
    /// The value; null for a delete.
    pub value: Json,
    /// `base64` when the value is bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encoding: Option<String>,
    /// Whether the version is a delete.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub deleted: bool,
    /// The commit.
    pub revision: String,
    /// The change set.
    pub sequence: u64,
    /// When it was accepted, RFC 3339.
    pub updated_at: String,
    /// The account that wrote it.
    pub updated_by: String,
    /// What the commit says.
    pub message: String,
}

/// The body of `POST /api/config/{path}/rollback`.
#[derive(Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The version whose value is wanted.
    #[cfg_attr(test, schemars(range(min = 1, max = 9_007_199_254_740_992_u64)))]
    #[serde(deserialize_with = "whole")]
    pub to_version: u64,
}

/// The body of `POST /api/batch`.
#[derive(Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The edits, in order; all are made or none.
    #[cfg_attr(test, schemars(length(min = 1, max = MOST_BATCH_EDITS)))]
    pub edits: Vec<BatchEdit>,
    /// What the commits say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The most edits of one `POST /api/batch`.
pub const MOST_BATCH_EDITS: usize = 200_000;

/// The most bytes of the body of one `POST /api/batch`.
pub const MOST_BATCH_BYTES: usize = 64 << 20;

/// The most paths of one `POST /api/batch/get`.
pub const MOST_BATCH_PATHS: usize = 10_000;

/// One edit of a batch.
#[derive(Debug, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchEdit {
    /// `put`, `delete`, `patch` or `file`.
    #[cfg_attr(test, schemars(extend("enum" = ["put", "delete", "patch", "file"])))]
    pub op: String,
    /// The path; a `file` has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The environment; the default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The value of a `put`; of a `patch` a merge patch (RFC 7396), or a JSON Patch (RFC 6902) where it is a list.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The version that the path must have; 0 for none.
    #[cfg_attr(test, schemars(range(max = 9_007_199_254_740_992_u64)))]
    #[serde(default, deserialize_with = "maybe_whole", skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
    /// The name of a `file`, from the root of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What a `file` shall hold, byte for byte; null removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub content: Option<Option<String>>,
    /// `base64` where the content is written so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// The answer of `POST /api/batch`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BatchWritten {
    /// The change set.
    pub sequence: u64,
    /// The head of each environment's branch.
    pub revisions: BTreeMap<String, String>,
    /// Every entry that changed.
    pub entries: Vec<PathVersion>,
    /// The proposal that was made of it (202), where others have to agree first: nothing has changed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
}

/// The body of `POST /api/batch/get`.
#[derive(Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchGet {
    /// The paths.
    #[cfg_attr(test, schemars(length(min = 1, max = MOST_BATCH_PATHS)))]
    pub paths: Vec<String>,
    /// The environment; the default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The sequence, commit, tag or time at which they are read; now when absent.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Whether values are answered as services read them: templates merged, references followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resolve: bool,
}

/// The answer of `POST /api/batch/get`: all of one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BatchGot {
    /// The last change set in it.
    pub sequence: u64,
    /// The environment asked.
    pub env: String,
    /// One item for each path, in the order asked.
    pub entries: Vec<BatchItem>,
}

/// One path of a `POST /api/batch/get`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum BatchItem {
    /// An entry.
    Entry(Box<Entry>),
    /// An object, with its value as plain JSON.
    Object {
        /// The path.
        path: String,
        /// The object.
        value: Json,
    },
    /// Nothing stands there.
    Missing {
        /// The path.
        path: String,
        /// Always true.
        missing: bool,
    },
}

/// `GET /api/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// The version of confgit.
    pub version: String,
    /// The name of the project.
    pub project: String,
    /// The last change set.
    pub sequence: u64,
    /// The oldest change set after which the project can still be seen; 0 where the server does not say.
    #[serde(default)]
    pub oldest_sequence: u64,
    /// The change set after which what environments show was checked last; absent before the first time. Writes are
    /// checked before they are taken, so that it may be an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_sequence: Option<u64>,
    /// Whether writes are possible.
    pub writable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How the parts are.
    pub parts: Parts,
    /// What is wrong with the newest settings or accounts: those in force are older.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_settings: Vec<ProblemItem>,
    /// How the audit log is; for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStatus>,
    /// How the upstream is followed; for administrators, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamStatus>,
    /// The environments, in the order of the settings.
    pub environments: Vec<EnvironmentStatus>,
}

/// How the audit log is, in `GET /api/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditStatus {
    /// The number of its last durable record.
    pub record: u64,
    /// Whether more can be written. Where not, secrets are not shown.
    pub writable: bool,
    /// Why not, and what was wrong with the log when it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How many records found no room since the start.
    #[serde(default)]
    pub lost: u64,
}

/// How the parts of a project are, here and in `/readyz`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Parts {
    /// `ready`: values can be read.
    pub index: String,
    /// `ready`, or `rebuilding` while versions are unknown and writes wait.
    pub history: String,
    /// The last change set in the history index.
    pub history_covered: u64,
    /// How many writes wait.
    pub waiting_writes: usize,
}

/// One environment in `GET /api/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnvironmentStatus {
    /// The name.
    pub name: String,
    /// Its branch.
    pub branch: String,
    /// What it inherits from.
    pub inherits: Option<String>,
    /// The head of its branch.
    pub revision: Option<String>,
    /// How many entries its layer holds, of those that the caller may read.
    pub entries: usize,
    /// How many files it has, of those in which something may be read.
    pub files: usize,
    /// Whether something serves an older value because the newer one cannot be read.
    pub degraded: bool,
    /// What is wrong: files that cannot be read, and values that are not as references and schemas want them.
    pub problems: Vec<ProblemItem>,
}

/// An error, as RFC 9457 describes it: `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem {
    /// `/problems/<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The places, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemItem>,
    /// The present entity tag, where a precondition does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// What is to be decided, where two environments changed the same entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<PromotionConflict>,
}

/// One place that is wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProblemItem {
    /// The configuration path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The file, from the root of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
}
