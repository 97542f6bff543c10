//! Whether what an environment shows is as it should be: one rule a file, and all problems at once.
//!
//! What is checked is what services read: inherited, merged over templates, references followed. Values that hold a
//! secret or a variable of the server's process are checked for being there only, so that every machine finds the same.

mod change;
mod checked;
mod cost;
mod place;
mod references;
mod rules;
mod schema;
mod schemas;

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Diagnostic, Environments, Limits};
use crate::resolve::View;
use crate::snapshot::Digest;

pub use change::{Change, Sound};
pub use place::place;
pub use rules::{RuleSet, SchemaCache};

/// How many problems of one environment are told.
pub const MOST_FINDINGS: usize = 1_000;

/// Something wrong with what an environment shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The environment in which it is.
    pub environment: Arc<str>,
    /// The environment whose layer holds the file.
    pub layer: Option<Arc<str>>,
    /// What is wrong; without a position in the file, which whoever has the file finds.
    pub diagnostic: Diagnostic,
    /// The hash of the single value that is not as a schema says, where it is one: messages do not tell values, and
    /// another wrong value is another mistake.
    pub value: Option<Digest>,
}

impl Finding {
    /// Whether two are the same mistake, seen in two environments.
    pub fn is_same_mistake(&self, other: &Finding) -> bool {
        self.layer == other.layer && self.diagnostic == other.diagnostic && self.value == other.value
    }
}

/// Everything wrong with what an environment shows: references first, then schemas.
fn check_with(environment: &Arc<str>, view: &View, limits: &Limits, cache: &mut SchemaCache) -> Vec<Finding> {
    let mut findings = Findings { environment: environment.clone(), all: Vec::new() };
    references::check(view, limits, &mut findings);
    schemas::check(view, limits, cache, &mut findings);
    findings.all
}

/// Everything wrong with what the environments show, each mistake told once: where it is made, and not once more for
/// each environment that inherits it. None where `goes_on` ended it.
pub fn check_all(
    environments: &Environments,
    view: &dyn Fn(&Arc<str>) -> Option<View>,
    limits: &Limits,
    goes_on: &dyn Fn() -> bool,
) -> Option<Vec<Finding>> {
    let mut order: Vec<&Arc<str>> = environments.iter().map(|environment| &environment.name).collect();
    order.sort_by_key(|name| environments.chain(name).count());
    let mut cache = SchemaCache::default();
    let mut told: HashMap<&Arc<str>, Vec<Finding>> = HashMap::new();
    let mut all = Vec::new();
    for name in order {
        if !goes_on() {
            return None;
        }
        let Some(view) = view(name) else { continue };
        let findings = check_with(name, &view, limits, &mut cache);
        let parents: Vec<&Arc<str>> = environments.chain(name).skip(1).map(|link| &link.name).collect();
        let is_new = |finding: &&Finding| {
            let known = parents.iter().filter_map(|parent| told.get(parent)).flatten();
            !known.into_iter().any(|other| other.is_same_mistake(finding))
        };
        all.extend(findings.iter().filter(is_new).cloned());
        told.insert(name, findings);
    }
    Some(all)
}

/// The findings of one environment so far.
struct Findings {
    environment: Arc<str>,
    all: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, layer: Option<Arc<str>>, diagnostic: Diagnostic) {
        self.add_about(layer, diagnostic, None);
    }

    fn add_about(&mut self, layer: Option<Arc<str>>, diagnostic: Diagnostic, value: Option<Digest>) {
        if self.all.len() < MOST_FINDINGS {
            self.all.push(Finding { environment: self.environment.clone(), layer, diagnostic, value });
        }
    }

    fn is_full(&self) -> bool {
        self.all.len() >= MOST_FINDINGS
    }
}
