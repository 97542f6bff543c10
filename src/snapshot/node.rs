use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::Stamp;
use super::children::Children;
use crate::document::Format;
use crate::model::{Path, Value, Version, bytes_of_base64};

/// A 128-bit hash of content: the first half of a SHA-256 for entries, and for objects the sum of
/// their members' hashes modulo 2^128, so that one changed member costs one addition whatever the width.
///
/// It tells equal content from different in an `ETag`; it is no proof against a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(u128);

impl Digest {
    /// The hash of some bytes.
    pub fn of(content: &[u8]) -> Self {
        Self::finish(Sha256::new().chain_update(content))
    }

    fn of_member(name: &str, node: &Node) -> Self {
        let digest = node.digest().0.to_le_bytes();
        Self::finish(Sha256::new().chain_update(name).chain_update([0, node.tag()]).chain_update(digest))
    }

    fn finish(hasher: Sha256) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize()[..16]);
        Digest(u128::from_be_bytes(half))
    }

    fn plus(self, other: Self) -> Self {
        Digest(self.0.wrapping_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Digest(self.0.wrapping_sub(other.0))
    }

    /// The first 32 bits, for the short form in an entry's `ETag`.
    pub fn short(self) -> u32 {
        (self.0 >> 96) as u32
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a value is, as far as an answer has to know before reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// `null`: no value here, and none from a parent.
    Tombstone,
    /// A JSON string.
    Text,
    /// Bytes, shown as a base64 JSON string.
    Bytes,
    /// A number, boolean, array or `{}`.
    Data,
}

/// One leaf value at a path of a layer.
#[derive(Debug, Clone)]
pub struct Entry {
    json: Bytes,
    digest: Digest,
    kind: EntryKind,
    refers: Refers,
    file: Arc<str>,
    stamp: Option<Stamp>,
}

/// Whether references in a value may have to be followed before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refers {
    /// There are none in it.
    No,
    /// It is of a document, and may hold some.
    Document,
    /// The same of a file of text: only where its metadata says so.
    Text,
}

/// The member of an object that names the templates it is merged over.
pub const EXTENDS: &str = "$extends";

/// The member that gives the parameters of the templates named beside it.
pub const WITH: &str = "$with";

impl Entry {
    /// The entry of this value in this file, not yet stamped.
    pub fn new(value: &Value, file: Arc<str>) -> Self {
        let json = Bytes::from(value.to_json().into_bytes());
        let kind = match value {
            Value::Null => EntryKind::Tombstone,
            Value::String(_) => EntryKind::Text,
            Value::Bytes(_) => EntryKind::Bytes,
            _ => EntryKind::Data,
        };
        let digest = Digest::of(&json);
        let refers = match memchr::memmem::find(&json, b"${") {
            Some(_) if kind != EntryKind::Bytes && Format::of(&file).is_structured() => Refers::Document,
            Some(_) if kind != EntryKind::Bytes => Refers::Text,
            _ => Refers::No,
        };
        Entry { json, digest, kind, refers, file, stamp: None }
    }

    /// The value as compact JSON; bytes as base64.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The value, read back from its JSON.
    pub fn value(&self) -> Value {
        let text = String::from_utf8_lossy(&self.json);
        match Value::from_json(&text) {
            Ok(Value::String(text)) if self.kind == EntryKind::Bytes => {
                Value::Bytes(bytes_of_base64(&text).unwrap_or_default())
            }
            // What an entry holds was written by us, so there is nothing that could not be read.
            read => read.unwrap_or(Value::Null),
        }
    }

    /// The hash of the value.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the value is.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Whether references in it may have to be followed.
    pub fn refers(&self) -> Refers {
        self.refers
    }

    /// The file that holds it.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Its version and origin; none while the history index is being rebuilt.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Its version, when it is known.
    pub fn version(&self) -> Option<Version> {
        self.stamp.as_ref().map(|stamp| stamp.version)
    }

    /// Whether two entries say the same.
    pub fn same_value(&self, other: &Entry) -> bool {
        self.kind == other.kind && self.json == other.json
    }

    /// The same entry with this stamp.
    pub fn stamped(self, stamp: Stamp) -> Self {
        self.with_stamp(Some(stamp))
    }

    pub(super) fn with_stamp(mut self, stamp: Option<Stamp>) -> Self {
        self.stamp = stamp;
        self
    }
}

/// What stands at a path: one value, or more paths.
#[derive(Debug, Clone)]
pub enum Node {
    /// A leaf.
    Entry(Arc<Entry>),
    /// Paths below.
    Object(Arc<Object>),
}

impl Node {
    /// The node one segment below.
    pub fn child(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Entry(_) => None,
            Node::Object(object) => object.children.get(name),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Node::Entry(entry) => entry.digest,
            Node::Object(object) => object.digest,
        }
    }

    fn tag(&self) -> u8 {
        match self {
            Node::Entry(entry) if entry.kind == EntryKind::Bytes => b'b',
            Node::Entry(_) => b'e',
            Node::Object(_) => b'o',
        }
    }
}

/// The members at a path, sorted by name. Only the root may be without members.
#[derive(Debug, Clone, Default)]
pub struct Object {
    children: Children,
    digest: Digest,
    entries: usize,
    /// How many entries below may hold references, or name templates.
    derived: usize,
    /// How many names below begin with a dot, as many times as there are entries below them.
    hidden: usize,
}

impl Object {
    /// The members in the order of their names.
    pub fn children(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.children.iter()
    }

    /// Calls `visit` with the members that two objects may not have alike: see [`Children::compare`].
    pub(super) fn compare<'o>(
        &'o self,
        other: &'o Object,
        visit: &mut dyn FnMut(&'o str, Option<&'o Node>, Option<&'o Node>),
    ) {
        self.children.compare(&other.children, visit);
    }

    /// One member.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.get(name)
    }

    /// The hash of all that is below.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many entries are below, tombstones included.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Whether some value below is another once references are followed and templates merged.
    pub fn is_derived(&self) -> bool {
        self.derived > 0
    }

    /// Whether a name below begins with a dot.
    pub fn has_hidden(&self) -> bool {
        self.hidden > 0
    }

    /// The tree of these entries, the paths of which begin here; what stands in the way of another is left out.
    pub fn of(entries: impl IntoIterator<Item = (Path, Arc<Entry>)>) -> Arc<Self> {
        let mut root = Arc::new(Object::default());
        for (path, entry) in entries {
            let segments: Vec<_> = path.segments().collect();
            let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
            Object::set(&mut root, &segments, entry);
        }
        root
    }

    /// Calls `visit` with every entry below, in the order of paths.
    pub fn visit(&self, at: &Path, visit: &mut dyn FnMut(Path, &Arc<Entry>)) {
        for (name, node) in self.children.iter() {
            // Every path in a snapshot was checked when its file was read.
            let Ok(path) = at.child(name) else { continue };
            match node {
                Node::Entry(entry) => visit(path, entry),
                Node::Object(object) => object.visit(&path, visit),
            }
        }
    }

    pub(super) fn restamped(&self, at: &Path, stamp: &mut dyn FnMut(&Path) -> Option<Stamp>) -> Object {
        let members = self.children.iter().map(|(name, node)| {
            let node = match (at.child(name), node) {
                (Err(_), node) => node.clone(),
                (Ok(path), Node::Object(object)) => Node::Object(Arc::new(object.restamped(&path, stamp))),
                (Ok(path), Node::Entry(entry)) => {
                    let found = stamp(&path);
                    Node::Entry(Arc::new(Entry::clone(entry).with_stamp(found)))
                }
            };
            (name.clone(), node)
        });
        Object {
            children: members.collect(),
            digest: self.digest,
            entries: self.entries,
            derived: self.derived,
            hidden: self.hidden,
        }
    }

    /// Puts an entry at the path of these segments. What is in the way stays, and the answer is false:
    /// an entry above, or an object at the path itself.
    pub(super) fn set(self: &mut Arc<Self>, segments: &[&str], entry: Arc<Entry>) -> bool {
        let Some((name, below)) = segments.split_first() else { return false };
        let object = Arc::make_mut(self);
        let Some(child) = object.children.get_mut(name) else {
            let node = Node::leaf_below(below, entry);
            object.digest = object.digest.plus(Digest::of_member(name, &node));
            object.entries += 1;
            object.derived += node.derived_as(name);
            object.hidden += node.hidden_as(name);
            object.children.insert(Arc::from(*name), node);
            return true;
        };
        let before =
            (Digest::of_member(name, child), child.entries(), child.derived_as(name), child.hidden_as(name));
        let placed = match child {
            Node::Entry(_) if below.is_empty() => {
                *child = Node::Entry(entry);
                true
            }
            Node::Entry(_) => false,
            Node::Object(_) if below.is_empty() => false,
            Node::Object(inner) => Object::set(inner, below, entry),
        };
        object.digest = object.digest.minus(before.0).plus(Digest::of_member(name, child));
        object.entries = object.entries - before.1 + child.entries();
        object.derived = object.derived - before.2 + child.derived_as(name);
        object.hidden = object.hidden - before.3 + child.hidden_as(name);
        placed
    }

    /// Takes the entry at the path of these segments away, and every object that this leaves empty.
    pub(super) fn remove(self: &mut Arc<Self>, segments: &[&str]) -> bool {
        let Some((name, below)) = segments.split_first() else { return false };
        let object = Arc::make_mut(self);
        let Some(child) = object.children.get_mut(name) else { return false };
        let before =
            (Digest::of_member(name, child), child.entries(), child.derived_as(name), child.hidden_as(name));
        let gone = match child {
            Node::Entry(_) => below.is_empty(),
            Node::Object(inner) => {
                if !Object::remove(inner, below) {
                    return false;
                }
                inner.entries == 0
            }
        };
        if gone {
            object.digest = object.digest.minus(before.0);
            object.entries -= before.1;
            object.derived -= before.2;
            object.hidden -= before.3;
            object.children.remove(name);
            return true;
        }
        object.digest = object.digest.minus(before.0).plus(Digest::of_member(name, child));
        object.entries = object.entries - before.1 + child.entries();
        object.derived = object.derived - before.2 + child.derived_as(name);
        object.hidden = object.hidden - before.3 + child.hidden_as(name);
        matches!(child, Node::Object(_))
    }
}

impl Node {
    /// How many entries this is or holds.
    pub fn entries(&self) -> usize {
        match self {
            Node::Entry(_) => 1,
            Node::Object(object) => object.entries,
        }
    }

    /// How many entries this is or holds that may hold references, or name templates, as the member of this name.
    fn derived_as(&self, name: &str) -> usize {
        let names_templates = usize::from(name == EXTENDS);
        match self {
            Node::Entry(entry) => names_templates + usize::from(entry.refers != Refers::No),
            Node::Object(object) => names_templates + object.derived,
        }
    }

    /// How many names begin with a dot in this, as the member of this name.
    fn hidden_as(&self, name: &str) -> usize {
        let is_hidden = if name.starts_with('.') { self.entries() } else { 0 };
        match self {
            Node::Entry(_) => is_hidden,
            Node::Object(object) => is_hidden + object.hidden,
        }
    }

    fn leaf_below(segments: &[&str], entry: Arc<Entry>) -> Node {
        match segments.split_first() {
            None => Node::Entry(entry),
            Some((name, below)) => {
                let node = Node::leaf_below(below, entry);
                let digest = Digest::of_member(name, &node);
                let mut children = Children::default();
                let (derived, hidden) = (node.derived_as(name), node.hidden_as(name));
                children.insert(Arc::from(*name), node);
                Node::Object(Arc::new(Object { children, digest, entries: 1, derived, hidden }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Arc<Entry> {
        Arc::new(Entry::new(&Value::from(text), "f.yaml".into()))
    }

    #[test]
    fn the_digest_depends_on_content_not_on_the_way_there() {
        let mut direct = Arc::new(Object::default());
        assert!(direct.set(&["a", "x"], entry("1")) && direct.set(&["a", "y"], entry("2")));
        let mut detour = Arc::new(Object::default());
        assert!(detour.set(&["b"], entry("0")) && detour.set(&["a", "y"], entry("9")));
        assert!(
            detour.set(&["a", "x"], entry("1"))
                && detour.set(&["a", "y"], entry("2"))
                && detour.remove(&["b"])
        );
        assert_eq!((direct.digest(), direct.entries()), (detour.digest(), detour.entries()));
        assert!(detour.remove(&["a", "x"]) && detour.remove(&["a", "y"]));
        assert_eq!((detour.digest(), detour.entries(), detour.children().count()), (Digest::default(), 0, 0));
    }

    #[test]
    fn growing_leaves_the_older_tree_alone() {
        let mut tree = Arc::new(Object::default());
        tree.set(&["a", "x"], entry("1"));
        let old = tree.clone();
        tree.set(&["a", "x"], entry("2"));
        assert_ne!(old.digest(), tree.digest());
        assert!(!tree.set(&["a"], entry("3")), "an object is in the way");
        assert!(!tree.set(&["a", "x", "y"], entry("3")), "an entry is in the way");
    }
}
