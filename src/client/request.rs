use serde::{Deserialize, Serialize};

use crate::model::Path;
use crate::wire::{Children, Entry, WrittenEntry, WrittenObject};

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

/// What became of a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// One entry was written.
    Entry(WrittenEntry),
    /// A subtree was written.
    Object(WrittenObject),
}

/// The names right below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The path.
    pub path: String,
    /// The names, sorted.
    pub entries: Vec<ListItem>,
}

/// One name of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListItem {
    /// The name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `entry` or `object`.
    pub kind: String,
    /// The version of an entry, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Listing {
    /// The names right below a path, taken from the entries below it, which are sorted by path.
    pub fn of(at: &Path, entries: &[Entry]) -> Self {
        let mut items: Vec<ListItem> = Vec::new();
        for entry in entries {
            let Some(below) = entry.path.parse::<Path>().ok().and_then(|path| path.strip_prefix(at)) else {
                continue;
            };
            let mut segments = below.segments();
            let Some(name) = segments.next() else { continue };
            let is_entry = segments.next().is_none();
            let Ok(path) = at.child(&name) else { continue };
            if items.last().is_some_and(|last| last.name == name) {
                continue;
            }
            let kind = if is_entry { "entry" } else { "object" };
            let version = entry.version.filter(|_| is_entry);
            items.push(ListItem {
                name: name.into_owned(),
                path: path.to_string(),
                kind: kind.to_owned(),
                version,
            });
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        items.dedup_by(|a, b| a.name == b.name);
        Listing { path: at.to_string(), entries: items }
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

    #[test]
    fn a_listing_is_one_level() {
        let entry = |path: &str| -> Entry {
            let text = format!(r#"{{"path":"{path}","value":1,"version":3,"origin":"base","env":"base"}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let entries = [entry("/a/b/c"), entry("/a/b/d"), entry("/a/b%2Fx"), entry("/a/e"), entry("/f")];
        let listing = Listing::of(&"/a".parse().unwrap(), &entries);
        let found: Vec<_> = listing
            .entries
            .iter()
            .map(|item| (item.path.as_str(), item.kind.as_str(), item.version))
            .collect();
        assert_eq!(
            found,
            [("/a/b", "object", None), ("/a/b%2Fx", "entry", Some(3)), ("/a/e", "entry", Some(3))]
        );
    }
}
