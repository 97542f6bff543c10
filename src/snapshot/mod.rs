//! One commit of one branch, fully parsed and immutable: which entry stands at which path, and why not.
//!
//! A snapshot is a tree that shares everything a change set did not touch with the snapshot it grew from.

mod children;
mod compare;
mod diff;
mod node;
mod place;
mod plan;
mod problem;

use std::sync::Arc;

use bytes::Bytes;
use rpds::RedBlackTreeMapSync;

use crate::model::{ObjectId, Path, Revision, Sequence, Timestamp, Version};

pub use compare::visit_differing;
pub use node::{Digest, EXTENDS, Entry, EntryKind, Node, Object, Refers, WITH};
pub use place::{METADATA_ROOT, VARIABLES, base_path, is_configuration, metadata_path};
pub use plan::{Change, Plan, Update};
pub use problem::Problem;

/// Which change set gave an entry its present value or metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The change set.
    pub sequence: Sequence,
    /// The commit.
    pub revision: Revision,
    /// When it was accepted.
    pub time: Timestamp,
    /// Who wrote it.
    pub account: Arc<str>,
}

/// An entry's version and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The version within the layer.
    pub version: Version,
    /// The change set that made it, shared by all entries of that change set.
    pub origin: Arc<Origin>,
}

/// The layer that one commit holds.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    root: Arc<Object>,
    files: RedBlackTreeMapSync<Arc<str>, ObjectId>,
    problems: Arc<[Problem]>,
}

/// Where a snapshot finds the content of blobs that a plan needs beside the changed ones.
pub trait Blobs {
    /// The content of a blob; none when it cannot be read.
    fn content(&self, blob: ObjectId) -> Option<Bytes>;
}

impl Snapshot {
    /// A snapshot of these entries, of which no file is known.
    pub fn of_root(root: Arc<Object>) -> Self {
        Snapshot { root, ..Snapshot::default() }
    }

    /// All entries, as a tree.
    pub fn root(&self) -> &Arc<Object> {
        &self.root
    }

    /// What stands at a path: an entry (a tombstone too), an object, or nothing.
    pub fn find(&self, path: &Path) -> Option<Node> {
        let mut at = Node::Object(self.root.clone());
        for segment in path.segments() {
            at = at.child(&segment)?.clone();
        }
        Some(at)
    }

    /// The entry at a path.
    pub fn entry(&self, path: &Path) -> Option<Arc<Entry>> {
        match self.find(path)? {
            Node::Entry(entry) => Some(entry),
            Node::Object(_) => None,
        }
    }

    /// The blob of a configuration file.
    pub fn file(&self, path: &str) -> Option<ObjectId> {
        self.files.get(path).copied()
    }

    /// All configuration files, sorted by name.
    pub fn files(&self) -> impl Iterator<Item = (&Arc<str>, ObjectId)> {
        self.files.iter().map(|(path, blob)| (path, *blob))
    }

    /// What is wrong with this commit.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The nearest structured document that may hold a path: its file name and its base path.
    pub fn nearest_document(&self, path: &Path) -> Option<(Arc<str>, Path)> {
        let mut base = path.clone();
        loop {
            let found = place::document_names(&base).find_map(|name| self.files.get_key_value(name.as_str()));
            if let Some(file) = found.map(|(file, _)| file.clone()) {
                return Some((file, base));
            }
            base = base.parent()?;
        }
    }

    /// This snapshot and another, which share no file, as one.
    pub fn grafted(&self, other: &Snapshot) -> Snapshot {
        let mut root = self.root.clone();
        other.root.visit(&Path::root(), &mut |path, entry| {
            let segments: Vec<_> = path.segments().collect();
            let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
            Object::set(&mut root, &segments, entry.clone());
        });
        let mut files = self.files.clone();
        for (file, blob) in other.files.iter() {
            files.insert_mut(file.clone(), *blob);
        }
        let problems: Vec<Problem> = self.problems.iter().chain(other.problems.iter()).cloned().collect();
        Snapshot { root, files, problems: problems.into() }
    }

    /// The same snapshot with every entry stamped anew.
    pub fn restamped(&self, stamp: &mut dyn FnMut(&Path) -> Option<Stamp>) -> Snapshot {
        let root = self.root.restamped(&Path::root(), stamp);
        Snapshot { root: Arc::new(root), files: self.files.clone(), problems: self.problems.clone() }
    }
}
