use std::collections::BTreeMap;
use std::sync::Arc;

use super::message::message;
use super::{Batch, BatchError, Content, Decided, FileVersions, Files, Merged, Pushed, Working};
use crate::git::{NewCommit, Pack, Signature, WorkTree};
use crate::history::NewVersion;
use crate::index::Branch;
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
        let message = message(write);
        let mut made = self.begin_change_set(write.grant.account());
        for decided in decided {
            self.commit_branch(&mut made, decided, &message)?;
        }
        let MadeChangeSet { change_set, versions, moved, mut of_files } = made;
        let sequence = change_set.sequence;
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
        self.accept(change_set, versions, moved);
        Ok(Written { sequence, revisions: self.revisions(write), changed: true, edits, proposal: None })
    }

    /// Makes a change set part of the batch.
    pub(super) fn accept(&mut self, change_set: ChangeSet, versions: Vec<NewVersion>, moved: Vec<Moved>) {
        self.sequence = change_set.sequence;
        self.accepted.push((change_set, versions));
        self.moved.push(moved);
    }

    /// The next change set, of nothing yet.
    pub(super) fn begin_change_set(&self, account: &Arc<str>) -> MadeChangeSet {
        let (sequence, time) = (self.sequence.next(), self.time);
        MadeChangeSet {
            change_set: ChangeSet { sequence, time, account: account.clone(), moves: Vec::new() },
            versions: Vec::new(),
            moved: Vec::new(),
            of_files: FileVersions::new(),
        }
    }

    /// Moves a branch as part of a change set: makes the commit, unless somebody else has.
    pub(super) fn commit_branch(
        &mut self,
        made: &mut MadeChangeSet,
        Decided { branch, content, mut plan }: Decided,
        message: &str,
    ) -> Result<(), BatchError> {
        let account = made.change_set.account.clone();
        let Some(working) = self.branches.get_mut(&branch) else { return Ok(()) };
        let before = working.seen();
        let mut parents: Vec<Revision> = working.head.into_iter().collect();
        let tree = match content {
            Content::Files(files) => {
                write_files((Files::new(), files), working, &mut plan, &mut self.pack, self.texts)?
            }
            Content::Tree(tree) => {
                working.tree = WorkTree::new(Some(tree));
                tree
            }
            Content::Merge(Merged { pushed, taken, files }) => {
                parents.extend(pushed);
                write_files((taken, files), working, &mut plan, &mut self.pack, self.texts)?
            }
            Content::Commit(Pushed { commit, tree, .. }) => {
                working.tree = WorkTree::new(Some(tree));
                self.note_branch(made, (branch, before), (commit, tree), plan);
                return Ok(());
            }
            Content::Chain(pushed) => {
                let to = pushed.map(|pushed| (pushed.commit, pushed.tree));
                return self.follow_branch(made, branch, to);
            }
        };
        let email = format!("{account}@confgit");
        let commit = self.pack.commit(&NewCommit {
            tree,
            parents: &parents,
            author: Signature { name: &account, email: &email },
            committer: Signature { name: "confgit", email: "confgit@confgit" },
            time: self.time,
            message,
        })?;
        self.note_branch(made, (branch, before), (commit, tree), plan);
        Ok(())
    }

    /// Notes the versions that one commit makes, and puts the branch there.
    fn note_branch(
        &mut self,
        made: &mut MadeChangeSet,
        (branch, before): (Arc<str>, Branch),
        (commit, tree): (Revision, ObjectId),
        plan: Plan,
    ) {
        let Some(working) = self.branches.get_mut(&branch) else { return };
        made.change_set.moves.push(Move { branch: branch.clone(), old: working.head, new: Some(commit) });
        let first = made.versions.len();
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
            let new = NewVersion {
                branch: branch.clone(),
                path: change.path.clone(),
                version,
                revision: commit,
                deleted: change.new.is_none(),
            };
            if let Some(entry) = change.new.as_ref().or(change.old.as_ref()) {
                let of_file = made.of_files.entry((branch.clone(), entry.file().clone())).or_default();
                of_file.push(changed(&new));
            }
            made.versions.push(new);
        }
        let origin = origin_of(&made.change_set, commit);
        let versions = &made.versions[first..];
        let snapshot = working.snapshot.apply(plan, &mut |path| {
            // Plans list their changes in the order of their paths.
            let at = versions.binary_search_by(|version| version.path.cmp(path)).ok()?;
            Some(Stamp { version: versions[at].version, origin: origin.clone() })
        });
        working.snapshot = Arc::new(snapshot);
        working.head = Some(commit);
        working.tree_id = Some(tree);
        made.moved.push(Moved { branch, before, after: working.seen() });
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
        Written {
            sequence: self.sequence,
            revisions: self.revisions(write),
            changed: false,
            edits,
            proposal: None,
        }
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

/// A change set in the making.
pub(super) struct MadeChangeSet {
    pub change_set: ChangeSet,
    pub versions: Vec<NewVersion>,
    pub moved: Vec<Moved>,
    pub of_files: FileVersions,
}

fn changed(new: &NewVersion) -> ChangedEntry {
    ChangedEntry { path: new.path.clone(), version: new.version, deleted: new.deleted }
}

/// Puts files into the branch's tree, as they are elsewhere and as they were edited, and answers the tree.
fn write_files(
    (taken, files): (Files, BTreeMap<Arc<str>, Draft>),
    working: &mut Working,
    plan: &mut Plan,
    pack: &mut Pack,
    texts: &mut Texts,
) -> Result<ObjectId, BatchError> {
    // What goes makes room first: a folder may come in the place of a file, and the other way round.
    let is_gone = |file: &str| files.get(file).is_some_and(|draft| draft.bytes.is_none());
    let gone = taken.iter().filter(|(_, held)| held.is_none()).map(|(file, _)| file);
    let emptied = files.keys().filter(|file| is_gone(file) && working.snapshot.file(file).is_some());
    for file in gone.chain(emptied) {
        working.tree.set(texts.reader(), file, None)?;
    }
    for (file, held) in taken.iter().filter(|(file, held)| held.is_some() && !is_gone(file)) {
        working.tree.set_as(texts.reader(), file, *held)?;
    }
    for (file, draft) in files {
        let Some(bytes) = draft.bytes else { continue };
        let blob = pack.blob(&bytes)?;
        plan.locate(&file, blob);
        texts.add(blob, bytes, working.snapshot.file(&file));
        working.tree.set(texts.reader(), &file, Some(blob))?;
    }
    Ok(working.tree.write(pack)?)
}
