//! Whether somebody may write what a write does: not only what it names, but every entry that it changes, in every
//! environment that shows that, and what it has power over beyond.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Batch, Decided};
use crate::auth::{AccessRule, Action, Approvals, Covers, Decision, Refused, Rights, WriteGrant};
use crate::model::{Diagnostic, Environment, Path};
use crate::patch::{Patch, Touch};
use crate::proposal::Need;
use crate::resolve::{Found, Ingredients, Seen, View};
use crate::service::ServiceError;
use crate::service::committer::checks::{Governed, Planned};
use crate::service::committer::request::{Edit, EditOp};
use crate::snapshot::{Change, EXTENDS, METADATA_ROOT, WITH};
use crate::validation::Finding;

/// Where the rules are that say which schema is for which paths.
const SCHEMA_RULES: &str = "/.confgit/schemas/";

/// How many values that others are made of are followed.
const MOST_FOLLOWED: usize = 10_000;

impl Batch<'_> {
    /// Refuses what is asked for where it may not be, by the rules alone: nothing that is there is looked at yet, so that
    /// no other refusal, and no answer that nothing changed, tells of it.
    pub(super) fn permit_asked(&self, grant: &WriteGrant, edits: &[Edit]) -> Result<(), ServiceError> {
        if grant.is_unrestricted() {
            return Ok(());
        }
        for Edit { environment, path, op, .. } in edits {
            let environment = &self.environment(environment)?.name;
            match op {
                EditOp::Patch(patch) => permit_patch(grant, environment, path, patch)?,
                // Which values they are about is asked for where those are.
                _ if path.as_str().starts_with(SCHEMA_RULES) => {}
                // Whoever writes a file as a whole writes what is in it beside entries.
                EditOp::File { .. } | EditOp::Put { .. } | EditOp::Delete | EditOp::Hide => {
                    grant.demand_all(Action::Write, environment, path)?;
                }
                EditOp::Restore { .. } => grant.demand_all(Action::Write, environment, &Path::root())?,
                EditOp::Promote(_) => grant.demand_some(Action::Write, environment, path)?,
            }
        }
        Ok(())
    }

    /// Refuses a write for anything that it does and the account may not. Answers what others have to agree to before.
    pub(super) fn permit(
        &mut self,
        grant: &WriteGrant,
        decided: &[Decided],
    ) -> Result<Vec<Need>, ServiceError> {
        self.permit_for(grant, &[grant.rights()], decided)
    }

    /// The same of a write that is made for others, too: `bound` are the rights of all whose changes it makes. What who
    /// makes it administers needs nobody's agreement.
    pub(super) fn permit_for(
        &mut self,
        grant: &WriteGrant,
        bound: &[&Rights],
        decided: &[Decided],
    ) -> Result<Vec<Need>, ServiceError> {
        match grant.is_unrestricted() {
            true => Ok(Vec::new()),
            false => self.look_at_rights(grant, (bound, Some(grant.rights())), decided),
        }
    }

    /// What others have to agree to before the changes of somebody are made, whoever makes them.
    pub(super) fn needs(&mut self, of: &Rights, decided: &[Decided]) -> Result<Vec<Need>, ServiceError> {
        self.look_at_rights(&WriteGrant::local("confgit".into()), (&[of], None), decided)
    }

    fn look_at_rights(
        &mut self,
        grant: &WriteGrant,
        (bound, exempt): (&[&Rights], Option<&Rights>),
        decided: &[Decided],
    ) -> Result<Vec<Need>, ServiceError> {
        if decided.is_empty() {
            return Ok(Vec::new());
        }
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        let planned = Batch::planned(self.context.environments, decided, &present);
        let permit = Permit { grant, bound, exempt, planned: &planned, needs: RefCell::default() };
        let all_governed = self.checks.governed(&planned);
        for Decided { branch, plan, .. } in decided {
            for environment in planned.environments.iter().filter(|other| other.branch == *branch) {
                let asks = std::iter::once(grant.rights()).chain(bound.iter().copied());
                let heirs = match asks.into_iter().any(Rights::asks_in_views) {
                    true => permit.heirs(environment),
                    false => Vec::new(),
                };
                let (before, after) = permit.views(environment);
                let own = Shown { name: &environment.name, before, after };
                let governs = |path: &Path| {
                    let named = all_governed.iter().filter(|governed| governed.rules.contains(path));
                    named.into_iter().any(|governed| !governed.places.is_empty())
                };
                for change in plan.changes() {
                    permit.change(&own, change, &heirs, &governs)?;
                }
            }
        }
        all_governed.iter().try_for_each(|governed| permit.governed(governed))?;
        Ok(permit.needs.into_inner())
    }
}

fn permit_patch(grant: &WriteGrant, environment: &str, path: &Path, patch: &Patch) -> Result<(), Refused> {
    let mut refused = Ok(());
    patch.touches(&mut |touch, tokens| {
        if refused.is_err() {
            return;
        }
        // What cannot be a path is refused for that.
        let at = tokens.iter().try_fold(path.clone(), |at, token| at.child(token));
        let at = at.unwrap_or_else(|_| path.clone());
        // A value is kept from somebody with all that is in it, whatever the rules say of paths below it.
        let outer =
            std::iter::successors(at.parent(), Path::parent).take_while(|outer| path.is_prefix_of(outer));
        let action = if touch == Touch::Read { Action::Read } else { Action::Write };
        for outer in outer {
            if grant.rights().is_denied(action, environment, &outer) {
                refused = grant.demand(action, environment, &outer).map(|_| ());
                return;
            }
        }
        refused = match touch {
            Touch::Read => match grant.rights().may_whole(Action::Read, environment, &at) {
                true => Ok(()),
                false => Err(grant.read_refusal(environment, &at)),
            },
            Touch::Replace if at.as_str().starts_with(SCHEMA_RULES) => Ok(()),
            Touch::Replace => grant.demand_part(Action::Write, environment, &at, path),
        };
    });
    refused
}

/// One write and who wants it.
struct Permit<'a> {
    grant: &'a WriteGrant,
    /// The rights of those whose changes need the agreement of others.
    bound: &'a [&'a Rights],
    /// What may be administered by these needs none.
    exempt: Option<&'a Rights>,
    planned: &'a Planned<'a>,
    /// What others have to agree to, as far as it was found.
    needs: RefCell<Vec<Need>>,
}

/// An environment that shows a change, before and after.
struct Shown<'a> {
    name: &'a Arc<str>,
    before: View,
    after: View,
}

/// Where a change is felt: at a path, or at all that is below it.
struct Reach {
    path: Path,
    is_whole: bool,
}

impl Shown<'_> {
    /// Where a change of an entry of a layer is felt beyond its own path.
    fn reaches(&self, change: &Change) -> Vec<Reach> {
        let whole = |path: Path| Reach { path, is_whole: true };
        let mut all = Vec::new();
        let segments: Vec<_> = change.path.segments().collect();
        // Templates, and what they are filled with, make all of their document.
        if let Some(at) = segments.iter().position(|segment| matches!(&**segment, EXTENDS | WITH)) {
            all.extend(Path::from_segments(&segments[..at]).map(whole));
        }
        // A value, or a tombstone, hides all that is inherited below it.
        let hides = |at: &Path| matches!(self.before.find(at), Some(Found::Object(_)));
        if change.new.is_some() && hides(&change.path) {
            all.push(whole(change.path.clone()));
        }
        for above in std::iter::successors(change.path.parent(), Path::parent) {
            // So does an object, where a rule says that it replaces those of parents.
            if self.before.rules().merge.replaces(&above) {
                all.push(whole(above));
            } else if matches!(self.before.find(&above), Some(Found::Entry(_))) {
                all.push(Reach { path: above, is_whole: false });
            }
        }
        all
    }

    fn shows_another(&self, path: &Path) -> bool {
        match (self.before.find(path), self.after.find(path)) {
            (None, None) => false,
            (Some(Found::Entry(before)), Some(Found::Entry(after))) => !before.entry.same_value(&after.entry),
            (Some(Found::Object(before)), Some(Found::Object(after))) => before.digest() != after.digest(),
            _ => true,
        }
    }
}

impl Permit<'_> {
    fn views(&self, environment: &Environment) -> (View, View) {
        let chain: Vec<&Environment> = self.planned.environments.chain(&environment.name).collect();
        (self.planned.view(&chain, false), self.planned.view(&chain, true))
    }

    /// The environments that inherit from the one that is written.
    fn heirs(&self, of: &Environment) -> Vec<Shown<'_>> {
        let environments = self.planned.environments;
        let inherits = |other: &&Environment| {
            other.name != of.name && environments.chain(&other.name).any(|link| link.name == of.name)
        };
        let heirs = environments.iter().filter(inherits);
        heirs
            .map(|heir| {
                let (before, after) = self.views(heir);
                Shown { name: &heir.name, before, after }
            })
            .collect()
    }

    fn change(
        &self,
        own: &Shown<'_>,
        change: &Change,
        heirs: &[Shown<'_>],
        governs: &dyn Fn(&Path) -> bool,
    ) -> Result<(), Refused> {
        let path = &change.path;
        // A rule for schemas that governs nothing is an entry like any other.
        let decision = match path.as_str().starts_with(SCHEMA_RULES) && governs(path) {
            true => None,
            false => Some(self.grant.demand(Action::Write, own.name, path)?),
        };
        self.approvals(own.name, path, None, false);
        for Reach { path, is_whole } in own.reaches(change) {
            match is_whole {
                true => self.grant.demand_all(Action::Write, own.name, &path)?,
                false => self.grant.demand(Action::Write, own.name, &path).map(|_| ())?,
            }
            self.approvals(own.name, &path, None, is_whole);
        }
        self.ingredients(own, change)?;
        for heir in heirs {
            if heir.shows_another(path) {
                self.shown(own.name, heir, path, decision)?;
            }
            for Reach { path, .. } in heir.reaches(change) {
                if heir.shows_another(&path) {
                    self.shown(own.name, heir, &path, decision)?;
                    self.approvals(heir.name, &path, Some(own.name), true);
                }
            }
        }
        Ok(())
    }

    /// What is asked where a view shows a change of another layer.
    fn shown(
        &self,
        layer: &Arc<str>,
        heir: &Shown<'_>,
        path: &Path,
        by: Option<Decision<'_>>,
    ) -> Result<(), Refused> {
        let name = heir.name;
        let because = || format!("{name} shows what changes in {layer}");
        if let Some(rule) = by.and_then(|decision| decision.by)
            && rule.covers == Covers::View
        {
            let is_whole = [&heir.before, &heir.after]
                .iter()
                .any(|view| matches!(view.find(path), Some(Found::Object(_))));
            let allowed = match is_whole {
                true => self.grant.demand_all(Action::Write, name, path),
                false => self.grant.demand(Action::Write, name, path).map(|_| ()),
            };
            allowed.map_err(|refused| {
                let because = format!("{}, and the rule that lets that be written covers views", because());
                refused.because(because).by(rule)
            })?;
        }
        if let Some(decision) = self.grant.rights().decide_for_view(name, path)
            && let Some(rule) = decision.by
            && !decision.is_allowed
        {
            let refused = Refused::write(self.grant.account(), name, path);
            return Err(refused.because(because()).by(rule));
        }
        self.approvals(name, path, Some(layer), false);
        Ok(())
    }

    /// Notes that others have to agree to a change first.
    fn approvals(&self, environment: &Arc<str>, path: &Path, layer: Option<&Arc<str>>, is_whole: bool) {
        let how = (layer.is_some(), is_whole);
        let mut rules: Vec<&AccessRule> =
            self.bound.iter().flat_map(|rights| rights.needs_approval(environment, path, how)).collect();
        rules.sort_by_key(|rule| rule.number);
        rules.dedup_by_key(|rule| rule.number);
        if rules.is_empty() || self.exempt.is_some_and(|rights| rights.administers(environment, path)) {
            return;
        }
        let mut needs = self.needs.borrow_mut();
        for rule in rules {
            let Some(Approvals { count, teams }) = &rule.approvals else { continue };
            needs.push(Need {
                rule: rule.number,
                count: *count,
                teams: teams.clone(),
                environment: environment.clone(),
                path: path.clone(),
                layer: layer.cloned(),
                is_whole,
            });
        }
    }

    /// What a value is newly made of has to be there for its writer, and what is newly looked at by a schema.
    fn ingredients(&self, own: &Shown<'_>, change: &Change) -> Result<(), Refused> {
        let Some(new) = &change.new else { return Ok(()) };
        let new = Ingredients::of(&change.path, new);
        let old = change.old.as_ref().map(|old| Ingredients::of(&change.path, old)).unwrap_or_default();
        let because = |refused: Refused| refused.because(format!("{} would be made of it", change.path));
        for path in new.paths.difference(&old.paths) {
            self.readable(own, path).map_err(because)?;
        }
        for path in new.variables.difference(&old.variables) {
            if self.grant.rights().is_variable_kept_from(own.name, path) {
                return Err(because(self.grant.read_refusal(own.name, path)));
            }
        }
        for name in new.secrets.difference(&old.secrets) {
            self.grant.demand_secret(own.name, name).map_err(because)?;
        }
        match checked_by(&change.path) {
            Some(place) => self.checked(own, &place),
            None => Ok(()),
        }
    }

    /// That a value, or all of an object, may be read.
    fn readable(&self, own: &Shown<'_>, path: &Path) -> Result<(), Refused> {
        let rights = self.grant.rights();
        let is_whole = rights.extent(Action::Read, own.name, path, false) == Seen::All;
        let is_value = || matches!(own.after.find(path), Some(Found::Entry(_)));
        if is_whole || (rights.sees(own.name, path) && is_value()) {
            return Ok(());
        }
        Err(self.grant.read_refusal(own.name, path))
    }

    /// That all which a schema newly looks at may be read, whatever values there are made of: whether a value is as a
    /// schema wants it tells what it is.
    fn checked(&self, own: &Shown<'_>, place: &Path) -> Result<(), Refused> {
        let because = |refused: Refused| refused.because("a schema would look at it".to_owned());
        if !self.grant.rights().may_whole(Action::Read, own.name, place) {
            return Err(because(self.grant.read_refusal(own.name, place)));
        }
        let (mut met, mut waiting) = (BTreeSet::new(), vec![place.clone()]);
        while let Some(at) = waiting.pop() {
            if met.len() >= MOST_FOLLOWED || !met.insert(at.clone()) {
                continue;
            }
            let mut all = BTreeSet::new();
            match own.after.find(&at) {
                None => {}
                Some(Found::Entry(found)) => all.extend(Ingredients::of(&at, &found.entry).paths),
                Some(Found::Object(object)) => {
                    object.visit(&at, &mut |path, found| {
                        all.extend(Ingredients::of(path, &found.entry).paths);
                        all.len() < MOST_FOLLOWED
                    });
                }
            }
            for path in all {
                self.readable(own, &path).map_err(because)?;
                waiting.push(path);
            }
        }
        Ok(())
    }

    fn governed(&self, governed: &Governed) -> Result<(), Refused> {
        let Governed { environment, places, values, .. } = governed;
        if places.is_empty() && values.is_empty() {
            return Ok(());
        }
        let Some(named) = self.planned.environments.get(environment) else { return Ok(()) };
        let (before, after) = self.views(named);
        let shown = Shown { name: environment, before, after };
        for place in places {
            self.grant.demand_all(Action::Govern, environment, place).map_err(|refused| {
                refused.because("a schema would demand something else there".to_owned())
            })?;
            self.checked(&shown, place)?;
            self.approvals(environment, place, None, true);
        }
        for path in values {
            let is_value = matches!(shown.after.find(path), Some(Found::Entry(_)));
            let rights = self.grant.rights();
            let may = |action| {
                let decides = || rights.decide(action, Some(environment), path).is_allowed;
                rights.may_whole(action, environment, path) || (is_value && decides())
            };
            if !may(Action::Write) && !may(Action::Govern) {
                let because = "a variable, template or schema that it is made of would change".to_owned();
                return Err(self.grant.govern_refusal(environment, path).because(because));
            }
            self.approvals(environment, path, None, !is_value);
        }
        Ok(())
    }
}

/// What a schema is about, where a path is one that names it: `$schema` of a document, or the metadata of an entry.
fn checked_by(path: &Path) -> Option<Path> {
    if path.name().is_some_and(|name| name == "$schema") {
        return path.parent();
    }
    let root: Path = METADATA_ROOT.parse().ok()?;
    let described = path.strip_prefix(&root)?;
    let segments: Vec<_> = described.segments().collect();
    let at = segments.iter().skip(1).position(|segment| segment == "schema")?;
    Path::from_segments(&segments[..=at]).ok()
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
    if grant.rights().may_whole(Action::Read, environment, path) {
        return None;
    }
    let message = "something that the account may not read would be wrong; ask somebody who may".to_owned();
    Some(Diagnostic { rule: diagnostic.rule, file: None, position: None, path: None, message })
}
