use serde::{Deserialize, Serialize};

/// Who watches: `GET /api/clients`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clients {
    /// The last change set there is.
    pub sequence: u64,
    /// One for each watch that is open, the oldest first; or, where those are asked for, those who are missed.
    pub clients: Vec<Client>,
    /// What `after=` takes for the next page; null at the end.
    pub next: Option<String>,
}

/// One who watches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Client {
    /// What it calls itself; `#` and a number where it does not.
    pub id: String,
    /// The account that it came with.
    pub account: String,
    /// `connected`, or `lost`: it had a name, went without a word, and did not come back.
    pub state: String,
    /// The paths at and below which it watches.
    pub watching: Vec<String>,
    /// How it looks at the environment: `resolved` (`/v1/config`), `view` (`/api/config`) or `layer` (`env/{env}/…`).
    pub view: String,
    /// The environment.
    pub env: String,
    /// When the watch began, RFC 3339.
    pub connected_at: String,
    /// When its connection ended, of one that is lost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_at: Option<String>,
    /// All up to this change set was handed to its connection.
    pub sequence: u64,
    /// The change set that it says it follows; absent where it never said so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged: Option<u64>,
    /// For how long the oldest change waits that it was not told of; of one that acknowledges, that it does not follow yet.
    pub lag_ms: u64,
    /// `sse` or `grpc`.
    pub transport: String,
    /// Where it comes from; to administrators, and to its own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// What it is built with: its `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sdk: Option<String>,
}

/// The body of `POST /api/clients/{client}/acknowledge`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// The change set that the client follows by now, and with it all before.
    #[serde(deserialize_with = "super::whole")]
    #[cfg_attr(test, schemars(range(min = 1, max = 9_007_199_254_740_992_u64)))]
    pub sequence: u64,
}

/// The answer to an acknowledgement.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Acknowledged {
    /// The client.
    pub id: String,
    /// The change set.
    pub sequence: u64,
}
