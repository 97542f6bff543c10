//! What a branch had and somebody else's commits took the place of is kept as commits that bring it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::merge::promoted_entry;
use super::push::PushFailure;
use super::{Batch, Failure};
use crate::merge::Says;
use crate::model::Path;
use crate::proposal::Head;
use crate::service::ServiceError;
use crate::service::committer::stage::Stage;
use crate::snapshot::Snapshot;

/// Commits that bring back what a branch had.
pub(in crate::service::committer) struct Kept {
    /// They, on top of where the branch is now.
    pub heads: Vec<Head>,
    /// Who had written what they bring back, as far as it is known.
    pub writers: Vec<String>,
}

impl Batch<'_> {
    /// Makes commits that bring back what a branch said at these paths. Whether that is valid is asked when they are merged.
    /// None where there is no way to write it into the files as they are by now.
    pub(super) fn keep(
        &mut self,
        branch: &Arc<str>,
        ours: &Snapshot,
        (paths, account): (&[Path], &Arc<str>),
    ) -> Result<Option<Kept>, PushFailure> {
        match self.kept(branch, ours, (paths, account)) {
            Ok(kept) => Ok(Some(kept)),
            Err(Failure::Broken(error)) => Err(PushFailure::Broken(error)),
            Err(Failure::Refused(error)) => {
                tracing::warn!(%branch, %error, "what was overruled cannot be made a proposal; it is in history");
                Ok(None)
            }
        }
    }

    fn kept(
        &mut self,
        branch: &Arc<str>,
        ours: &Snapshot,
        (paths, account): (&[Path], &Arc<str>),
    ) -> Result<Kept, Failure> {
        let says: Vec<(&Path, Says)> = paths.iter().map(|path| (path, Says::of(ours, path))).collect();
        let written = says.iter().filter_map(|(_, says)| says.entry()?.stamp());
        let writers: BTreeSet<String> = written.map(|stamp| stamp.origin.account.to_string()).collect();
        let entries: Vec<_> = says.iter().map(|(path, says)| promoted_entry(path, says)).collect();
        let files = {
            let working = self.branch(branch)?;
            let snapshot = working.snapshot.clone();
            let mut stage = Stage::new(&snapshot, &*self.texts, self.context.limits);
            stage.promote(&entries)?;
            stage.check_faults()?;
            stage.into_files()
        };
        let decided = self.decide_branch(branch.clone(), files, false)?;
        let decided = decided.ok_or(ServiceError::NothingToPropose)?;
        let message = format!("Bring back what was here at {}", listed(paths));
        let heads = self.commit_heads(vec![decided], &message, account)?;
        Ok(Kept { heads, writers: writers.into_iter().collect() })
    }
}

/// The first of some paths, and how many more there are.
fn listed(paths: &[Path]) -> String {
    let first: Vec<&str> = paths.iter().take(3).map(Path::as_str).collect();
    match paths.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
