use super::Batch;
use crate::service::ServiceError;
use crate::service::committer::Trial;
use crate::service::committer::request::Edit;

impl Batch<'_> {
    /// What edits would come to. Nothing is made, and nothing is left changed.
    pub fn try_out(&mut self, edits: &[Edit]) -> Result<Trial, ServiceError> {
        let (decided, _) = self.decide(edits)?;
        let findings = match self.validate(&decided) {
            Ok(()) => Vec::new(),
            Err(ServiceError::Findings(findings)) => findings,
            Err(other) => return Err(other),
        };
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        let environments = self.checks.tried(&Batch::planned(self.context.environments, &decided, &present));
        Ok(Trial { environments, findings, changed: !decided.is_empty() })
    }
}
