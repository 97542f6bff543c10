use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Sides;
use super::edits::entries_of;
use super::files::OverruledFile;
use crate::git::EntryKind;
use crate::service::Take;
use crate::service::committer::batch::{Batch, Draft, Files, Held};
use crate::service::receive::PushRefusal;
use crate::snapshot::Snapshot;

/// How many files are taken away to make room for one.
const MOST_CLEARED: usize = 1_000;

/// What has no room in a merge.
pub(super) struct Room {
    /// Files that were here and go.
    pub cleared: Vec<OverruledFile>,
    /// Files that were to come over and do not.
    pub dropped: Vec<Arc<str>>,
}

impl Batch<'_> {
    /// Makes sure that every file of a merge finds room among those that stay. Where a side counts of files without entries, those
    /// of the other one that are in the way go, or do not come.
    pub(super) fn make_room(
        &mut self,
        branch: &Arc<str>,
        sides: &Sides,
        (taken, drafts): (&Files, &BTreeMap<Arc<str>, Draft>),
        (side, overruled): (Option<Take>, &[OverruledFile]),
    ) -> Result<Room, PushRefusal> {
        // A link that is another one there, and is as ever here, or does not count.
        let may_go = |file: &str| {
            sides.our_changes.iter().all(|change| change.path != file)
                || overruled.iter().any(|overruled| *overruled.file == *file)
        };
        let goes = |file: &str| match drafts.get(file) {
            Some(draft) => draft.bytes.is_none(),
            None => matches!(taken.get(file), Some(None)),
        };
        let comes = taken.iter().filter(|(_, held)| held.is_some()).map(|(file, _)| file);
        let comes: BTreeSet<&Arc<str>> = comes.chain(drafts.keys()).filter(|file| !goes(file)).collect();
        let (mut cleared, mut dropped) = (BTreeMap::new(), Vec::new());
        for file in comes {
            let Some(working) = self.branches.get_mut(branch) else { continue };
            match working.tree.get(self.texts.reader(), file).ok().flatten() {
                Some((EntryKind::File | EntryKind::Executable, _)) => continue,
                Some((EntryKind::Symlink | EntryKind::Submodule, _))
                    if taken.contains_key(file) && may_go(file) =>
                {
                    continue;
                }
                _ => {}
            }
            let is_cleared = |other: &str| goes(other) || cleared.contains_key(other);
            let Err(error) = self.check_room(branch, file, Some(&is_cleared)) else { continue };
            let is_bare = !drafts.contains_key(file) && entries_of(&sides.theirs, file).is_empty();
            match side {
                Some(Take::Ours) if is_bare => dropped.push(file.clone()),
                Some(Take::Theirs) => {
                    let found = self.in_the_way(branch, (file, &sides.ours), &goes).ok_or(error)?;
                    cleared.extend(found.into_iter().map(|(other, was)| {
                        let in_the_way_of = Some(file.clone());
                        (other.clone(), OverruledFile { file: other, was, in_the_way_of })
                    }));
                }
                _ => return Err(error.into()),
            }
        }
        Ok(Room { cleared: cleared.into_values().collect(), dropped })
    }

    /// The files that a file cannot be beside, where none of them holds an entry.
    fn in_the_way(
        &mut self,
        branch: &Arc<str>,
        (file, ours): (&str, &Snapshot),
        goes: &dyn Fn(&str) -> bool,
    ) -> Option<Vec<(Arc<str>, Held)>> {
        let working = self.branches.get_mut(branch)?;
        let mut found: Vec<(Arc<str>, Held)> = Vec::new();
        for end in file.match_indices('/').map(|(at, _)| at).chain([file.len()]) {
            let name = &file[..end];
            match working.tree.get(self.texts.reader(), name).ok()? {
                None => break,
                Some((EntryKind::Dir, _)) if end < file.len() => {}
                Some((EntryKind::Dir, id)) => {
                    let within = self.texts.reader().changed_files(Some(id), None, MOST_CLEARED).ok()?;
                    let files = within.files.into_iter().filter(|_| within.skipped.is_empty());
                    found.extend(files.map(|change| (format!("{name}/{}", change.path).into(), change.old)));
                }
                Some(held) => {
                    found.push((name.into(), Some(held)));
                    break;
                }
            }
        }
        found.retain(|(file, _)| !goes(file));
        let is_empty = !found.is_empty() && found.iter().all(|(file, _)| entries_of(ours, file).is_empty());
        is_empty.then_some(found)
    }
}
