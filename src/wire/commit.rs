use serde::{Deserialize, Serialize};

use super::Change;

/// A page of commits, newest first: `GET /api/commits`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commits {
    /// The commits.
    pub commits: Vec<Commit>,
    /// What `before=` takes for the next page; null at the end.
    pub next: Option<String>,
}

/// One commit of an environment's branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commit {
    /// Its id.
    pub revision: String,
    /// The change set that brought it.
    pub sequence: u64,
    /// The environment whose branch it is on.
    pub env: String,
    /// When the change set was accepted, RFC 3339.
    pub updated_at: String,
    /// The account that made the change set.
    pub updated_by: String,
    /// Whom Git names as the author.
    pub author: String,
    /// What the commit says, without confgit's trailers.
    pub message: String,
    /// How many entries it changed, at or below the path asked.
    pub entries: u64,
}

/// One commit with what it changed: `GET /api/commits/{revision}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommitDetails {
    /// The commit.
    #[serde(flatten)]
    pub commit: Commit,
    /// Its parents.
    pub parents: Vec<String>,
    /// The entries that differ from its first parent's, in the order of their paths.
    pub changes: Vec<Change>,
    /// What `after=` takes for the next page of changes; null at the end.
    pub next: Option<String>,
}
