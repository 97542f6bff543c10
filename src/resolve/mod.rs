//! From a path and an environment to what a reader sees: the environment's own layer first, then its parents'.

mod candidate;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Path;
use crate::snapshot::{Digest, Entry, EntryKind, Node, Object, Snapshot};

pub use candidate::{Candidate, Has, Outcome};

/// One layer of a view: the environment it belongs to and what its branch holds.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The environment's name.
    pub environment: Arc<str>,
    /// The branch's snapshot.
    pub snapshot: Arc<Snapshot>,
}

/// What an environment resolves to: its layers, nearest first.
#[derive(Debug, Clone)]
pub struct View {
    layers: Vec<Layer>,
}

/// What a view shows at a path.
#[derive(Debug, Clone)]
pub enum Found {
    /// One value.
    Entry(FoundEntry),
    /// Paths below.
    Object(Merged),
}

/// An entry and the environment whose layer holds it.
#[derive(Debug, Clone)]
pub struct FoundEntry {
    /// The environment whose layer holds the value.
    pub origin: Arc<str>,
    /// The value.
    pub entry: Arc<Entry>,
    /// Whether the layer is the nearest, rather than a parent's.
    pub own: bool,
}

/// An object seen through the layers of a view: at each name the nearest layer that has it wins, and
/// objects are joined. A tombstone hides what is below it.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The objects that stand at the path, nearest first, with the index of their layer.
    parts: Vec<(usize, Arc<Object>)>,
    layers: Arc<[Arc<str>]>,
}

impl View {
    /// The view of these layers, nearest first.
    pub fn new(layers: Vec<Layer>) -> Self {
        View { layers }
    }

    /// The nearest layer.
    pub fn own(&self) -> Option<&Layer> {
        self.layers.first()
    }

    /// All layers, nearest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The entry at a path given as plain segments: what [`View::find`] would find, without making a
    /// [`Path`] or joining objects. None where there is no entry.
    pub fn find_entry<'a>(
        &self,
        segments: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<(usize, &Arc<Entry>)> {
        for (index, layer) in self.layers.iter().enumerate() {
            let mut at = layer.snapshot.root();
            let mut segments = segments.clone();
            let ended = loop {
                let segment = segments.next()?;
                match at.child(segment) {
                    None => break None,
                    Some(Node::Object(object)) => at = object,
                    Some(Node::Entry(entry)) => break Some(entry),
                }
            };
            if let Some(entry) = ended {
                let hides = entry.kind() == EntryKind::Tombstone || segments.next().is_some();
                return (!hides).then_some((index, entry));
            }
        }
        None
    }

    /// What stands at a path; nothing where there is neither an entry nor an object with visible entries.
    pub fn find(&self, path: &Path) -> Option<Found> {
        let mut parts = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match lookup(&layer.snapshot, path) {
                Lookup::Nothing => {}
                Lookup::Hidden { .. } => break,
                Lookup::Entry(_) if !parts.is_empty() => break,
                Lookup::Entry(entry) => {
                    return Some(Found::Entry(FoundEntry {
                        origin: layer.environment.clone(),
                        entry,
                        own: index == 0,
                    }));
                }
                Lookup::Object(object) => parts.push((index, object)),
            }
        }
        if parts.is_empty() {
            return None;
        }
        let layers = self.layers.iter().map(|layer| layer.environment.clone()).collect();
        let merged = Merged { parts, layers };
        (path.is_root() || merged.members().next().is_some()).then_some(Found::Object(merged))
    }
}

enum Lookup {
    Nothing,
    /// A tombstone at the path, or a value or a tombstone above it: nothing further is looked for. `depth` is how
    /// many segments of the path lead to it.
    Hidden {
        entry: Arc<Entry>,
        depth: usize,
    },
    Entry(Arc<Entry>),
    Object(Arc<Object>),
}

fn lookup(snapshot: &Snapshot, path: &Path) -> Lookup {
    let mut at = snapshot.root();
    let mut segments = path.segments().zip(1..).peekable();
    while let Some((segment, depth)) = segments.next() {
        match at.child(&segment) {
            None => return Lookup::Nothing,
            Some(Node::Object(object)) => at = object,
            Some(Node::Entry(entry)) if segments.peek().is_none() && entry.kind() != EntryKind::Tombstone => {
                return Lookup::Entry(entry.clone());
            }
            Some(Node::Entry(entry)) => return Lookup::Hidden { entry: entry.clone(), depth },
        }
    }
    Lookup::Object(at.clone())
}

impl Merged {
    /// The hash of the content; for one layer that of its tree.
    pub fn digest(&self) -> Digest {
        match &self.parts[..] {
            [(_, only)] => only.digest(),
            parts => {
                let all: String =
                    parts.iter().map(|(index, object)| format!("{index}:{} ", object.digest())).collect();
                Digest::of(all.as_bytes())
            }
        }
    }

    /// At most how many entries are below.
    pub fn entries(&self) -> usize {
        self.parts.iter().map(|(_, object)| object.entries()).sum()
    }

    /// The visible members, sorted by name.
    pub fn members(&self) -> Box<dyn Iterator<Item = (Arc<str>, Found)> + '_> {
        if let [(index, only)] = &self.parts[..] {
            let members = only.children();
            return Box::new(
                members.filter_map(|(name, node)| Some((name.clone(), self.one(*index, node)?))),
            );
        }
        let mut names: BTreeMap<&Arc<str>, Vec<(usize, &Node)>> = BTreeMap::new();
        for (index, object) in &self.parts {
            for (name, node) in object.children() {
                names.entry(name).or_default().push((*index, node));
            }
        }
        Box::new(names.into_iter().filter_map(|(name, nodes)| Some((name.clone(), self.join(nodes)?))))
    }

    /// What a node shows where no other layer has anything.
    fn one(&self, index: usize, node: &Node) -> Option<Found> {
        match node {
            Node::Object(object) => self.object(vec![(index, object.clone())]),
            Node::Entry(entry) => self.entry(index, entry).map(Found::Entry),
        }
    }

    fn entry(&self, index: usize, entry: &Arc<Entry>) -> Option<FoundEntry> {
        if entry.kind() == EntryKind::Tombstone {
            return None;
        }
        Some(FoundEntry { origin: self.layers.get(index)?.clone(), entry: entry.clone(), own: index == 0 })
    }

    /// An object, unless nothing in it is visible.
    fn object(&self, parts: Vec<(usize, Arc<Object>)>) -> Option<Found> {
        let merged = Merged { parts, layers: self.layers.clone() };
        let is_visible = merged.members().next().is_some();
        is_visible.then_some(Found::Object(merged))
    }

    fn join(&self, nodes: Vec<(usize, &Node)>) -> Option<Found> {
        let mut parts = Vec::new();
        for (index, node) in nodes {
            match node {
                Node::Object(object) => parts.push((index, object.clone())),
                Node::Entry(_) if !parts.is_empty() => break,
                Node::Entry(entry) => return self.entry(index, entry).map(Found::Entry),
            }
        }
        if parts.is_empty() { None } else { self.object(parts) }
    }

    /// Calls `visit` with every visible entry below, in the order of paths, until it answers false.
    pub fn visit(&self, at: &Path, visit: &mut dyn FnMut(&Path, &FoundEntry) -> bool) -> bool {
        self.visit_after(at, &[], visit)
    }

    /// The same for those after a path, given by its segments from here on; what comes before is not looked at.
    pub fn visit_after(
        &self,
        at: &Path,
        after: &[Cow<'_, str>],
        visit: &mut dyn FnMut(&Path, &FoundEntry) -> bool,
    ) -> bool {
        if let [(index, only)] = &self.parts[..] {
            return self.visit_one((*index, only), at, after, visit);
        }
        self.members().all(|(name, found)| {
            let Some(rest) = rest_after(&name, after) else { return true };
            match (at.child(&name), found) {
                (Err(_), _) => true,
                (Ok(_), Found::Entry(_)) if rest.is_some() => true,
                (Ok(path), Found::Entry(entry)) => visit(&path, &entry),
                (Ok(path), Found::Object(object)) => {
                    object.visit_after(&path, rest.unwrap_or_default(), visit)
                }
            }
        })
    }

    /// The walk through an object that only one layer has.
    fn visit_one(
        &self,
        (index, object): (usize, &Object),
        at: &Path,
        after: &[Cow<'_, str>],
        visit: &mut dyn FnMut(&Path, &FoundEntry) -> bool,
    ) -> bool {
        object.children().all(|(name, node)| {
            let Some(rest) = rest_after(name, after) else { return true };
            match (at.child(name), node) {
                (Err(_), _) => true,
                (Ok(_), Node::Entry(_)) if rest.is_some() => true,
                (Ok(path), Node::Entry(entry)) => {
                    self.entry(index, entry).is_none_or(|found| visit(&path, &found))
                }
                (Ok(path), Node::Object(object)) => {
                    self.visit_one((index, object), &path, rest.unwrap_or_default(), visit)
                }
            }
        })
    }

    /// Appends the object as compact JSON, members sorted by name. At the root, `.confgit` is left out.
    pub fn write_json(&self, at_root: bool, out: &mut String) {
        out.push('{');
        let mut first = true;
        for (name, found) in self.members() {
            if at_root && &*name == ".confgit" {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            crate::model::Value::String(name.to_string()).write_json(out);
            out.push(':');
            match found {
                // An entry's JSON was made from UTF-8 text.
                Found::Entry(found) => out.push_str(&String::from_utf8_lossy(found.entry.json())),
                Found::Object(object) => object.write_json(false, out),
            }
        }
        out.push('}');
    }
}

/// What of the path after which a walk begins lies below a member: none where the member comes before it,
/// nothing where it comes after.
fn rest_after<'a, 'p>(name: &str, after: &'a [Cow<'p, str>]) -> Option<Option<&'a [Cow<'p, str>]>> {
    match after.split_first() {
        Some((first, _)) if name < &**first => None,
        Some((first, rest)) if name == &**first => Some(Some(rest)),
        _ => Some(None),
    }
}
