use serde::{Deserialize, Serialize};

use crate::model::Path;
use crate::wire::{Children, Entry, Promoted, PromotionConflict};

/// What a request is about: a path of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path.
    pub path: Path,
    /// The environment; the project's default one when none.
    pub env: Option<String>,
}

/// Which state of the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Moment {
    /// The present one.
    #[default]
    Now,
    /// That of one version of the path.
    Version(u64),
    /// That of a sequence, commit, tag or time.
    At(String),
}

/// What is written for other tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The format, as the API names it.
    pub format: &'static str,
    /// Whether the values of secrets are wanted.
    pub with_secrets: bool,
    /// What an object of Kubernetes is called.
    pub name: Option<String>,
    /// When.
    pub moment: Moment,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The path at or below which entries are compared.
    pub path: Path,
    /// The two sides.
    pub sides: Sides,
}

/// The two sides of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sides {
    /// One environment at two moments, each a sequence, commit, tag or time; `to` is now when none.
    Moments {
        /// The environment; the default one when none.
        env: Option<String>,
        /// The moment that is compared.
        from: String,
        /// The moment it is compared with.
        to: Option<String>,
    },
    /// Two environments, now.
    Environments {
        /// The one that is compared.
        from: String,
        /// The one it is compared with.
        to: String,
    },
    /// Two versions of an entry; the newest and the one before when none.
    Versions {
        /// The environment; the default one when none.
        env: Option<String>,
        /// The version that is compared.
        from: Option<u64>,
        /// The version it is compared with.
        to: Option<u64>,
    },
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON Merge Patch (RFC 7396).
    Merge,
    /// JSON Patch (RFC 6902).
    Operations,
}

/// What has to hold of a path for a write to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Anything,
    /// Nothing stands there.
    Absent,
    /// It has this version.
    Version(u64),
}

/// What became of a promotion.
#[derive(Debug)]
pub enum Promotion {
    /// It was made, or of a dry run, would be.
    Made(Box<Promoted>),
    /// Nothing was written, for this is to be decided.
    Conflicts(Vec<PromotionConflict>),
}

/// What stands at a path.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Node {
    /// A value.
    Entry(Box<Entry>),
    /// Paths below.
    Object(Children),
}

impl Node {
    /// Reads an answer. Serde cannot tell the two apart by itself: it does not keep raw JSON when it looks twice.
    pub(super) fn of_json(json: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Shape {
            children: Option<serde::de::IgnoredAny>,
        }
        let shape: Shape = serde_json::from_slice(json)?;
        match shape.children {
            Some(_) => serde_json::from_slice(json).map(Node::Object),
            None => serde_json::from_slice(json).map(Node::Entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_objects_are_told_apart() {
        let entry = br#"{"path":"/a","value":1.10,"version":3,"origin":"base","env":"base"}"#;
        assert!(matches!(Node::of_json(entry).unwrap(), Node::Entry(entry) if entry.value.get() == "1.10"));
        let object = br#"{"path":"/a","children":["b"]}"#;
        assert!(matches!(Node::of_json(object).unwrap(), Node::Object(object) if object.children == ["b"]));
        assert!(Node::of_json(b"{}").is_err() && Node::of_json(b"<html>").is_err());
    }
}
