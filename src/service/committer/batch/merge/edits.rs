use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::files::MergedFiles;
use super::{Outcome, Sides, check_merge, updates};
use crate::merge::Says;
use crate::model::Path;
use crate::service::ServiceError;
use crate::service::committer::batch::{Batch, Draft, Files, Held};
use crate::service::committer::stage::Stage;
use crate::service::promote::promoted_entry;
use crate::snapshot::{Node, Snapshot, Update, base_path};

/// What a merge makes of files beyond taking them over.
#[derive(Default)]
pub(super) struct Edited {
    /// Files that are as neither side has them.
    pub drafts: BTreeMap<Arc<str>, Draft>,
    /// Files that are gone here and come back as they were pushed, or were edited from there.
    pub revived: Vec<(Arc<str>, Held)>,
}

impl Batch<'_> {
    /// Edits files so that all entries are as the merge has them once whole files are taken over. What a file holds that they took
    /// away is looked at first: where nothing is left of it, it goes.
    pub(super) fn edited(
        &self,
        sides: &Sides,
        merged: &mut MergedFiles,
        outcome: &Outcome,
    ) -> Result<Edited, ServiceError> {
        let Sides { ours, theirs, paths, their_changes: changes, .. } = sides;
        let entries = &outcome.entries;
        let comes_with = |path: &Path, taken: &Files| {
            theirs.entry(path).is_some_and(|entry| taken.contains_key(entry.file()))
        };
        merged.take_removed(|file, taken| {
            let is_left =
                |path: &Path| !matches!(entries.get(path), Some(Says::Nothing)) && !comes_with(path, taken);
            !entries_of(ours, file).iter().any(is_left)
        });
        let taken = &merged.taken;
        let elsewhere: Vec<&Path> = paths.iter().filter(|path| comes_elsewhere(path, sides, taken)).collect();
        let mut laid =
            updates(ours, changes.iter().filter(|change| taken.contains_key(change.path.as_str())));
        if merged.both.is_empty() && elsewhere.is_empty() {
            let plan = ours.plan(laid.clone(), &*self.texts, self.context.limits);
            if check_merge(&plan, entries).is_ok() {
                return Ok(Edited::default());
            }
        }
        let mut stage = Stage::new(ours, &*self.texts, self.context.limits);
        // Where an entry comes over within another file, it goes from the one that it is in.
        let gone: Vec<_> = elsewhere.iter().map(|path| promoted_entry(path, &Says::Nothing, None)).collect();
        stage.promote(&gone)?;
        let (mut looked_at, mut revived) = (paths.clone(), Vec::new());
        looked_at.extend(entries.keys().cloned());
        // What a file was served with that cannot be read here.
        looked_at.extend(merged.overruled.iter().flat_map(|overruled| entries_of(ours, &overruled.file)));
        for (file, held) in merged.gone_here() {
            // A file that is gone here comes back as it was pushed where something of it does, but for the rest of it.
            let all = entries_of(theirs, file);
            let comes = |path: &Path| matches!(entries.get(path), Some(Says::Value(_) | Says::Hidden));
            if all.iter().any(comes) && !all.iter().any(|path| ours.entry(path).is_some()) {
                laid.push(Update { file: file.clone(), blob: Some(held.1), value: None });
                looked_at.extend(all);
                revived.push((file.clone(), Some(held)));
            }
        }
        stage.lay(laid);
        let wanted = |path: &Path| entries.get(path).cloned().unwrap_or_else(|| Says::of(ours, path));
        let edits: Vec<_> = looked_at
            .iter()
            .map(|path| (path, wanted(path)))
            .filter(|(path, says)| !Says::of(&stage.draft, path).is_same(says))
            .map(|(path, says)| promoted_entry(path, &says, None))
            .collect();
        stage.promote(&edits)?;
        stage.check_faults()?;
        let mut drafts = stage.into_files();
        let is_revived: BTreeSet<Arc<str>> = revived.iter().map(|(file, _)| file.clone()).collect();
        let is_laid = |file: &Arc<str>| taken.contains_key(file) || is_revived.contains(file);
        drafts.retain(|file, draft| is_laid(file) || self.is_other(ours, file, draft));
        Ok(Edited { drafts, revived })
    }
}

/// Whether an entry is in a file that is taken over, and here in another one that stays.
fn comes_elsewhere(path: &Path, sides: &Sides, taken: &Files) -> bool {
    let (Some(theirs), Some(ours)) = (sides.theirs.entry(path), sides.ours.entry(path)) else {
        return false;
    };
    theirs.file() != ours.file() && taken.contains_key(theirs.file()) && !taken.contains_key(ours.file())
}

/// The entries of a file.
pub(super) fn entries_of(layer: &Snapshot, file: &str) -> Vec<Path> {
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
