use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::content::{ChangeLimits, Content};
use super::lineage::Lineage;
use super::{PROPOSING, PUSHABLE, Push, PushRefusal, RefUpdate};
use crate::git::{ObjectKind, Quarantine, ReadError, Reader, check_name};
use crate::index::State;
use crate::model::{ObjectId, Revision};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::trailers::is_read_again;

/// How many commits that the server holds the new ones may begin at, where the branch itself is none of them.
const MOST_BEGINNINGS: usize = 100;

/// One ref of a push, as far as it can be looked at beside the committer.
#[derive(Debug)]
pub(in crate::service) struct Inspected {
    pub update: RefUpdate,
    pub target: Target,
    /// Where the new commits begin; empty where the ref goes.
    pub lineage: Lineage,
    /// Whether what the client saw leads to what it sends. What it did not see leads anywhere.
    pub follows: bool,
}

/// What a ref is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Target {
    /// A branch, perhaps that of an environment.
    Branch(Arc<str>),
    /// A tag.
    Tag,
    /// A proposal for the environment of a branch, made on a commit of that.
    Proposal(Arc<str>, Option<Revision>),
}

/// Looks at all that a push wants, each by itself.
pub(super) fn inspect(
    core: &Core,
    push: &Push,
    quarantine: &Quarantine,
    limits: ChangeLimits,
) -> Result<Vec<Result<Inspected, PushRefusal>>, ServiceError> {
    let received = quarantine.reader(&core.repository)?;
    let own = quarantine.own_reader(&core.repository)?;
    let state = core.index.snapshot();
    // What a thin pack was completed with is sent, and is no news.
    let heads = state.branches.values().filter_map(|branch| branch.head);
    let known = heads.chain(push.updates.iter().filter_map(|update| update.old)).collect();
    let inspector = Inspector { core, push, state: &state, received: &received, own: &own, known, limits };
    let look = |update: &RefUpdate| inspector.check_name(update).and_then(|()| inspector.look_at(update));
    Ok(push.updates.iter().map(look).collect())
}

struct Inspector<'a> {
    core: &'a Core,
    push: &'a Push,
    state: &'a State,
    /// What was sent, and what the repository holds.
    received: &'a Reader,
    /// What was sent.
    own: &'a Reader,
    /// Commits that the repository holds.
    known: HashSet<Revision>,
    limits: ChangeLimits,
}

impl Inspector<'_> {
    /// That a ref can be beside the others: none is a folder of another.
    fn check_name(&self, update: &RefUpdate) -> Result<(), PushRefusal> {
        if update.new.is_none() || (update.old.is_some() && self.push.updates.len() == 1) {
            return Ok(());
        }
        if update.name.starts_with(PROPOSING) {
            return Ok(());
        }
        target(&update.name)?;
        let (name, below) = (&update.name, format!("{}/", update.name));
        let is_in_the_way = |other: &&RefUpdate| {
            other.name.starts_with(&below) || name.starts_with(&format!("{}/", other.name))
        };
        let other = self.push.updates.iter().filter(|other| other.new.is_some()).find(is_in_the_way);
        let other = match other {
            Some(other) => Some(other.name.clone()),
            None if update.old.is_some() => None,
            None => self.core.repository.neighbour_in_the_way(name)?,
        };
        match other {
            None => Ok(()),
            Some(other) => Err(PushRefusal::NoSuchRef { reason: format!("{name} cannot be beside {other}") }),
        }
    }

    fn look_at(&self, update: &RefUpdate) -> Result<Inspected, PushRefusal> {
        let target = self.target(update)?;
        let lineage = match update.new {
            None => Lineage::default(),
            Some(new) => {
                let commit = self.commit_of(&target, new)?;
                Lineage::of(commit, self.received, self.own, &self.known)?
            }
        };
        let follows = match (update.old, update.new) {
            (Some(old), Some(_)) if target != Target::Tag => lineage.leads_from(old, self.received)?,
            (Some(_), _) => false,
            (None, _) => true,
        };
        if let (Target::Proposal(branch, _), Some(new)) = (&target, update.new) {
            self.check_content(branch, new)?;
            let base = self.base(branch, &lineage)?;
            let target = Target::Proposal(branch.clone(), base);
            return Ok(Inspected { update: update.clone(), target, lineage, follows });
        }
        if let (Target::Branch(branch), Some(new)) = (&target, update.new)
            && self.core.environments().iter().any(|environment| environment.branch == *branch)
        {
            self.check_content(branch, new)?;
        }
        Ok(Inspected { update: update.clone(), target, lineage, follows })
    }

    /// That a branch can go to a commit, as far as files and commits are concerned.
    fn check_content(&self, branch: &Arc<str>, new: Revision) -> Result<(), PushRefusal> {
        let state = self.state.branches.get(branch);
        let content = Content {
            reader: self.received,
            limits: self.limits,
            head: state.and_then(|branch| branch.head),
            tree: state.and_then(|branch| branch.tree),
        };
        content.check_files(new)?;
        content.check_chain(new, &|id, commit| {
            let is_forged = !self.push.grant.is_unrestricted()
                && self.own.contains(id)?
                && commit.message.lines().any(is_read_again);
            Ok(!is_forged)
        })
    }

    /// What a ref is that is to move.
    fn target(&self, update: &RefUpdate) -> Result<Target, PushRefusal> {
        let Some(name) = update.name.strip_prefix(PROPOSING) else { return target(&update.name) };
        let no_such = |reason: String| Err(PushRefusal::NoSuchRef { reason });
        if self.push.updates.len() > 1 || update.new.is_none() {
            return no_such(
                "a proposal is pushed by itself: git push origin HEAD:refs/for/<environment>".to_owned(),
            );
        }
        let environments = self.core.environments();
        match environments.get(name) {
            Some(environment) => Ok(Target::Proposal(environment.branch.clone(), None)),
            None => {
                let names: Vec<&str> = environments.iter().map(|environment| &*environment.name).collect();
                no_such(format!("there is no environment `{name}`; there are: {}", names.join(", ")))
            }
        }
    }

    /// The newest commit of a branch that what is pushed was made on.
    fn base(&self, branch: &Arc<str>, lineage: &Lineage) -> Result<Option<Revision>, PushRefusal> {
        let Some(head) = self.state.branches.get(branch).and_then(|branch| branch.head) else {
            return Ok(None);
        };
        if lineage.boundary.contains(&head) {
            return Ok(Some(head));
        }
        let beginnings: Vec<Revision> = lineage.boundary.iter().copied().collect();
        if beginnings.len() > MOST_BEGINNINGS {
            let reason = format!(
                "what is pushed begins at more than {MOST_BEGINNINGS} commits; merge the branch first"
            );
            return Err(PushRefusal::Behind { reason });
        }
        let found = match beginnings.is_empty() {
            true => None,
            false => self.core.repository.merge_base(head, &beginnings).map_err(io::Error::other)?,
        };
        match found {
            Some(base) => Ok(Some(base)),
            None => Err(PushRefusal::Behind {
                reason: "what is pushed has no commit in common with the branch; fetch first".to_owned(),
            }),
        }
    }

    /// The commit that a ref is to lead to. A branch leads to one itself.
    fn commit_of(&self, target: &Target, new: ObjectId) -> Result<Revision, PushRefusal> {
        let wrong = |reason: String| PushRefusal::NoSuchRef { reason };
        let missing = || wrong(format!("the object {new} was not sent, and the server does not have it"));
        let (kind, _) = self.received.header(new)?.ok_or_else(missing)?;
        match (target, kind) {
            (_, ObjectKind::Commit) => Ok(new),
            (Target::Tag, ObjectKind::Tag) => match self.received.peel_to_commit(new) {
                Ok(commit) => Ok(commit.id),
                Err(ReadError::WrongKind { .. }) => Err(wrong("a tag has to lead to a commit".to_owned())),
                Err(error) => Err(error.into()),
            },
            _ => Err(wrong(format!("it has to lead to a commit, and {new} is a {}", kind.name()))),
        }
    }
}

/// What a name stands for; only branches and tags can be pushed.
fn target(name: &str) -> Result<Target, PushRefusal> {
    let no_such = |reason: String| PushRefusal::NoSuchRef { reason };
    check_name(name).map_err(|error| no_such(format!("`{}` is no name of a ref", error.name)))?;
    let [heads, tags] = PUSHABLE;
    match (name.strip_prefix(heads), name.strip_prefix(tags)) {
        (Some(branch), _) => Ok(Target::Branch(branch.into())),
        (None, Some(_)) => Ok(Target::Tag),
        (None, None) => Err(no_such(format!(
            "{name} is not for pushing; branches (refs/heads/…), tags (refs/tags/…) and proposals (refs/for/<environment>) are"
        ))),
    }
}
