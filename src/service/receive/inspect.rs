use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::lineage::Lineage;
use super::{PROPOSING, PUSHABLE, Push, PushRefusal, RefUpdate, file_fault, kind_name};
use crate::git::{Changes, EntryKind, FileChange, ObjectKind, Quarantine, ReadError, Reader, check_name};
use crate::index::State;
use crate::model::{Diagnostic, ObjectId, Revision};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::replay::first_parent_chain;
use crate::service::trailers::is_read_again;

/// How much the commits of one push may change in the branch of an environment.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct ChangeLimits {
    /// How many files.
    pub files: usize,
    /// How many bytes those may have.
    pub bytes: u64,
}

/// What may be changed by somebody who may push.
pub(super) const PUSHED: ChangeLimits = ChangeLimits { files: 200_000, bytes: 512 << 20 };

/// How many commits that the server holds the new ones may begin at, where the branch itself is none of them.
const MOST_BEGINNINGS: usize = 100;

/// The largest file that the branch of an environment may hold, in bytes.
const MOST_FILE_BYTES: u64 = 32 << 20;

/// How many faults are told.
const MOST_NAMED: usize = 100;

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
            self.check_files(branch, new)?;
            self.check_chain(branch, new)?;
            let base = self.base(branch, &lineage)?;
            let target = Target::Proposal(branch.clone(), base);
            return Ok(Inspected { update: update.clone(), target, lineage, follows });
        }
        if let (Target::Branch(branch), Some(new)) = (&target, update.new)
            && self.core.environments().iter().any(|environment| environment.branch == *branch)
        {
            self.check_files(branch, new)?;
            self.check_chain(branch, new)?;
        }
        Ok(Inspected { update: update.clone(), target, lineage, follows })
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

    /// That nothing comes into the branch of an environment which no checkout, or no reader, could be served with.
    fn check_files(&self, branch: &Arc<str>, new: Revision) -> Result<(), PushRefusal> {
        let before = self.state.branches.get(branch).and_then(|branch| branch.tree);
        let tree = self.received.commit(new)?.tree;
        let changes = self.changes(before, tree, self.limits.files)?;
        let mut faults = Vec::new();
        for name in changes.skipped.iter().take(MOST_NAMED) {
            faults.push(file_fault(name, "its name is no UTF-8; give it another".to_owned()));
        }
        let mut siblings = Siblings { reader: self.received, tree, folders: HashMap::new() };
        for change in &changes.files {
            if faults.len() >= MOST_NAMED {
                break;
            }
            faults.extend(self.fault(change)?);
            if change.old.is_none() {
                faults.extend(siblings.collision(&change.path)?);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(PushRefusal::Content(faults)) }
    }

    fn changes(&self, before: Option<ObjectId>, tree: ObjectId, most: usize) -> Result<Changes, PushRefusal> {
        match self.received.changed_files(before, Some(tree), most) {
            Err(ReadError::TooManyFiles { .. }) => Err(too_much()),
            changes => Ok(changes?),
        }
    }

    /// That what the commits on the way change can be followed one by one, and says of none what the server says of its own.
    fn check_chain(&self, branch: &Arc<str>, new: Revision) -> Result<(), PushRefusal> {
        let head = self.state.branches.get(branch).and_then(|branch| branch.head);
        let chain = first_parent_chain(self.received, head, new)?;
        let (mut files, mut bytes) = (self.limits.files, 0);
        let mut before = match head {
            Some(head) => Some(self.received.commit(head)?.tree),
            None => None,
        };
        for id in chain {
            let commit = self.received.commit(id)?;
            if !self.push.grant.is_unrestricted()
                && self.own.contains(id)?
                && commit.message.lines().any(is_read_again)
            {
                let reason = format!(
                    "the commit {id} ends with a line that the server writes of promotions and rollbacks; take it out of the message"
                );
                return Err(PushRefusal::NoSuchRef { reason });
            }
            let changes = self.changes(before, commit.tree, files)?;
            files = files.saturating_sub(changes.files.len() + changes.folders / 8 + 1);
            for (_, blob) in changes.files.iter().filter_map(|change| change.new) {
                bytes += self.received.header(blob)?.map_or(0, |(_, size)| size);
            }
            if files == 0 || bytes > self.limits.bytes {
                return Err(too_much());
            }
            before = Some(commit.tree);
        }
        Ok(())
    }

    fn fault(&self, change: &FileChange) -> Result<Option<Diagnostic>, PushRefusal> {
        let Some((kind, id)) = change.new else { return Ok(None) };
        // What was there before is left alone.
        if change.old.is_some_and(|(old, _)| old == kind)
            && !matches!(kind, EntryKind::File | EntryKind::Executable)
        {
            return Ok(None);
        }
        match kind {
            EntryKind::Symlink | EntryKind::Submodule => {
                let message = format!(
                    "{} is not followed, so that nothing would be served for it; commit the content itself",
                    kind_name(kind)
                );
                Ok(Some(file_fault(&change.path, message)))
            }
            EntryKind::File | EntryKind::Executable | EntryKind::Dir => {
                let size = self.received.header(id)?.map_or(0, |(_, size)| size);
                let message =
                    format!("{size} bytes are more than the {MOST_FILE_BYTES} that a file may have");
                Ok((size > MOST_FILE_BYTES).then(|| file_fault(&change.path, message)))
            }
        }
    }
}

fn too_much() -> PushRefusal {
    let reason = "the commits of the push change more than can be followed at once; push in several steps";
    PushRefusal::Behind { reason: reason.to_owned() }
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

/// The names in the folders of a tree, without regard to upper and lower case.
struct Siblings<'a> {
    reader: &'a Reader,
    tree: ObjectId,
    folders: HashMap<String, HashMap<String, Vec<String>>>,
}

impl Siblings<'_> {
    /// Whether a new file cannot be beside another on a file system that takes upper and lower case for the same.
    fn collision(&mut self, file: &str) -> Result<Option<Diagnostic>, PushRefusal> {
        let ends = file.match_indices('/').map(|(at, _)| at).chain([file.len()]);
        let mut begin = 0;
        for end in ends {
            let (folder, name) = (file[..begin].trim_end_matches('/'), &file[begin..end]);
            let same = self.names(folder)?.get(&name.to_lowercase());
            if let Some(other) = same.and_then(|names| names.iter().find(|other| *other != name)) {
                let message = format!(
                    "`{name}` and `{other}` differ only in upper and lower case, so that many machines cannot check out both; rename one"
                );
                return Ok(Some(file_fault(file, message)));
            }
            begin = end + 1;
        }
        Ok(None)
    }

    fn names(&mut self, folder: &str) -> Result<&HashMap<String, Vec<String>>, PushRefusal> {
        if !self.folders.contains_key(folder) {
            let mut at = self.tree;
            for part in folder.split('/').filter(|part| !part.is_empty()) {
                let tree = self.reader.tree(at)?;
                let Some(entry) = tree.get(part.as_bytes()) else { break };
                at = entry.id;
            }
            let mut names: HashMap<String, Vec<String>> = HashMap::new();
            for entry in self.reader.tree(at)?.iter() {
                let name = String::from_utf8_lossy(entry.name).into_owned();
                names.entry(name.to_lowercase()).or_default().push(name);
            }
            self.folders.insert(folder.to_owned(), names);
        }
        Ok(&self.folders[folder])
    }
}
