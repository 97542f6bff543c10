use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::checked::Checked;
use super::rules::{RuleSet, SchemaCache, of_metadata};
use super::schemas::{hold, told};
use super::{Finding, Findings, references};
use crate::model::{Limits, Path};
use crate::resolve::{Found, Merged, Resolver, View, Withheld};
use crate::snapshot::{Digest, Refers};

/// What an environment shows before a change and after it, and what is demanded of it.
pub struct Change<'a> {
    /// The environment.
    pub environment: &'a Arc<str>,
    /// What it showed.
    pub before: &'a View,
    /// What it will show.
    pub after: &'a View,
    /// What was demanded.
    pub rules_before: &'a RuleSet,
    /// What will be demanded.
    pub rules: &'a RuleSet,
    /// Every path whose value may be another.
    pub reached: &'a BTreeSet<Path>,
}

/// Values that were found to be as some schemas say: of one change most environments show the same. A value is known by
/// the hash of what is written, so that only those count in which nothing is worked out.
#[derive(Default)]
pub struct Sound(HashSet<(Path, Digest, Vec<usize>)>);

impl Change<'_> {
    /// What is wrong after the change and was not before. Only what the change reaches is looked at.
    pub fn new_findings(&self, cache: &mut SchemaCache, sound: &mut Sound, limits: &Limits) -> Vec<Finding> {
        let mut after = self.findings(self.after, self.rules, (cache, sound), limits);
        if after.all.is_empty() {
            return Vec::new();
        }
        let before = self.findings(self.before, self.rules_before, (cache, sound), limits);
        after.all.retain(|finding| !before.all.iter().any(|other| is_known(other, finding)));
        after.all
    }

    fn findings(
        &self,
        view: &View,
        rules: &RuleSet,
        (cache, sound): (&mut SchemaCache, &mut Sound),
        limits: &Limits,
    ) -> Findings {
        let mut findings = Findings { environment: self.environment.clone(), all: Vec::new() };
        let mut resolver = Resolver::new(view, &Withheld, limits);
        references::check_at(view, &mut resolver, self.reached, &mut findings);
        for (layer, diagnostic) in &rules.faults {
            findings.add(Some(layer.clone()), diagnostic.clone());
        }
        let mut targets = BTreeSet::new();
        for path in self.reached {
            let mut above = Some(path.clone());
            while let Some(at) = above {
                above = at.parent();
                targets.insert(at);
            }
            // What a template or a variable reaches may be whole objects.
            if let Ok(Some(Found::Object(object))) = resolver.find(path) {
                below(path, &object, &mut targets);
            }
        }
        for path in
            targets.iter().filter(|path| path.segments().next().is_none_or(|first| first != ".confgit"))
        {
            let schemas: Vec<usize> =
                rules.about(path).map(|rule| Arc::as_ptr(&rule.schema).addr()).collect();
            let has_own =
                names_schema(view, path) || (rules.has_metadata && !of_metadata(view, path).is_empty());
            if schemas.is_empty() && !has_own {
                continue;
            }
            let Ok(Some(found)) = resolver.find(path) else { continue };
            let key = match written_digest(&found) {
                Some(digest) if !has_own => Some((path.clone(), digest, schemas)),
                _ => None,
            };
            if key.as_ref().is_some_and(|key| sound.0.contains(key)) {
                continue;
            }
            let checked = Checked::of(&mut resolver, path, &found);
            let before = findings.all.len();
            told(view, path, &checked, rules, cache, &mut findings);
            if findings.all.len() == before {
                sound.0.extend(key);
            }
        }
        let is_other = !std::ptr::eq(self.rules, self.rules_before) && std::ptr::eq(rules, self.rules);
        let added = if is_other { self.rules.not_in(self.rules_before) } else { Vec::new() };
        if !added.is_empty() {
            let mut all = BTreeSet::new();
            if let Ok(Some(Found::Object(object))) = resolver.find(&Path::root()) {
                below(&Path::root(), &object, &mut all);
            }
            for path in all.iter().filter(|path| !targets.contains(*path)) {
                for rule in added.iter().filter(|rule| rule.is_about(path)) {
                    let Ok(Some(found)) = resolver.find(path) else { continue };
                    let checked = Checked::of(&mut resolver, path, &found);
                    let by = format!("rule `{}`", rule.name);
                    hold(view, path, (&rule.schema, &checked), &by, &mut findings);
                }
            }
        }
        findings
    }
}

/// The hash of what stands there, where that is what services read.
fn written_digest(found: &Found) -> Option<Digest> {
    match found {
        Found::Entry(found) if found.entry.refers() == Refers::No => Some(found.entry.digest()),
        Found::Object(object) if !object.is_derived() => Some(object.digest()),
        _ => None,
    }
}

/// The same mistake, whatever file holds it by now.
fn is_known(before: &Finding, after: &Finding) -> bool {
    if before.value != after.value {
        return false;
    }
    let (before, after) = (&before.diagnostic, &after.diagnostic);
    (before.rule, &before.path, &before.message) == (after.rule, &after.path, &after.message)
}

/// Whether an object names its schema itself.
fn names_schema(view: &View, path: &Path) -> bool {
    path.child("$schema").is_ok_and(|at| matches!(view.find(&at), Some(Found::Entry(_))))
}

/// Every path below an object.
fn below(at: &Path, object: &Merged, paths: &mut BTreeSet<Path>) {
    for (name, found) in object.members() {
        let Ok(path) = at.child(&name) else { continue };
        if let Found::Object(inner) = &found {
            below(&path, inner, paths);
        }
        paths.insert(path);
    }
}
