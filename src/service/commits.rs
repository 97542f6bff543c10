use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::diff::EntryChange;
use super::page::PathPage;
use super::past::{Point, plain_message, stamp_of, unless_pruned};
use super::replay::first_parent_chain;
use super::{Cursor, ServiceError};
use crate::auth::ReadGrant;
use crate::git::{ReadError, Reader};
use crate::history::NewVersion;
use crate::model::{ChangeSet, Environment, Move, Path, Revision, Sequence, Timestamp, Version};
use crate::resolve::FoundEntry;
use crate::service::past::MOST_SCANNED;
use crate::snapshot::{Entry, Snapshot};

/// One commit of an environment's branch.
#[derive(Debug, Clone)]
pub struct CommitInfo {
    /// Its id.
    pub revision: Revision,
    /// The change set that brought it.
    pub sequence: Sequence,
    /// The environment whose branch it is on.
    pub environment: Arc<str>,
    /// When the change set was accepted.
    pub time: Timestamp,
    /// The account that made the change set.
    pub account: Arc<str>,
    /// Whom Git names as the author.
    pub author: Arc<str>,
    /// What it says, without confgit's trailers.
    pub message: String,
    /// How many entries it changed at or below the path asked.
    pub entries: u64,
}

/// A page of commits, newest first.
#[derive(Debug, Clone)]
pub struct CommitPage {
    /// The commits.
    pub commits: Vec<CommitInfo>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// One commit with what it changed.
#[derive(Debug, Clone)]
pub struct CommitView {
    /// The commit.
    pub info: CommitInfo,
    /// Its parents.
    pub parents: Vec<Revision>,
    /// The entries it changed, in the order of their paths.
    pub changes: Vec<EntryChange>,
    /// The path after which the next page of changes begins; none at the end.
    pub next: Option<Path>,
}

impl Core {
    /// The commits of an environment's branch, or of all, that changed something at or below a path (at the root:
    /// all commits), newest first. Blocks.
    pub fn commits(
        &self,
        grant: &ReadGrant,
        environment: Option<&str>,
        path: &Path,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<CommitPage, ServiceError> {
        self.require_history()?;
        let only = environment.map(|name| self.environment(name)).transpose()?;
        let mut at = Cursor::begin(before, self.history.covered())?;
        // What history begins with is no change any more.
        let end = self.history.base().unwrap_or_default();
        let walk = CommitWalk { core: self, grant, reader: self.repository.reader(), path };
        let mut commits = Vec::new();
        let mut next = None;
        for scanned in 0.. {
            if commits.len() == limit || scanned == MOST_SCANNED {
                next = Some(at);
                break;
            }
            let sequence = match &only {
                Some(environment) => self.moved_at_or_before(&environment.branch, at.sequence),
                None => Some(at.sequence).filter(|sequence| *sequence > end),
            };
            let Some(sequence) = sequence else { break };
            if sequence != at.sequence {
                at = Cursor { sequence, skip: 0 };
            }
            let wanted = limit - commits.len();
            let found = walk.commits_of(sequence, only.as_ref(), at.skip, wanted + 1)?;
            let is_done = found.len() <= wanted;
            at.skip += found.len().min(wanted);
            commits.extend(found.into_iter().take(wanted));
            if is_done {
                at = Cursor { sequence: Sequence(sequence.0 - 1), skip: 0 };
            }
        }
        Ok(CommitPage { commits, next: next.filter(|next| next.sequence > end) })
    }

    /// One commit with the entries in which it differs from the one before it on its branch. Where a point names a
    /// change set that moved several branches, the environment says which one is meant. Blocks.
    pub fn commit(
        &self,
        grant: &ReadGrant,
        point: &Point,
        environment: Option<&str>,
        page: &PathPage,
    ) -> Result<CommitView, ServiceError> {
        self.require_history()?;
        let reader = self.repository.reader();
        let located = self.locate(&reader, point)?;
        if located.sequence == Sequence(0) {
            let reason = "change set 0 is the time before the first commit; the first one is 1".to_owned();
            return Err(ServiceError::NoSuchPoint { reason });
        }
        let change_set = self.change_set(located.sequence.0)?;
        let (step, revision) = self.step_of(&located, &change_set, point, environment)?;
        let named = self.environment_of(&step.branch)?;
        let commit = reader.commit(revision)?;
        let mut versions = self.history.versions_of(change_set.sequence)?;
        versions.retain(|version| version.branch == step.branch && version.revision == revision);
        let all = versions.len();
        versions.retain(|version| grant.sees(&named.name, &version.path));
        let entries = versions.len() as u64;
        // A commit tells of itself to who may read something of what it changed, or everything.
        if entries == 0 && !grant.sees_everything() {
            let root = Path::root();
            let is_hers = all == 0 && grant.sees(&named.name, &root);
            if !is_hers {
                let refused = grant.refusal(&named.name, &root);
                return Err(refused.because("nothing that the commit changed may be read".to_owned()).into());
            }
        }
        // How much its values are is known only once they are read.
        let (versions, after_all) = page.cut(versions, |version| &version.path, |_| 0);
        let base = base_of(&reader, &step, revision)?;
        let changes = self.changes_of(&reader, &named, (base, revision), &versions)?;
        let (changes, next) = page.cut(changes, |change| &change.path, EntryChange::bytes);
        let next = next.or(after_all);
        let info = CommitInfo {
            revision,
            sequence: change_set.sequence,
            environment: named.name.clone(),
            time: change_set.time,
            account: change_set.account.clone(),
            author: commit.author.clone(),
            message: match self.may_be_told(grant, change_set.sequence, revision)? {
                true => plain_message(&commit.message),
                false => String::new(),
            },
            entries,
        };
        Ok(CommitView { info, parents: commit.parents, changes, next })
    }

    /// Whether somebody may read all that a commit changed: what it says of itself may name any of it.
    pub(super) fn may_be_told(
        &self,
        grant: &ReadGrant,
        sequence: Sequence,
        revision: Revision,
    ) -> Result<bool, ServiceError> {
        if grant.sees_everything() {
            return Ok(true);
        }
        let environments = self.environments();
        let is_seen = |version: &NewVersion| {
            let named = environments.iter().find(|environment| environment.branch == version.branch);
            named.is_some_and(|environment| grant.sees(&environment.name, &version.path))
        };
        let versions = self.history.versions_of(sequence)?;
        Ok(versions.iter().filter(|version| version.revision == revision).all(is_seen))
    }

    /// Which branch's move, and which commit of it, a point names.
    fn step_of(
        &self,
        located: &super::past::Located,
        change_set: &ChangeSet,
        point: &Point,
        environment: Option<&str>,
    ) -> Result<(Move, Revision), ServiceError> {
        let branch = environment.map(|name| self.environment(name)).transpose()?.map(|found| found.branch);
        let is_meant = |step: &&Move| branch.as_ref().is_none_or(|branch| step.branch == *branch);
        let mut found = Vec::new();
        for step in change_set.moves.iter().filter(is_meant) {
            let pinned = located.pins.get(&step.branch).map(|pin| pin.head);
            let commit = match (pinned, point) {
                (Some(pinned), _) => Some(pinned),
                (None, _) if !located.pins.is_empty() => None,
                (None, Point::Commit(id)) => step.new.filter(|new| new == id),
                (None, _) => step.new,
            };
            found.extend(commit.map(|commit| (step.clone(), commit)));
        }
        match &found[..] {
            [only] => Ok(only.clone()),
            [] => Err(ServiceError::NoSuchPoint {
                reason: format!("change set {} put no commit on that branch", change_set.sequence),
            }),
            several => {
                let branches: Vec<&str> = several.iter().map(|(step, _)| &*step.branch).collect();
                let reason = format!(
                    "change set {} moved several branches ({}): name a commit, or the environment with env=",
                    change_set.sequence,
                    branches.join(", ")
                );
                Err(ServiceError::NoSuchPoint { reason })
            }
        }
    }

    fn environment_of(&self, branch: &str) -> Result<Environment, ServiceError> {
        let environments = self.environments();
        let found = environments.iter().find(|environment| &*environment.branch == branch).cloned();
        let reason = format!("the branch `{branch}` holds no environment any more");
        found.ok_or(ServiceError::NoSuchPoint { reason })
    }

    fn changes_of(
        &self,
        reader: &Reader,
        environment: &Environment,
        (base, commit): (Option<Revision>, Revision),
        versions: &[NewVersion],
    ) -> Result<Vec<EntryChange>, ServiceError> {
        let paths: Vec<Path> = versions.iter().map(|version| version.path.clone()).collect();
        let load = |commit: Option<Revision>| -> Result<Option<Arc<Snapshot>>, ReadError> {
            match commit.filter(|_| !paths.is_empty()) {
                Some(commit) => unless_pruned(self.loaded(reader, commit, &paths)),
                None => Ok(None),
            }
        };
        let (old, new) = (load(base)?, load(Some(commit))?);
        let found = |snapshot: &Option<Arc<Snapshot>>, path: &Path, version: u64| {
            let Some(entry) = snapshot.as_ref().and_then(|snapshot| snapshot.entry(path)) else {
                return Ok(None);
            };
            let record = self.history.version(&environment.branch, path, Version(version))?;
            let entry = match record {
                Some(record) => Arc::new(Entry::clone(&entry).stamped(stamp_of(&record))),
                None => entry,
            };
            Ok::<_, ServiceError>(Some(FoundEntry::own(environment.name.clone(), entry)))
        };
        let mut changes = Vec::new();
        for NewVersion { path, version, .. } in versions {
            let before = found(&old, path, version.0.saturating_sub(1))?;
            let after = found(&new, path, version.0)?;
            changes.push(EntryChange { path: path.clone(), old: before, new: after });
        }
        Ok(changes)
    }
}

/// The commit that one is compared with: the one before it on its branch.
fn base_of(reader: &Reader, step: &Move, revision: Revision) -> Result<Option<Revision>, ServiceError> {
    let chain = match step.new {
        Some(new) => first_parent_chain(reader, step.old, new)?,
        None => Vec::new(),
    };
    match chain.iter().position(|commit| *commit == revision) {
        Some(0) | None => Ok(step.old),
        Some(index) => Ok(chain.get(index - 1).copied()),
    }
}

/// A walk back through change sets.
struct CommitWalk<'a> {
    core: &'a Core,
    grant: &'a ReadGrant,
    reader: Reader,
    path: &'a Path,
}

impl CommitWalk<'_> {
    /// The commits that a change set put on the branches of environments, newest first, without the first `skip`.
    fn commits_of(
        &self,
        sequence: Sequence,
        only: Option<&Environment>,
        skip: usize,
        most: usize,
    ) -> Result<Vec<CommitInfo>, ServiceError> {
        let change_set = self.core.change_set(sequence.0)?;
        let mut versions = self.core.history.versions_of(sequence)?;
        versions.retain(|version| self.path.is_prefix_of(&version.path));
        self.retain_seen(&mut versions);
        let mut counts: HashMap<(&str, Revision), u64> = HashMap::new();
        for version in &versions {
            *counts.entry((&version.branch, version.revision)).or_default() += 1;
        }
        let mut found = Vec::new();
        let mut met = 0;
        if counts.is_empty() && !self.path.is_root() {
            Cursor { sequence, skip }.check_within(0)?;
            return Ok(found);
        }
        let is_meant = |step: &&Move| only.is_none_or(|only| only.branch == step.branch);
        for step in change_set.moves.iter().rev().filter(is_meant) {
            let (Ok(environment), Some(new)) = (self.core.environment_of(&step.branch), step.new) else {
                continue;
            };
            // Commits that change nothing below are of interest only where everything is.
            let lists_all = self.path.is_root() && self.grant.sees_everything();
            let Some(chain) = unless_pruned(first_parent_chain(&self.reader, step.old, new))? else {
                continue;
            };
            for revision in chain.into_iter().rev() {
                let entries = counts.get(&(&*step.branch, revision)).copied().unwrap_or_default();
                if entries == 0 && !lists_all {
                    continue;
                }
                met += 1;
                if met > skip && found.len() < most {
                    found.extend(self.info(&change_set, &environment, revision, entries)?);
                }
            }
        }
        Cursor { sequence, skip }.check_within(met)?;
        Ok(found)
    }

    /// Leaves out what may not be read.
    fn retain_seen(&self, versions: &mut Vec<NewVersion>) {
        if self.grant.sees_everything() {
            return;
        }
        let environments = self.core.environments();
        versions.retain(|version| {
            let named = environments.iter().find(|environment| environment.branch == version.branch);
            named.is_some_and(|environment| self.grant.sees(&environment.name, &version.path))
        });
    }

    /// What a commit says, to whoever may read all that it changed: its subject names that.
    fn message(&self, sequence: Sequence, revision: Revision, message: &str) -> Result<String, ServiceError> {
        let may_be_told = self.core.may_be_told(self.grant, sequence, revision)?;
        Ok(if may_be_told { plain_message(message) } else { String::new() })
    }

    fn info(
        &self,
        change_set: &ChangeSet,
        environment: &Environment,
        revision: Revision,
        entries: u64,
    ) -> Result<Option<CommitInfo>, ServiceError> {
        let commit = unless_pruned(self.reader.commit(revision))?;
        let Some(commit) = commit else { return Ok(None) };
        Ok(Some(CommitInfo {
            revision,
            sequence: change_set.sequence,
            environment: environment.name.clone(),
            time: change_set.time,
            account: change_set.account.clone(),
            author: commit.author,
            message: self.message(change_set.sequence, revision, &commit.message)?,
            entries,
        }))
    }
}
