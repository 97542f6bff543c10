//! Proposals: commits are made that no branch is to lead to yet, and later merged with where their branches are by then.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::commit::MadeChangeSet;
use super::decide::restore_updates;
use super::merge::{OnConflict, Overruled, path_of_file};
use super::{Batch, Content, Decided, Failure, Working};
use crate::auth::{Refused, Rights, WriteGrant};
use crate::merge::Conflict;
use crate::model::{Diagnostic, Path, Revision, Sequence};
use crate::proposal::{Head, MOST_PATHS, Need, Proposal};
use crate::service::ServiceError;
use crate::service::committer::checks::TriedEnvironment;
use crate::service::committer::request::Write;
use crate::service::load::MOST_FILES;
use crate::service::receive::PushRefusal;
use crate::service::trailers::is_read_again;
use crate::validation::Finding;

/// What a proposal would come to if it were merged now.
pub(in crate::service) struct HeadsTrial {
    /// Every environment that would show it.
    pub environments: Vec<TriedEnvironment>,
    /// What would be wrong then and is not yet.
    pub findings: Vec<Finding>,
    /// What both it and its branches changed since it was made: it would count.
    pub conflicts: Vec<(Head, Vec<Conflict>)>,
    /// Why it cannot be merged at all, where that is so.
    pub faults: Vec<Diagnostic>,
    /// What others have to agree to first, whoever merges it.
    pub needs: Vec<Need>,
    /// Why whoever asks may not merge it, where that is so.
    pub forbidden: Option<Box<Refused>>,
    /// What others have to agree to first where whoever asks merges it.
    pub own_needs: Vec<Need>,
}

/// Who merges a proposal, and whose change it is.
pub(in crate::service::committer) struct Merger<'a> {
    pub grant: &'a WriteGrant,
    /// The rights of whoever proposed it, where they are known.
    pub author: Option<&'a Rights>,
}

impl Merger<'_> {
    fn bound(&self) -> Vec<&Rights> {
        std::iter::once(self.grant.rights()).chain(self.author).collect()
    }
}

impl Batch<'_> {
    /// Makes the commits of a write on top of where branches are, or, where it changes a proposal, of the commits that this
    /// holds. Branches are left where they are; what others have to agree to is asked when it is merged.
    pub fn propose(
        &mut self,
        grant: &WriteGrant,
        write: &Write,
        onto: Option<&Proposal>,
    ) -> Result<Vec<Head>, Failure> {
        let put_back = match onto {
            Some(proposal) => self.stand_on(&proposal.heads)?,
            None => Vec::new(),
        };
        // What was looked up of the branches does not hold on what the proposal makes of them, and the other way round.
        if onto.is_some() {
            self.checks.forget();
        }
        let noted = onto.iter().flat_map(|proposal| &proposal.heads).flat_map(|head| self.noted(head));
        let message = with_noted(&super::message::message(write), noted.collect());
        let made = self.make_heads(grant, write, &message);
        self.branches.extend(put_back);
        if onto.is_some() {
            self.checks.forget();
        }
        let heads = made?;
        let Some(proposal) = onto else { return Ok(heads) };
        // What the proposal held of branches that the edits are not about stays.
        let mut all: BTreeMap<String, Head> =
            proposal.heads.iter().map(|head| (head.branch.clone(), head.clone())).collect();
        for mut head in heads {
            if let Some(old) = all.get(&head.branch) {
                head.base = old.base;
                head.more |= old.more;
                head.paths.extend(old.paths.iter().cloned());
                head.paths.sort();
                head.paths.dedup();
            }
            all.insert(head.branch.clone(), head);
        }
        let mut heads: Vec<Head> = all.into_values().collect();
        bound_paths(&mut heads);
        Ok(heads)
    }

    fn make_heads(&mut self, grant: &WriteGrant, write: &Write, message: &str) -> Result<Vec<Head>, Failure> {
        self.permit_asked(grant, &write.edits)?;
        let (decided, _) = self.decide(grant, &write.edits)?;
        self.permit(grant, &decided)?;
        let findings = self.findings(&decided, grant);
        if !findings.is_empty() {
            return Err(ServiceError::Findings(findings).into());
        }
        if decided.is_empty() {
            return Err(ServiceError::NothingToPropose.into());
        }
        self.commit_heads(decided, message, grant.account())
    }

    /// Makes the commits of what was decided, and leaves the branches where they are.
    pub(super) fn commit_heads(
        &mut self,
        decided: Vec<Decided>,
        message: &str,
        account: &Arc<str>,
    ) -> Result<Vec<Head>, Failure> {
        let mut heads = Vec::new();
        let mut made = self.begin_change_set(account);
        for decided in decided {
            let (branch, paths) = (decided.branch.clone(), self.changed(&decided)?);
            let base = self.branch(&branch)?.head;
            self.commit_branch(&mut made, decided, message).map_err(Failure::Broken)?;
            let commit = self.branch(&branch)?.head.unwrap_or(Revision::ZERO);
            heads.push(self.head_of(&branch, (base, commit), paths)?);
        }
        let MadeChangeSet { moved, .. } = made;
        self.put_back(&moved);
        bound_paths(&mut heads);
        Ok(heads)
    }

    /// What commits make of a branch, as the head of a proposal.
    pub fn head_of(
        &self,
        branch: &Arc<str>,
        (base, commit): (Option<Revision>, Revision),
        paths: Vec<Path>,
    ) -> Result<Head, ServiceError> {
        let environment = self.context.environments.iter().find(|other| other.branch == *branch);
        let environment = environment.ok_or(ServiceError::NotReady { part: "the branch" })?;
        Ok(Head {
            environment: environment.name.to_string(),
            branch: branch.to_string(),
            base,
            commit,
            paths,
            more: false,
        })
    }

    /// Puts branches where a proposal would have them without what came since. Answers what they were.
    fn stand_on(&mut self, heads: &[Head]) -> Result<Vec<(Arc<str>, Working)>, ServiceError> {
        let mut before = Vec::new();
        for head in heads {
            let branch: Arc<str> = head.branch.as_str().into();
            let tree = self.texts.reader().commit(head.commit)?.tree;
            let working = self.branch(&branch)?;
            let updates = restore_updates(self.texts.reader(), working, Some(tree))?;
            let plan = working.snapshot.plan(updates, &*self.texts, self.context.limits);
            let snapshot = Arc::new(working.snapshot.apply(plan, &mut |_| None));
            let standing = Working {
                head: Some(head.commit),
                tree_id: Some(tree),
                snapshot,
                tree: crate::git::WorkTree::new(Some(tree)),
            };
            let was = Working::of(&working.seen());
            self.branches.insert(branch.clone(), standing);
            before.push((branch, was));
        }
        Ok(before)
    }

    /// What a proposal makes of its branches as they are now, and what both sides changed.
    pub(super) fn decide_heads(
        &mut self,
        heads: &[Head],
        on_conflict: OnConflict<'_>,
    ) -> Result<Vec<(Decided, Overruled)>, PushRefusal> {
        let mut decided = Vec::new();
        for head in heads {
            let branch: Arc<str> = head.branch.as_str().into();
            let is_known = self.context.environments.iter().any(|environment| environment.branch == branch);
            let Some(working) = self.branches.get(&branch).filter(|_| is_known) else {
                let reason = format!("no environment has the branch `{branch}` any more");
                return Err(PushRefusal::Behind { reason });
            };
            let is_on_it = match (head.base, working.head) {
                (None, _) => true,
                (Some(base), Some(now)) => base == now || self.is_ancestor(base, now)?,
                (Some(_), None) => false,
            };
            if !is_on_it {
                let reason = format!(
                    "the branch of {} lost the commit that the proposal was made on, or went far beyond it; propose the change anew",
                    head.environment
                );
                return Err(PushRefusal::Behind { reason });
            }
            let found = self.decide_merge(&branch, (head.base, head.commit), on_conflict)?;
            let working = self.branch(&branch)?;
            let new: Vec<_> = found.0.plan.new_problems(&working.snapshot).collect();
            if !new.is_empty() {
                let new = new.into_iter().map(|problem| problem.diagnostic.clone()).collect();
                return Err(ServiceError::Problems(new).into());
            }
            decided.push(found);
        }
        decided.sort_by(|(one, _), (other, _)| one.branch.cmp(&other.branch));
        Ok(decided)
    }

    /// What a proposal would come to. Nothing is made, and nothing is left changed.
    pub fn try_heads(&mut self, heads: &[Head], merger: &Merger<'_>) -> Result<HeadsTrial, ServiceError> {
        let mut trial = HeadsTrial {
            environments: Vec::new(),
            findings: Vec::new(),
            conflicts: Vec::new(),
            faults: Vec::new(),
            needs: Vec::new(),
            forbidden: None,
            own_needs: Vec::new(),
        };
        let decided = match self.decide_heads(heads, OnConflict::TakeTheirs) {
            Ok(decided) => decided,
            Err(refusal) => {
                trial.faults = faults_of(refusal)?;
                return Ok(trial);
            }
        };
        let decided: Vec<Decided> = decided
            .into_iter()
            .map(|(decided, overruled)| {
                let head = heads.iter().find(|head| *head.branch == *decided.branch);
                let sees = |file: &str| {
                    let rights = merger.grant.rights();
                    head.is_some_and(|head| rights.sees(&head.environment, &path_of_file(file)))
                };
                trial.faults.extend(overruled.undecided().map(|fault| match &fault.file {
                    Some(file) if !sees(file) => Diagnostic { file: None, ..fault },
                    _ => fault,
                }));
                let entries = overruled.entries;
                let head = head.filter(|_| !entries.is_empty());
                trial.conflicts.extend(head.map(|head| (head.clone(), entries)));
                decided
            })
            .collect();
        if let Some(author) = merger.author {
            trial.needs = self.needs(author, &decided)?;
        }
        match self.permit_for(merger.grant, &merger.bound(), &decided) {
            Ok(needs) => {
                // Nobody stands behind what the server proposes by itself.
                if merger.author.is_none() {
                    trial.needs = needs.clone();
                }
                trial.own_needs = needs;
            }
            Err(ServiceError::Forbidden(why)) => trial.forbidden = Some(why),
            Err(other) => return Err(other),
        }
        for head in heads {
            match self.permit_head(merger.grant, head) {
                Ok(()) => {}
                Err(PushRefusal::Service(ServiceError::Forbidden(why))) => {
                    trial.forbidden.get_or_insert(why);
                }
                Err(other) => trial.faults.extend(faults_of(other)?),
            }
        }
        trial.findings = self.findings(&decided, merger.grant);
        trial.environments = self.tried(&decided);
        Ok(trial)
    }

    /// Merges a proposal, and answers its change set. `agreed` says whether what others have to agree to was agreed to.
    pub fn merge_heads(
        &mut self,
        proposal: &Proposal,
        merger: &Merger<'_>,
        request_id: Option<&str>,
        agreed: &dyn Fn(&[Need]) -> Result<(), ServiceError>,
    ) -> Result<Sequence, Failure> {
        let refused = |refusal: PushRefusal| Failure::Refused(unmergeable(proposal, refusal));
        let decided = self.decide_heads(&proposal.heads, OnConflict::Refuse).map_err(refused)?;
        let decided: Vec<Decided> = decided.into_iter().map(|(decided, _)| decided).collect();
        for head in &proposal.heads {
            self.permit_head(merger.grant, head).map_err(refused)?;
        }
        agreed(&self.permit_for(merger.grant, &merger.bound(), &decided)?)?;
        self.validate(&decided, merger.grant)?;
        let mut made = self.begin_change_set(merger.grant.account());
        let sequence = made.change_set.sequence;
        for decided in decided {
            let head = proposal.heads.iter().find(|head| *head.branch == *decided.branch);
            let noted = head.map(|head| self.noted(head)).unwrap_or_default();
            let message = merge_message(proposal, merger.grant.account(), &noted, request_id);
            self.commit_branch(&mut made, decided, &message).map_err(Failure::Broken)?;
        }
        let MadeChangeSet { change_set, versions, moved, .. } = made;
        self.accept(change_set, versions, moved);
        Ok(sequence)
    }

    /// Lets somebody merge what a head changes beyond entries: files that hold none, comments.
    fn permit_head(&self, grant: &WriteGrant, head: &Head) -> Result<(), PushRefusal> {
        let before = match head.base {
            Some(base) => Some(self.texts.reader().commit(base)?.tree),
            None => None,
        };
        self.permit_files(grant, &head.branch.as_str().into(), (before, Some(head.commit)))
    }

    /// What commits that somebody pushed make of a branch, as the head of a proposal, and what the last of them says.
    pub fn judge_head(
        &mut self,
        grant: &WriteGrant,
        branch: &Arc<str>,
        (base, commit): (Option<Revision>, Revision),
    ) -> Result<(Head, String), PushRefusal> {
        let reader = self.texts.reader();
        let before = match base {
            Some(base) => Some(reader.commit(base)?.tree),
            None => None,
        };
        let message = reader.commit(commit)?.message;
        self.permit_files(grant, branch, (before, Some(commit)))?;
        let mut heads = vec![self.head_of(branch, (base, commit), Vec::new())?];
        let decided = self.decide_heads(&heads, OnConflict::Refuse)?;
        let decided: Vec<Decided> = decided.into_iter().map(|(decided, _)| decided).collect();
        self.permit(grant, &decided)?;
        let findings = self.findings(&decided, grant);
        if !findings.is_empty() {
            return Err(ServiceError::Findings(findings).into());
        }
        for decided in &decided {
            heads[0].paths.extend(self.changed(decided)?);
        }
        bound_paths(&mut heads);
        Ok((heads.remove(0), message))
    }

    /// The entries that something changes, and the files of which it changes something else.
    pub(super) fn changed(&self, decided: &Decided) -> Result<Vec<Path>, ServiceError> {
        let changes = decided.plan.changes();
        let entries = changes.iter().flat_map(|change| change.old.iter().chain(&change.new));
        let of_entries: HashSet<&str> = entries.map(|entry| &**entry.file()).collect();
        let files: Vec<Arc<str>> = match &decided.content {
            Content::Files(files) => files.keys().cloned().collect(),
            Content::Merge(merged) => merged.taken.keys().chain(merged.files.keys()).cloned().collect(),
            Content::Commit(pushed) | Content::Chain(Some(pushed)) => pushed.files.keys().cloned().collect(),
            Content::Tree(tree) => {
                let before = self.branch(&decided.branch)?.tree_id;
                let changed = self.texts.reader().changed_files(before, Some(*tree), MOST_FILES)?.files;
                changed.into_iter().map(|change| change.path.into()).collect()
            }
            Content::Chain(None) => Vec::new(),
        };
        let others =
            files.iter().filter(|file| !of_entries.contains(&***file)).map(|file| path_of_file(file));
        Ok(changes.iter().map(|change| change.path.clone()).chain(others).collect())
    }

    /// What the commits of a head say that is read again: where it was promoted from, what it brought back.
    pub(super) fn noted(&self, head: &Head) -> Vec<String> {
        let Ok(commit) = self.texts.reader().commit(head.commit) else { return Vec::new() };
        commit.message.lines().filter(|line| is_read_again(line)).map(str::to_owned).collect()
    }
}

/// A message with what earlier commits of a proposal said that is read again.
pub(super) fn with_noted(message: &str, mut noted: Vec<String>) -> String {
    noted.retain(|line| !message.lines().any(|other| other == line));
    noted.dedup();
    if noted.is_empty() {
        return message.to_owned();
    }
    let parts = if message.trim_end().contains("\n\n") { "\n" } else { "\n\n" };
    format!("{}{parts}{}\n", message.trim_end(), noted.join("\n"))
}

/// Keeps so many of the changed paths, of all heads together.
pub(in crate::service::committer) fn bound_paths(heads: &mut [Head]) {
    let mut room = MOST_PATHS;
    for head in heads {
        head.more |= head.paths.len() > room;
        head.paths.truncate(room);
        room -= head.paths.len();
    }
}

/// What is wrong with a proposal; an error where it could not be found out.
fn faults_of(refusal: PushRefusal) -> Result<Vec<Diagnostic>, ServiceError> {
    match refusal {
        PushRefusal::Content(faults) | PushRefusal::Conflicts(faults) => Ok(faults),
        PushRefusal::Service(ServiceError::Problems(faults)) => Ok(faults),
        PushRefusal::Service(ServiceError::Conflict(fault)) => Ok(vec![fault]),
        PushRefusal::Service(error) => Err(error),
        other => Ok(vec![Diagnostic {
            rule: crate::model::Rule::Merge,
            file: None,
            position: None,
            path: None,
            message: other.to_string(),
        }]),
    }
}

pub(super) fn unmergeable(proposal: &Proposal, refusal: PushRefusal) -> ServiceError {
    match faults_of(refusal) {
        Ok(faults) => ServiceError::Unmergeable { number: proposal.number, faults },
        Err(error) => error,
    }
}

/// What the commit says that merges a proposal.
fn merge_message(proposal: &Proposal, account: &str, noted: &[String], request_id: Option<&str>) -> String {
    let plain = |text: &str| -> String { text.chars().filter(|char| !char.is_control()).take(200).collect() };
    let mut message = proposal.title.clone();
    if !proposal.description.is_empty() {
        message.push_str("\n\n");
        message.push_str(proposal.description.trim());
    }
    message.push_str(&format!("\n\nProposal: {}\n", proposal.number));
    for contributor in &proposal.contributors {
        message.push_str(&format!("Proposed-By: {}\n", plain(contributor)));
    }
    for approval in &proposal.approvals {
        message.push_str(&format!("Approved-By: {}\n", plain(&approval.by.account)));
    }
    message.push_str(&format!("Account: {}\n", plain(account)));
    for line in noted {
        message.push_str(&format!("{line}\n"));
    }
    if let Some(id) = request_id {
        message.push_str(&format!("Request-Id: {}\n", plain(id)));
    }
    message
}
