use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Environment, Environments, Limits, Path};
use crate::resolve::{Dependencies, Layer, View, governed, is_plain, reached};
use crate::snapshot::{Plan, Snapshot};
use crate::validation::{Change, Finding, RuleSet, SchemaCache, Sound};

/// How many findings of one change are told.
const MOST_FINDINGS: usize = 10_000;

/// What the committer knows of references and schemas from one write to the next, so that a write looks only at what
/// it reaches. All of it is derived: where branches are moved by others it is forgotten.
#[derive(Default)]
pub(in crate::service::committer) struct Checks {
    cache: SchemaCache,
    rules: HashMap<Arc<str>, Arc<RuleSet>>,
    dependencies: HashMap<Arc<str>, Dependencies>,
}

/// An environment before and after.
pub(in crate::service) struct TriedEnvironment {
    pub name: Arc<str>,
    pub before: View,
    pub after: View,
    /// Where its layers would change.
    pub changed: Vec<Path>,
    /// Where values may be others, through references and templates too.
    pub reached: BTreeSet<Path>,
}

/// What a change governs in one environment.
pub(in crate::service::committer) struct Governed {
    pub environment: Arc<str>,
    /// Below these places schemas demand something else.
    pub places: BTreeSet<Path>,
    /// The changed paths that say so.
    pub rules: BTreeSet<Path>,
    /// What these paths come to is made by variables, templates or schemas that change.
    pub values: BTreeSet<Path>,
}

/// What a write makes of the branches it is about, and what the others hold.
pub(in crate::service::committer) struct Planned<'a> {
    pub environments: &'a Environments,
    pub plans: HashMap<Arc<str>, &'a Plan>,
    pub present: &'a dyn Fn(&str) -> Arc<Snapshot>,
}

impl Checks {
    /// Forgets everything but schemas, which are known by what they say.
    pub fn forget(&mut self) {
        self.rules.clear();
        self.dependencies.clear();
    }

    /// What would be wrong in any environment that shows a change and is not wrong yet. Where nothing is, a change that is
    /// made is taken note of.
    pub fn new_findings(&mut self, planned: &Planned<'_>, limits: &Limits, is_made: bool) -> Vec<Finding> {
        let environments = planned.environments;
        let changed: HashMap<&Arc<str>, Vec<Path>> = planned.plans.iter().map(changed_paths).collect();
        let (mut told, mut rules_after): (Vec<Finding>, Vec<_>) = (Vec::new(), Vec::new());
        let mut sound = Sound::default();
        let is_plain = planned.is_plain();
        for environment in environments.iter() {
            let chain: Vec<&Environment> = environments.chain(&environment.name).collect();
            if !chain.iter().any(|link| planned.plans.contains_key(&link.branch)) {
                continue;
            }
            if is_plain && self.asks_nothing(planned, &chain) {
                continue;
            }
            let reached = self.reached(planned, &chain, &changed);
            let (before, after) = (planned.view(&chain, false), planned.view(&chain, true));
            let cache = &mut self.cache;
            let known = self.rules.entry(environment.name.clone());
            let rules_before = known.or_insert_with(|| Arc::new(RuleSet::of(&before, cache))).clone();
            let is_touched = reached.iter().any(|path| rules_before.is_touched_by(path));
            let rules = if is_touched { Arc::new(RuleSet::of(&after, cache)) } else { rules_before.clone() };
            let change = Change {
                environment: &environment.name,
                before: &before,
                after: &after,
                rules_before: &rules_before,
                rules: &rules,
                reached: &reached,
            };
            // A mistake is told where it is made, not once more for each environment that inherits it.
            for finding in change.new_findings(cache, &mut sound, limits) {
                if told.len() == MOST_FINDINGS {
                    break;
                }
                if !told.iter().any(|other| other.is_same_mistake(&finding)) {
                    told.push(finding);
                }
            }
            rules_after.push((environment.name.clone(), rules));
        }
        if told.is_empty() && is_made {
            self.rules.extend(rules_after);
            self.note(planned);
        }
        told
    }

    /// Every environment that shows a change, before and after.
    pub fn tried(&mut self, planned: &Planned<'_>) -> Vec<TriedEnvironment> {
        let environments = planned.environments;
        let changed: HashMap<&Arc<str>, Vec<Path>> = planned.plans.iter().map(changed_paths).collect();
        let mut tried = Vec::new();
        for environment in environments.iter() {
            let chain: Vec<&Environment> = environments.chain(&environment.name).collect();
            let in_layers = chain.iter().filter_map(|link| changed.get(&link.branch)).flatten().cloned();
            let in_layers: Vec<Path> = in_layers.collect();
            if !in_layers.is_empty() {
                tried.push(TriedEnvironment {
                    name: environment.name.clone(),
                    before: planned.view(&chain, false),
                    after: planned.view(&chain, true),
                    changed: in_layers,
                    reached: self.reached(planned, &chain, &changed),
                });
            }
        }
        tried
    }

    /// Whom a change has power over beside whoever reads the paths that it writes: in each environment that shows it,
    /// the places below which schemas demand something else, and the paths that variables and templates make others.
    pub fn governed(&mut self, planned: &Planned<'_>) -> Vec<Governed> {
        let environments = planned.environments;
        let changed: HashMap<&Arc<str>, Vec<Path>> = planned.plans.iter().map(changed_paths).collect();
        let mut all = Vec::new();
        for environment in environments.iter() {
            let chain: Vec<&Environment> = environments.chain(&environment.name).collect();
            let in_layers = chain.iter().filter_map(|link| changed.get(&link.branch)).flatten();
            let in_layers: Vec<&Path> = in_layers.collect();
            if in_layers.is_empty() {
                continue;
            }
            self.know_dependencies(planned, &chain);
            let layers: Vec<&Dependencies> =
                chain.iter().filter_map(|link| self.dependencies.get(&link.branch)).collect();
            let values = governed(in_layers.iter().copied().cloned(), &layers);
            let before = planned.view(&chain, false);
            let cache = &mut self.cache;
            let known = self.rules.entry(environment.name.clone());
            let rules = known.or_insert_with(|| Arc::new(RuleSet::of(&before, cache))).clone();
            let touching: Vec<&Path> =
                in_layers.into_iter().filter(|path| rules.is_touched_by(path)).collect();
            let (mut places, mut by): (BTreeSet<Path>, BTreeSet<Path>) = Default::default();
            if !touching.is_empty() {
                let after = RuleSet::of(&planned.view(&chain, true), cache);
                for path in touching {
                    let mut found = rules.governed_by(path).chain(after.governed_by(path)).peekable();
                    if found.peek().is_some() {
                        by.insert(path.clone());
                    }
                    places.extend(found.cloned());
                }
            }
            all.push(Governed { environment: environment.name.clone(), places, rules: by, values });
        }
        all
    }

    fn know_dependencies(&mut self, planned: &Planned<'_>, chain: &[&Environment]) {
        for link in chain {
            let of_branch = || Dependencies::of((planned.present)(&link.branch).root());
            self.dependencies.entry(link.branch.clone()).or_insert_with(of_branch);
        }
    }

    /// Whether a value of an environment could not be wrong, whatever it is.
    fn asks_nothing(&self, planned: &Planned<'_>, chain: &[&Environment]) -> bool {
        let Some(last) = chain.first() else { return false };
        let rules = self.rules.get(&last.name);
        let has_rules = || !rules.is_some_and(|rules| rules.demands_nothing());
        let names_others = |link: &&Environment| {
            self.dependencies.get(&link.branch).is_none_or(|dependencies| !dependencies.is_empty())
        };
        let is_known = planned.plans.keys().all(|branch| self.dependencies.contains_key(branch));
        is_known && !has_rules() && !chain.iter().any(names_others)
    }

    /// Every path of an environment whose value may be another.
    fn reached(
        &mut self,
        planned: &Planned<'_>,
        chain: &[&Environment],
        changed: &HashMap<&Arc<str>, Vec<Path>>,
    ) -> BTreeSet<Path> {
        self.know_dependencies(planned, chain);
        let layers: Vec<&Dependencies> =
            chain.iter().filter_map(|link| self.dependencies.get(&link.branch)).collect();
        let changed = chain.iter().filter_map(|link| changed.get(&link.branch)).flatten().cloned();
        reached(changed, &layers)
    }

    fn note(&mut self, planned: &Planned<'_>) {
        for (branch, plan) in &planned.plans {
            let Some(dependencies) = self.dependencies.get_mut(branch) else { continue };
            for change in plan.changes() {
                dependencies.change(&change.path, change.old.as_deref(), change.new.as_deref());
            }
        }
    }
}

impl Planned<'_> {
    /// Whether all that comes and goes is read as it is written.
    fn is_plain(&self) -> bool {
        self.plans.values().flat_map(|plan| plan.changes()).all(|change| {
            let mut entries = change.old.iter().chain(&change.new);
            entries.all(|entry| is_plain(&change.path, entry))
        })
    }

    pub fn view(&self, chain: &[&Environment], after: bool) -> View {
        let layers = chain.iter().map(|link| Layer {
            environment: link.name.clone(),
            snapshot: match self.plans.get(&link.branch).filter(|_| after) {
                Some(plan) => Arc::new(Snapshot::of_root(plan.root().clone())),
                None => (self.present)(&link.branch),
            },
        });
        View::new(layers.collect(), self.environments.rules().clone())
    }
}

fn changed_paths<'a>((branch, plan): (&'a Arc<str>, &&'a Plan)) -> (&'a Arc<str>, Vec<Path>) {
    let changes = plan.changes().iter().filter(|change| change.alters_value());
    (branch, changes.map(|change| change.path.clone()).collect())
}
