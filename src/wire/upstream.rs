use serde::{Deserialize, Serialize};

/// How the upstream is followed, in `GET /api/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UpstreamStatus {
    /// Its address.
    pub url: String,
    /// When it was reached last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<String>,
    /// What went wrong the last time; absent once it goes well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    /// The branches of environments.
    pub branches: Vec<UpstreamBranch>,
    /// Entries, and files that hold none, that both sides changed, where the upstream's was taken, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overruled: Vec<OverruledEntry>,
    /// How its pull requests are checked; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<PullRequestsStatus>,
}

/// How the pull requests of the upstream are checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PullRequestsStatus {
    /// When all was looked at last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<String>,
    /// What went wrong the last time; absent once it goes well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    /// Those that are open and go to the branch of an environment, the 100 that were touched last at most.
    pub open: Vec<PullRequestStatus>,
}

/// A pull request of the upstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PullRequestStatus {
    /// Its number at the forge.
    pub number: u64,
    /// The branch that it is to be merged into.
    pub branch: String,
    /// What the forge was told: `success` or `failure`; `unchecked` as long as it was told nothing.
    pub state: String,
    /// The commit that it was told about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Why, as the status of the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why it could not be checked, or the forge not told, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How one branch is followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UpstreamBranch {
    /// The branch.
    pub branch: String,
    /// Where the upstream has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `same`, `ahead`, `absent`; or, until somebody does something, `rewritten`, `unrelated`, `refused`.
    pub state: String,
    /// Why it is refused, with each place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// How many commits are here and not there.
    pub ahead: u64,
    /// How many are there and not here.
    pub behind: u64,
}

/// An entry that both sides changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OverruledEntry {
    /// The change set that merged both: the first parent of its commit has what was here.
    pub sequence: u64,
    /// The entry.
    pub path: String,
    /// The proposal that brings back what was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
}

/// Body of `POST /api/upstream/accept`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptUpstream {
    /// The branch.
    pub branch: String,
    /// Where the upstream has it, as `/api/status` shows it; absent where it is gone there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// What `POST /api/webhooks/{forge}` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WebhookTaken {
    /// Whether the upstream is asked; not where the same was said before.
    pub taken: bool,
}
