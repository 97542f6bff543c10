use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::load::{FromGit, Loader, MOST_FILES, Scope, configuration_blob};
use crate::git::{ReadError, Reader};
use crate::history::{History, NewVersion};
use crate::model::{ChangeSet, Limits, Move, Path, Revision, Version};
use crate::snapshot::{Origin, Snapshot, Stamp, Update};

/// Follows change sets commit by commit, and finds which versions of which paths they made. Catching up,
/// rebuilding and taking in what was moved from outside are this one walk.
pub(super) struct Replay<'a> {
    reader: &'a Reader,
    history: &'a History,
    limits: &'a Limits,
    /// Where each branch has got to, and what it holds there.
    branches: HashMap<Arc<str>, (Revision, Snapshot)>,
    /// The branches among them that were followed from their first commit.
    whole: HashSet<Arc<str>>,
    /// Versions found and not yet in the history index.
    pending: HashMap<(Arc<str>, Path), Version>,
}

impl<'a> Replay<'a> {
    pub fn new(reader: &'a Reader, history: &'a History, limits: &'a Limits) -> Self {
        Replay {
            reader,
            history,
            limits,
            branches: HashMap::new(),
            whole: HashSet::new(),
            pending: HashMap::new(),
        }
    }

    /// Begins at this snapshot of a branch rather than reading it from its commit.
    pub fn start_at(&mut self, branch: Arc<str>, head: Revision, snapshot: Snapshot) {
        self.branches.insert(branch, (head, snapshot));
    }

    /// The branch's head and snapshot after what was followed.
    pub fn branch(&self, name: &str) -> Option<&(Revision, Snapshot)> {
        self.branches.get(name)
    }

    /// A branch's head and snapshot, where it was followed from its first commit.
    pub fn take_whole(&mut self, name: &str) -> Option<(Revision, Snapshot)> {
        self.whole.remove(name).then(|| self.branches.remove(name)).flatten()
    }

    /// To be called once the versions found so far are in the history index.
    pub fn flushed(&mut self) {
        self.pending.clear();
    }

    /// The versions that a change set made. A commit that somebody pruned from the repository made none that
    /// anybody could still find; what follows it is compared with the nearest that is there.
    pub fn follow(&mut self, change_set: &ChangeSet) -> Result<Vec<NewVersion>, ReadError> {
        let mut versions = Vec::new();
        for step in &change_set.moves {
            let kept = self.branches.get(&step.branch).cloned();
            let found = versions.len();
            match self.follow_step(change_set, step, &mut versions) {
                Err(ReadError::Missing { id }) => {
                    tracing::warn!(sequence = %change_set.sequence, %id, "a commit is not in the repository any more");
                    versions.truncate(found);
                    self.whole.remove(&step.branch);
                    self.branches.extend(kept.map(|kept| (step.branch.clone(), kept)));
                }
                other => other?,
            }
        }
        Ok(versions)
    }

    fn follow_step(
        &mut self,
        change_set: &ChangeSet,
        step: &Move,
        versions: &mut Vec<NewVersion>,
    ) -> Result<(), ReadError> {
        {
            let mut snapshot = self.snapshot_before(step)?;
            let Some(new) = step.new else {
                let last = step.old.unwrap_or(Revision::ZERO);
                self.follow_removal(change_set, step, &snapshot, last, versions);
                self.branches.remove(&step.branch);
                return Ok(());
            };
            let mut before = match step.old {
                Some(old) => Some(self.reader.commit(old)?.tree),
                None => None,
            };
            for commit in first_parent_chain(self.reader, step.old, new)? {
                let tree = self.reader.commit(commit)?.tree;
                snapshot =
                    self.follow_commit(change_set, step, (commit, before, tree), &snapshot, versions)?;
                before = Some(tree);
            }
            self.branches.insert(step.branch.clone(), (new, snapshot));
        }
        Ok(())
    }

    fn snapshot_before(&mut self, step: &Move) -> Result<Snapshot, ReadError> {
        match (step.old, self.branches.remove(&step.branch)) {
            (None, _) => {
                self.whole.insert(step.branch.clone());
                Ok(Snapshot::default())
            }
            (Some(old), Some((head, snapshot))) if head == old => Ok(snapshot),
            (Some(old), _) => {
                self.whole.remove(&step.branch);
                Loader { reader: self.reader, limits: self.limits }.load(old, Scope::Everything)
            }
        }
    }

    fn follow_commit(
        &mut self,
        change_set: &ChangeSet,
        step: &Move,
        (commit, before, tree): (Revision, Option<Revision>, Revision),
        snapshot: &Snapshot,
        versions: &mut Vec<NewVersion>,
    ) -> Result<Snapshot, ReadError> {
        let mut updates = Vec::new();
        for change in self.reader.changed_files(before, Some(tree), MOST_FILES)?.files {
            let blob = configuration_blob(&change);
            if blob.is_some() || snapshot.file(&change.path).is_some() {
                updates.push(Update { file: change.path.as_str().into(), blob, value: None });
            }
        }
        let plan = snapshot.plan(updates, &FromGit { reader: self.reader, limits: self.limits }, self.limits);
        let origin = origin_of(change_set, commit);
        let first = versions.len();
        for change in plan.changes().iter().filter(|change| change.makes_version()) {
            let version = self.next_version(&step.branch, &change.path);
            versions.push(NewVersion {
                branch: step.branch.clone(),
                path: change.path.clone(),
                version,
                revision: commit,
                deleted: change.new.is_none(),
            });
        }
        let made = &versions[first..];
        Ok(snapshot.apply(plan, &mut |path| {
            // Plans list their changes in the order of their paths.
            let at = made.binary_search_by(|version| version.path.cmp(path)).ok()?;
            Some(Stamp { version: made[at].version, origin: origin.clone() })
        }))
    }

    fn follow_removal(
        &mut self,
        change_set: &ChangeSet,
        step: &Move,
        snapshot: &Snapshot,
        last: Revision,
        versions: &mut Vec<NewVersion>,
    ) {
        debug_assert!(step.new.is_none(), "change set {} does not remove a branch", change_set.sequence);
        let mut paths = Vec::new();
        snapshot.root().visit(&Path::root(), &mut |path, _| paths.push(path));
        for path in paths {
            let version = self.next_version(&step.branch, &path);
            versions.push(NewVersion {
                branch: step.branch.clone(),
                path,
                version,
                revision: last,
                deleted: true,
            });
        }
    }

    fn next_version(&mut self, branch: &Arc<str>, path: &Path) -> Version {
        let key = (branch.clone(), path.clone());
        let last = self.pending.get(&key).copied().unwrap_or_else(|| self.history.last_version(branch, path));
        let next = Version(last.0 + 1);
        self.pending.insert(key, next);
        next
    }
}

/// Where the entries of one commit of a change set come from.
pub(super) fn origin_of(change_set: &ChangeSet, commit: Revision) -> Arc<Origin> {
    Arc::new(Origin {
        sequence: change_set.sequence,
        revision: commit,
        time: change_set.time,
        account: change_set.account.clone(),
    })
}

/// The commits after `old` up to `new` along first parents, oldest first. Where `old` is not among the first
/// parents of `new`, the move counts once: `new` alone.
pub(super) fn first_parent_chain(
    reader: &Reader,
    old: Option<Revision>,
    new: Revision,
) -> Result<Vec<Revision>, ReadError> {
    let mut chain = Vec::new();
    let mut at = Some(new);
    while at != old {
        let Some(id) = at else { return Ok(vec![new]) };
        chain.push(id);
        at = reader.commit(id)?.parents.first().copied();
    }
    chain.reverse();
    Ok(chain)
}

/// Stamps every entry of a snapshot with what the history index says of it.
pub(super) fn stamped(snapshot: &Snapshot, branch: &str, history: &History) -> std::io::Result<Snapshot> {
    let mut origins: HashMap<(u64, Revision), Arc<Origin>> = HashMap::new();
    let mut failure = None;
    let mut stamps = history.stamps(branch);
    let stamped = snapshot.restamped(&mut |path| match stamps.last(path) {
        Ok(Some(record)) if !record.deleted => {
            let origin = origins.entry((record.sequence.0, record.revision)).or_insert_with(|| {
                let (sequence, revision, time, account) =
                    (record.sequence, record.revision, record.time, record.account.clone());
                Arc::new(Origin { sequence, revision, time, account })
            });
            Some(Stamp { version: record.version, origin: origin.clone() })
        }
        Ok(_) => None,
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    failure.map_or(Ok(stamped), Err)
}
