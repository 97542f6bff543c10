//! A branch moved on while somebody pushed: what was pushed and what came meanwhile are merged entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merged_files::MergedFiles;
use super::{Batch, Content, Decided, Merged};
use crate::git::{EntryKind, FileChange};
use crate::merge::{Conflict, LayerMerge, Ours, Says, merge_layers};
use crate::model::{Diagnostic, ObjectId, Path, Revision, Rule};
use crate::service::committer::stage::{Draft, Stage};
use crate::service::load::{MOST_FILES, configuration_blob};
use crate::service::promote::promoted_entry;
use crate::service::receive::{Merging, PushRefusal};
use crate::service::{ServiceError, Take};
use crate::snapshot::{Blobs as _, Node, Plan, Snapshot, Update, base_path};

/// How many conflicts are told.
const MOST_NAMED: usize = 100;

/// What becomes of what both sides changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnConflict<'a> {
    /// Nothing is merged.
    Refuse,
    /// What was pushed counts: so it is to be, or it is only looked at what both changed.
    TakeTheirs,
    /// Of entries, what was pushed counts, but for these paths, where the branch stays as it is. Of files that hold no
    /// entries this side counts; where none is named, nothing is merged.
    Decided(&'a BTreeSet<Path>, Option<Take>),
}

impl OnConflict<'_> {
    fn keeps(&self, path: &Path) -> bool {
        matches!(self, OnConflict::Decided(kept, _) if kept.contains(path))
    }

    /// Which side's files count that hold no entries.
    pub fn of_files(&self) -> Option<Take> {
        match self {
            OnConflict::Refuse => None,
            OnConflict::TakeTheirs => Some(Take::Theirs),
            OnConflict::Decided(_, side) => *side,
        }
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
pub(super) type Held = Option<(EntryKind, ObjectId)>;

/// What both sides changed.
#[derive(Debug, Default)]
pub(in crate::service::committer) struct Overruled {
    /// Entries.
    pub entries: Vec<Conflict>,
    /// Files that hold no entries, as they were here, where they are no more.
    pub files: Vec<(Arc<str>, Held)>,
}

impl Overruled {
    /// Where that is.
    pub fn paths(&self) -> Vec<Path> {
        let entries = self.entries.iter().map(|conflict| conflict.path.clone());
        entries.chain(self.files.iter().filter_map(|(file, _)| format!("/{file}").parse().ok())).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.files.is_empty()
    }

    /// The files, each as something that somebody has to decide.
    pub fn undecided(&self) -> impl Iterator<Item = Diagnostic> {
        self.files.iter().map(|(file, _)| undecided(file))
    }
}

/// The layer that two sides of a merge have: as it was when they were alike, here, and as it was pushed.
struct Layers {
    before: Snapshot,
    ours: Arc<Snapshot>,
    theirs: Snapshot,
}

impl Batch<'_> {
    /// Merges a commit that follows `base` into a branch that does as well. Files that one side alone changed are taken
    /// as they are; of those that both changed, the entries are. Answers also what both changed.
    pub(super) fn decide_merge(
        &mut self,
        branch: &Arc<str>,
        (base, pushed): (Option<Revision>, Revision),
        on_conflict: OnConflict<'_>,
    ) -> Result<(Decided, Overruled), PushRefusal> {
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
        let layers = Layers { before, ours, theirs };
        let Layers { before, ours, theirs } = &layers;
        let LayerMerge { taken: mut entries, conflicts } = merge_layers(&paths, before, theirs, ours);
        if !conflicts.is_empty() && matches!(on_conflict, OnConflict::Refuse) {
            return Err(self.conflicts(conflicts.iter().map(|path| (path, &**ours))));
        }
        let overruled = conflicts.iter().filter(|path| !on_conflict.keeps(path));
        entries.extend(overruled.map(|path| (path.clone(), Says::of(theirs, path))));
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let our_files: BTreeMap<&str, Held> =
            our_changes.files.iter().map(|change| (change.path.as_str(), change.new)).collect();
        let mut merged = MergedFiles::of(&their_changes.files, &our_files, on_conflict);
        if !merged.undecided.is_empty() {
            let told = merged.undecided.iter().take(MOST_NAMED);
            return Err(PushRefusal::Conflicts(told.map(|file| undecided(file)).collect()));
        }
        let files = self.edited(&layers, &paths, &merged, (&their_changes.files, &entries))?;
        let taken = std::mem::take(&mut merged.taken);
        let taken: BTreeMap<Arc<str>, Held> =
            taken.into_iter().filter(|(file, _)| !files.contains_key(file)).collect();
        let new_drafts = files.iter().filter(|(_, draft)| draft.bytes.is_some()).map(|(file, _)| file);
        for file in taken.iter().filter(|(_, held)| held.is_some()).map(|(file, _)| file).chain(new_drafts) {
            if ours.file(file).is_none() && !before_has(&their_changes.files, file) {
                self.check_room(branch, file)?;
            }
        }
        let plan = self.merged_plan(ours, &their_changes.files, &taken, &files);
        check_merge(&plan, &entries)?;
        let is_left = |file: &str| match files.get(file) {
            Some(draft) => draft.bytes.is_some(),
            None => ours.file(file).is_some(),
        };
        let mut put = merged.modes(is_left);
        put.extend(taken);
        let content = Content::Merge(Merged { pushed, taken: put, files });
        let conflict = |path: Path| {
            let [base, ours, theirs] = [before, &**ours, theirs].map(|side| Says::of(side, &path));
            Conflict { path, base, ours: Ours { says: ours, shown: None }, theirs, in_the_way: None }
        };
        let entries = conflicts.into_iter().map(conflict).collect();
        let overruled = Overruled { entries, files: merged.overruled };
        Ok((Decided { branch: branch.clone(), content, plan }, overruled))
    }

    /// The drafts of all that taking over whole files does not bring about.
    fn edited(
        &self,
        layers: &Layers,
        paths: &BTreeSet<Path>,
        merged: &MergedFiles,
        (changes, entries): (&[FileChange], &[(Path, Says)]),
    ) -> Result<BTreeMap<Arc<str>, Draft>, ServiceError> {
        let Layers { ours, theirs, .. } = layers;
        let elsewhere: Vec<&Path> =
            paths.iter().filter(|path| comes_elsewhere(path, layers, &merged.taken)).collect();
        let no_drafts = BTreeMap::new();
        if merged.both.is_empty() && elsewhere.is_empty() {
            let plan = self.merged_plan(ours, changes, &merged.taken, &no_drafts);
            if check_merge(&plan, entries).is_ok() {
                return Ok(no_drafts);
            }
        }
        let mut stage = Stage::new(ours, &*self.texts, self.context.limits);
        // Where an entry comes over within another file, it goes from the one that it is in.
        let gone: Vec<_> = elsewhere.iter().map(|path| promoted_entry(path, &Says::Nothing, None)).collect();
        stage.promote(&gone)?;
        let wanted: BTreeMap<&Path, &Says> = entries.iter().map(|(path, says)| (path, says)).collect();
        let mut looked_at: BTreeSet<Path> = paths.clone();
        let mut laid = self.updates(ours, changes, &merged.taken);
        for (file, blob) in merged.gone_here() {
            // A file that is gone here comes back as it was pushed where something of it does, but for the rest of it.
            let held = entries_of(theirs, file);
            let comes =
                held.iter().any(|path| matches!(wanted.get(path), Some(Says::Value(_) | Says::Hidden)));
            if comes && !held.iter().any(|path| ours.entry(path).is_some()) {
                laid.push(Update { file: file.clone(), blob: Some(blob), value: None });
                looked_at.extend(held);
            }
        }
        stage.lay(laid);
        let edits: Vec<_> = looked_at
            .iter()
            .map(|path| {
                (path, wanted.get(path).map_or_else(|| Says::of(ours, path), |says| Says::clone(says)))
            })
            .filter(|(path, says)| !Says::of(&stage.draft, path).is_same(says))
            .map(|(path, says)| promoted_entry(path, &says, None))
            .collect();
        stage.promote(&edits)?;
        stage.check_faults()?;
        let mut files = stage.into_files();
        files.retain(|file, draft| {
            let before = ours.file(file).and_then(|blob| self.texts.content(blob));
            merged.taken.contains_key(file) || before.as_ref() != draft.bytes.as_ref()
        });
        Ok(files)
    }

    /// What taking over files means to readers.
    fn updates(
        &self,
        ours: &Snapshot,
        changes: &[FileChange],
        taken: &BTreeMap<Arc<str>, Held>,
    ) -> Vec<Update> {
        let taken = changes.iter().filter(|change| taken.contains_key(change.path.as_str()));
        let update = |change: &FileChange| {
            let blob = configuration_blob(change);
            let file: Arc<str> = change.path.as_str().into();
            (blob.is_some() || ours.file(&file).is_some()).then_some(Update { file, blob, value: None })
        };
        taken.filter_map(update).collect()
    }

    fn merged_plan(
        &self,
        ours: &Snapshot,
        changes: &[FileChange],
        taken: &BTreeMap<Arc<str>, Held>,
        files: &BTreeMap<Arc<str>, Draft>,
    ) -> Plan {
        let mut updates = self.updates(ours, changes, taken);
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
            let by = match says.entry().and_then(|entry| entry.stamp()) {
                Some(stamp) => {
                    format!(" (here by {} in change set {})", stamp.origin.account, stamp.origin.sequence)
                }
                None if matches!(says, Says::Nothing) => " (here it was taken away)".to_owned(),
                None => String::new(),
            };
            fault(None, Some(path), format!("both sides changed it{by}"))
        });
        PushRefusal::Conflicts(told.collect())
    }
}

/// Whether a file is no new one on their side.
fn before_has(changes: &[FileChange], file: &str) -> bool {
    changes.iter().any(|change| change.path == file && change.old.is_some())
}

/// Whether an entry is in a file that is taken over, and here in another one that stays.
fn comes_elsewhere(path: &Path, layers: &Layers, taken: &BTreeMap<Arc<str>, Held>) -> bool {
    let (Some(theirs), Some(ours)) = (layers.theirs.entry(path), layers.ours.entry(path)) else {
        return false;
    };
    theirs.file() != ours.file() && taken.contains_key(theirs.file()) && !taken.contains_key(ours.file())
}

/// The entries of a file.
fn entries_of(layer: &Snapshot, file: &str) -> Vec<Path> {
    let Ok(base) = base_path(file) else { return Vec::new() };
    let mut held = Vec::new();
    match layer.find(&base) {
        Some(Node::Entry(entry)) if **entry.file() == *file => held.push(base),
        Some(Node::Object(object)) => object.visit(&base, &mut |path, entry| {
            if **entry.file() == *file {
                held.push(path);
            }
        }),
        _ => {}
    }
    held
}

fn undecided(file: &str) -> Diagnostic {
    fault(Some(file), None, "both sides changed the file, which holds no entries".to_owned())
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
