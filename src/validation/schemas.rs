//! Values are as their JSON Schemas say: by patterns of paths, by the metadata of an entry, and by `$schema` of a
//! document.

use std::sync::Arc;

use super::Findings;
use super::checked::Checked;
use super::rules::{RuleSet, SchemaCache, fault, of_metadata, schema_at};
use super::schema::{Schema, Violation, path_of};
use crate::model::{Diagnostic, Limits, Path, Rule};
use crate::resolve::{Found, FoundEntry, Merged, Resolver, View, Withheld};
use crate::snapshot::{Node, Object};

pub(super) fn check(view: &View, limits: &Limits, cache: &mut SchemaCache, findings: &mut Findings) {
    let rules = RuleSet::of(view, cache);
    for (layer, diagnostic) in &rules.faults {
        findings.add(Some(layer.clone()), diagnostic.clone());
    }
    // Most of the work is for values that something is asked of.
    if rules.demands_nothing() && !view.layers().iter().any(|layer| names_a_schema(layer.snapshot.root())) {
        return;
    }
    let resolver = Resolver::new(view, &Withheld, limits);
    let mut walk = Walk { view, resolver, rules: &rules, cache, findings };
    let root = Path::root();
    if let Ok(Some(Found::Object(object))) = walk.resolver.find(&root) {
        walk.object(&root, &object);
    }
}

/// Whether an object or one below it names its schema itself.
fn names_a_schema(object: &Object) -> bool {
    object.child("$schema").is_some()
        || object.children().any(|(_, node)| matches!(node, Node::Object(below) if names_a_schema(below)))
}

/// A walk through everything.
struct Walk<'a, 'f> {
    view: &'a View,
    resolver: Resolver<'a>,
    rules: &'f RuleSet,
    cache: &'f mut SchemaCache,
    findings: &'f mut Findings,
}

impl Walk<'_, '_> {
    /// Checks what stands below an object and then the object. Its value is only made where something is asked of it.
    fn object(&mut self, at: &Path, object: &Merged) {
        for (name, found) in object.members() {
            let Ok(path) = at.child(&name) else { continue };
            if self.findings.is_full() || (at.is_root() && &*name == ".confgit") {
                continue;
            }
            match found {
                Found::Entry(found) => self.entry(&path, &found),
                Found::Object(inner) => {
                    // What cannot be merged is told with the references.
                    if let Ok(inner) = self.resolver.whole(&path, inner) {
                        self.object(&path, &inner);
                    }
                }
            }
        }
        if self.rules.about(at).next().is_some() || object.member("$schema").is_some() {
            let whole = Checked::of_object(&mut self.resolver, at, object);
            told(self.view, at, &whole, self.rules, self.cache, self.findings);
        }
    }

    fn entry(&mut self, path: &Path, found: &FoundEntry) {
        if self.rules.has_metadata || self.rules.about(path).next().is_some() {
            let checked = Checked::of_entry(&mut self.resolver, path, found);
            told(self.view, path, &checked, self.rules, self.cache, self.findings);
        }
    }
}

/// Tells of everything that a value is not.
pub(super) fn told(
    view: &View,
    path: &Path,
    checked: &Checked,
    rules: &RuleSet,
    cache: &mut SchemaCache,
    findings: &mut Findings,
) {
    for rule in rules.about(path) {
        hold(view, path, (&rule.schema, checked), &format!("rule `{}`", rule.name), findings);
    }
    let is_entry = checked.value.as_object().is_none_or(serde_json::Map::is_empty);
    if rules.has_metadata && is_entry {
        for (seen, at, node) in of_metadata(view, path) {
            match schema_at(&seen, &at, cache) {
                Ok(schema) => hold(view, path, (&schema, checked), "the schema in its metadata", findings),
                Err(message) => {
                    let layer = seen.own().map(|layer| layer.environment.clone());
                    findings.add(layer, fault(&at, &node, message));
                }
            }
        }
    }
    let Some((text, without)) = checked.own_schema() else { return };
    let schema = match text.parse::<Path>() {
        Ok(schema) => schema_at(view, &schema, cache),
        Err(error) => Err(format!("the schema `{text}` is no path: {error}")),
    };
    match schema {
        Ok(schema) => hold(view, path, (&schema, &without), &format!("`$schema: {text}`"), findings),
        Err(message) => {
            let at = path.child("$schema").unwrap_or_else(|_| path.clone());
            let (layer, file) = place(view, &at);
            let diagnostic = Diagnostic { rule: Rule::Schema, file, position: None, path: Some(at), message };
            findings.add(layer, diagnostic);
        }
    }
}

/// Tells of what a value is not, by one schema.
pub(super) fn hold(
    view: &View,
    path: &Path,
    (schema, checked): (&Schema, &Checked),
    by: &str,
    findings: &mut Findings,
) {
    for Violation { at, keyword, message, value } in schema.violations(&checked.value, &checked.unknown) {
        let found = path_of(path, &checked.value, &at);
        let (layer, file) = place(view, &found);
        let message = format!("{message} ({by}, keyword `{keyword}`)");
        let diagnostic = Diagnostic { rule: Rule::Schema, file, position: None, path: Some(found), message };
        findings.add_about(layer, diagnostic, value);
    }
}

/// The layer and the file in which a person would mend what stands at a path.
pub(super) fn place(view: &View, path: &Path) -> (Option<Arc<str>>, Option<String>) {
    let found = match view.find(path) {
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
        // What comes from a template is mended, or overridden, where that is extended.
        None => return path.parent().map_or((None, None), |above| place(view, &above)),
    };
    found.map_or((None, None), |found| (Some(found.origin), Some(found.entry.file().to_string())))
}
