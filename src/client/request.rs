use serde::{Deserialize, Serialize};

use crate::model::Path;
use crate::wire::{Children, Entry};

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
