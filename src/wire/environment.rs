use serde::{Deserialize, Serialize};

/// The environments of a project, in the order of its settings: `GET /api/environments`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Environments {
    /// The one that answers when none is named.
    pub default: String,
    /// All of them.
    pub environments: Vec<Environment>,
}

/// One environment: `GET /api/environments/{env}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Environment {
    /// The name.
    pub name: String,
    /// The branch that holds its overrides.
    pub branch: String,
    /// The environment it inherits from.
    pub inherits: Option<String>,
    /// The head of its branch; null while it has none.
    pub revision: Option<String>,
    /// How many entries its own layer holds, of those that the caller may read.
    pub entries: usize,
    /// How many problems its layer has.
    pub problems: usize,
}

/// The body of `POST /api/environments`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewEnvironment {
    /// The name.
    pub name: String,
    /// The branch; named like the environment when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The environment it inherits from; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherits: Option<String>,
}

/// The answer to a write of an environment as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrittenEnvironment {
    /// The environment.
    pub env: String,
    /// The head of its branch.
    pub revision: String,
    /// The change set.
    pub sequence: u64,
    /// Every entry that changed.
    pub entries: Vec<super::PathVersion>,
    /// The proposal that was made of it (202), where others have to agree first: nothing has changed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
}

/// The body of `POST /api/environments/{env}/rollback`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRollback {
    /// The sequence, commit, tag or time whose content is wanted.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub to: String,
    /// What the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Who is calling: `GET /api/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Whoami {
    /// The account; `anonymous` for callers without a key.
    pub account: String,
    /// Whether the caller showed no key.
    pub anonymous: bool,
    /// What it may do somewhere: of `read`, `write`, `approve`, `govern`, `admin`, `secrets:use` and `secrets:read`.
    pub may: Vec<String>,
    /// The project that was asked.
    pub project: String,
}
