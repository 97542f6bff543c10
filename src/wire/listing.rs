use serde::{Deserialize, Serialize};

/// The names right below a path: `LIST /api/config/{path}`, or `GET` with `list=true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listing {
    /// The path.
    pub path: String,
    /// The names, sorted.
    pub entries: Vec<ListItem>,
    /// What `after=` takes for the next page; null at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// One name of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListItem {
    /// The name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `entry` or `object`.
    pub kind: String,
    /// The version of an entry, when it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
}
