//! A branch moved on while somebody pushed: what was pushed and what came meanwhile are merged entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Batch, Content, Decided, FileBlobs, Merged};
use crate::git::{EntryKind, FileChange};
use crate::merge::{Conflict, LayerMerge, Ours, Says, merge_layers};
use crate::model::{Diagnostic, ObjectId, Path, Revision, Rule};
use crate::service::ServiceError;
use crate::service::committer::request::PromotedEntry;
use crate::service::committer::stage::{Draft, Stage};
use crate::service::load::{MOST_FILES, configuration_blob};
use crate::service::promote::promoted_entry;
use crate::service::receive::{Merging, PushRefusal};
use crate::snapshot::{Blobs as _, Node, Plan, Snapshot, Update};

/// How many conflicts are told.
const MOST_NAMED: usize = 100;

/// What becomes of what both sides changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnConflict<'a> {
    /// Nothing is merged.
    Refuse,
    /// What was pushed counts.
    TakeTheirs,
    /// Of entries, what was pushed counts, but for these paths, where the branch stays as it is. Files that hold no entries
    /// are for people to merge.
    Decided(&'a BTreeSet<Path>),
}

impl OnConflict<'_> {
    fn keeps(&self, path: &Path) -> bool {
        matches!(self, OnConflict::Decided(kept) if kept.contains(path))
    }
}

impl From<Merging> for OnConflict<'_> {
    fn from(merging: Merging) -> Self {
        match merging {
            Merging::Never | Merging::Refuse => OnConflict::Refuse,
            Merging::TakeTheirs => OnConflict::TakeTheirs,
        }
    }
}

/// What a file is in a tree.
type Held = Option<(EntryKind, ObjectId)>;

impl Batch<'_> {
    /// Merges a commit that follows `base` into a branch that does as well. Files that one side alone changed are taken
    /// as they are; of those that both changed, the entries are. Answers also the entries that both changed.
    pub(super) fn decide_merge(
        &mut self,
        branch: &Arc<str>,
        (base, pushed): (Option<Revision>, Revision),
        on_conflict: OnConflict<'_>,
    ) -> Result<(Decided, Vec<Conflict>), PushRefusal> {
        let working = self.branch(branch)?;
        let ours = working.snapshot.clone();
        let reader = self.texts.reader();
        let base_tree = match base {
            Some(base) => Some(reader.commit(base)?.tree),
            None => None,
        };
        let our_changes = reader.changed_files(base_tree, working.tree_id, MOST_FILES)?;
        let tree = reader.commit(pushed)?.tree;
        let their_changes = reader.changed_files(base_tree, Some(tree), MOST_FILES)?;
        let before = self.grown(&ours, our_changes.files.iter().map(|change| (change, change.old)));
        let theirs_plan = self.plan(&before, their_changes.files.iter().map(|change| (change, change.new)));
        let paths: BTreeSet<Path> = theirs_plan.changes().iter().map(|change| change.path.clone()).collect();
        let theirs = before.apply(theirs_plan, &mut |_| None);
        let LayerMerge { taken: mut entries, conflicts } = merge_layers(&paths, &before, &theirs, &ours);
        let takes_theirs = matches!(on_conflict, OnConflict::TakeTheirs);
        if !conflicts.is_empty() && matches!(on_conflict, OnConflict::Refuse) {
            return Err(self.conflicts(conflicts.iter().map(|path| (path, &*ours))));
        }
        let overruled = conflicts.iter().filter(|path| !on_conflict.keeps(path));
        entries.extend(overruled.map(|path| (path.clone(), Says::of(&theirs, path))));
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let our_files: BTreeMap<&str, Held> =
            our_changes.files.iter().map(|change| (change.path.as_str(), change.new)).collect();
        let (mut taken, mut both) = (FileBlobs::new(), BTreeSet::new());
        let mut faults = Vec::new();
        for change in their_changes.files.iter().filter(|change| !is_plain(change)) {
            let message = "a file that is no plain one, or is no longer, is not merged here; fetch, merge and push again";
            faults.push(fault(Some(&change.path), None, message.to_owned()));
        }
        for change in &their_changes.files {
            let file: Arc<str> = change.path.as_str().into();
            match our_files.get(change.path.as_str()) {
                None => {
                    taken.insert(file, change.new.map(|(_, blob)| blob));
                }
                Some(ours) if *ours == change.new => {}
                Some(ours) if is_configuration(change, *ours) => {
                    both.insert(file);
                }
                Some(_) if takes_theirs => {
                    taken.insert(file, change.new.map(|(_, blob)| blob));
                }
                Some(_) => faults.push(fault(Some(&file), None, "both sides changed the file".to_owned())),
            }
        }
        if !faults.is_empty() {
            return Err(PushRefusal::Conflicts(faults));
        }
        let promoted = promoted(&entries, &both, (&before, &theirs));
        let files = self.staged(&ours, &promoted)?;
        for file in taken.iter().filter(|(_, blob)| blob.is_some()).map(|(file, _)| file) {
            if ours.file(file).is_none() && !before_has(&their_changes.files, file) {
                self.check_room(branch, file)?;
            }
        }
        let plan = self.merged_plan(&ours, &their_changes.files, &taken, &files);
        check_merge(&plan, &entries)?;
        let content = Content::Merge(Merged { pushed, taken, files });
        let conflict = |path: Path| {
            let [base, ours, theirs] = [&before, &*ours, &theirs].map(|side| Says::of(side, &path));
            Conflict { path, base, ours: Ours { says: ours, shown: None }, theirs, in_the_way: None }
        };
        let conflicts = conflicts.into_iter().map(conflict).collect();
        Ok((Decided { branch: branch.clone(), content, plan }, conflicts))
    }

    /// The drafts of the files that both sides changed, with what comes over.
    fn staged(
        &self,
        ours: &Snapshot,
        promoted: &[PromotedEntry],
    ) -> Result<BTreeMap<Arc<str>, Draft>, ServiceError> {
        if promoted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut stage = Stage::new(ours, &*self.texts, self.context.limits);
        stage.promote(promoted)?;
        stage.check_faults()?;
        let mut files = stage.into_files();
        files.retain(|file, draft| {
            let before = ours.file(file).and_then(|blob| self.texts.content(blob));
            before.as_ref() != draft.bytes.as_ref()
        });
        Ok(files)
    }

    fn merged_plan(
        &self,
        ours: &Snapshot,
        changes: &[FileChange],
        taken: &FileBlobs,
        files: &BTreeMap<Arc<str>, Draft>,
    ) -> Plan {
        let mut updates = Vec::new();
        for change in changes.iter().filter(|change| taken.contains_key(change.path.as_str())) {
            let blob = configuration_blob(change);
            if blob.is_some() || ours.file(&change.path).is_some() {
                updates.push(Update { file: change.path.as_str().into(), blob, value: None });
            }
        }
        updates.extend(files.iter().map(|(file, draft)| Update {
            file: file.clone(),
            blob: draft.bytes.as_ref().map(|_| ObjectId::ZERO),
            value: draft.value.clone(),
        }));
        ours.plan(updates, &*self.texts, self.context.limits)
    }

    fn plan<'f>(&self, snapshot: &Snapshot, files: impl Iterator<Item = (&'f FileChange, Held)>) -> Plan {
        let mut updates = Vec::new();
        for (change, held) in files {
            let blob = configuration_blob(&FileChange { new: held, ..change.clone() });
            if blob.is_some() || snapshot.file(&change.path).is_some() {
                updates.push(Update { file: change.path.as_str().into(), blob, value: None });
            }
        }
        snapshot.plan(updates, &*self.texts, self.context.limits)
    }

    fn grown<'f>(
        &self,
        snapshot: &Snapshot,
        files: impl Iterator<Item = (&'f FileChange, Held)>,
    ) -> Snapshot {
        snapshot.apply(self.plan(snapshot, files), &mut |_| None)
    }

    /// What both sides changed, with who did so here.
    fn conflicts<'p>(&self, paths: impl Iterator<Item = (&'p Path, &'p Snapshot)>) -> PushRefusal {
        let told = paths.take(MOST_NAMED).map(|(path, ours)| {
            let says = Says::of(ours, path);
            let by = says.entry().and_then(|entry| entry.stamp()).map(|stamp| {
                format!(" (here by {} in change set {})", stamp.origin.account, stamp.origin.sequence)
            });
            fault(None, Some(path), format!("both sides changed it{}", by.unwrap_or_default()))
        });
        PushRefusal::Conflicts(told.collect())
    }
}

/// Whether a file is a plain one, and was.
fn is_plain(change: &FileChange) -> bool {
    let is_file = |held: Held| held.is_none_or(|(kind, _)| kind == EntryKind::File);
    let kept_bit =
        change.old.zip(change.new).is_some_and(|(old, new)| old.0 == EntryKind::Executable && old.0 == new.0);
    (is_file(change.old) && is_file(change.new)) || kept_bit || (change.new.is_none() && change.old.is_some())
}

/// Whether a file that both sides changed holds entries on both.
fn is_configuration(change: &FileChange, ours: Held) -> bool {
    let holds = |held: Held| configuration_blob(&FileChange { new: held, ..change.clone() }).is_some();
    let was = change.old.is_none() || holds(change.old);
    was && holds(change.new) && holds(ours)
}

/// Whether a file is no new one on their side.
fn before_has(changes: &[FileChange], file: &str) -> bool {
    changes.iter().any(|change| change.path == file && change.old.is_some())
}

/// What comes over into files that both sides changed.
fn promoted(
    entries: &[(Path, Says)],
    both: &BTreeSet<Arc<str>>,
    (before, theirs): (&Snapshot, &Snapshot),
) -> Vec<PromotedEntry> {
    let is_in_both = |path: &Path| {
        let is_there = |layer: &Snapshot| match layer.find(path) {
            Some(Node::Entry(entry)) => both.contains(entry.file()),
            _ => false,
        };
        is_there(theirs) || is_there(before)
    };
    let taken = entries.iter().filter(|(path, _)| is_in_both(path));
    taken.map(|(path, says)| promoted_entry(path, says, None)).collect()
}

/// That what comes out is what came over, and nothing else: a file could have carried more, or lost something.
fn check_merge(plan: &Plan, entries: &[(Path, Says)]) -> Result<(), PushRefusal> {
    let mut faults = Vec::new();
    let mut expected: BTreeMap<&Path, &Says> = entries.iter().map(|(path, says)| (path, says)).collect();
    for change in plan.changes().iter().filter(|change| change.alters_value()) {
        let is_so = expected.remove(&change.path).is_some_and(|says| match (says, &change.new) {
            (Says::Value(theirs), Some(new)) => theirs.same_value(new),
            (Says::Nothing, None) => true,
            (Says::Hidden, Some(new)) => new.kind() == crate::snapshot::EntryKind::Tombstone,
            _ => false,
        });
        if !is_so {
            faults.push(&change.path);
        }
    }
    faults.extend(expected.into_keys());
    if faults.is_empty() {
        return Ok(());
    }
    let told = faults.into_iter().take(MOST_NAMED);
    let message = "what both sides did to its files cannot be brought together";
    Err(PushRefusal::Conflicts(told.map(|path| fault(None, Some(path), message.to_owned())).collect()))
}

fn fault(file: Option<&str>, path: Option<&Path>, message: String) -> Diagnostic {
    let file = file.map(str::to_owned);
    Diagnostic { rule: Rule::Merge, file, position: None, path: path.cloned(), message }
}
