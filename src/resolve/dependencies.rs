use std::collections::{BTreeMap, BTreeSet};

use super::expression::{Expression, Reference};
use crate::model::{Path, Value};
use crate::snapshot::{EXTENDS, Entry, METADATA_ROOT, Node, Object, Refers, VARIABLES, WITH};

/// Which values of a layer name which paths, as they are written: kept up to date entry by entry, so that what a
/// change reaches is found without looking through everything.
#[derive(Debug, Clone, Default)]
pub struct Dependencies {
    /// For each path that is named (a variable by its own path, a template by that of its object), who names it.
    by_target: BTreeMap<Path, BTreeSet<Path>>,
    /// Of those the ones through which who writes the named path changes what the other says, without the other having
    /// asked for that value alone: variables, templates, and the schemas that documents name.
    governed: BTreeMap<Path, BTreeSet<Path>>,
}

/// A path that an entry names.
struct Named {
    target: Path,
    /// Who is said to name it.
    source: Path,
    is_governed: bool,
}

impl Dependencies {
    /// Those of everything in a layer.
    pub fn of(root: &Object) -> Self {
        let mut dependencies = Dependencies::default();
        dependencies.add_all(&Path::root(), root);
        dependencies
    }

    fn add_all(&mut self, at: &Path, object: &Object) {
        for (name, node) in object.children() {
            let Ok(path) = at.child(name) else { continue };
            match node {
                Node::Entry(entry) => self.change(&path, None, Some(entry)),
                Node::Object(inner) => self.add_all(&path, inner),
            }
        }
    }

    /// Takes note of an entry that is another than before.
    pub fn change(&mut self, path: &Path, old: Option<&Entry>, new: Option<&Entry>) {
        if let Some(old) = old {
            for Named { target, source, is_governed } in named_by(path, old) {
                if is_governed {
                    remove(&mut self.governed, &target, &source);
                }
                remove(&mut self.by_target, &target, &source);
            }
        }
        if let Some(new) = new {
            for Named { target, source, is_governed } in named_by(path, new) {
                if is_governed {
                    self.governed.entry(target.clone()).or_default().insert(source.clone());
                }
                self.by_target.entry(target).or_default().insert(source);
            }
        }
    }

    /// Whether nothing names anything.
    pub fn is_empty(&self) -> bool {
        self.by_target.is_empty()
    }

    /// Adds who names a path, something above it, or something below it.
    fn add_sources(&self, path: &Path, found: &mut Vec<Path>) {
        add_sources(&self.by_target, path, found);
    }
}

fn add_sources(by_target: &BTreeMap<Path, BTreeSet<Path>>, path: &Path, found: &mut Vec<Path>) {
    if by_target.is_empty() {
        return;
    }
    let below = by_target.range(path.clone()..).take_while(|(target, _)| path.is_prefix_of(target));
    found.extend(below.flat_map(|(_, sources)| sources.iter().cloned()));
    let mut above = path.parent();
    while let Some(at) = above {
        found.extend(by_target.get(&at).into_iter().flatten().cloned());
        above = at.parent();
    }
}

fn remove(by_target: &mut BTreeMap<Path, BTreeSet<Path>>, target: &Path, source: &Path) {
    if let Some(sources) = by_target.get_mut(target) {
        sources.remove(source);
        if sources.is_empty() {
            by_target.remove(target);
        }
    }
}

/// Every path whose value is another once these are, because of variables, templates and the schemas of documents:
/// whoever writes those has power over it.
pub fn governed(changed: impl IntoIterator<Item = Path>, layers: &[&Dependencies]) -> BTreeSet<Path> {
    let (mut met, mut governed) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting: Vec<Path> = changed.into_iter().collect();
    while let Some(path) = waiting.pop() {
        if !met.insert(path.clone()) {
            continue;
        }
        let from = waiting.len();
        for layer in layers {
            add_sources(&layer.governed, &path, &mut waiting);
        }
        governed.extend(waiting[from..].iter().cloned());
    }
    governed
}

/// What the value of an entry is made of beside itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ingredients {
    /// Paths, by references and as templates.
    pub paths: BTreeSet<Path>,
    /// Variables, by their paths.
    pub variables: BTreeSet<Path>,
    /// Secrets, by their names.
    pub secrets: BTreeSet<String>,
}

impl Ingredients {
    /// Those that an entry at a path names.
    pub fn of(path: &Path, entry: &Entry) -> Self {
        let mut all = Ingredients::default();
        for Named { target, .. } in named_by(path, entry) {
            let is_variable = target.as_str().starts_with(VARIABLES);
            if is_variable {
                all.variables.insert(target)
            } else {
                all.paths.insert(target)
            };
        }
        if entry.refers() != Refers::No {
            secrets_in(&entry.value(), &mut all.secrets);
        }
        // The schema that a rule for others names.
        let segments: Vec<_> = path.segments().collect();
        let is_schema_of_rule = matches!(
            &segments[..],
            [first, second, _, last] if *first == ".confgit" && *second == "schemas" && *last == "schema"
        );
        if is_schema_of_rule
            && let Value::String(text) = entry.value()
            && let Ok(schema) = text.parse()
        {
            all.paths.insert(schema);
        }
        all
    }
}

fn secrets_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let Ok(expression) = Expression::parse(text) else { return };
            for reference in expression.references() {
                if let Reference::Secret(name) = reference {
                    found.insert((*name).to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets_in(item, found)),
        Value::Object(members) => members.values().for_each(|member| secrets_in(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Bytes(_) => {}
    }
}

/// Whether an entry at a path is read as it is written, and nothing else is worked out from it.
pub fn is_plain(path: &Path, entry: &Entry) -> bool {
    let is_special = |segment: &str| segment.starts_with('$');
    entry.refers() == Refers::No
        && path.segments().next().is_none_or(|first| first != ".confgit")
        && !path.segments().any(|segment| is_special(&segment))
}

/// Every path whose value may be another once these are: themselves, what names them, what names that, and so on.
pub fn reached(changed: impl IntoIterator<Item = Path>, layers: &[&Dependencies]) -> BTreeSet<Path> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<Path> = changed.into_iter().collect();
    while let Some(path) = waiting.pop() {
        if !reached.insert(path.clone()) {
            continue;
        }
        for layer in layers {
            layer.add_sources(&path, &mut waiting);
        }
        waiting.extend(speaks_of(&path));
    }
    reached
}

/// What an entry is about beside its own path: the document whose parameters or templates it names, or the text whose
/// metadata it is.
fn speaks_of(path: &Path) -> Option<Path> {
    let segments: Vec<_> = path.segments().collect();
    if let Some(at) = segments.iter().position(|segment| matches!(&**segment, EXTENDS | WITH)) {
        return Path::from_segments(&segments[..at]).ok();
    }
    let described = METADATA_ROOT.parse::<Path>().ok().and_then(|root| path.strip_prefix(&root))?;
    // A schema may have members of its own.
    let segments: Vec<_> = described.segments().collect();
    match segments.iter().skip(1).position(|segment| segment == "schema") {
        Some(at) => Path::from_segments(&segments[..=at]).ok(),
        None => described.parent(),
    }
}

/// The paths that an entry names, and who is said to name them.
fn named_by(path: &Path, entry: &Entry) -> Vec<Named> {
    let mut named = Vec::new();
    if path.name().is_some_and(|name| name == "$schema")
        && let (Value::String(text), Some(document)) = (entry.value(), path.parent())
        && let Ok(schema) = text.parse::<Path>()
        && text.starts_with('/')
    {
        named.push(Named { target: schema, source: document, is_governed: true });
    }
    if path.name().is_some_and(|name| name == EXTENDS)
        && let Some(document) = path.parent()
    {
        let items = match entry.value() {
            Value::Array(items) => items,
            one => vec![one],
        };
        for item in items {
            if let Value::String(text) = item
                && let Ok(template) = text.parse::<Path>()
            {
                named.push(Named { target: template, source: document.clone(), is_governed: true });
            }
        }
    }
    if entry.refers() != Refers::No {
        targets_in(&entry.value(), &mut |target| {
            let is_governed = target.as_str().starts_with(VARIABLES);
            named.push(Named { target, source: path.clone(), is_governed });
        });
    }
    named
}

fn targets_in(value: &Value, add: &mut dyn FnMut(Path)) {
    match value {
        Value::String(text) => {
            let Ok(expression) = Expression::parse(text) else { return };
            for reference in expression.references() {
                match reference {
                    Reference::Variable { name, .. } => {
                        let at = VARIABLES.parse::<Path>().and_then(|variables| variables.child(name));
                        at.into_iter().for_each(&mut *add);
                    }
                    Reference::Path(path) => add(path.clone()),
                    Reference::Secret(_) | Reference::With(_) => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| targets_in(item, add)),
        Value::Object(members) => members.values().for_each(|member| targets_in(member, add)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Bytes(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::testing::layer_of;

    #[test]
    fn what_a_change_reaches() {
        let layer = layer_of(
            "base",
            &[
                (".confgit/variables.yaml", r#"{"A":"x","B":"${A}"}"#),
                ("app.yaml", r#"{"one":"${B}","two":["${ref:/app/one}"],"object":"${ref:/db}","plain":1}"#),
                ("db.yaml", r#"{"host":"h"}"#),
                ("t.yaml", r#"{"level":"${A}"}"#),
                ("svc.yaml", r#"{"$extends":["/t"],"$with":{"p":1}}"#),
            ],
        );
        let dependencies = Dependencies::of(layer.snapshot.root());
        let of = |path: &str| -> Vec<String> {
            let reached = reached([path.parse::<Path>().unwrap()], &[&dependencies]);
            reached.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of("/app/plain"), ["/app/plain"]);
        assert_eq!(of("/db/host"), ["/app/object", "/db/host"]);
        assert_eq!(of("/db"), ["/app/object", "/db"]);
        assert_eq!(
            of("/.confgit/variables/A"),
            ["/.confgit/variables/A", "/.confgit/variables/B", "/app/one", "/app/two", "/svc", "/t/level"]
        );
        let governed_by = |path: &str| -> Vec<String> {
            let governed = governed([path.parse::<Path>().unwrap()], &[&dependencies]);
            governed.iter().map(ToString::to_string).collect()
        };
        assert_eq!(governed_by("/db/host"), [""; 0], "who refers to a value has asked for it");
        assert_eq!(
            governed_by("/.confgit/variables/A"),
            ["/.confgit/variables/B", "/app/one", "/svc", "/t/level"]
        );
        assert_eq!(governed_by("/t/level"), ["/svc"]);
        assert_eq!(of("/svc/$with/p"), ["/svc", "/svc/$with/p"]);
        assert_eq!(of("/.confgit/keys/motd/resolve"), ["/.confgit/keys/motd/resolve", "/motd"]);
        let nested = "/.confgit/keys/a/b/schema/maximum";
        assert_eq!(of(nested), [nested, "/a/b"]);
    }

    /// What is kept up to date entry by entry is what is made from nothing.
    #[test]
    fn changes_come_to_the_same_as_the_whole() {
        let texts = ["\"${A}\"", "\"${ref:/x/a}\"", "1", "[\"${B}\",\"${A}\"]", "\"$${A}\"", "\"${A\""];
        let mut kept = Dependencies::default();
        let mut present: BTreeMap<&str, &str> = BTreeMap::new();
        for step in 0..200_usize {
            let name = ["a", "b", "c", "$extends"][step * 7 % 4];
            let new = (step % 5 != 0).then(|| texts[step * 11 % texts.len()]);
            let entry = |json: &str| Entry::new(&Value::from_json(json).unwrap(), "x.yaml".into());
            let path: Path = format!("/x/{name}").parse().unwrap();
            let old = present.get(name).map(|json| entry(json));
            kept.change(&path, old.as_ref(), new.map(entry).as_ref());
            match new {
                Some(json) => present.insert(name, json),
                None => present.remove(name),
            };
            let members: Vec<String> =
                present.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
            let json = format!("{{{}}}", members.join(","));
            let layer = layer_of("base", &[("x.yaml", &json)]);
            assert_eq!(kept.by_target, Dependencies::of(layer.snapshot.root()).by_target, "{json}");
        }
    }
}
