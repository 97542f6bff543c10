use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::strategy::joined;
use super::{Found, FoundEntry, Seen, Sight};
use crate::model::{Path, ResolutionRules, Value};
use crate::snapshot::{Digest, EXTENDS, Entry, EntryKind, Node, Object, WITH};

/// An object seen through the layers of a view: at each name the nearest layer that has it wins, and
/// objects are joined. A tombstone hides what is below it.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The objects that stand at the path, nearest first.
    parts: Vec<Part>,
    layers: Arc<[Arc<str>]>,
    /// Where it stands, and the rules for what is below; none where there are no rules.
    ruled: Option<(Path, Arc<ResolutionRules>)>,
    /// Where it stands, and what is seen of it; none where that is all of it.
    seen: SeenAt,
    /// Whether the members that name templates are none any more.
    is_expanded: bool,
}

/// What one layer has at the path of a merged object.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The index of the layer.
    pub layer: usize,
    pub object: Arc<Object>,
    /// The template that it comes from.
    pub template: Option<Arc<str>>,
}

impl Part {
    /// What the same layer has below.
    fn of(&self, object: &Arc<Object>) -> Part {
        Part { layer: self.layer, object: object.clone(), template: self.template.clone() }
    }
}

impl Merged {
    /// The object of these parts at a path; none where nothing of it is seen.
    pub(super) fn of(
        parts: Vec<Part>,
        layers: Arc<[Arc<str>]>,
        path: &Path,
        rules: &Arc<ResolutionRules>,
        sight: Option<&Arc<dyn Sight>>,
    ) -> Option<Self> {
        let ruled = (!rules.merge.is_empty()).then(|| (path.clone(), rules.clone()));
        let seen = match sight {
            Some(sight) => seen_below(&parts, path, sight)?,
            None => None,
        };
        Some(Merged { parts, layers, ruled, seen, is_expanded: false })
    }

    /// The same for nobody's eyes.
    pub(super) fn unseen(&self) -> Self {
        Merged { seen: None, ..self.clone() }
    }

    /// Whether some of what stands here may be kept from who looks.
    pub fn is_partial(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether a name below may begin with a dot.
    pub fn has_hidden(&self) -> bool {
        self.parts.iter().any(|part| part.object.has_hidden())
    }

    /// The hash of the content; for one layer that of its tree.
    pub fn digest(&self) -> Digest {
        if self.is_partial() {
            return self.digest_of_seen();
        }
        match &self.parts[..] {
            [only] => only.object.digest(),
            parts => {
                let all: String =
                    parts.iter().map(|part| format!("{}:{} ", part.layer, part.object.digest())).collect();
                Digest::of(all.as_bytes())
            }
        }
    }

    /// The hash of what is seen: it must not tell of what is not.
    fn digest_of_seen(&self) -> Digest {
        let mut all = String::new();
        for (name, found) in self.members() {
            let digest = match &found {
                Found::Entry(entry) => entry.entry.digest(),
                Found::Object(object) => object.digest(),
            };
            let _ = writeln!(all, "{digest} {name}");
        }
        Digest::of(all.as_bytes())
    }

    /// What each layer has here, nearest first.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The same object made of other parts, without the members that name templates.
    pub(super) fn expanded(&self, parts: Vec<Part>) -> Self {
        Merged { parts, is_expanded: true, ..self.clone() }
    }

    /// Whether templates were merged into it.
    pub(super) fn is_expanded(&self) -> bool {
        self.is_expanded
    }

    /// Whether some value below is another once references are followed and templates merged.
    pub fn is_derived(&self) -> bool {
        self.parts.iter().any(|part| part.object.is_derived())
    }

    /// At most how many entries are below.
    pub fn entries(&self) -> usize {
        self.parts.iter().map(|part| part.object.entries()).sum()
    }

    /// The visible members, sorted by name.
    pub fn members(&self) -> Box<dyn Iterator<Item = (Arc<str>, Found)> + '_> {
        if let ([only], None) = (&self.parts[..], &self.seen) {
            let members = only.object.children().filter(|(name, _)| self.shows(name));
            return Box::new(
                members.filter_map(|(name, node)| Some((name.clone(), self.one(only, name, node)?))),
            );
        }
        let mut names: BTreeMap<&Arc<str>, Vec<(&Part, &Node)>> = BTreeMap::new();
        for part in &self.parts {
            for (name, node) in part.object.children().filter(|(name, _)| self.shows(name)) {
                names.entry(name).or_default().push((part, node));
            }
        }
        let members = names.into_iter();
        Box::new(members.filter_map(|(name, nodes)| Some((name.clone(), self.join(name, nodes)?))))
    }

    /// Whether any member is visible. The first that is will do: nothing is gathered for that.
    pub(super) fn has_members(&self) -> bool {
        let mut names = self.parts.iter().flat_map(|part| part.object.children());
        names.any(|(name, _)| self.member(name).is_some())
    }

    /// One member.
    pub fn member(&self, name: &str) -> Option<Found> {
        if !self.shows(name) {
            return None;
        }
        let nodes = self.parts.iter().filter_map(|part| Some((part, part.object.child(name)?)));
        self.join(name, nodes.collect())
    }

    fn shows(&self, name: &str) -> bool {
        !self.is_expanded || !matches!(name, EXTENDS | WITH)
    }

    /// Whether a value at a member's path is seen.
    fn sees(&self, name: &str) -> bool {
        self.seen.as_ref().is_none_or(|(at, sight)| at.child(name).is_ok_and(|path| sight.sees(&path)))
    }

    /// What a node shows where no other layer has anything.
    fn one(&self, part: &Part, name: &str, node: &Node) -> Option<Found> {
        match node {
            Node::Object(object) => self.object(name, vec![part.of(object)]),
            Node::Entry(entry) => self.entry(part, entry).map(Found::Entry),
        }
    }

    fn entry(&self, part: &Part, entry: &Arc<Entry>) -> Option<FoundEntry> {
        if entry.kind() == EntryKind::Tombstone {
            return None;
        }
        let origin = part.template.as_ref().or_else(|| self.layers.get(part.layer))?.clone();
        let own = part.layer == 0 && part.template.is_none();
        let (entry, template) = (entry.clone(), part.template.clone());
        Some(FoundEntry { origin, entry, own, is_joined: false, template })
    }

    /// An object, unless nothing in it is visible.
    fn object(&self, name: &str, parts: Vec<Part>) -> Option<Found> {
        let ruled = match &self.ruled {
            Some((at, rules)) => Some((at.child(name).ok()?, rules.clone())),
            None => None,
        };
        let seen = match &self.seen {
            Some((at, sight)) => seen_below(&parts, &at.child(name).ok()?, sight)?,
            None => None,
        };
        let merged = Merged { parts, layers: self.layers.clone(), ruled, seen, is_expanded: false };
        merged.has_members().then_some(Found::Object(merged))
    }

    fn join(&self, name: &str, nodes: Vec<(&Part, &Node)>) -> Option<Found> {
        let child = self.ruled.as_ref().and_then(|(at, rules)| Some((at.child(name).ok()?, rules)));
        let hides_parents = child.as_ref().is_some_and(|(path, rules)| rules.merge.replaces(path));
        let mut parts = Vec::new();
        for (at, (part, node)) in nodes.iter().enumerate() {
            match node {
                Node::Object(object) => {
                    parts.push(part.of(object));
                    if hides_parents {
                        break;
                    }
                }
                Node::Entry(_) if !parts.is_empty() => break,
                Node::Entry(_) if !self.sees(name) => return None,
                Node::Entry(entry) => {
                    let mut found = self.entry(part, entry)?;
                    let strategy = child.as_ref().and_then(|(path, rules)| rules.merge.of(path));
                    let further = nodes[at + 1..].iter().map_while(|(_, node)| match node {
                        Node::Entry(entry) => Some(entry),
                        Node::Object(_) => None,
                    });
                    if let Some(whole) = strategy.and_then(|strategy| joined(strategy, entry, further)) {
                        found = FoundEntry { entry: Arc::new(whole), is_joined: true, ..found };
                    }
                    return Some(Found::Entry(found));
                }
            }
        }
        if parts.is_empty() { None } else { self.object(name, parts) }
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
        if let ([only], None) = (&self.parts[..], &self.seen) {
            return self.visit_one((only, &only.object), at, after, visit);
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
        (part, object): (&Part, &Object),
        at: &Path,
        after: &[Cow<'_, str>],
        visit: &mut dyn FnMut(&Path, &FoundEntry) -> bool,
    ) -> bool {
        object.children().filter(|(name, _)| self.shows(name)).all(|(name, node)| {
            let Some(rest) = rest_after(name, after) else { return true };
            match (at.child(name), node) {
                (Err(_), _) => true,
                (Ok(_), Node::Entry(_)) if rest.is_some() => true,
                (Ok(path), Node::Entry(entry)) => {
                    self.entry(part, entry).is_none_or(|found| visit(&path, &found))
                }
                (Ok(path), Node::Object(object)) => {
                    self.visit_one((part, object), &path, rest.unwrap_or_default(), visit)
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
            Value::String(name.to_string()).write_json(out);
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

/// A path with the eyes that look at what is below it; none of that where all of it is seen.
type SeenAt = Option<(Path, Arc<dyn Sight>)>;

/// What is seen below a path; none where that is nothing.
fn seen_below(parts: &[Part], path: &Path, sight: &Arc<dyn Sight>) -> Option<SeenAt> {
    match sight.below(path, parts.iter().any(|part| part.object.has_hidden())) {
        Seen::Nothing => None,
        Seen::Part => Some(Some((path.clone(), sight.clone()))),
        Seen::All => Some(None),
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
