use std::sync::Arc;

use super::merged::{Merged, Part};
use super::strategy::joined;
use super::{Found, FoundEntry, Sight};
use crate::model::{Path, ResolutionRules};
use crate::snapshot::{EXTENDS, Entry, EntryKind, Node, Object, Snapshot};

/// One layer of a view: the environment it belongs to and what its branch holds.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The environment's name.
    pub environment: Arc<str>,
    /// The branch's snapshot.
    pub snapshot: Arc<Snapshot>,
}

/// What an environment resolves to: its layers, nearest first, and how they become one.
#[derive(Debug, Clone)]
pub struct View {
    layers: Vec<Layer>,
    rules: Arc<ResolutionRules>,
    has_replacing: bool,
    sight: Option<Arc<dyn Sight>>,
}

impl View {
    /// The view of these layers, nearest first.
    pub fn new(layers: Vec<Layer>, rules: Arc<ResolutionRules>) -> Self {
        let has_replacing = rules.merge.has_replacing();
        View { layers, rules, has_replacing, sight: None }
    }

    /// The same view, seen by somebody: nothing that is not seen is found in it. With none it shows everything.
    pub fn seen_by(&self, sight: Option<Arc<dyn Sight>>) -> Self {
        View { sight, ..self.clone() }
    }

    /// Who looks; none where everything is seen.
    pub fn sight(&self) -> Option<&Arc<dyn Sight>> {
        self.sight.as_ref()
    }

    /// The view of one layer.
    pub fn of_layer(layer: Layer) -> Self {
        View::new(vec![layer], Arc::default())
    }

    /// The nearest layer.
    pub fn own(&self) -> Option<&Layer> {
        self.layers.first()
    }

    /// All layers, nearest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How the layers become one.
    pub fn rules(&self) -> &Arc<ResolutionRules> {
        &self.rules
    }

    /// The entry at a path given as plain segments: what [`View::find`] would find, without making a
    /// [`Path`] or joining anything, whoever looks. None where there is no entry, and where more has to be looked at than the
    /// nearest layer that has one.
    pub fn find_entry<'a>(
        &self,
        segments: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<(usize, &Arc<Entry>)> {
        let has_rules = !self.rules.merge.is_empty();
        for (index, layer) in self.layers.iter().enumerate() {
            let mut at = layer.snapshot.root();
            let mut segments = segments.clone();
            let ended = loop {
                // A template may have what this layer does not.
                if at.is_derived() && at.child(EXTENDS).is_some() {
                    return None;
                }
                let segment = segments.next()?;
                match at.child(segment) {
                    None => break None,
                    Some(Node::Object(object)) => at = object,
                    Some(Node::Entry(entry)) => break Some(entry),
                }
            };
            if let Some(entry) = ended {
                let hides = entry.kind() == EntryKind::Tombstone || segments.next().is_some();
                // An array may be one of several, and what a parent has may be hidden by an object.
                let is_alone = !entry.json().starts_with(b"[") && (index == 0 || !self.has_replacing);
                let is_certain = !has_rules || is_alone;
                return (!hides && is_certain).then_some((index, entry));
            }
        }
        None
    }

    /// What stands at a path; nothing where there is neither an entry nor an object with visible entries.
    pub fn find(&self, path: &Path) -> Option<Found> {
        self.find_by(path, self.sight.as_ref())
    }

    /// The same where nobody's sight counts.
    pub(super) fn find_unseen(&self, path: &Path) -> Option<Found> {
        self.find_by(path, None)
    }

    fn find_by(&self, path: &Path, sight: Option<&Arc<dyn Sight>>) -> Option<Found> {
        let mut parts = Vec::new();
        for (index, (has, is_behind)) in self.lookups(path).enumerate() {
            match has {
                _ if is_behind => break,
                Lookup::Nothing => {}
                Lookup::Hidden { .. } => break,
                Lookup::Entry(_) if !parts.is_empty() => break,
                Lookup::Entry(_) if sight.is_some_and(|sight| !sight.sees(path)) => return None,
                Lookup::Entry(entry) => return Some(Found::Entry(self.found(index, entry, path))),
                Lookup::Object(object) => parts.push(Part { layer: index, object, template: None }),
            }
        }
        if parts.is_empty() {
            return None;
        }
        let layers = self.layers.iter().map(|layer| layer.environment.clone()).collect();
        let merged = Merged::of(parts, layers, path, &self.rules, sight)?;
        (path.is_root() || merged.has_members()).then_some(Found::Object(merged))
    }

    /// Whether an object on the way to a path names templates.
    pub fn is_derived_above(&self, path: &Path) -> bool {
        self.layers.iter().any(|layer| {
            let mut at = layer.snapshot.root();
            for segment in path.segments() {
                if !at.is_derived() {
                    return false;
                }
                if at.child(EXTENDS).is_some() {
                    return true;
                }
                match at.child(&segment) {
                    Some(Node::Object(object)) => at = object,
                    _ => return false,
                }
            }
            false
        })
    }

    /// What each layer has at a path, nearest first, and whether it is behind an object that hides all further ones.
    pub(super) fn lookups<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (Lookup, bool)> + 'a {
        let replaced_at = self.replaced_at(path);
        let mut is_behind = false;
        self.layers.iter().map(move |layer| {
            let (has, objects) = lookup(&layer.snapshot, path);
            let was_behind = is_behind;
            is_behind |=
                replaced_at.is_some_and(|depth| objects >= depth && layer.snapshot.root().entries() > 0);
            (has, was_behind)
        })
    }

    /// How many segments of a path lead to the first object on the way that hides those of its parents.
    fn replaced_at(&self, path: &Path) -> Option<usize> {
        if !self.has_replacing {
            return None;
        }
        let mut at = Path::root();
        if self.rules.merge.replaces(&at) {
            return Some(0);
        }
        for (segment, depth) in path.segments().zip(1..) {
            at = at.child(&segment).ok()?;
            if self.rules.merge.replaces(&at) {
                return Some(depth);
            }
        }
        None
    }

    /// The entry that a layer is the nearest to have, joined with those of further layers where a rule says so.
    fn found(&self, index: usize, entry: Arc<Entry>, path: &Path) -> FoundEntry {
        let origin = self.layers[index].environment.clone();
        let strategy = if entry.json().starts_with(b"[") { self.rules.merge.of(path) } else { None };
        let whole = strategy.and_then(|strategy| {
            let further: Vec<Arc<Entry>> = self
                .lookups(path)
                .skip(index + 1)
                .filter(|(has, _)| !matches!(has, Lookup::Nothing))
                .map_while(|(has, is_behind)| match has {
                    Lookup::Entry(entry) if !is_behind => Some(entry),
                    _ => None,
                })
                .collect();
            joined(strategy, &entry, further.iter())
        });
        let is_joined = whole.is_some();
        FoundEntry {
            origin,
            entry: whole.map_or(entry, Arc::new),
            own: index == 0,
            is_joined,
            template: None,
        }
    }
}

/// What one layer has at a path.
pub(super) enum Lookup {
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

/// What a layer has at a path, and how many segments of the path lead to objects in it.
fn lookup(snapshot: &Snapshot, path: &Path) -> (Lookup, usize) {
    let mut at = snapshot.root();
    let mut segments = path.segments().zip(1..).peekable();
    let mut objects = 0;
    while let Some((segment, depth)) = segments.next() {
        match at.child(&segment) {
            None => return (Lookup::Nothing, objects),
            Some(Node::Object(object)) => (at, objects) = (object, depth),
            Some(Node::Entry(entry)) if segments.peek().is_none() && entry.kind() != EntryKind::Tombstone => {
                return (Lookup::Entry(entry.clone()), objects);
            }
            Some(Node::Entry(entry)) => return (Lookup::Hidden { entry: entry.clone(), depth }, objects),
        }
    }
    (Lookup::Object(at.clone()), objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MergeRules, MergeStrategy, Object as Members, PathGlob, Value};
    use crate::resolve::strategy::join;
    use crate::resolve::testing::layer_of;

    const CONTENTS: [Option<&str>; 11] = [
        None,
        Some("1"),
        Some("null"),
        Some("[1]"),
        Some("[2,1]"),
        Some("{}"),
        Some(r#"{"b":[1]}"#),
        Some(r#"{"b":[2,1],"c":{"e":1}}"#),
        Some(r#"{"b":null}"#),
        Some(r#"{"b":{"d":[3]},"c":5}"#),
        Some(r#"{"b":{"d":null},"c":{"f":2}}"#),
    ];

    /// DESIGN's left fold, value by value: what a view has to be equal to.
    fn fold(parent: Option<Value>, own: Option<&Value>, path: &Path, rules: &MergeRules) -> Option<Value> {
        match (parent, own) {
            (parent, None) => parent,
            (_, Some(Value::Null)) => None,
            (parent, Some(Value::Object(members))) if !members.is_empty() => {
                let mut whole = match parent {
                    Some(Value::Object(parent)) if !rules.replaces(path) => parent,
                    _ => Members::new(),
                };
                for (name, member) in members {
                    let below = path.child(name).unwrap();
                    if let Some(value) = fold(whole.shift_remove(name), Some(member), &below, rules) {
                        whole.insert(name.clone(), value);
                    }
                }
                (!whole.is_empty()).then_some(Value::Object(whole))
            }
            (Some(Value::Array(parent)), Some(Value::Array(own))) => {
                let strategy = rules.of(path).unwrap_or(&MergeStrategy::Replace);
                Some(Value::Array(join(strategy, parent, own.clone())))
            }
            (_, Some(own)) => Some(own.clone()),
        }
    }

    fn shown(view: &View, path: &Path) -> String {
        match view.find(path) {
            None => "nothing".to_owned(),
            Some(Found::Entry(found)) => String::from_utf8_lossy(found.entry.json()).into_owned(),
            Some(Found::Object(object)) => {
                let mut json = String::new();
                object.write_json(false, &mut json);
                json
            }
        }
    }

    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, member)| (name.clone(), sorted(member))).collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(members.into_iter().collect())
            }
            other => other.clone(),
        }
    }

    #[test]
    fn a_view_is_the_left_fold_of_its_layers_at_every_path() {
        let rule = |glob: &str, strategy| (PathGlob::new(glob), strategy);
        let all_rules = [
            vec![],
            vec![rule("/**", MergeStrategy::Append)],
            vec![rule("/r/a", MergeStrategy::Replace), rule("/r/a/b", MergeStrategy::Unique)],
            vec![rule("/r/a/*", MergeStrategy::Replace), rule("/**", MergeStrategy::Append)],
            vec![rule("/", MergeStrategy::Replace)],
        ];
        for rules in all_rules.map(MergeRules::new) {
            for first in CONTENTS {
                for (second, third) in
                    CONTENTS.iter().flat_map(|second| CONTENTS.map(|third| (*second, third)))
                {
                    let file = |json: Option<&str>| json.map(|json| format!("{{\"a\":{json}}}"));
                    let layer = |name: &str, json: Option<&str>| {
                        let file = file(json);
                        layer_of(name, &file.iter().map(|json| ("r.yaml", json.as_str())).collect::<Vec<_>>())
                    };
                    let layers = vec![layer("x", third), layer("y", second), layer("z", first)];
                    let rules = ResolutionRules { merge: rules.clone(), ..Default::default() };
                    let mut expected = None;
                    for content in [first, second, third] {
                        let own =
                            file(content).map(|json| Value::from_json(&format!("{{\"r\":{json}}}")).unwrap());
                        expected = fold(expected, own.as_ref(), &Path::root(), &rules.merge);
                    }
                    let view = View::new(layers, Arc::new(rules));
                    for path in ["/r/a", "/r/a/b", "/r/a/b/d", "/r/a/c", "/r/a/c/e"] {
                        let path: Path = path.parse().unwrap();
                        let mut at = expected.as_ref();
                        for segment in path.segments() {
                            at = at.and_then(|value| match value {
                                Value::Object(members) => members.get(&*segment),
                                _ => None,
                            });
                        }
                        let expected = at.map_or("nothing".to_owned(), |value| sorted(value).to_json());
                        let place =
                            format!("{path} of {first:?} {second:?} {third:?} {:?}", view.rules.merge);
                        assert_eq!(shown(&view, &path), expected, "{place}");
                        let segments: Vec<_> = path.segments().collect();
                        if let Some((_, entry)) = view.find_entry(segments.iter().map(|segment| &**segment)) {
                            assert_eq!(String::from_utf8_lossy(entry.json()), expected, "fast: {place}");
                        }
                    }
                }
            }
        }
    }
}
