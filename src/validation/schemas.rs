//! Values are as their JSON Schemas say: by patterns of paths, by the metadata of an entry, and by `$schema` of a
//! document. The rules of a chain of environments add up, and each reads its schema as the environment that made it
//! sees it, so that no child can take a rule away or weaken it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::Findings;
use super::schema::{Schema, Violation, path_of};
use crate::model::{Diagnostic, Limits, Path, PathGlob, Rule};
use crate::resolve::{Found, Layer, Merged, Resolver, View, Withheld};
use crate::snapshot::{EntryKind, Node, metadata_path};

/// Where the rules of a layer are: an object for each, with `paths` and `schema`.
const RULES: &str = "/.confgit/schemas";

pub(super) fn check(view: &View, limits: &Limits, findings: &mut Findings) {
    let mut walk = Walk {
        view,
        resolver: Resolver::new(view, &Withheld, limits),
        rules: Vec::new(),
        known: HashMap::new(),
        has_keys: view.layers().iter().map(has_keys).collect(),
        findings,
    };
    walk.read_rules();
    let root = Path::root();
    if let Ok(Some(Found::Object(object))) = walk.resolver.find(&root) {
        walk.object(&root, &object);
    }
}

/// One rule of one layer.
struct SchemaRule {
    name: String,
    globs: Vec<PathGlob>,
    schema: Arc<Schema>,
}

struct Walk<'a, 'f> {
    view: &'a View,
    resolver: Resolver<'a>,
    rules: Vec<SchemaRule>,
    /// Schemas by the layer that names them and their path; none for one that cannot be read, which was told.
    known: HashMap<(usize, Path), Option<Arc<Schema>>>,
    /// Whether each layer has metadata of entries.
    has_keys: Vec<bool>,
    findings: &'f mut Findings,
}

/// A value as it is checked, and the places in it that are not known.
type Checked = (Value, Vec<Vec<String>>);

impl Walk<'_, '_> {
    /// The rules of all layers, the root's first.
    fn read_rules(&mut self) {
        let Ok(at) = RULES.parse::<Path>() else { return };
        for (index, layer) in self.view.layers().iter().enumerate().rev() {
            let Some(Node::Object(rules)) = layer.snapshot.find(&at) else { continue };
            for (name, node) in rules.children() {
                let Ok(path) = at.child(name) else { continue };
                match self.read_rule(index, name, &path, node) {
                    Ok(Some(rule)) => self.rules.push(rule),
                    Ok(None) => {}
                    Err(message) => self.tell_of_rule(layer, &path, node, message),
                }
            }
        }
    }

    fn read_rule(
        &mut self,
        layer: usize,
        name: &str,
        at: &Path,
        node: &Node,
    ) -> Result<Option<SchemaRule>, String> {
        let shape =
            || "a rule has `paths`, a list of patterns, and `schema`, a path or a JSON Schema".to_owned();
        let Node::Object(_) = node else { return Err(shape()) };
        let patterns = match node.child("paths") {
            Some(Node::Entry(entry)) => match entry.value() {
                crate::model::Value::Array(items) => items,
                one @ crate::model::Value::String(_) => vec![one],
                _ => return Err(shape()),
            },
            _ => return Err(shape()),
        };
        let globs = patterns.iter().map(|pattern| match pattern {
            crate::model::Value::String(text) => Ok(PathGlob::new(text)),
            _ => Err(shape()),
        });
        let globs = globs.collect::<Result<Vec<_>, _>>()?;
        let schema_at = at.child("schema").map_err(|error| error.to_string())?;
        let schema = match node.child("schema") {
            None => return Err(shape()),
            Some(Node::Entry(entry)) if entry.kind() == EntryKind::Text => {
                let crate::model::Value::String(text) = entry.value() else { return Err(shape()) };
                let path: Path =
                    text.parse().map_err(|error| format!("the schema `{text}` is no path: {error}"))?;
                self.schema_at(layer, &path)?
            }
            Some(_) => self.schema_at(layer, &schema_at)?,
        };
        Ok(schema.map(|schema| SchemaRule { name: name.to_owned(), globs, schema }))
    }

    /// The schema at a path, as the environment of a layer sees it; none where it was told before that it is none.
    fn schema_at(&mut self, layer: usize, path: &Path) -> Result<Option<Arc<Schema>>, String> {
        let key = (layer, path.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let view = View::new(self.view.layers()[layer..].to_vec(), self.view.rules().clone());
        let value = match view.find(path) {
            None => Err(format!("no schema stands at {path}")),
            Some(Found::Entry(found)) => Ok(String::from_utf8_lossy(found.entry.json()).into_owned()),
            Some(Found::Object(object)) => {
                let mut json = String::new();
                object.write_json(false, &mut json);
                Ok(json)
            }
        };
        let compiled = value.and_then(|json| {
            let value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
            Schema::compile(&value).map_err(|error| format!("the schema at {path} is none: {error}"))
        });
        match compiled {
            Ok(schema) => {
                let schema = Some(Arc::new(schema));
                self.known.insert(key, schema.clone());
                Ok(schema)
            }
            Err(error) => {
                self.known.insert(key, None);
                Err(error)
            }
        }
    }

    fn tell_of_rule(&mut self, layer: &Layer, at: &Path, node: &Node, message: String) {
        let mut file = None;
        match node {
            Node::Entry(entry) => file = Some(entry.file().to_string()),
            Node::Object(object) => object.visit(at, &mut |_, entry| {
                file.get_or_insert_with(|| entry.file().to_string());
            }),
        }
        let diagnostic =
            Diagnostic { rule: Rule::Schema, file, position: None, path: Some(at.clone()), message };
        self.findings.add(Some(layer.environment.clone()), diagnostic);
    }

    /// Checks what stands below an object and then the object, and answers its value; none where a part of it cannot
    /// be resolved, which is told elsewhere.
    fn object(&mut self, at: &Path, object: &Merged) -> Option<Checked> {
        let (mut members, mut unknown, mut is_whole) = (serde_json::Map::new(), Vec::new(), true);
        let mut own_schema = None;
        for (name, found) in object.members() {
            if self.findings.is_full() {
                return None;
            }
            let Ok(path) = at.child(&name) else { continue };
            if at.is_root() && &*name == ".confgit" {
                continue;
            }
            if &*name == "$schema"
                && let Found::Entry(found) = &found
                && let crate::model::Value::String(text) = found.entry.value()
                && text.starts_with('/')
            {
                own_schema = Some((text, found.clone()));
            }
            let checked = match found {
                Found::Entry(found) => self.entry(&path, &found),
                Found::Object(inner) => match self.resolver.whole(&path, inner) {
                    Ok(inner) => self.object(&path, &inner),
                    Err(_) => None,
                },
            };
            match checked {
                Some((value, places)) => {
                    unknown.extend(places.into_iter().map(|place| [vec![name.to_string()], place].concat()));
                    members.insert(name.to_string(), value);
                }
                None => is_whole = false,
            }
        }
        let checked = (Value::Object(members), unknown);
        if !is_whole {
            return None;
        }
        self.by_patterns(at, &checked);
        if let Some((text, found)) = own_schema {
            let schema = match text.parse::<Path>() {
                Ok(path) => self.schema_at(0, &path),
                Err(error) => Err(format!("the schema `{text}` is no path: {error}")),
            };
            match schema {
                Ok(Some(schema)) => {
                    let mut without = checked.clone();
                    if let Value::Object(members) = &mut without.0 {
                        members.remove("$schema");
                    }
                    self.hold(at, &schema, &without, &format!("`$schema: {text}`"));
                }
                Ok(None) => {}
                Err(message) => {
                    let file = Some(found.entry.file().to_string());
                    let path = at.child("$schema").ok();
                    let diagnostic = Diagnostic { rule: Rule::Schema, file, position: None, path, message };
                    self.findings.add(Some(found.origin), diagnostic);
                }
            }
        }
        Some(checked)
    }

    fn entry(&mut self, path: &Path, found: &crate::resolve::FoundEntry) -> Option<Checked> {
        let resolved = self.resolver.entry(path, found).ok()?;
        let is_unknown = !resolved.secrets.is_empty() || resolved.has_process_variable;
        let value = serde_json::from_str(&resolved.value.to_json()).ok()?;
        let checked = (value, if is_unknown { vec![Vec::new()] } else { Vec::new() });
        self.by_patterns(path, &checked);
        self.by_metadata(path, &checked);
        Some(checked)
    }

    fn by_patterns(&mut self, path: &Path, checked: &Checked) {
        let is_meant = |rule: &&SchemaRule| rule.globs.iter().any(|glob| glob.matches(path));
        let meant: Vec<(String, Arc<Schema>)> =
            self.rules.iter().filter(is_meant).map(|rule| (rule.name.clone(), rule.schema.clone())).collect();
        for (name, schema) in meant {
            self.hold(path, &schema, checked, &format!("rule `{name}`"));
        }
    }

    fn by_metadata(&mut self, path: &Path, checked: &Checked) {
        for index in (0..self.has_keys.len()).rev().filter(|index| self.has_keys[*index]).collect::<Vec<_>>()
        {
            let layer = &self.view.layers()[index];
            let at = metadata_path(path).and_then(|at| at.child("schema"));
            let Some((at, node)) = at.ok().and_then(|at| Some((at.clone(), layer.snapshot.find(&at)?)))
            else {
                continue;
            };
            match self.schema_at(index, &at) {
                Ok(Some(schema)) => self.hold(path, &schema, checked, "the schema in its metadata"),
                Ok(None) => {}
                Err(message) => self.tell_of_rule(&layer.clone(), &at, &node, message),
            }
        }
    }

    fn hold(&mut self, path: &Path, schema: &Schema, (value, unknown): &Checked, by: &str) {
        for Violation { at, keyword, message } in schema.violations(value, unknown) {
            let place = path_of(path, &at, |path| self.view.find(path).is_some());
            let (layer, file) = self.place(&place);
            let message = format!("{message} ({by}, keyword `{keyword}`)");
            let diagnostic =
                Diagnostic { rule: Rule::Schema, file, position: None, path: Some(place), message };
            self.findings.add(layer, diagnostic);
        }
    }

    /// The layer and the file in which a person would mend what stands at a path.
    fn place(&self, path: &Path) -> (Option<Arc<str>>, Option<String>) {
        let found = match self.view.find(path) {
            Some(Found::Entry(found)) => Some(found),
            Some(Found::Object(object)) => {
                let mut first = None;
                object.visit(path, &mut |_, found| {
                    first = Some(found.clone());
                    // The nearest layer is where an override goes.
                    !found.own
                });
                first
            }
            None => None,
        };
        found.map_or((None, None), |found| (Some(found.origin), Some(found.entry.file().to_string())))
    }
}

fn has_keys(layer: &Layer) -> bool {
    let keys = crate::snapshot::METADATA_ROOT.parse::<Path>();
    keys.is_ok_and(|keys| layer.snapshot.find(&keys).is_some())
}
