//! What a branch had and somebody else's commits took the place of is kept as commits that bring it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merge::{Overruled, OverruledFile};
use super::{Batch, Content, Decided, Failure, Files, Held, Merged};
use crate::git::EntryKind;
use crate::merge::Conflict;
use crate::model::Path;
use crate::proposal::Head;
use crate::service::ServiceError;
use crate::service::committer::request::PromotedEntry;
use crate::service::committer::stage::Stage;
use crate::service::promote::promoted_entry;
use crate::snapshot::is_configuration;

/// How many groups of entries are tried by themselves where all cannot be brought back together: all writers wait for it.
const MOST_TRIED: usize = 50;

/// Commits that bring back what a branch had.
pub(in crate::service::committer) struct Kept {
    /// They, on top of where the branch is now.
    pub heads: Vec<Head>,
    /// Who had written what they bring back, as far as it is known.
    pub writers: Vec<String>,
}

impl Batch<'_> {
    /// Makes commits that bring back what a branch said at these paths, as far as there is a way to write it into the files as they
    /// are by now. Whether that is valid is asked when they are merged.
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
            Ok(decided) => decided,
            Err(error) => {
                tracing::warn!(%branch, %error, "not all that was overruled can be proposed; it is in history");
                let possible: Vec<_> = together(entries)
                    .into_iter()
                    .take(MOST_TRIED)
                    .filter(|group| self.decide_entries(branch, group).is_ok())
                    .flatten()
                    .collect();
                self.decide_entries(branch, &possible).unwrap_or_default()
            }
        };
        let decided = self.with_files(branch, decided, files)?.ok_or(ServiceError::NothingToPropose)?;
        let message = format!("Bring back what was here at {}", listed(overruled));
        let heads = self.commit_heads(vec![decided], &message, account)?;
        Ok(Kept { heads, writers: writers.into_iter().collect() })
    }

    /// The files without entries that can be put where they were.
    fn files_to_keep(&mut self, branch: &Arc<str>, files: &[OverruledFile]) -> Files {
        let Some(working) = self.branches.get_mut(branch) else { return Files::new() };
        let is_plain = |held: &Held| {
            held.is_none_or(|(kind, _)| matches!(kind, EntryKind::File | EntryKind::Executable))
        };
        let (mut kept, mut new) = (Files::new(), Vec::new());
        for OverruledFile { file, was, .. } in files {
            let now = working.tree.get(self.texts.reader(), file);
            if let Ok(now) = now
                && is_plain(was)
                && is_plain(&now)
                && now != *was
                && !is_configuration(file)
            {
                kept.insert(file.clone(), *was);
                new.extend(now.is_none().then(|| file.clone()));
            }
        }
        for file in new {
            let goes = |other: &str| matches!(kept.get(other), Some(None));
            if self.check_room(branch, &file, Some(&goes)).is_err() {
                kept.remove(&file);
            }
        }
        // One that goes for others that cannot come stays.
        let left: Vec<&Arc<str>> =
            files.iter().map(|overruled| &overruled.file).filter(|file| !kept.contains_key(*file)).collect();
        let is_for_nothing = |file: &str| {
            left.iter().any(|other| other.strip_prefix(file).is_some_and(|rest| rest.starts_with('/')))
        };
        kept.retain(|file, was| was.is_some() || !is_for_nothing(file));
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

/// Entries with those above and below them, which come and go together.
fn together(entries: Vec<PromotedEntry>) -> Vec<Vec<PromotedEntry>> {
    let paths: BTreeSet<Path> = entries.iter().map(|entry| entry.path.clone()).collect();
    let mut groups: BTreeMap<Path, Vec<PromotedEntry>> = BTreeMap::new();
    for entry in entries {
        let above = std::iter::successors(entry.path.parent(), Path::parent);
        let highest =
            above.filter(|above| paths.contains(above)).last().unwrap_or_else(|| entry.path.clone());
        groups.entry(highest).or_default().push(entry);
    }
    groups.into_values().collect()
}
