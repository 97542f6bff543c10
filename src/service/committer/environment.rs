use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::{Working, state_of};
use super::publishing::{Accepted, Outcome};
use super::request::{NewEnvironment, Written};
use super::texts::Texts;
use super::{Adopted, Worker};
use crate::document::{self, Change, Format, Op};
use crate::git::{
    NewCommit, Pack, PackError, PackFile, PublishError, Reader, RefMove, Repository, Signature, WorkTree,
    publish,
};
use crate::model::{ChangeSet, Diagnostic, Limits, Move, Object, Revision, Rule, Timestamp, Value};
use crate::service::ServiceError;
use crate::service::live::Moved;
use crate::service::meta::{META_BRANCH, parse_settings, read_meta_file};
use crate::service::new_branches::LookedAt;
use crate::service::refs::branch_ref;
use crate::service::retention::CHANGE_SETS_PER_LOOK;
use crate::settings::{ProjectSettings, SETTINGS_FILE};

impl Worker {
    /// Makes an environment: first its settings, then its branch. Whatever ends the process in between, the
    /// environment is there or it is not; one without a branch is empty, and its first write makes the branch.
    pub(super) fn create_environment(
        &mut self,
        new: &NewEnvironment,
        looked_at: &LookedAt,
    ) -> Result<Written, ServiceError> {
        if let Some(reason) = &self.broken {
            return Err(ServiceError::WritesUnavailable { reason: reason.clone() });
        }
        if self.environments.get(&new.name).is_some() {
            return Err(ServiceError::EnvironmentExists { name: new.name.clone() });
        }
        self.take_in_outside_moves()?;
        self.check_branch(&new.branch)?;
        self.core.demand_unmoved(looked_at)?;
        let time = self.now();
        let (settings, pack, step) = add_to_settings(&self.core.meta, new, time)?;
        self.publish_meta(pack, step)?;
        // Others may have come into the file from outside.
        self.take_settings(Arc::new(settings));
        tracing::info!(environment = %new.name, branch = %new.branch, "an environment was made");
        // Where somebody pushed a branch before, what it holds is what the environment begins with.
        self.take_in_outside_moves()?;
        if self.core.repository.find_ref(&branch_ref(&new.branch))?.id().is_none() {
            self.make_branch(new, time)?;
        }
        let head = self.branches.get(&new.branch).and_then(|working| working.head);
        let revisions = head.map(|head| (new.name.clone(), head)).into_iter().collect::<BTreeMap<_, _>>();
        Ok(Written { sequence: self.sequence, revisions, changed: true, edits: Vec::new(), proposal: None })
    }

    /// Moves the branch of the settings.
    pub(super) fn publish_meta(&mut self, pack: PackFile, step: RefMove) -> Result<(), ServiceError> {
        let Err(error) = publish(&self.core.meta, Some(pack), None, &[step]) else { return Ok(()) };
        let reason = format!("the settings could not be written: {error}");
        // A failed flush is never tried again, and what may be half written is for the next start.
        if let PublishError::SyncFailed(_) | PublishError::Uncertain(_) | PublishError::AfterCommitPoint(_) =
            error
        {
            self.break_down(&reason);
        }
        Err(ServiceError::WritesUnavailable { reason })
    }

    /// Goes on with settings that somebody else changed.
    pub(super) fn adopt(&mut self, adopted: Adopted) -> Result<Written, ServiceError> {
        // Who reads them does so beside this thread, which may have changed them since.
        if self.core.meta.find_ref(META_BRANCH)?.id() != Some(adopted.head) {
            return Err(ServiceError::Busy);
        }
        self.take_in_outside_moves()?;
        self.take_settings(adopted.settings);
        self.take_access(adopted.access);
        // What an environment's branch held before it was one.
        self.take_in_outside_moves()?;
        if *self.environments != *self.told_environments {
            self.number_settings(adopted.head, adopted.by);
        }
        Ok(Written { changed: true, ..self.nothing_written() })
    }

    /// Gives settings that make other views of the same branches a number of their own: a change set that moves nothing.
    /// Where that cannot be now, the next one tells watchers.
    fn number_settings(&mut self, head: Revision, by: Option<Arc<str>>) {
        let author = || self.core.meta.reader().commit(head).map(|commit| commit.author);
        let account = by.or_else(|| author().ok()).unwrap_or_else(|| "git".into());
        let (sequence, time) = (self.sequence.next(), self.now());
        let change_set = ChangeSet { sequence, time, account, moves: Vec::new() };
        let change_sets = vec![(change_set, Vec::new())];
        let accepted = Accepted { sequence, time, change_sets, moved: vec![Vec::new()], since: Vec::new() };
        match self.publish_batch(Pack::new(), accepted) {
            Outcome::Published => {}
            Outcome::Moved => tracing::warn!("other settings got no number: a branch was moved meanwhile"),
            Outcome::InTheWay(reason) | Outcome::Failed(reason) => {
                tracing::warn!(%reason, "other settings got no number");
            }
        }
    }

    /// Lets readers see the environments of other settings, and writes be as those say.
    fn take_settings(&mut self, settings: Arc<ProjectSettings>) {
        self.environments = settings.environments.clone();
        self.checks.forget();
        for environment in self.environments.iter() {
            self.branches.entry(environment.branch.clone()).or_insert_with(|| Working {
                head: None,
                tree_id: None,
                snapshot: Default::default(),
                tree: WorkTree::new(None),
            });
        }
        let has_other_limits = settings.limits != self.core.limits();
        self.core.pace.set(settings.rate);
        self.core.settings.store(settings);
        if has_other_limits {
            self.texts = Texts::new(self.core.repository.reader(), self.core.limits());
        }
        // How layers become one is no part of what an object's body is known by.
        self.core.bodies.0.clear();
        self.core.index.swap(state_of(&self.branches, &self.environments, self.sequence));
        self.core.checks.outdate();
        // How much history is kept may be another matter now.
        self.core.retention.add(CHANGE_SETS_PER_LOOK);
    }

    /// Git keeps no branch below another: a name that has no room beside those there are is refused before
    /// anything is written.
    fn check_branch(&self, branch: &str) -> Result<(), ServiceError> {
        let refused = |message: String| {
            let file = Some(SETTINGS_FILE.to_owned());
            ServiceError::Conflict(Diagnostic {
                rule: Rule::Settings,
                file,
                position: None,
                path: None,
                message,
            })
        };
        if branch.starts_with("refs/") {
            let message = format!("name the branch without `refs/heads/`: `{branch}` would be below that");
            return Err(refused(message));
        }
        let refs = self.core.repository.refs("refs/heads/")?;
        let made = refs.iter().filter_map(|(name, _)| name.strip_prefix("refs/heads/"));
        let named = self.environments.iter().map(|environment| &*environment.branch);
        let is_below =
            |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        match made.chain(named).find(|other| is_below(branch, other) || is_below(other, branch)) {
            Some(other) => Err(refused(format!(
                "Git cannot have the branch `{branch}` beside `{other}`; give the environment another `branch`"
            ))),
            None => Ok(()),
        }
    }

    /// The branch's first commit: an orphan with the empty tree.
    fn make_branch(&mut self, new: &NewEnvironment, time: Timestamp) -> Result<(), ServiceError> {
        let unavailable = |reason: String| ServiceError::WritesUnavailable { reason };
        let mut pack = Pack::new();
        let commit = first_commit(&mut pack, new, time).map_err(|error| unavailable(error.to_string()))?;
        let sequence = self.sequence.next();
        let step = Move { branch: new.branch.clone(), old: None, new: Some(commit.0) };
        let account = new.grant.account().clone();
        let change_set = ChangeSet { sequence, time, account, moves: vec![step] };
        let mut moved = Vec::new();
        if let Some(working) = self.branches.get_mut(&new.branch) {
            let before = working.seen();
            *working = Working {
                head: Some(commit.0),
                tree_id: Some(commit.1),
                snapshot: Default::default(),
                tree: WorkTree::new(Some(commit.1)),
            };
            moved.push(Moved { branch: new.branch.clone(), before, after: working.seen() });
        }
        let change_sets = vec![(change_set, Vec::new())];
        match self.publish_batch(
            pack,
            Accepted { sequence, time, change_sets, moved: vec![moved], since: Vec::new() },
        ) {
            Outcome::Published => Ok(()),
            Outcome::Moved | Outcome::InTheWay(_) => self.take_in_outside_moves(),
            Outcome::Failed(reason) => Err(unavailable(reason)),
        }
    }
}

fn first_commit(
    pack: &mut Pack,
    new: &NewEnvironment,
    time: Timestamp,
) -> Result<(Revision, Revision), PackError> {
    let account = new.grant.account();
    let tree = pack.empty_tree()?;
    let commit = pack.commit(&NewCommit {
        tree,
        parents: &[],
        author: Signature { name: account, email: &format!("{account}@confgit") },
        committer: Signature { name: "confgit", email: "confgit@confgit" },
        time,
        message: &format!("set up the environment {}\n\nAccount: {account}\n", new.name),
    })?;
    Ok((commit, tree))
}

/// Adds the environment to the settings file, in place: the settings then, and the commit of that with the step
/// of the settings' branch.
fn add_to_settings(
    meta: &Repository,
    new: &NewEnvironment,
    time: Timestamp,
) -> Result<(ProjectSettings, PackFile, RefMove), ServiceError> {
    let reader = meta.reader();
    let (head, bytes, settings) = edited_settings(meta, &reader, new)?;
    let account = new.grant.account();
    let subject = format!("add the environment {}", new.name);
    let (pack, step) = meta_commit(&reader, head, (SETTINGS_FILE, &bytes), (account, &subject), time)?;
    Ok((settings, pack, step))
}

/// The settings with an environment.
pub(in crate::service) fn settings_with(
    meta: &Repository,
    new: &NewEnvironment,
) -> Result<ProjectSettings, ServiceError> {
    edited_settings(meta, &meta.reader(), new).map(|(.., settings)| settings)
}

fn edited_settings(
    meta: &Repository,
    reader: &Reader,
    new: &NewEnvironment,
) -> Result<(Revision, Vec<u8>, ProjectSettings), ServiceError> {
    let (head, file) = read_meta_file(meta, reader, SETTINGS_FILE)?;
    let mut members = Object::from_iter([("branch".to_owned(), Value::from(&*new.branch))]);
    members.extend(new.inherits.as_ref().map(|parent| ("inherits".to_owned(), Value::from(&**parent))));
    let keys = ["environments".to_owned(), new.name.to_string()];
    let change = Change { keys: &keys, op: Op::Set(Value::Object(members)) };
    let unavailable = |reason: String| ServiceError::WritesUnavailable { reason };
    let edited = document::edit(Format::Yaml, &file, &[change], &Limits::default())
        .map_err(|error| unavailable(format!("{SETTINGS_FILE} cannot be edited: {error}")))?;
    let settings = parse_settings(&edited.bytes).map_err(ServiceError::Settings)?;
    Ok((head, edited.bytes, settings))
}

/// A commit of the settings' repository in which one file is another, with the step of the branch.
pub(super) fn meta_commit(
    reader: &Reader,
    head: Revision,
    (file, content): (&str, &[u8]),
    (account, subject): (&str, &str),
    time: Timestamp,
) -> Result<(PackFile, RefMove), ServiceError> {
    let mut pack = Pack::new();
    let mut tree = WorkTree::new(Some(reader.commit(head)?.tree));
    let commit = (|| {
        let blob = pack.blob(content).map_err(|error| error.to_string())?;
        tree.set(reader, file, Some(blob)).map_err(|error| error.to_string())?;
        let tree = tree.write(&mut pack).map_err(|error| error.to_string())?;
        let commit = NewCommit {
            tree,
            parents: &[head],
            author: Signature { name: account, email: &format!("{account}@confgit") },
            committer: Signature { name: "confgit", email: "confgit@confgit" },
            time,
            message: &format!("{subject}\n\nAccount: {account}\n"),
        };
        pack.commit(&commit).map_err(|error| error.to_string())
    })();
    let unavailable = |reason: String| ServiceError::WritesUnavailable { reason };
    let commit = commit.map_err(unavailable)?;
    let step = RefMove { name: META_BRANCH.to_owned(), old: Some(head), new: Some(commit) };
    Ok((pack.finish().map_err(|error| unavailable(error.to_string()))?, step))
}
