//! A branch moved on while somebody pushed: what was pushed and what came meanwhile are merged entry by entry.

mod edits;
mod files;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::edits::Edited;
pub(super) use self::files::OverruledFile;
use self::files::{MergedFiles, OurFiles};
use self::places::Room;
use super::{Batch, Content, Decided, Held, Merged};
use crate::git::FileChange;
use crate::merge::{Conflict, LayerMerge, Ours, Says, merge_layers, obstacles};
use crate::model::{Diagnostic, ObjectId, Path, Revision, Rule};
use crate::service::load::{MOST_FILES, configuration_blob};
use crate::service::receive::{Merging, PushRefusal};
use crate::service::{ServiceError, Take};
use crate::snapshot::{Plan, Problem, Snapshot, Update, base_path, is_configuration};

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

/// What both sides changed.
#[derive(Debug, Default)]
pub(in crate::service::committer) struct Overruled {
    /// Entries.
    pub entries: Vec<Conflict>,
    /// Files that hold no entries, as they were here, where they are no more.
    pub files: Vec<OverruledFile>,
}

impl Overruled {
    /// Where that is.
    pub fn paths(&self) -> Vec<Path> {
        let entries = self.entries.iter().map(|conflict| conflict.path.clone());
        entries.chain(self.files.iter().map(|overruled| path_of_file(&overruled.file))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.files.is_empty()
    }

    /// The files, each as something that somebody has to decide.
    pub fn undecided(&self) -> impl Iterator<Item = Diagnostic> {
        self.files.iter().take(MOST_NAMED).map(|overruled| match &overruled.in_the_way_of {
            None => undecided(&overruled.file),
            Some(other) => {
                let message = format!("it cannot be beside `{other}`, which the other side has");
                fault(Some(&overruled.file), None, message)
            }
        })
    }
}

/// The layer that two sides of a merge have: as it was when they were alike, here, and as it was pushed.
struct Layers {
    /// Files of which it cannot be read what they were.
    unknown: BTreeSet<Arc<str>>,
    before: Snapshot,
    ours: Arc<Snapshot>,
    theirs: Snapshot,
}

/// What the entries of a merge are to be, where that is other than here, and what somebody has to decide of them.
struct Outcome {
    entries: BTreeMap<Path, Says>,
    /// What both sides changed, or what cannot be beside something of the other side: then with that.
    conflicts: BTreeMap<Path, Option<Path>>,
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
        let their_changes = reader.changed_files(base_tree, Some(tree), MOST_FILES)?.files;
        let before = self.grown(&ours, our_changes.files.iter().map(|change| (change, change.old)));
        let theirs_plan = self.plan(&before, their_changes.iter().map(|change| (change, change.new)));
        let our_files: OurFiles<'_> =
            our_changes.files.iter().map(|change| (change.path.as_str(), change.new)).collect();
        let of_both: BTreeSet<&str> = their_changes
            .iter()
            .map(|change| change.path.as_str())
            .filter(|file| our_files.contains_key(file))
            .collect();
        let is_of_both = |problem: &&Problem| problem.files.iter().any(|file| of_both.contains(&**file));
        // What cannot be read of their files would be lost without a word.
        let is_unread = |problem: &&Problem| {
            let is_new = !before.problems().iter().any(|old| old.same_as(problem));
            is_new || (is_unreadable(problem) && is_of_both(problem))
        };
        let unread = theirs_plan.problems().iter().filter(is_unread);
        let unread: Vec<Diagnostic> = unread.map(|problem| problem.diagnostic.clone()).collect();
        if !unread.is_empty() {
            return Err(ServiceError::Problems(unread).into());
        }
        // What could not be read of a file as it was says nothing of who changed it.
        let unknown: BTreeSet<Arc<str>> = before
            .problems()
            .iter()
            .filter(|problem| is_unreadable(problem) && is_of_both(problem))
            .flat_map(|problem| problem.files.clone())
            .collect();
        let paths: BTreeSet<Path> = theirs_plan.changes().iter().map(|change| change.path.clone()).collect();
        let theirs = before.apply(theirs_plan, &mut |_| None);
        let layers = Layers { unknown, before, ours, theirs };
        let outcome = outcome(&layers, &paths, on_conflict);
        if !outcome.conflicts.is_empty() && matches!(on_conflict, OnConflict::Refuse) {
            return Err(conflicts(&outcome.conflicts, &layers.ours));
        }
        let is_unread = |file: &str| {
            layers.ours.problems().iter().any(|problem| is_unreadable(problem) && problem.concerns(file))
        };
        let mut merged = MergedFiles::of(&their_changes, (&our_files, &is_unread), on_conflict);
        if !merged.undecided.is_empty() {
            let told = merged.undecided.iter().take(MOST_NAMED);
            return Err(PushRefusal::Conflicts(told.map(|file| undecided(file)).collect()));
        }
        let Edited { drafts, revived } =
            self.edited(&layers, &paths, &mut merged, (&their_changes, &outcome))?;
        let is_edited = |file: &str| drafts.get(file).is_some_and(|draft| draft.bytes.is_some());
        let is_left = |file: &str| match drafts.contains_key(file) {
            true => is_edited(file),
            false => layers.ours.file(file).is_some(),
        };
        let mut taken = merged.modes(is_left);
        let mut whole = std::mem::take(&mut merged.taken);
        whole.extend(revived.into_iter().filter(|(file, _)| is_edited(file) || !drafts.contains_key(file)));
        taken.extend(whole.iter().map(|(file, held)| (file.clone(), *held)));
        let overruled = std::mem::take(&mut merged.overruled);
        // A link that is another one there, and is as ever here, or does not count.
        let may_go = |file: &str| {
            !our_files.contains_key(file) || overruled.iter().any(|overruled| *overruled.file == *file)
        };
        let Room { cleared, dropped } =
            self.make_room(branch, (&taken, &drafts), &may_go, (&layers, on_conflict.of_files()))?;
        for file in &dropped {
            taken.remove(file);
            whole.remove(file);
        }
        let is_whole = |file: &str| whole.contains_key(file) && !drafts.contains_key(file);
        let mut updates = updates(&layers.ours, their_changes.iter().filter(|change| is_whole(&change.path)));
        updates.extend(drafts.iter().map(|(file, draft)| Update {
            file: file.clone(),
            blob: draft.bytes.as_ref().map(|_| ObjectId::ZERO),
            value: draft.value.clone(),
        }));
        let gone = cleared.iter().filter(|cleared| layers.ours.file(&cleared.file).is_some());
        updates.extend(gone.map(|cleared| Update { file: cleared.file.clone(), blob: None, value: None }));
        taken.extend(cleared.iter().map(|cleared| (cleared.file.clone(), None)));
        let files = overruled.into_iter().chain(cleared).collect();
        let plan = layers.ours.plan(updates, &*self.texts, self.context.limits);
        check_merge(&plan, &outcome.entries)?;
        let overruled = Overruled { entries: layers.conflicts(outcome.conflicts), files };
        let content = Content::Merge(Merged { pushed: Some(pushed), taken, files: drafts });
        Ok((Decided { branch: branch.clone(), content, plan }, overruled))
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
}

/// Where a file is told of of which something else than entries is changed.
pub(super) fn path_of_file(file: &str) -> Path {
    let path = match is_configuration(file) {
        true => base_path(file),
        false => Path::from_segments(file.split('/')),
    };
    path.unwrap_or_else(|_| Path::root())
}

/// What becomes of the entries at these paths, which the other side changed.
/// Of files of which it is not known what they were, all that is other here is for somebody to decide.
fn outcome(layers: &Layers, paths: &BTreeSet<Path>, on_conflict: OnConflict<'_>) -> Outcome {
    let Layers { before, ours, theirs, .. } = layers;
    let LayerMerge { taken, mut conflicts } = merge_layers(paths, before, theirs, ours);
    let (undecided, taken): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|(path, _)| layers.is_unknown(path));
    conflicts.extend(undecided.into_iter().map(|(path, _)| path));
    let mut entries: BTreeMap<Path, Says> = taken.into_iter().collect();
    let overruled = conflicts.iter().filter(|path| !on_conflict.keeps(path));
    entries.extend(overruled.map(|path| (path.clone(), Says::of(theirs, path))));
    let mut conflicts: BTreeMap<Path, Option<Path>> =
        conflicts.into_iter().map(|path| (path, None)).collect();
    let goes = |path: &Path| matches!(entries.get(path), Some(Says::Nothing));
    let blocked: Vec<(Path, Vec<Path>)> = entries
        .iter()
        .filter(|(_, says)| !matches!(says, Says::Nothing))
        .map(|(path, _)| (path.clone(), obstacles(path, &goes, ours)))
        .filter(|(_, obstacles)| !obstacles.is_empty())
        .collect();
    for (path, obstacles) in blocked {
        if on_conflict.keeps(&path) || obstacles.iter().any(|obstacle| on_conflict.keeps(obstacle)) {
            entries.remove(&path);
        } else {
            entries.extend(obstacles.iter().map(|obstacle| (obstacle.clone(), Says::Nothing)));
        }
        for obstacle in &obstacles {
            conflicts.entry(obstacle.clone()).or_insert_with(|| Some(path.clone()));
        }
        conflicts.entry(path).or_insert_with(|| obstacles.into_iter().next());
    }
    Outcome { entries, conflicts }
}

impl Layers {
    /// Whether it is not known what an entry was.
    fn is_unknown(&self, path: &Path) -> bool {
        let of =
            |layer: &Snapshot| layer.entry(path).is_some_and(|entry| self.unknown.contains(entry.file()));
        !self.unknown.is_empty() && (of(&self.theirs) || of(&self.ours))
    }

    /// What both sides say where somebody has to decide.
    fn conflicts(&self, paths: BTreeMap<Path, Option<Path>>) -> Vec<Conflict> {
        let conflict = |(path, in_the_way): (Path, Option<Path>)| {
            let sides = [&self.before, &*self.ours, &self.theirs];
            let [mut base, ours, theirs] = sides.map(|side| Says::of(side, &path));
            if self.is_unknown(&path) {
                base = Says::Unknown;
            }
            Conflict { path, base, ours: Ours { says: ours, shown: None }, theirs, in_the_way }
        };
        paths.into_iter().map(conflict).collect()
    }
}

/// What somebody has to decide, with who changed it here.
fn conflicts(paths: &BTreeMap<Path, Option<Path>>, ours: &Snapshot) -> PushRefusal {
    let told = paths.iter().take(MOST_NAMED).map(|(path, in_the_way)| {
        let says = Says::of(ours, path);
        let by = match says.entry().and_then(|entry| entry.stamp()) {
            Some(stamp) => {
                format!(" (here by {} in change set {})", stamp.origin.account, stamp.origin.sequence)
            }
            None if matches!(says, Says::Nothing) && in_the_way.is_none() => {
                " (here it was taken away)".to_owned()
            }
            None => String::new(),
        };
        let message = match in_the_way {
            None => format!("both sides changed it{by}"),
            Some(other) => format!("it cannot be beside {other}, which the other side has{by}"),
        };
        fault(None, Some(path), message)
    });
    PushRefusal::Conflicts(told.collect())
}

/// Whether a file as a whole cannot be read.
fn is_unreadable(problem: &Problem) -> bool {
    matches!(problem.diagnostic.rule, Rule::Parse | Rule::Limit)
}

/// What taking over files means to readers.
fn updates<'f>(ours: &Snapshot, taken: impl Iterator<Item = &'f FileChange>) -> Vec<Update> {
    let update = |change: &FileChange| {
        let blob = configuration_blob(change);
        let file: Arc<str> = change.path.as_str().into();
        (blob.is_some() || ours.file(&file).is_some()).then_some(Update { file, blob, value: None })
    };
    taken.filter_map(update).collect()
}

fn undecided(file: &str) -> Diagnostic {
    let message = "both sides changed the file, which holds no entries that could be merged";
    fault(Some(file), None, message.to_owned())
}

/// That what comes out is what came over, and nothing else: a file could have carried more, or lost something.
fn check_merge(plan: &Plan, entries: &BTreeMap<Path, Says>) -> Result<(), PushRefusal> {
    let mut faults = Vec::new();
    let mut expected: BTreeMap<&Path, &Says> = entries.iter().collect();
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
