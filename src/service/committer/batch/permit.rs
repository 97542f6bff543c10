//! Whether somebody may write what a write does: not what it names, but every entry that it changes, in every environment
//! that shows that, and what it has power over beyond.

use std::sync::Arc;

use super::{Batch, Decided};
use crate::auth::{Action, Covers, Decision, Refused, WriteGrant};
use crate::model::{Diagnostic, Environment, Path};
use crate::resolve::{Found, Ingredients, Seen, View};
use crate::service::ServiceError;
use crate::service::committer::checks::{Governed, Planned};
use crate::service::committer::request::{Edit, EditOp};
use crate::snapshot::Change;
use crate::validation::Finding;

/// Where the rules are that say which schema is for which paths.
const SCHEMA_RULES: &str = "/.confgit/schemas/";

impl Batch<'_> {
    /// Refuses what is asked for where nothing of it may be written, before anything that is there is looked at.
    pub(super) fn permit_asked(&self, grant: &WriteGrant, edits: &[Edit]) -> Result<(), ServiceError> {
        if grant.is_unrestricted() {
            return Ok(());
        }
        for Edit { environment, path, op, .. } in edits {
            let environment = &self.environment(environment)?.name;
            match op {
                // Whoever writes a file as a whole writes what is in it beside entries.
                EditOp::File { .. } => grant.demand_all(Action::Write, environment, path)?,
                EditOp::Restore { .. } => grant.demand_all(Action::Write, environment, &Path::root())?,
                _ if path.as_str().starts_with(SCHEMA_RULES) => {}
                _ => grant.demand_some(Action::Write, environment, path)?,
            }
        }
        Ok(())
    }

    /// Refuses a write for anything that it does and the account may not.
    pub(super) fn permit(&mut self, grant: &WriteGrant, decided: &[Decided]) -> Result<(), ServiceError> {
        if grant.is_unrestricted() || decided.is_empty() {
            return Ok(());
        }
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        let planned = Batch::planned(self.context.environments, decided, &present);
        let permit = Permit { grant, planned: &planned };
        for Decided { branch, plan, .. } in decided {
            for environment in planned.environments.iter().filter(|other| other.branch == *branch) {
                let heirs = permit.heirs(environment);
                let own = permit.views(environment).1;
                for change in plan.changes() {
                    permit.change(environment, &own, change, &heirs)?;
                }
            }
        }
        for governed in self.checks.governed(&planned) {
            permit.governed(&governed)?;
        }
        Ok(())
    }
}

/// One write and who wants it.
struct Permit<'a> {
    grant: &'a WriteGrant,
    planned: &'a Planned<'a>,
}

/// An environment that inherits from the one that is written, with what it shows before and after.
struct Heir<'a> {
    name: &'a Arc<str>,
    before: View,
    after: View,
}

impl Permit<'_> {
    fn views(&self, environment: &Environment) -> (View, View) {
        let chain: Vec<&Environment> = self.planned.environments.chain(&environment.name).collect();
        (self.planned.view(&chain, false), self.planned.view(&chain, true))
    }

    fn heirs(&self, of: &Environment) -> Vec<Heir<'_>> {
        let environments = self.planned.environments;
        let inherits = |other: &&Environment| {
            other.name != of.name && environments.chain(&other.name).any(|link| link.name == of.name)
        };
        let heirs = environments.iter().filter(inherits);
        heirs
            .map(|heir| {
                let (before, after) = self.views(heir);
                Heir { name: &heir.name, before, after }
            })
            .collect()
    }

    fn change(
        &self,
        environment: &Environment,
        own: &View,
        change: &Change,
        heirs: &[Heir<'_>],
    ) -> Result<(), Refused> {
        let (name, path) = (&environment.name, &change.path);
        // Which values the rules for schemas are about is asked for where those are.
        let decision = match path.as_str().starts_with(SCHEMA_RULES) {
            true => None,
            false => Some(self.grant.demand(Action::Write, name, path)?),
        };
        self.approvals(name, path, None)?;
        self.ingredients(name, own, change)?;
        for heir in heirs {
            if shows_another(heir, path) {
                self.shown(name, heir.name, path, decision)?;
            }
        }
        Ok(())
    }

    /// What is asked where a view shows a change of another layer.
    fn shown(&self, layer: &str, heir: &str, path: &Path, by: Option<Decision<'_>>) -> Result<(), Refused> {
        let because = || format!("{heir} shows what changes in {layer}");
        if let Some(rule) = by.and_then(|decision| decision.by)
            && rule.covers == Covers::View
        {
            self.grant.demand(Action::Write, heir, path).map_err(|refused| {
                refused.because(format!("{}, and what lets it be written covers views", because())).by(rule)
            })?;
        }
        if let Some(decision) = self.grant.rights().decide_for_view(heir, path)
            && let Some(rule) = decision.by
            && !decision.is_allowed
        {
            let refused = Refused::write(self.grant.account(), heir, path);
            return Err(refused.because(because()).by(rule));
        }
        self.approvals(heir, path, Some(layer))
    }

    /// Refuses a change that others have to agree to first.
    fn approvals(&self, environment: &str, path: &Path, layer: Option<&str>) -> Result<(), Refused> {
        let Some(rule) = self.grant.rights().needs_approval(environment, path, layer.is_some()) else {
            return Ok(());
        };
        let Some(approvals) = &rule.approvals else { return Ok(()) };
        let whose = match &approvals.teams[..] {
            [] => String::new(),
            teams => format!(" of {}", teams.join(", ")),
        };
        let shown = layer
            .map(|layer| format!("{environment} shows what changes in {layer}, and "))
            .unwrap_or_default();
        let because = format!(
            "{shown}the change needs the agreement of {}{whose}; ask somebody who administers the path to make it",
            approvals.count
        );
        let refused = Refused::write(self.grant.account(), environment, path);
        Err(refused.because(because).by(rule))
    }

    /// What a value is newly made of has to be there for its writer.
    fn ingredients(&self, environment: &str, own: &View, change: &Change) -> Result<(), Refused> {
        let Some(new) = &change.new else { return Ok(()) };
        if own.rules().is_as_written(&change.path) {
            return Ok(());
        }
        let new = Ingredients::of(&change.path, new);
        let old = change.old.as_ref().map(|old| Ingredients::of(&change.path, old)).unwrap_or_default();
        let because = |refused: Refused| refused.because(format!("{} would be made of it", change.path));
        for path in new.paths.difference(&old.paths) {
            let rights = self.grant.rights();
            let is_whole = rights.extent(Action::Read, environment, path, false) == Seen::All;
            let is_value = || matches!(own.find(path), Some(Found::Entry(_)));
            if !(is_whole || rights.sees(environment, path) && is_value()) {
                let refused = self.grant.read_refusal(environment, path);
                return Err(because(refused));
            }
        }
        for path in new.variables.difference(&old.variables) {
            if self.grant.rights().is_variable_kept_from(environment, path) {
                return Err(because(self.grant.read_refusal(environment, path)));
            }
        }
        for name in new.secrets.difference(&old.secrets) {
            self.grant.demand_secret(environment, name).map_err(because)?;
        }
        Ok(())
    }

    fn governed(&self, governed: &Governed) -> Result<(), Refused> {
        let Governed { environment, places, values } = governed;
        for place in places {
            self.grant.demand_all(Action::Govern, environment, place).map_err(|refused| {
                refused.because("a schema would demand something else there".to_owned())
            })?;
        }
        for path in values {
            let may = |action| {
                self.grant.rights().extent(action, environment, path, false) == Seen::All
                    || self.grant.rights().decide(action, Some(environment), path).is_allowed
            };
            if !may(Action::Write) && !may(Action::Govern) {
                let refused = self.grant.demand(Action::Govern, environment, path).err();
                let because = "a variable, template or schema that it is made of would change".to_owned();
                return refused.map_or(Ok(()), |refused| Err(refused.because(because)));
            }
        }
        Ok(())
    }
}

fn shows_another(heir: &Heir<'_>, path: &Path) -> bool {
    match (heir.before.find(path), heir.after.find(path)) {
        (None, None) => false,
        (Some(Found::Entry(before)), Some(Found::Entry(after))) => !before.entry.same_value(&after.entry),
        (Some(Found::Object(before)), Some(Found::Object(after))) => before.digest() != after.digest(),
        _ => true,
    }
}

/// What is wrong, as somebody may see it who may not read all that it is about.
pub(super) fn told_to(grant: &WriteGrant, findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|finding| match hidden(grant, &finding.environment, &finding.diagnostic) {
            Some(diagnostic) => Finding { layer: None, diagnostic, ..finding },
            None => finding,
        })
        .collect()
}

/// What stands for a problem that is at a path that may not be read.
fn hidden(grant: &WriteGrant, environment: &str, diagnostic: &Diagnostic) -> Option<Diagnostic> {
    let path = diagnostic.path.as_ref()?;
    if grant.sees(environment, path) {
        return None;
    }
    let message = "something that the account may not read would be wrong; ask somebody who may".to_owned();
    Some(Diagnostic { rule: diagnostic.rule, file: None, position: None, path: None, message })
}
