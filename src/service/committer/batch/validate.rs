use std::sync::Arc;

use bytes::Bytes;

use super::permit::told_to;
use super::{Batch, Content, Decided};
use crate::auth::WriteGrant;
use crate::model::Environments;
use crate::service::ServiceError;
use crate::service::committer::checks::Planned;
use crate::snapshot::{Blobs as _, Snapshot};
use crate::validation::{self, Finding};

impl Batch<'_> {
    /// Refuses a write after which an environment would show something wrong that is not wrong yet. What the write does
    /// to each environment that inherits from the one it names counts as well.
    pub(super) fn validate(&mut self, decided: &[Decided], grant: &WriteGrant) -> Result<(), ServiceError> {
        let findings = self.look_through(decided, grant, true);
        if findings.is_empty() { Ok(()) } else { Err(ServiceError::Findings(findings)) }
    }

    /// The same of what is not to be made now.
    pub(super) fn findings(&mut self, decided: &[Decided], grant: &WriteGrant) -> Vec<Finding> {
        self.look_through(decided, grant, false)
    }

    fn look_through(&mut self, decided: &[Decided], grant: &WriteGrant, is_made: bool) -> Vec<Finding> {
        if decided.is_empty() {
            return Vec::new();
        }
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        let planned = Batch::planned(self.context.environments, decided, &present);
        let mut findings = self.checks.new_findings(&planned, self.context.limits, is_made);
        if findings.is_empty() {
            return findings;
        }
        let content = |layer: &str, file: &str| self.content_of(layer, file, decided);
        validation::place(&mut findings, &content, self.context.limits);
        told_to(grant, findings)
    }

    pub(super) fn planned<'p>(
        environments: &'p Environments,
        decided: &'p [Decided],
        present: &'p dyn Fn(&str) -> Arc<Snapshot>,
    ) -> Planned<'p> {
        let plans = decided.iter().map(|decided| (decided.branch.clone(), &decided.plan)).collect();
        Planned { environments, plans, present }
    }

    /// What a file holds as the write would leave it.
    fn content_of(&self, layer: &str, file: &str, decided: &[Decided]) -> Option<Bytes> {
        let branch: &Arc<str> = &self.context.environments.get(layer)?.branch;
        let written = decided.iter().find(|decided| decided.branch == *branch);
        let (draft, blob) = match written.map(|decided| &decided.content) {
            Some(Content::Files(files)) => (files.get(file), None),
            Some(Content::Commit(pushed) | Content::Chain(Some(pushed))) => {
                (None, pushed.files.get(file).copied())
            }
            Some(Content::Merge(merged)) => {
                let taken = merged.taken.get(file).map(|held| held.map(|(_, blob)| blob));
                (merged.files.get(file), taken)
            }
            Some(Content::Tree(_) | Content::Chain(None)) | None => (None, None),
        };
        if let Some(draft) = draft {
            return draft.bytes.clone();
        }
        if let Some(blob) = blob {
            return self.texts.content(blob?);
        }
        self.texts.content(self.branches.get(branch)?.snapshot.file(file)?)
    }
}
