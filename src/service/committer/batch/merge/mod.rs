//! A branch moved on while somebody pushed: what was pushed and what came meanwhile are merged entry by entry.

mod edits;
mod files;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::edits::{Edited, entries_of};
use self::files::MergedFiles;
pub(super) use self::files::OverruledFile;
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

/// Both sides of a merge: the layer as it was when they were alike, here, and as it was pushed, and what each did to files.
struct Sides {
    before: Snapshot,
    ours: Arc<Snapshot>,
    theirs: Snapshot,
    our_changes: Vec<FileChange>,
    their_changes: Vec<FileChange>,
    /// The entries that the other side changed, or put elsewhere.
    paths: BTreeSet<Path>,
    /// Files of which it cannot be read what they were.
    unknown: BTreeSet<Arc<str>>,
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
        let sides = self.sides(branch, (base, pushed))?;
        let outcome = outcome(&sides, on_conflict);
        if !outcome.conflicts.is_empty() && matches!(on_conflict, OnConflict::Refuse) {
            return Err(conflicts(&outcome.conflicts, &sides.ours));
        }
        let mut merged = MergedFiles::of(&sides, on_conflict);
        if !merged.undecided.is_empty() {
            let told = merged.undecided.iter().take(MOST_NAMED);
            return Err(PushRefusal::Conflicts(told.map(|file| undecided(file)).collect()));
        }
        let edited = self.edited(&sides, &mut merged, &outcome)?;
        let (merged, plan, files) =
            self.put_together(branch, &sides, (merged, edited), on_conflict.of_files())?;
        check_merge(&plan, &outcome.entries)?;
        let overruled = Overruled { entries: sides.conflicts(outcome.conflicts), files };
        let content = Content::Merge(Merged { pushed: Some(pushed), ..merged });
        Ok((Decided { branch: branch.clone(), content, plan }, overruled))
    }

    /// Reads what both sides did. What cannot be read of the other side's files would be lost without a word, and is refused.
    fn sides(
        &self,
        branch: &Arc<str>,
        (base, pushed): (Option<Revision>, Revision),
    ) -> Result<Sides, PushRefusal> {
        let working = self.branch(branch)?;
        let ours = working.snapshot.clone();
        let reader = self.texts.reader();
        let base_tree = match base {
            Some(base) => Some(reader.commit(base)?.tree),
            None => None,
        };
        let our_changes = reader.changed_files(base_tree, working.tree_id, MOST_FILES)?.files;
        let tree = reader.commit(pushed)?.tree;
        let their_changes = reader.changed_files(base_tree, Some(tree), MOST_FILES)?.files;
        let before = self.grown(&ours, our_changes.iter().map(|change| (change, change.old)));
        let theirs_plan = self.plan(&before, their_changes.iter().map(|change| (change, change.new)));
        let changed_here: BTreeSet<&str> = our_changes.iter().map(|change| change.path.as_str()).collect();
        let of_both: BTreeSet<&str> = their_changes
            .iter()
            .map(|change| change.path.as_str())
            .filter(|file| changed_here.contains(file))
            .collect();
        let hides_entries = |problem: &Problem| {
            is_unreadable(problem) && problem.files.iter().any(|file| of_both.contains(&**file))
        };
        let is_new = |problem: &Problem| !before.problems().iter().any(|old| old.same_as(problem));
        let unread =
            theirs_plan.problems().iter().filter(|problem| is_new(problem) || hides_entries(problem));
        let unread: Vec<Diagnostic> = unread.map(|problem| problem.diagnostic.clone()).collect();
        if !unread.is_empty() {
            return Err(ServiceError::Problems(unread).into());
        }
        // What could not be read of a file as it was says nothing of who changed it.
        let unknown = before.problems().iter().filter(|problem| hides_entries(problem));
        let unknown = unknown.flat_map(|problem| problem.files.clone()).collect();
        let paths = theirs_plan.changes().iter().map(|change| change.path.clone()).collect();
        let theirs = before.apply(theirs_plan, &mut |_| None);
        Ok(Sides { before, ours, theirs, our_changes, their_changes, paths, unknown })
    }

    /// Puts files that come over whole and files that were edited together; answers also those without entries that were here and
    /// are no more.
    fn put_together(
        &mut self,
        branch: &Arc<str>,
        sides: &Sides,
        (merged, Edited { drafts, revived }): (MergedFiles, Edited),
        side: Option<Take>,
    ) -> Result<(Merged, Plan, Vec<OverruledFile>), PushRefusal> {
        let is_edited = |file: &str| drafts.get(file).is_some_and(|draft| draft.bytes.is_some());
        let mut taken = merged.modes(|file| match drafts.contains_key(file) {
            true => is_edited(file),
            false => sides.ours.file(file).is_some(),
        });
        let MergedFiles { taken: mut whole, overruled, .. } = merged;
        whole.extend(revived.into_iter().filter(|(file, _)| is_edited(file) || !drafts.contains_key(file)));
        taken.extend(whole.iter().map(|(file, held)| (file.clone(), *held)));
        let Room { cleared, dropped } =
            self.make_room(branch, sides, (&taken, &drafts), (side, &overruled))?;
        for file in &dropped {
            taken.remove(file);
            whole.remove(file);
        }
        let is_whole =
            |change: &&FileChange| whole.contains_key(&*change.path) && !drafts.contains_key(&*change.path);
        let mut updates = updates(&sides.ours, sides.their_changes.iter().filter(is_whole));
        updates.extend(drafts.iter().map(|(file, draft)| Update {
            file: file.clone(),
            blob: draft.bytes.as_ref().map(|_| ObjectId::ZERO),
            value: draft.value.clone(),
        }));
        let gone = cleared.iter().filter(|cleared| sides.ours.file(&cleared.file).is_some());
        updates.extend(gone.map(|cleared| Update { file: cleared.file.clone(), blob: None, value: None }));
        taken.extend(cleared.iter().map(|cleared| (cleared.file.clone(), None)));
        let plan = sides.ours.plan(updates, &*self.texts, self.context.limits);
        let overruled = overruled.into_iter().chain(cleared).collect();
        Ok((Merged { pushed: None, taken, files: drafts }, plan, overruled))
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

/// What becomes of the entries that the other side changed.
/// Of files of which it is not known what they were, all that is other here is for somebody to decide.
fn outcome(sides: &Sides, on_conflict: OnConflict<'_>) -> Outcome {
    let Sides { before, ours, theirs, paths, .. } = sides;
    let LayerMerge { taken, mut conflicts } = merge_layers(paths, before, theirs, ours);
    let (undecided, taken): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|(path, _)| sides.is_unknown(path));
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
    for (path, file) in below_entries(sides) {
        if !on_conflict.keeps(&path) {
            entries.entry(path.clone()).or_insert(Says::Nothing);
        }
        conflicts.entry(path).or_insert_with(|| Some(path_of_file(file)));
    }
    Outcome { entries, conflicts }
}

/// Entries of files here of which the other side makes folders, for files that hold none: with such a file.
fn below_entries(sides: &Sides) -> Vec<(Path, &str)> {
    let gone = sides.their_changes.iter().filter(|change| change.new.is_none());
    let gone: BTreeSet<&str> = gone.map(|change| change.path.as_str()).collect();
    let comes =
        sides.their_changes.iter().filter(|change| change.new.is_some() && !is_configuration(&change.path));
    let mut found = Vec::new();
    for file in comes.map(|change| change.path.as_str()) {
        for above in file.match_indices('/').map(|(at, _)| &file[..at]) {
            if sides.ours.file(above).is_some() && !gone.contains(above) {
                found.extend(entries_of(&sides.ours, above).into_iter().map(|path| (path, file)));
            }
        }
    }
    found
}

impl Sides {
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
