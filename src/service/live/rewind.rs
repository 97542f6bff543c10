use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::scene::{Moved, Scene, Step};
use crate::git::{ReadError, Reader};
use crate::index::Branch;
use crate::model::{Path, Revision, Sequence};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::load::{FromGit, Loader, MOST_FILES, Scope, configuration_blob};
use crate::service::past::stamp_of;
use crate::snapshot::{Snapshot, Stamp, Update};

impl Core {
    /// All branches as they were right after a change set, grown back from a later moment: what did not change in between
    /// is shared with that. Blocks.
    pub(super) fn rewound(
        &self,
        reader: &Reader,
        later: &Scene,
        to: Sequence,
    ) -> Result<Scene, ServiceError> {
        let mut branches = HashMap::new();
        for (name, branch) in &later.branches {
            let head = self.history.head_at(name, to)?;
            let mut grown = self.grown(reader, (name, branch), head, to)?;
            // What a file with a problem serves is what its ancestors held, not what came after.
            if let Some(head) = head.filter(|_| !grown.snapshot.problems().is_empty()) {
                let limits = self.limits();
                let loaded = Loader { reader, limits: &limits }.load(head, Scope::Everything);
                let snapshot = self.restamped(&loaded.map_err(|error| self.gone(error, to))?, name, to);
                grown.snapshot = Arc::new(snapshot);
            }
            branches.insert(name.clone(), grown);
        }
        Ok(Scene { environments: later.environments.clone(), branches })
    }

    /// What a change set did, worked out from the commits it brought. `scene` is the moment before it. Blocks.
    pub(super) fn step_after(
        &self,
        reader: &Reader,
        scene: &Scene,
        after: Sequence,
    ) -> Result<Step, ServiceError> {
        let sequence = after.next();
        let change_set = self.change_set(sequence.0)?;
        // What the settings were before, nobody here knows any more.
        if change_set.moves.is_empty() {
            let reason = format!(
                "change set {sequence} changed the settings, and what that changed cannot be told any more: watch anew, with \
                 initial=true"
            );
            return Err(ServiceError::NoSuchPoint { reason });
        }
        let mut moved = Vec::new();
        for step in &change_set.moves {
            let before = scene.branches.get(&step.branch).cloned().unwrap_or_default();
            let after = self.grown(reader, (&step.branch, &before), step.new, sequence)?;
            moved.push(Moved { branch: step.branch.clone(), before, after });
        }
        let updated = Some((change_set.time, change_set.account));
        Ok(Step { sequence, updated, moved, environments: None, accepted: None, published: Instant::now() })
    }

    /// A branch at another commit, grown from where it is known.
    fn grown(
        &self,
        reader: &Reader,
        (name, known): (&str, &Branch),
        to: Option<Revision>,
        sequence: Sequence,
    ) -> Result<Branch, ServiceError> {
        if known.head == to {
            return Ok(known.clone());
        }
        let Some(to) = to else { return Ok(Branch::default()) };
        let gone = |error| self.gone(error, sequence);
        let from = known.head.map(|head| Ok(reader.commit(head)?.tree)).transpose().map_err(gone)?;
        let tree = reader.commit(to).map_err(gone)?.tree;
        let limits = self.limits();
        let mut updates = Vec::new();
        for change in reader.changed_files(from, Some(tree), MOST_FILES).map_err(gone)?.files {
            let blob = configuration_blob(&change);
            if blob.is_some() || known.snapshot.file(&change.path).is_some() {
                updates.push(Update { file: change.path.as_str().into(), blob, value: None });
            }
        }
        let plan = known.snapshot.plan(updates, &FromGit { reader, limits: &limits }, &limits);
        let snapshot = known.snapshot.apply(plan, &mut |path| self.stamp_at(name, path, sequence));
        Ok(Branch { head: Some(to), tree: Some(tree), snapshot: Arc::new(snapshot) })
    }

    fn restamped(&self, snapshot: &Snapshot, branch: &str, sequence: Sequence) -> Snapshot {
        snapshot.restamped(&mut |path| self.stamp_at(branch, path, sequence))
    }

    /// What history says of a path after a change set. Where it is not kept, or cannot be read, an event goes without.
    fn stamp_at(&self, branch: &str, path: &Path, sequence: Sequence) -> Option<Stamp> {
        let record = self.history.as_of(branch, path, sequence, &HashSet::new()).ok().flatten()?;
        Some(stamp_of(&record))
    }

    fn gone(&self, error: ReadError, sequence: Sequence) -> ServiceError {
        match (error, self.history.base()) {
            (ReadError::Missing { .. }, Some(oldest)) => {
                ServiceError::NotKept { what: format!("change set {sequence}"), oldest }
            }
            (ReadError::Missing { id }, None) => ServiceError::NoSuchPoint {
                reason: format!(
                    "the commit {id} was pruned from the repository; watch anew with initial=true"
                ),
            },
            (other, _) => other.into(),
        }
    }
}
