use std::collections::BTreeMap;
use std::sync::Arc;

use super::message::message;
use super::{Batch, BatchError, Content, Decided, FileVersions, Working};
use crate::git::{NewCommit, Pack, Signature, WorkTree};
use crate::history::NewVersion;
use crate::model::{ChangeSet, Move, ObjectId, Revision, Version};
use crate::service::committer::request::{ChangedEntry, EditOp, Write, Written, WrittenEdit};
use crate::service::committer::stage::Draft;
use crate::service::committer::texts::Texts;
use crate::service::live::Moved;
use crate::service::replay::origin_of;
use crate::snapshot::{Node, Plan, Stamp};

impl Batch<'_> {
    /// Makes the commits of a write that nothing speaks against any more.
    pub(super) fn commit(
        &mut self,
        write: &Write,
        decided: Vec<Decided>,
        mut edits: Vec<WrittenEdit>,
    ) -> Result<Written, BatchError> {
        let sequence = self.sequence.next();
        let account = write.grant.account().clone();
        let message = message(write);
        let mut change_set =
            ChangeSet { sequence, time: self.time, account: account.clone(), moves: Vec::new() };
        let mut versions = Vec::new();
        let mut of_files = FileVersions::new();
        let mut moved = Vec::new();
        for Decided { branch, content, mut plan } in decided {
            let Some(working) = self.branches.get_mut(&branch) else { continue };
            let before = working.seen();
            let tree = match content {
                Content::Files(files) => write_files(files, working, &mut plan, &mut self.pack, self.texts)?,
                Content::Tree(tree) => {
                    working.tree = WorkTree::new(Some(tree));
                    tree
                }
            };
            let email = format!("{account}@confgit");
            let commit = self.pack.commit(&NewCommit {
                tree,
                parents: working.head.as_slice(),
                author: Signature { name: &account, email: &email },
                committer: Signature { name: "confgit", email: "confgit@confgit" },
                time: self.time,
                message: &message,
            })?;
            change_set.moves.push(Move { branch: branch.clone(), old: working.head, new: Some(commit) });
            let first = versions.len();
            for change in plan.changes().iter().filter(|change| change.makes_version()) {
                let key = (branch.clone(), change.path.clone());
                let history = self.context.history;
                let last = self
                    .versions
                    .get(&key)
                    .copied()
                    .unwrap_or_else(|| history.last_version(&branch, &change.path));
                let version = Version(last.0 + 1);
                self.versions.insert(key, version);
                let made = NewVersion {
                    branch: branch.clone(),
                    path: change.path.clone(),
                    version,
                    revision: commit,
                    deleted: change.new.is_none(),
                };
                if let Some(entry) = change.new.as_ref().or(change.old.as_ref()) {
                    let of_file = of_files.entry((branch.clone(), entry.file().clone())).or_default();
                    of_file.push(changed(&made));
                }
                versions.push(made);
            }
            let origin = origin_of(&change_set, commit);
            let made = &versions[first..];
            let snapshot = working.snapshot.apply(plan, &mut |path| {
                // Plans list their changes in the order of their paths.
                let at = made.binary_search_by(|version| version.path.cmp(path)).ok()?;
                Some(Stamp { version: made[at].version, origin: origin.clone() })
            });
            working.snapshot = Arc::new(snapshot);
            working.head = Some(commit);
            working.tree_id = Some(tree);
            moved.push(Moved { branch, before, after: working.seen() });
        }
        for (edit, asked) in edits.iter_mut().zip(&write.edits) {
            match &asked.op {
                EditOp::File { file, .. } => {
                    let Some(environment) = self.context.environments.get(&edit.environment) else {
                        continue;
                    };
                    let key = (environment.branch.clone(), file.name().clone());
                    edit.changed = of_files.remove(&key).unwrap_or_default();
                }
                _ => self.note_versions(edit, &versions),
            }
        }
        self.sequence = sequence;
        self.accepted.push((change_set, versions));
        self.moved.push(moved);
        Ok(Written { sequence, revisions: self.revisions(write), changed: true, edits })
    }

    fn note_versions(&self, edit: &mut WrittenEdit, versions: &[NewVersion]) {
        let Some(environment) = self.context.environments.get(&edit.environment) else { return };
        // Versions come branch by branch, each in the order of paths.
        let of_branch = versions.partition_point(|new| new.branch < environment.branch);
        let of_branch = &versions[of_branch..];
        let of_branch = &of_branch[..of_branch.partition_point(|new| new.branch == environment.branch)];
        // What is below a path comes right after it.
        let first = of_branch.partition_point(|new| new.path < edit.path);
        let below = of_branch[first..].iter().take_while(|new| edit.path.is_prefix_of(&new.path));
        edit.changed = below.map(changed).collect();
        // What a patch leaves is known only now.
        let present =
            self.branches.get(&environment.branch).and_then(|branch| branch.snapshot.find(&edit.path));
        edit.entry = match present {
            Some(Node::Entry(entry)) => entry.version(),
            Some(Node::Object(_)) => None,
            None => edit.changed.first().filter(|gone| gone.path == edit.path).map(|gone| gone.version),
        };
    }

    /// The answer to a write that changes nothing.
    pub(super) fn unchanged(&self, write: &Write, mut edits: Vec<WrittenEdit>) -> Written {
        for (edit, asked) in edits.iter_mut().zip(&write.edits) {
            if !matches!(asked.op, EditOp::File { .. }) {
                self.note_versions(edit, &[]);
            }
        }
        Written { sequence: self.sequence, revisions: self.revisions(write), changed: false, edits }
    }

    fn revisions(&self, write: &Write) -> BTreeMap<Arc<str>, Revision> {
        let head = |environment: &Arc<str>| {
            let found = self.context.environments.get(environment)?;
            self.branches.get(&found.branch)?.head
        };
        write
            .edits
            .iter()
            .filter_map(|edit| Some((edit.environment.clone(), head(&edit.environment)?)))
            .collect()
    }
}

fn changed(new: &NewVersion) -> ChangedEntry {
    ChangedEntry { path: new.path.clone(), version: new.version, deleted: new.deleted }
}

/// Puts the changed files into the branch's tree, and answers the tree.
fn write_files(
    files: BTreeMap<Arc<str>, Draft>,
    working: &mut Working,
    plan: &mut Plan,
    pack: &mut Pack,
    texts: &mut Texts,
) -> Result<ObjectId, BatchError> {
    for (file, draft) in files {
        let blob = match draft.bytes {
            None => None,
            Some(bytes) => {
                let blob = pack.blob(&bytes)?;
                plan.locate(&file, blob);
                texts.add(blob, bytes, working.snapshot.file(&file));
                Some(blob)
            }
        };
        working.tree.set(texts.reader(), &file, blob)?;
    }
    Ok(working.tree.write(pack)?)
}
