use serde::{Deserialize, Serialize};

use super::text;
use crate::model::Timestamp;

/// Something that happened to a proposal: the file `events/<number>.json` of its commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// Its number within the proposal, from 1.
    pub number: u32,
    /// When.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
    /// Who did it.
    pub account: String,
    /// What happened.
    pub event: EventKind,
    /// The version of the proposal by then.
    pub version: u32,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it is to be merged, where that was said.
    #[serde(default, with = "text::as_optional_text", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub due: Option<Timestamp>,
    /// The change set, where it was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// What can happen to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It was opened.
    Opened,
    /// It holds other commits now: who agreed before is asked anew.
    Updated,
    /// Somebody said something.
    Commented,
    /// Somebody agreed.
    Approved,
    /// Somebody agrees no more.
    Withdrawn,
    /// It is to be merged at some time.
    Scheduled,
    /// It is not any more, or could not be; `text` says why.
    Unscheduled,
    /// It was merged.
    Merged,
    /// It was given up.
    Closed,
}

impl EventKind {
    /// In one word, as it stands in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Opened => "opened",
            EventKind::Updated => "updated",
            EventKind::Commented => "commented",
            EventKind::Approved => "approved",
            EventKind::Withdrawn => "withdrawn",
            EventKind::Scheduled => "scheduled",
            EventKind::Unscheduled => "unscheduled",
            EventKind::Merged => "merged",
            EventKind::Closed => "closed",
        }
    }
}
