use std::collections::BTreeMap;

use super::Worker;
use super::batch::{Working, state_of};
use super::publishing::{Accepted, Outcome};
use super::request::{NewEnvironment, Written};
use crate::document::{self, Change, Format, Op};
use crate::git::{NewCommit, Pack, PackError, RefMove, Repository, Signature, WorkTree, publish};
use crate::model::{ChangeSet, Limits, Move, Object, Revision, Timestamp, Value};
use crate::service::ServiceError;
use crate::service::meta::{META_BRANCH, read_meta_file};
use crate::service::refs::branch_ref;
use crate::settings::{ProjectSettings, SETTINGS_FILE};

impl Worker {
    /// Makes an environment: first its settings, then its branch. Whatever ends the process in between, the
    /// environment is there or it is not; one without a branch is empty, and its first write makes the branch.
    pub(super) fn create_environment(&mut self, new: &NewEnvironment) -> Result<Written, ServiceError> {
        if let Some(reason) = &self.broken {
            return Err(ServiceError::WritesUnavailable { reason: reason.clone() });
        }
        if self.environments.get(&new.name).is_some() {
            return Err(ServiceError::EnvironmentExists { name: new.name.clone() });
        }
        self.take_in_outside_moves()?;
        let time = self.now();
        let settings = write_settings(&self.core.meta, new, time)?;
        self.environments = settings.environments;
        self.branches.entry(new.branch.clone()).or_insert_with(|| Working {
            head: None,
            tree_id: None,
            snapshot: Default::default(),
            tree: WorkTree::new(None),
        });
        self.core.index.swap(state_of(&self.branches, &self.environments, self.sequence));
        tracing::info!(environment = %new.name, branch = %new.branch, "an environment was made");
        if self.core.repository.find_ref(&branch_ref(&new.branch))?.id().is_some() {
            // Somebody pushed the branch before: what it holds is what the environment begins with.
            self.take_in_outside_moves()?;
        } else {
            self.make_branch(new, time)?;
        }
        let head = self.branches.get(&new.branch).and_then(|working| working.head);
        let revisions = head.map(|head| (new.name.clone(), head)).into_iter().collect::<BTreeMap<_, _>>();
        Ok(Written { sequence: self.sequence, revisions, changed: true, edits: Vec::new() })
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
        if let Some(working) = self.branches.get_mut(&new.branch) {
            *working = Working {
                head: Some(commit.0),
                tree_id: Some(commit.1),
                snapshot: Default::default(),
                tree: WorkTree::new(Some(commit.1)),
            };
        }
        match self
            .publish_batch(pack, Accepted { sequence, time, change_sets: vec![(change_set, Vec::new())] })
        {
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

/// Adds the environment to the settings file, in place, and commits that to the settings' repository.
fn write_settings(
    meta: &Repository,
    new: &NewEnvironment,
    time: Timestamp,
) -> Result<ProjectSettings, ServiceError> {
    let reader = meta.reader();
    let (head, file) = read_meta_file(meta, &reader, SETTINGS_FILE)?;
    let mut members = Object::from_iter([("branch".to_owned(), Value::from(&*new.branch))]);
    members.extend(new.inherits.as_ref().map(|parent| ("inherits".to_owned(), Value::from(&**parent))));
    let keys = ["environments".to_owned(), new.name.to_string()];
    let change = Change { keys: &keys, op: Op::Set(Value::Object(members)) };
    let unavailable = |reason: String| ServiceError::WritesUnavailable { reason };
    let edited = document::edit(Format::Yaml, &file, &[change], &Limits::default())
        .map_err(|error| unavailable(format!("{SETTINGS_FILE} cannot be edited: {error}")))?;
    let settings = ProjectSettings::parse(&edited.bytes).map_err(ServiceError::Settings)?;
    let mut pack = Pack::new();
    let mut tree = WorkTree::new(Some(reader.commit(head)?.tree));
    let account = new.grant.account();
    let commit = (|| {
        let blob = pack.blob(&edited.bytes).map_err(|error| error.to_string())?;
        tree.set(&reader, SETTINGS_FILE, Some(blob)).map_err(|error| error.to_string())?;
        let tree = tree.write(&mut pack).map_err(|error| error.to_string())?;
        let commit = NewCommit {
            tree,
            parents: &[head],
            author: Signature { name: account, email: &format!("{account}@confgit") },
            committer: Signature { name: "confgit", email: "confgit@confgit" },
            time,
            message: &format!("add the environment {}\n\nAccount: {account}\n", new.name),
        };
        pack.commit(&commit).map_err(|error| error.to_string())
    })()
    .map_err(unavailable)?;
    let step = RefMove { name: META_BRANCH.to_owned(), old: Some(head), new: Some(commit) };
    let pack = pack.finish().map_err(|error| unavailable(error.to_string()))?;
    publish(meta, Some(pack), None, &[step]).map_err(|error| unavailable(error.to_string()))?;
    Ok(settings)
}
