//! A proposal and its branches changed the same: somebody decides, and it holds both from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merge::{OnConflict, OverruledFile};
use super::propose::{bound_paths, unmergeable, with_noted};
use super::{Batch, Failure};
use crate::auth::{Action, WriteGrant};
use crate::merge::Conflict;
use crate::model::{Diagnostic, Path, Rule, Value};
use crate::proposal::{Head, Proposal};
use crate::service::committer::request::{PromotedEntry, Resolving};
use crate::service::promote::id_of;
use crate::service::receive::PushRefusal;
use crate::service::{Choice, ServiceError, Take};
use crate::snapshot::base_path;

/// How many conflicts are named that are not decided.
const MOST_NAMED: usize = 100;

/// What was decided of one branch.
#[derive(Default)]
struct Decisions {
    /// Where the branch stays as it is.
    kept: BTreeSet<Path>,
    /// Which side's files count that hold no entries.
    files: Option<Take>,
    /// What is another value than either side has.
    entries: Vec<PromotedEntry>,
    /// Where nothing is decided.
    open: Vec<Diagnostic>,
}

impl Batch<'_> {
    /// Merges branches as they are now into what a proposal holds, as somebody decides where both changed the same. Branches
    /// are left where they are.
    pub fn resolve(
        &mut self,
        grant: &WriteGrant,
        proposal: &Proposal,
        resolving: &Resolving,
    ) -> Result<Vec<Head>, Failure> {
        let refused = |refusal: PushRefusal| Failure::Refused(unmergeable(proposal, refusal));
        let is_known = |name: &&String| proposal.heads.iter().any(|head| head.environment == **name);
        if let Some(name) = resolving.resolutions.keys().find(|name| !is_known(name)) {
            return Err(refused(PushRefusal::Conflicts(vec![Diagnostic {
                rule: Rule::Merge,
                file: None,
                position: None,
                path: None,
                message: format!("the proposal changes nothing of `{name}`, of which `resolutions` speak"),
            }])));
        }
        let (mut heads, mut open) = (Vec::new(), Vec::new());
        for head in &proposal.heads {
            let one = std::slice::from_ref(head);
            let found = self.decide_heads(one, OnConflict::TakeTheirs).map_err(refused)?;
            if resolving.take.is_none() {
                let files = found.iter().flat_map(|(_, overruled)| overruled.undecided());
                open.extend(files.map(|fault| Diagnostic {
                    message: format!("{}: {}; `take` a side for it", head.environment, fault.message),
                    ..fault
                }));
            }
            let conflicts = found.iter().flat_map(|(_, overruled)| &overruled.entries);
            for OverruledFile { file, .. } in found.iter().flat_map(|(_, overruled)| &overruled.files) {
                let base = base_path(file).unwrap_or_else(|_| Path::root());
                let allowed = grant.demand_some(Action::Write, &head.environment, &base);
                allowed.map_err(|refused| {
                    ServiceError::from(refused.because(format!("the proposal changes the file {file}")))
                })?;
            }
            let conflicts: BTreeMap<&Path, &Conflict> =
                conflicts.map(|conflict| (&conflict.path, conflict)).collect();
            // Whichever side counts: the other one's change goes.
            for path in conflicts.keys() {
                grant.demand_some(Action::Write, &head.environment, path).map_err(ServiceError::from)?;
            }
            let decisions = decisions(head, &conflicts, resolving);
            if !decisions.open.is_empty() {
                open.extend(decisions.open);
            } else if open.is_empty() {
                heads.extend(self.resolved(grant, (proposal, head), &decisions)?);
            }
        }
        if !open.is_empty() {
            open.truncate(MOST_NAMED);
            let refusal = PushRefusal::Conflicts(open);
            return Err(refused(refusal));
        }
        if heads.is_empty() {
            return Err(ServiceError::NothingToPropose.into());
        }
        bound_paths(&mut heads);
        Ok(heads)
    }

    /// What a head is once it holds the branch as well; none where nothing of it is left.
    fn resolved(
        &mut self,
        grant: &WriteGrant,
        (proposal, head): (&Proposal, &Head),
        Decisions { kept, files, entries, .. }: &Decisions,
    ) -> Result<Option<Head>, Failure> {
        let refused = |refusal: PushRefusal| Failure::Refused(unmergeable(proposal, refusal));
        let branch: Arc<str> = head.branch.as_str().into();
        let (base, tree) = (self.branch(&branch)?.head, self.branch(&branch)?.tree_id);
        let message = format!("Merge what came meanwhile into proposal {}", proposal.number);
        let message = with_noted(&message, self.noted(head));
        let on_conflict = OnConflict::Decided(kept, *files);
        let decided = self.decide_heads(std::slice::from_ref(head), on_conflict);
        let (decided, _) = decided.map_err(refused)?.pop().ok_or(ServiceError::NothingToPropose)?;
        // Who may see it by what it held before sees no more of it.
        let mut paths: BTreeSet<Path> =
            self.changed(&decided)?.into_iter().chain(head.paths.iter().cloned()).collect();
        let decided = vec![decided];
        self.permit(grant, &decided)?;
        let mut merged = self.begin_change_set(grant.account());
        for decided in decided {
            self.commit_branch(&mut merged, decided, &message).map_err(Failure::Broken)?;
        }
        let mut edited = self.begin_change_set(grant.account());
        // What a path is to lose is an entry at it, and none that came to be below it.
        let snapshot = self.branch(&branch)?.snapshot.clone();
        let is_there =
            |entry: &&PromotedEntry| entry.value.is_some() || snapshot.entry(&entry.path).is_some();
        let entries: Vec<PromotedEntry> = entries.iter().filter(is_there).cloned().collect();
        if let Some(decided) = self.decide_entries(&branch, &entries)? {
            paths.extend(self.changed(&decided)?);
            let decided = vec![decided];
            self.permit(grant, &decided)?;
            for decided in decided {
                self.commit_branch(&mut edited, decided, &message).map_err(Failure::Broken)?;
            }
        }
        let working = self.branch(&branch)?;
        let commit = working.head.ok_or(ServiceError::NothingToPropose)?;
        let is_nothing = working.tree_id == tree;
        self.put_back(&edited.moved);
        self.put_back(&merged.moved);
        if is_nothing {
            return Ok(None);
        }
        let resolved = self.head_of(&branch, (base, commit), paths.into_iter().collect())?;
        Ok(Some(Head { more: head.more, ..resolved }))
    }
}

/// What somebody decided about the conflicts of a head.
fn decisions(head: &Head, conflicts: &BTreeMap<&Path, &Conflict>, resolving: &Resolving) -> Decisions {
    let empty = Default::default();
    let resolutions = resolving.resolutions.get(&head.environment).unwrap_or(&empty);
    let mut decisions = Decisions { files: resolving.take, ..Decisions::default() };
    for path in resolutions.keys().filter(|path| !conflicts.contains_key(path)) {
        decisions.open.push(fault(head, path, "there is no conflict to decide"));
    }
    let entry = |path: &Path, value: Option<Value>| PromotedEntry {
        path: path.clone(),
        value,
        as_text: false,
        seen: None,
    };
    for (path, conflict) in conflicts {
        let path = *path;
        let given = resolutions.get(path);
        if given.and_then(|given| given.id.as_ref()).is_some_and(|id| *id != id_of(conflict)) {
            decisions.open.push(fault(head, path, "both sides are others by now; look at it again"));
            continue;
        }
        match given.map(|given| given.choice.clone()).or(resolving.take.map(Choice::Take)) {
            Some(Choice::Take(Take::Ours)) => {
                decisions.kept.insert(path.clone());
            }
            Some(Choice::Take(Take::Theirs)) => {}
            Some(Choice::Value(value)) => decisions.entries.push(entry(path, Some(value))),
            Some(Choice::Delete) => decisions.entries.push(entry(path, None)),
            None => decisions.open.push(fault(
                head,
                path,
                "both sides changed it: give it a resolution, or `take` a side for all",
            )),
        }
    }
    decisions
}

fn fault(head: &Head, path: &Path, what: &str) -> Diagnostic {
    let message = format!("{}: {what}", head.environment);
    Diagnostic { rule: Rule::Merge, file: None, position: None, path: Some(path.clone()), message }
}
