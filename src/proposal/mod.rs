//! Proposals: changes that others look at and agree to before they are made. What one is, what may become of it, and whose
//! agreement it needs; pure. Where they are kept is the service's business.

mod act;
mod event;
mod need;
mod text;

use serde::{Deserialize, Serialize};

pub use self::act::{Act, ActError};
pub use self::event::{Event, EventKind};
pub use self::need::{Need, Requirement, requirements};
use crate::model::{Path, Revision, Sequence, Timestamp};

/// The longest title, in characters.
pub const MOST_TITLE_CHARS: usize = 200;

/// The longest description or comment, in bytes.
pub const MOST_TEXT_BYTES: usize = 16 << 10;

/// How many things may happen to one proposal.
pub const MOST_EVENTS: u32 = 1_000;

/// How many changed paths of a proposal are kept by name.
pub const MOST_PATHS: usize = 1_000;

/// A change that waits to be agreed to: commits that were made and that no branch leads to yet.
///
/// As JSON it is the file `proposal.json` of the commits of `refs/proposals/<number>/log`, as `schemas/proposal.schema.json`
/// describes it. Members that are not known are left out of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proposal {
    /// Its number in the project, from 1.
    pub number: u64,
    /// What it is about, on one line.
    pub title: String,
    /// Why, in some more words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who opened it.
    pub author: Person,
    /// When it was opened.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub opened_at: Timestamp,
    /// When something happened to it last.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub updated_at: Timestamp,
    /// What became of it.
    pub state: State,
    /// Which commits it is by now, from 1: with others it is agreed to anew.
    pub version: u32,
    /// What it makes of each branch that it is about.
    pub heads: Vec<Head>,
    /// Whose changes it holds: none of them can agree to it.
    pub contributors: Vec<String>,
    /// Who agreed to this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// When it is to be merged by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How many things happened to it.
    pub events: u32,
}

/// Somebody, and the teams that they belonged to then: of those whom an issuer's token stands for nobody else keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Person {
    /// The account.
    pub account: String,
    /// Its teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum State {
    /// It waits.
    Open,
    /// It is part of its branches.
    Merged {
        /// The change set that made it so.
        #[serde(with = "text::as_number")]
        #[cfg_attr(test, schemars(with = "u64"))]
        sequence: Sequence,
        /// Who merged it.
        by: String,
    },
    /// It will not be.
    Closed {
        /// Who closed it.
        by: String,
    },
}

impl State {
    /// In one word.
    pub fn name(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Merged { .. } => "merged",
            State::Closed { .. } => "closed",
        }
    }
}

/// What a proposal makes of one branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Head {
    /// The environment whose branch it is.
    pub environment: String,
    /// The branch.
    pub branch: String,
    /// The commit of the branch that the change was made on; none where the branch had none.
    #[serde(default, with = "text::as_optional_text", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub base: Option<Revision>,
    /// The commit that holds the change.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub commit: Revision,
    /// The entries that it changes, the first so many: whoever is shown the proposal may read them.
    #[serde(with = "text::as_texts")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub paths: Vec<Path>,
    /// Whether it changes more than is named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Somebody's agreement to a version of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Approval {
    /// Who agreed.
    #[serde(flatten)]
    pub by: Person,
    /// When.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
}

/// A merge that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Schedule {
    /// Who merges.
    #[serde(flatten)]
    pub by: Person,
    /// The moment from which on it is made.
    #[serde(with = "text::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
}

/// What was given as a title, as one line that a terminal can show; none where nothing is left.
pub fn title_of(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let plain: String = line.chars().filter(|char| !char.is_control()).take(MOST_TITLE_CHARS).collect();
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_true() {
        let mut schema = serde_json::to_value(schemars::schema_for!(Proposal)).unwrap();
        schema["$id"] = serde_json::json!("urn:confgit:schema:proposal");
        let made = format!("{schema:#}\n");
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/proposal.schema.json");
        if std::env::var_os("CONFGIT_RENEW_OPENAPI").is_some() {
            std::fs::write(file, made).unwrap();
            return;
        }
        assert!(
            std::fs::read_to_string(file).unwrap() == made,
            "schemas/proposal.schema.json is not what the code says; `make openapi` renews it"
        );
    }

    #[test]
    fn titles_are_one_line() {
        for (given, expected) in [("a\nb", Some("a")), ("\n  b\u{7} c ", Some("b c")), ("  \n", None)] {
            assert_eq!(title_of(given).as_deref(), expected);
        }
    }
}
