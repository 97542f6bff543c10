//! Files of a merge: what becomes of each that the other side changed, before anything is edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{OnConflict, Sides, is_unreadable};
use crate::git::{EntryKind, FileChange};
use crate::model::ObjectId;
use crate::service::Take;
use crate::service::committer::batch::{Files, Held};
use crate::service::load::configuration_blob;

/// What becomes of the files that the other side changed.
#[derive(Default)]
pub(super) struct MergedFiles {
    /// Those that are as the other side has them.
    pub taken: Files,
    /// Those whose entries both sides changed, or took away.
    pub both: Vec<Both>,
    /// Those without entries of which the other side's counts instead of what was here.
    pub overruled: Vec<OverruledFile>,
    /// Those without entries of which nobody said which side counts.
    pub undecided: Vec<Arc<str>>,
}

/// A file without entries that is no more what it was here.
#[derive(Debug)]
pub(in crate::service::committer) struct OverruledFile {
    pub file: Arc<str>,
    pub was: Held,
    /// The file that could not be beside it.
    pub in_the_way_of: Option<Arc<str>>,
}

/// A file that holds entries, and that both sides changed.
pub(super) struct Both {
    pub file: Arc<str>,
    pub ours: Held,
    pub theirs: Held,
    /// Whether their side alone made it executable, or took that back.
    pub changes_mode: bool,
}

impl MergedFiles {
    /// Of what both sides changed since they were alike. What cannot be read here has no entries that could be told apart.
    pub fn of(sides: &Sides, on_conflict: OnConflict<'_>) -> Self {
        let ours: BTreeMap<&str, Held> =
            sides.our_changes.iter().map(|change| (change.path.as_str(), change.new)).collect();
        let is_unread = |file: &str| {
            let mut problems = sides.ours.problems().iter();
            problems.any(|problem| is_unreadable(problem) && problem.concerns(file))
        };
        let mut merged = MergedFiles::default();
        for change in &sides.their_changes {
            let file: Arc<str> = change.path.as_str().into();
            let Some(ours) = ours.get(change.path.as_str()).copied() else {
                merged.taken.insert(file, change.new);
                continue;
            };
            if ours == change.new {
                continue;
            }
            if holds_entries(change, ours) && !is_unread(&file) {
                let changes_mode = changes_mode(change, ours);
                merged.both.push(Both { file, ours, theirs: change.new, changes_mode });
                continue;
            }
            if let Some(combined) = combined(change, ours) {
                merged.taken.insert(file, Some(combined));
                continue;
            }
            match on_conflict.of_files() {
                Some(Take::Theirs) => {
                    merged.taken.insert(file.clone(), change.new);
                    merged.overruled.push(OverruledFile { file, was: ours, in_the_way_of: None });
                }
                Some(Take::Ours) => {}
                None => merged.undecided.push(file),
            }
        }
        merged
    }

    /// Takes over that files are gone where they were taken away on the other side and nothing of them is left.
    pub fn take_removed(&mut self, is_empty: impl Fn(&str, &Files) -> bool) {
        let removed = self.both.iter().filter(|both| both.theirs.is_none());
        let removed: BTreeSet<Arc<str>> =
            removed.filter(|both| is_empty(&both.file, &self.taken)).map(|both| both.file.clone()).collect();
        self.both.retain(|both| !removed.contains(&both.file));
        self.taken.extend(removed.into_iter().map(|file| (file, None)));
    }

    /// The files that a merge finds to be executable, or not any more, with the content that they have here; `is_left` says
    /// whether there is one after it.
    pub fn modes(&self, is_left: impl Fn(&str) -> bool) -> Files {
        let changed = self.both.iter().filter(|both| both.changes_mode && is_left(&both.file));
        let mode = |both: &Both| {
            let kind = both.theirs.map(|(kind, _)| kind)?;
            let (_, content) = both.ours.or(both.theirs)?;
            Some((both.file.clone(), Some((kind, content))))
        };
        changed.filter_map(mode).collect()
    }

    /// The files that are gone here and that the other side changed.
    pub fn gone_here(&self) -> impl Iterator<Item = (&Arc<str>, (EntryKind, ObjectId))> {
        let gone = self.both.iter().filter(|both| both.ours.is_none());
        gone.filter_map(|both| Some((&both.file, both.theirs?)))
    }
}

/// Whether a file that both sides changed held entries wherever it was.
fn holds_entries(change: &FileChange, ours: Held) -> bool {
    let holds = |held: Held| {
        held.is_none() || configuration_blob(&FileChange { new: held, ..change.clone() }).is_some()
    };
    holds(change.old) && holds(change.new) && holds(ours)
}

/// A file of which one side changed the content alone, and the other one the mode.
fn combined(change: &FileChange, ours: Held) -> Option<(EntryKind, ObjectId)> {
    let (old, theirs, ours) = (change.old?, change.new?, ours?);
    let is_plain = |kind: EntryKind| matches!(kind, EntryKind::File | EntryKind::Executable);
    let is_combined = [old, theirs, ours].iter().all(|(kind, _)| is_plain(*kind));
    let kind = one_of(old.0, theirs.0, ours.0)?;
    let content = one_of(old.1, theirs.1, ours.1)?;
    is_combined.then_some((kind, content))
}

/// What two sides make of something, unless each changed it in its way.
fn one_of<T: PartialEq>(old: T, theirs: T, ours: T) -> Option<T> {
    match () {
        () if ours == old || ours == theirs => Some(theirs),
        () if theirs == old => Some(ours),
        () => None,
    }
}

fn changes_mode(change: &FileChange, ours: Held) -> bool {
    let kind = |held: Held| held.map(|(kind, _)| kind);
    let was = kind(change.old).unwrap_or(EntryKind::File);
    kind(change.new).is_some_and(|new| new != was) && kind(ours).is_none_or(|ours| ours == was)
}
