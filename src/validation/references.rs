//! References lead somewhere, and templates can be merged.

use std::collections::BTreeSet;

use super::Findings;
use crate::model::{Diagnostic, Limits, Path, Rule};
use crate::resolve::{Found, Resolver, Unresolved, View, Withheld};
use crate::snapshot::VARIABLES;

pub(super) fn check(view: &View, limits: &Limits, findings: &mut Findings) {
    let mut resolver = Resolver::new(view, &Withheld, limits);
    // Their own references nobody may have named yet.
    let variables: Option<Path> = VARIABLES.parse().ok();
    for root in variables.into_iter().chain([Path::root()]) {
        let object = match resolver.find(&root) {
            Ok(Some(Found::Object(object))) if object.is_derived() => object,
            Ok(_) => continue,
            Err(error) => {
                tell(view, &root, &error, findings);
                continue;
            }
        };
        let mut failed = Vec::new();
        resolver.visit(&root, &object, &mut |path, found| {
            if let Err(error) = found {
                failed.push((path.clone(), error));
            }
            failed.len() < super::MOST_FINDINGS
        });
        failed.iter().for_each(|(path, error)| tell(view, path, error, findings));
    }
}

/// The same of what a change reaches.
pub(super) fn check_at(
    view: &View,
    resolver: &mut Resolver<'_>,
    paths: &BTreeSet<Path>,
    findings: &mut Findings,
) {
    for path in paths {
        let found = match resolver.find(path) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => {
                tell(view, path, &error, findings);
                continue;
            }
        };
        match found {
            Found::Entry(found) => {
                if let Err(error) = resolver.entry(path, &found) {
                    tell(view, path, &error, findings);
                }
            }
            Found::Object(object) => {
                let mut failed = Vec::new();
                resolver.visit(path, &object, &mut |path, found| {
                    if let Err(error) = found {
                        failed.push((path.clone(), error));
                    }
                    failed.len() < super::MOST_FINDINGS
                });
                // What is reached by itself is told by itself.
                failed.retain(|(path, _)| !paths.contains(path));
                failed.iter().for_each(|(path, error)| tell(view, path, error, findings));
            }
        }
    }
}

fn tell(view: &View, path: &Path, error: &Unresolved, findings: &mut Findings) {
    let (layer, file) = match view.find(path) {
        Some(Found::Entry(found)) => (Some(found.origin), Some(found.entry.file().to_string())),
        _ => (None, None),
    };
    let (path, message) = (Some(path.clone()), error.to_string());
    findings.add(layer, Diagnostic { rule: Rule::Reference, file, position: None, path, message });
}
