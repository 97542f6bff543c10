use std::sync::Arc;

use super::Project;
use super::audit_trail::AuditHealth;
use super::core::Core;
use super::health::WriteState;
use super::upstream::UpstreamStatus;
use crate::auth::ReadGrant;
use crate::model::{Diagnostic, Path, Revision, Rule, Sequence};
use crate::resolve::{Seen, entries_seen};
use crate::snapshot::{Snapshot, base_path};
use crate::telemetry::{Present, PresentAudit, PresentEnvironment};
use crate::validation::Finding;

/// How a project is.
#[derive(Debug, Clone)]
pub struct Status {
    /// The last change set that readers see.
    pub sequence: Sequence,
    /// The oldest change set after which the project can still be seen.
    pub oldest_sequence: Sequence,
    /// How its parts are.
    pub health: Health,
    /// After which change set what the environments show was checked last; none before the first time.
    pub checked_sequence: Option<Sequence>,
    /// What is wrong with the newest settings, where older ones are in force.
    pub refused_settings: Vec<Diagnostic>,
    /// How the audit log is; for administrators.
    pub audit: Option<AuditHealth>,
    /// How the upstream is followed; none where there is none.
    pub upstream: Option<UpstreamStatus>,
    /// The branches of the environments, in the order of the settings.
    pub branches: Vec<BranchStatus>,
}

/// How the parts of a project are, told without looking at any configuration.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether writes are possible.
    pub writes: WriteState,
    /// Whether versions and history are known.
    pub history_ready: bool,
    /// The last change set in the history index.
    pub history_covered: Sequence,
    /// How many writes wait.
    pub waiting_writes: usize,
}

/// How one environment's branch is.
#[derive(Debug, Clone)]
pub struct BranchStatus {
    /// The environment.
    pub environment: Arc<str>,
    /// Its branch.
    pub branch: Arc<str>,
    /// What it inherits from.
    pub inherits: Option<Arc<str>>,
    /// Its head.
    pub head: Option<Revision>,
    /// How many entries the layer holds.
    pub entries: usize,
    /// How many files hold them.
    pub files: usize,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
    /// What is wrong with what the environment shows, and not with what it inherits.
    pub findings: Vec<Finding>,
}

impl Project {
    /// How the parts of the project are.
    pub fn health(&self) -> Health {
        let core = self.core();
        Health {
            writes: core.health.writes(),
            history_ready: core.history_ready(),
            history_covered: core.history.covered(),
            waiting_writes: self.waiting_writes(),
        }
    }

    /// How the project is.
    pub fn status(&self, grant: &ReadGrant) -> Status {
        let core = self.core();
        let reading = core.reading(grant);
        let state = reading.state();
        let (checked_sequence, found) = core.checks.last().unzip();
        let found = found.unwrap_or_default();
        let branches = state.environments.iter().map(|environment| {
            let branch = state.branches.get(&environment.branch).cloned().unwrap_or_default();
            let sight = grant.sight(&environment.name);
            let is_seen = |file: &str| {
                let base = base_path(file);
                sight.is_none()
                    || base.is_ok_and(|base| grant.below(&environment.name, &base, true) != Seen::Nothing)
            };
            BranchStatus {
                environment: environment.name.clone(),
                branch: environment.branch.clone(),
                inherits: environment.inherits.clone(),
                head: branch.head,
                entries: entries_seen(sight.as_deref(), &Path::root(), branch.snapshot.root()),
                files: branch.snapshot.files().filter(|(file, _)| is_seen(file)).count(),
                problems: branch
                    .snapshot
                    .problems()
                    .iter()
                    .map(|problem| told_to(grant, &environment.name, &problem.diagnostic))
                    .collect(),
                findings: found
                    .iter()
                    .filter(|finding| finding.environment == environment.name)
                    .map(|finding| Finding {
                        diagnostic: told_to(grant, &environment.name, &finding.diagnostic),
                        ..finding.clone()
                    })
                    .collect(),
            }
        });
        let oldest_sequence = core.history.base().unwrap_or(Sequence(1));
        Status {
            sequence: state.sequence,
            oldest_sequence,
            checked_sequence,
            health: self.health(),
            refused_settings: match grant.administers() {
                true => core.settings.refused(),
                false => core.settings.refused().iter().take(1).map(for_administrators).collect(),
            },
            audit: grant.administers().then(|| core.audit.health()),
            upstream: core.upstream.status().filter(|_| grant.administers()),
            branches: branches.collect(),
        }
    }
}

/// What is wrong, as somebody may see it who may not read all that it is about: a file may hold anything.
fn told_to(grant: &ReadGrant, environment: &str, diagnostic: &Diagnostic) -> Diagnostic {
    let is_seen = match &diagnostic.path {
        Some(path) => grant.may_whole(environment, path),
        None => diagnostic.file.as_ref().is_none_or(|file| {
            let base = base_path(file);
            base.is_ok_and(|base| grant.below(environment, &base, true) == Seen::All)
        }),
    };
    if is_seen || grant.sees_everything() {
        return diagnostic.clone();
    }
    let message = "something that the account may not read is wrong; somebody who may sees what".to_owned();
    Diagnostic { rule: diagnostic.rule, file: None, position: None, path: None, message }
}

fn for_administrators(refused: &Diagnostic) -> Diagnostic {
    let message =
        "newer settings or accounts have a mistake and are not in force; an administrator sees it".to_owned();
    Diagnostic { rule: refused.rule, file: None, position: None, path: None, message }
}

impl Core {
    /// How the project is, for a scrape: numbers only.
    pub(super) fn present(&self, waiting_writes: usize) -> Present {
        let state = self.index.snapshot();
        let found = self.checks.last().map(|(_, found)| found).unwrap_or_default();
        let environments = state.environments.iter().map(|environment| {
            let snapshot = state.branch_of(&environment.name).map(|branch| branch.snapshot.clone());
            let snapshot = snapshot.unwrap_or_default();
            PresentEnvironment {
                name: environment.name.clone(),
                entries: snapshot.root().entries(),
                files: snapshot.files().count(),
                problems: problems_by_rule(
                    &snapshot,
                    found.iter().filter(|finding| finding.environment == environment.name),
                ),
            }
        });
        Present {
            sequence: state.sequence,
            oldest_sequence: self.history.base().unwrap_or(Sequence(1)),
            history_covered: self.history.covered(),
            is_writable: self.history_ready() && self.health.writes() == WriteState::Possible,
            waiting_writes,
            // A directory that cannot be read is what writes will complain about.
            packs: self.repository.packs().unwrap_or_default(),
            environments: environments.collect(),
            audit: PresentAudit {
                records: self.audit.health().head.number,
                lost: self.audit.health().lost,
                is_writable: self.audit.health().failure.is_none(),
            },
            clients: self.present_clients(),
            upstream: self.upstream.present(),
            caches: vec![self.bodies.present(), self.past.present()],
        }
    }
}

/// How many problems there are of each rule, also where it is none: an alert wants to see it end.
fn problems_by_rule<'a>(
    snapshot: &'a Snapshot,
    findings: impl Iterator<Item = &'a Finding>,
) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<_> = Rule::ALL.iter().map(|rule| (rule.name(), 0)).collect();
    let of_files = snapshot.problems().iter().map(|problem| &problem.diagnostic);
    for diagnostic in of_files.chain(findings.map(|finding| &finding.diagnostic)) {
        let name = diagnostic.rule.name();
        match counts.iter_mut().find(|(rule, _)| *rule == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts
}
