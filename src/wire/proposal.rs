use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BatchEdit, ConflictSide, PreviewedEnvironment, ProblemItem, Resolution, Side};

/// A proposal: a change that others look at and agree to before it is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proposal {
    /// Its number, from 1.
    pub number: u64,
    /// What it is about.
    pub title: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `open`, `merged` or `closed`.
    pub state: String,
    /// Which commits it is by now, from 1: with others it is agreed to anew.
    pub version: u32,
    /// Who opened it.
    pub author: String,
    /// Whose changes it holds: none of them can agree to it.
    pub contributors: Vec<String>,
    /// When it was opened: RFC 3339.
    pub opened_at: String,
    /// When something happened to it last: RFC 3339.
    pub updated_at: String,
    /// What it makes of each branch.
    pub heads: Vec<ProposalHead>,
    /// Who agreed to this version.
    pub approved_by: Vec<String>,
    /// When it is to be merged by itself: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The change set that merged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// What a proposal makes of one branch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProposalHead {
    /// The environment.
    pub env: String,
    /// Its branch.
    pub branch: String,
    /// The commit that it was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit that holds the change; `refs/proposals/<number>/heads/<branch>` leads to it while the proposal waits.
    pub revision: String,
}

/// Proposals, the newest first: `GET /api/proposals`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proposals {
    /// They.
    pub proposals: Vec<Proposal>,
    /// What to give as `older_than` for the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A proposal with all that is known of it: `GET /api/proposals/{number}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProposalDetails {
    /// The proposal.
    #[serde(flatten)]
    pub proposal: Proposal,
    /// Whether whoever asks could merge it now.
    pub can_merge: bool,
    /// Whose agreement it needs.
    pub requirements: Vec<ProposalRequirement>,
    /// What both it and its environments changed since it was made.
    pub conflicts: Vec<ProposalConflict>,
    /// How many more there are than the first 1,000, or those of 16 MiB of values, which are told.
    #[serde(default)]
    pub more_conflicts: u64,
    /// What else is in the way of merging it now: what would be wrong, or what the account may not do.
    pub problems: Vec<ProblemItem>,
    /// Every environment that would show something else if it were merged now.
    pub environments: Vec<PreviewedEnvironment>,
    /// What happened to it, in order.
    pub events: Vec<ProposalEvent>,
}

/// The agreement that one rule asks for in one environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProposalRequirement {
    /// The rule, by its place in `access.yaml`, from 1.
    pub rule: usize,
    /// The environment.
    pub env: String,
    /// Of how many.
    pub count: u32,
    /// The teams whose members count; everybody's do where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// What changes there, the first 100.
    pub paths: Vec<String>,
    /// Who agreed, and may.
    pub approved_by: Vec<String>,
    /// Whether that is enough.
    pub met: bool,
}

/// An entry that a proposal and its environment changed, each in its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProposalConflict {
    /// The environment.
    pub env: String,
    /// The path.
    pub path: String,
    /// Tells this conflict from another one at the same path: for `resolutions`.
    #[serde(default)]
    pub id: String,
    /// What it was when the proposal was made.
    #[serde(default)]
    pub base: ConflictSide,
    /// What the environment's layer has by now.
    #[serde(default)]
    pub ours: ConflictSide,
    /// What the proposal has.
    #[serde(default)]
    pub theirs: ConflictSide,
}

/// Something that happened to a proposal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProposalEvent {
    /// `opened`, `updated`, `commented`, `approved`, `withdrawn`, `scheduled`, `unscheduled`, `merged` or `closed`.
    pub event: String,
    /// Who did it.
    pub account: String,
    /// When: RFC 3339.
    pub at: String,
    /// The version of the proposal by then.
    pub version: u32,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The body of `POST /api/proposals`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProposal {
    /// What it is about; what the edits do, where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it is to be merged by itself, once it is agreed to: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The edits, as `POST /api/batch` takes them.
    pub edits: Vec<BatchEdit>,
}

/// The body of `POST /api/proposals/{number}/{act}`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProposalAct {
    /// The version that was looked at: with another nothing is done.
    #[cfg_attr(test, schemars(range(max = 9_007_199_254_740_992_u64)))]
    #[serde(default, deserialize_with = "super::maybe_whole", skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What is said with it; a comment needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it is to be merged: RFC 3339. For `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Which side counts where both changed an entry and no resolution says it: `ours` is the environment as it is, `theirs` the
    /// proposal. For `resolve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<Side>,
    /// What becomes of single conflicts, by environment and path. For `resolve`.
    #[cfg_attr(test, schemars(extend("maxProperties" = 1_000)))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolutions: BTreeMap<String, BTreeMap<String, Resolution>>,
    /// Other edits, on top of what it holds. For `edit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<BatchEdit>,
}

/// The answer (202) to a write that others have to agree to: a proposal was made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrittenProposal {
    /// Its number.
    pub proposal: u64,
    /// Where it is.
    pub url: String,
    /// The newest change set: nothing has changed yet.
    pub sequence: u64,
}
