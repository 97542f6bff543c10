use super::{Batch, Decided};
use crate::auth::{Action, Refused, WriteGrant};
use crate::proposal::Need;
use crate::service::ServiceError;
use crate::service::committer::checks::TriedEnvironment;
use crate::service::committer::request::{Edit, EditOp};
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
    /// What others have to agree to first.
    pub needs: Vec<Need>,
}

impl Batch<'_> {
    /// What edits would come to. Nothing is made, and nothing is left changed.
    pub fn try_out(&mut self, grant: &WriteGrant, edits: &[Edit]) -> Result<Trial, ServiceError> {
        // Who may not write may still see what would become of what they may read, as long as nothing else comes in.
        let is_plain = edits.iter().all(|edit| reads_all(grant, edit));
        let refused = |refused: Box<Refused>| Trial {
            environments: Vec::new(),
            findings: Vec::new(),
            changed: false,
            forbidden: Some(refused),
            needs: Vec::new(),
        };
        let forbidden = match self.permit_asked(grant, edits) {
            Err(ServiceError::Forbidden(why)) if is_plain => Some(why),
            Err(ServiceError::Forbidden(why)) => return Ok(refused(why)),
            permitted => permitted.map(|()| None)?,
        };
        let (decided, _) = self.decide(grant, edits)?;
        let (forbidden, needs) = match self.permit(grant, &decided) {
            Err(ServiceError::Forbidden(why)) if is_plain => (forbidden.or(Some(why)), Vec::new()),
            Err(ServiceError::Forbidden(why)) => return Ok(refused(why)),
            permitted => (forbidden, permitted?),
        };
        let findings = self.findings(&decided, grant);
        let environments = self.tried(&decided);
        Ok(Trial { environments, findings, changed: !decided.is_empty(), forbidden, needs })
    }

    /// Every environment that would show what was decided.
    pub(super) fn tried(&mut self, decided: &[Decided]) -> Vec<TriedEnvironment> {
        let branches = &*self.branches;
        let present =
            |branch: &str| branches.get(branch).map(|working| working.snapshot.clone()).unwrap_or_default();
        self.checks.tried(&Batch::planned(self.context.environments, decided, &present))
    }
}

/// Whether an edit is about nothing but what may be read, and brings in nothing that is made of something else.
fn reads_all(grant: &WriteGrant, edit: &Edit) -> bool {
    let Edit { environment, path, op, .. } = edit;
    let is_plain = match op {
        EditOp::Put { value, .. } => {
            let json = value.to_json();
            !json.contains("${") && !json.contains("\"$") && !path.as_str().contains("/$")
        }
        EditOp::Delete | EditOp::Hide => true,
        _ => false,
    };
    is_plain
        && !path.as_str().starts_with("/.confgit")
        && grant.rights().may_whole(Action::Read, environment, path)
}
