use super::Batch;
use crate::auth::{Action, Refused, WriteGrant};
use crate::resolve::Seen;
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
    /// Why whoever asks may not do it, where that is so.
    pub forbidden: Option<Box<Refused>>,
}

impl Batch<'_> {
    /// What edits would come to. Nothing is made, and nothing is left changed.
    pub fn try_out(&mut self, grant: &WriteGrant, edits: &[Edit]) -> Result<Trial, ServiceError> {
        let forbidden = match self.permit_asked(grant, edits) {
            // Who may read what is there may see what would become of it.
            Err(ServiceError::Forbidden(refused)) if edits.iter().all(|edit| reads(grant, edit)) => {
                Some(refused)
            }
            permitted => permitted.map(|()| None)?,
        };
        let (decided, _) = self.decide(edits)?;
        let forbidden = match self.permit(grant, &decided) {
            Err(ServiceError::Forbidden(refused)) => forbidden.or(Some(refused)),
            permitted => permitted.map(|()| forbidden)?,
        };
        let findings = match self.validate(&decided, grant) {
            Ok(()) => Vec::new(),
            Err(ServiceError::Findings(findings)) => findings,
            Err(other) => return Err(other),
        };
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        let environments = self.checks.tried(&Batch::planned(self.context.environments, &decided, &present));
        Ok(Trial { environments, findings, changed: !decided.is_empty(), forbidden })
    }
}

fn reads(grant: &WriteGrant, edit: &Edit) -> bool {
    grant.rights().extent(Action::Read, &edit.environment, &edit.path, true) != Seen::Nothing
}
