use super::Batch;
use crate::service::ServiceError;
use crate::service::committer::checks::TriedEnvironment;
use crate::service::committer::request::Edit;
use crate::validation::Finding;

/// What edits would come to.
pub(in crate::service) struct Trial {
    /// Every environment that would show them.
    pub environments: Vec<TriedEnvironment>,
    /// What would be wrong then and is not yet: with any of it a write is refused.
    pub findings: Vec<Finding>,
    /// Whether anything would change at all.
    pub changed: bool,
}

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
