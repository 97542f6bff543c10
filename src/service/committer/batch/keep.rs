//! What a branch had and somebody else's commits took the place of is kept as commits that bring it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merge::{Files, Held, Overruled};
use super::{Batch, Content, Decided, Failure, Merged};
use crate::git::{EntryKind, WorkTree};
use crate::merge::Conflict;
use crate::model::Path;
use crate::proposal::Head;
use crate::service::ServiceError;
use crate::service::committer::request::PromotedEntry;
use crate::service::committer::stage::Stage;
use crate::service::promote::promoted_entry;
use crate::snapshot::is_configuration;

/// How many entries are tried one by one where they cannot be brought back together.
const MOST_TRIED: usize = 200;

/// Commits that bring back what a branch had.
pub(in crate::service::committer) struct Kept {
    /// They, on top of where the branch is now.
    pub heads: Vec<Head>,
    /// Who had written what they bring back, as far as it is known.
    pub writers: Vec<String>,
}

impl Batch<'_> {
    /// Makes commits that bring back what a branch said at these paths. Whether that is valid is asked when they are merged; it is
    /// refused where there is no way to write it into the files as they are by now.
    pub(super) fn keep(
        &mut self,
        branch: &Arc<str>,
        overruled: &Overruled,
        account: &Arc<str>,
    ) -> Result<Kept, Failure> {
        let writers = self.writers(branch, &overruled.entries);
        let entry = |conflict: &Conflict| promoted_entry(&conflict.path, &conflict.ours.says, None);
        let entries: Vec<_> = overruled.entries.iter().map(entry).collect();
        let files = self.files_to_keep(branch, &overruled.files);
        let decided = match self.decide_entries(branch, &entries) {
            Err(error) => {
                tracing::warn!(%branch, %error, "not all that was overruled can be proposed; it is in history");
                let is_possible =
                    |entry: &PromotedEntry| self.decide_entries(branch, std::slice::from_ref(entry)).is_ok();
                let possible: Vec<_> = entries.into_iter().take(MOST_TRIED).filter(is_possible).collect();
                self.decide_entries(branch, &possible).unwrap_or_default()
            }
            decided => decided?,
        };
        let decided = self.with_files(branch, decided, files)?.ok_or(ServiceError::NothingToPropose)?;
        let message = format!("Bring back what was here at {}", listed(overruled));
        let heads = self.commit_heads(vec![decided], &message, account)?;
        Ok(Kept { heads, writers: writers.into_iter().collect() })
    }

    /// The files without entries that can be put where they were.
    fn files_to_keep(&mut self, branch: &Arc<str>, files: &[(Arc<str>, Held)]) -> Files {
        let Some(working) = self.branches.get_mut(branch) else { return Files::new() };
        let is_plain = |held: &Held| {
            held.is_none_or(|(kind, _)| matches!(kind, EntryKind::File | EntryKind::Executable))
        };
        let mut kept = Files::new();
        for (file, held) in files.iter().filter(|(file, held)| is_plain(held) && !is_configuration(file)) {
            let now = working.tree.get(self.texts.reader(), file);
            if now.is_ok_and(|now| is_plain(&now) && now != *held) {
                kept.insert(file.clone(), *held);
            }
        }
        // One that stands there has room; so has one that goes.
        let is_new =
            |file: &str, tree: &mut WorkTree| matches!(tree.get(self.texts.reader(), file), Ok(None));
        let new: Vec<Arc<str>> =
            kept.keys().filter(|file| is_new(file, &mut working.tree)).cloned().collect();
        for file in new {
            if kept[&file].is_none() || self.check_room(branch, &file, None).is_err() {
                kept.remove(&file);
            }
        }
        kept
    }

    /// What becomes of a branch together with files that hold no entries.
    fn with_files(
        &self,
        branch: &Arc<str>,
        decided: Option<Decided>,
        taken: Files,
    ) -> Result<Option<Decided>, ServiceError> {
        if taken.is_empty() {
            return Ok(decided);
        }
        let (plan, files) = match decided {
            Some(Decided { plan, content: Content::Files(files), .. }) => (plan, files),
            Some(other) => return Ok(Some(other)),
            None => {
                let snapshot = &self.branch(branch)?.snapshot;
                (snapshot.plan(Vec::new(), &*self.texts, self.context.limits), BTreeMap::new())
            }
        };
        let content = Content::Merge(Merged { pushed: None, taken, files });
        Ok(Some(Decided { branch: branch.clone(), content, plan }))
    }

    /// Who had a part in what a branch had at these paths: who wrote it, or took it away, and who had proposed that.
    fn writers(&self, branch: &str, overruled: &[Conflict]) -> BTreeSet<String> {
        let (mut writers, mut commits) = (BTreeSet::new(), BTreeSet::new());
        for conflict in overruled {
            // What the batch makes of it is not in history yet.
            let versions = self.context.history.versions(branch, &conflict.path, None, 1);
            for version in versions.unwrap_or_default() {
                writers.insert(version.account.to_string());
                commits.insert(version.revision);
            }
        }
        for commit in commits {
            let Ok(commit) = self.texts.reader().commit(commit) else { continue };
            let proposed = commit.message.lines().filter_map(|line| line.strip_prefix("Proposed-By: "));
            writers.extend(proposed.map(str::to_owned));
        }
        writers
    }

    /// What giving entries of a branch these values comes to.
    pub(super) fn decide_entries(
        &mut self,
        branch: &Arc<str>,
        entries: &[PromotedEntry],
    ) -> Result<Option<Decided>, ServiceError> {
        let snapshot = self.branch(branch)?.snapshot.clone();
        let mut stage = Stage::new(&snapshot, &*self.texts, self.context.limits);
        stage.promote(entries)?;
        stage.check_faults()?;
        self.decide_branch(branch.clone(), stage.into_files(), false)
    }
}

/// The first of some paths, and how many more there are.
fn listed(overruled: &Overruled) -> String {
    let paths = overruled.paths();
    let first: Vec<&str> = paths.iter().take(3).map(Path::as_str).collect();
    match paths.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
