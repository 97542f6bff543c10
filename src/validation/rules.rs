use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::schema::Schema;
use crate::model::{Diagnostic, Path, PathGlob, Rule, Value};
use crate::resolve::{Found, Layer, View};
use crate::snapshot::{Digest, EntryKind, METADATA_ROOT, Node, metadata_path};

/// Where the rules of a layer are: an object for each, with `paths` and `schema`.
const RULES: &str = "/.confgit/schemas";

/// How many schemas are kept ready.
const MOST_SCHEMAS: usize = 10_000;

/// Schemas that were made ready before, by the hash of what they say; of those that are none, the reason.
#[derive(Default)]
pub struct SchemaCache(HashMap<Digest, Result<Arc<Schema>, String>>);

impl SchemaCache {
    fn schema(&mut self, json: &str) -> Result<Arc<Schema>, String> {
        let digest = Digest::of(json.as_bytes());
        if let Some(known) = self.0.get(&digest) {
            return known.clone();
        }
        if self.0.len() >= MOST_SCHEMAS {
            self.0.clear();
        }
        let read = serde_json::from_str(json).map_err(|error| error.to_string());
        let schema = read.and_then(|value| Schema::compile(&value)).map(Arc::new);
        self.0.insert(digest, schema.clone());
        schema
    }
}

/// What the layers of an environment demand by patterns of paths. The rules of a chain add up, and each reads its
/// schema as the environment that made it sees it, so that no child can take a rule away or weaken it.
#[derive(Default)]
pub struct RuleSet {
    rules: Vec<SchemaRule>,
    /// The rules that can be about a path, by its first segment; those that can be about any come last.
    by_first: HashMap<String, Vec<usize>>,
    anywhere: Vec<usize>,
    /// Rules that cannot be read, with the layer in which they are.
    pub(super) faults: Vec<(Arc<str>, Diagnostic)>,
    /// Where rules and their schemas stand: when something there changes, the set is another.
    read: BTreeSet<Path>,
    /// Where each rule and its schema stand, and below which places what they demand is.
    governs: Vec<(Path, Path, Vec<Path>)>,
    /// Whether a layer has metadata of entries, which may hold schemas.
    pub(super) has_metadata: bool,
}

/// One rule of one layer.
pub(super) struct SchemaRule {
    pub name: String,
    pub schema: Arc<Schema>,
    globs: Vec<PathGlob>,
    /// Tells the rule from every other: layer, name, patterns and schema.
    key: String,
}

impl RuleSet {
    /// The rules of all layers of a view, the root's first.
    pub fn of(view: &View, cache: &mut SchemaCache) -> Self {
        let mut set = RuleSet { has_metadata: view.layers().iter().any(has_metadata), ..RuleSet::default() };
        let Ok(at) = RULES.parse::<Path>() else { return set };
        set.read.insert(at.clone());
        for (index, layer) in view.layers().iter().enumerate().rev() {
            let Some(Node::Object(rules)) = layer.snapshot.find(&at) else { continue };
            let seen = View::new(view.layers()[index..].to_vec(), view.rules().clone());
            for (name, node) in rules.children() {
                let Ok(path) = at.child(name) else { continue };
                match set.rule(&seen, name, &path, node, cache) {
                    Ok(rule) => set.add(rule),
                    Err(message) => {
                        let fault = (layer.environment.clone(), fault(&path, node, message));
                        set.faults.push(fault);
                    }
                }
            }
        }
        set
    }

    fn add(&mut self, rule: SchemaRule) {
        let index = self.rules.len();
        for glob in &rule.globs {
            match glob.first_literal() {
                Some(first) => self.by_first.entry(first.to_owned()).or_default().push(index),
                None => self.anywhere.push(index),
            }
        }
        self.rules.push(rule);
    }

    fn rule(
        &mut self,
        seen: &View,
        name: &str,
        at: &Path,
        node: &Node,
        cache: &mut SchemaCache,
    ) -> Result<SchemaRule, String> {
        let shape =
            || "a rule has `paths`, a list of patterns, and `schema`, a path or a JSON Schema".to_owned();
        // Whoever writes it has power over these places, whether or not the rule can be read.
        let places = |node: &Node| -> Vec<Path> {
            let texts = match node.child("paths") {
                Some(Node::Entry(entry)) => match entry.value() {
                    Value::Array(items) => items,
                    one => vec![one],
                },
                _ => Vec::new(),
            };
            let place = |text: &Value| match text {
                Value::String(text) => PathGlob::new(text).place(),
                _ => Path::root(),
            };
            texts.iter().map(place).collect()
        };
        let named = match node.child("schema") {
            Some(Node::Entry(entry)) if entry.kind() == EntryKind::Text => match entry.value() {
                Value::String(text) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        self.governs.push((at.clone(), named.unwrap_or_else(|| at.clone()), places(node)));
        let items = match node.child("paths") {
            Some(Node::Entry(entry)) => match entry.value() {
                Value::Array(items) => items,
                one @ Value::String(_) => vec![one],
                _ => return Err(shape()),
            },
            _ => return Err(shape()),
        };
        let patterns: Option<Vec<String>> = items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            })
            .collect();
        let patterns = patterns.ok_or_else(shape)?;
        let schema_at = match node.child("schema") {
            None => return Err(shape()),
            Some(Node::Entry(entry)) if entry.kind() == EntryKind::Text => match entry.value() {
                Value::String(text) => {
                    text.parse().map_err(|error| format!("the schema `{text}` is no path: {error}"))?
                }
                _ => return Err(shape()),
            },
            Some(_) => at.child("schema").map_err(|error| error.to_string())?,
        };
        let json = json_at(seen, &schema_at)?;
        self.read.insert(schema_at.clone());
        let schema =
            cache.schema(&json).map_err(|error| format!("the schema at {schema_at} is none: {error}"))?;
        let layer = seen.own().map(|layer| layer.environment.clone()).unwrap_or_default();
        let key = format!("{layer} {name} {patterns:?} {}", Digest::of(json.as_bytes()));
        let globs: Vec<PathGlob> = patterns.iter().map(|pattern| PathGlob::new(pattern)).collect();
        Ok(SchemaRule { name: name.to_owned(), schema, globs, key })
    }

    /// Whether there is nothing that a value could fail to be, unless it names its schema itself.
    pub fn demands_nothing(&self) -> bool {
        self.rules.is_empty() && self.faults.is_empty() && !self.has_metadata
    }

    /// The rules that are about a path.
    pub(super) fn about<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a SchemaRule> {
        let first = path.segments().next();
        let named = first.and_then(|first| self.by_first.get(&*first)).into_iter().flatten();
        let mut indexes: Vec<usize> = named.chain(&self.anywhere).copied().collect();
        indexes.sort_unstable();
        indexes.dedup();
        let rules = indexes.into_iter().map(|index| &self.rules[index]);
        rules.filter(move |rule| rule.globs.iter().any(|glob| glob.matches(path)))
    }

    /// Whether a change of what stands at a path makes another set of this one.
    pub fn is_touched_by(&self, path: &Path) -> bool {
        let below = self.read.range(path.clone()..).next().is_some_and(|read| path.is_prefix_of(read));
        let mut above = Some(path.clone());
        while let Some(at) = above {
            if self.read.contains(&at) {
                return true;
            }
            above = at.parent();
        }
        below
    }

    /// The places below which values have to be another way once what stands at a path changes.
    pub fn governed_by<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let is_near = move |at: &Path| at.is_prefix_of(path) || path.is_prefix_of(at);
        let met = self.governs.iter().filter(move |(rule, schema, _)| is_near(rule) || is_near(schema));
        met.flat_map(|(_, _, places)| places)
    }

    /// The rules that another set does not have.
    pub(super) fn not_in<'a>(&'a self, other: &RuleSet) -> Vec<&'a SchemaRule> {
        let known: BTreeSet<&str> = other.rules.iter().map(|rule| rule.key.as_str()).collect();
        self.rules.iter().filter(|rule| !known.contains(rule.key.as_str())).collect()
    }
}

impl SchemaRule {
    pub fn is_about(&self, path: &Path) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }
}

/// The schema at a path of a view.
pub(super) fn schema_at(view: &View, path: &Path, cache: &mut SchemaCache) -> Result<Arc<Schema>, String> {
    let json = json_at(view, path)?;
    cache.schema(&json).map_err(|error| format!("the schema at {path} is none: {error}"))
}

/// The schemas that the metadata of an entry names in each layer, the root's first, each with the layer and its place.
pub(super) fn of_metadata(view: &View, path: &Path) -> Vec<(View, Path, Node)> {
    let Ok(at) = metadata_path(path).and_then(|at| at.child("schema")) else { return Vec::new() };
    let layers = view.layers();
    let found = (0..layers.len()).rev().filter_map(|index| {
        let node = layers[index].snapshot.find(&at)?;
        let is_there = !matches!(&node, Node::Entry(entry) if entry.kind() == EntryKind::Tombstone);
        let seen = View::new(layers[index..].to_vec(), view.rules().clone());
        is_there.then_some((seen, at.clone(), node))
    });
    found.collect()
}

/// What is told of a rule or a schema that cannot be read.
pub(super) fn fault(at: &Path, node: &Node, message: String) -> Diagnostic {
    let mut file = None;
    match node {
        Node::Entry(entry) => file = Some(entry.file().to_string()),
        Node::Object(object) => object.visit(at, &mut |_, entry| {
            file.get_or_insert_with(|| entry.file().to_string());
        }),
    }
    Diagnostic { rule: Rule::Schema, file, position: None, path: Some(at.clone()), message }
}

fn json_at(view: &View, path: &Path) -> Result<String, String> {
    match view.find(path) {
        None => Err(format!("no schema stands at {path}")),
        Some(Found::Entry(found)) => Ok(String::from_utf8_lossy(found.entry.json()).into_owned()),
        Some(Found::Object(object)) => {
            let mut json = String::new();
            object.write_json(false, &mut json);
            Ok(json)
        }
    }
}

fn has_metadata(layer: &Layer) -> bool {
    METADATA_ROOT.parse::<Path>().is_ok_and(|keys| layer.snapshot.find(&keys).is_some())
}
