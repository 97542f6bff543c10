use super::{change, finding_item};
use crate::service::{Preview, PreviewedEnvironment};
use crate::wire;

/// What edits would come to.
pub fn preview(preview: &Preview) -> wire::Preview {
    wire::Preview {
        sequence: preview.sequence.0,
        changed: preview.changed,
        accepted: preview.findings.is_empty()
            && preview.forbidden.is_none()
            && preview.needs_approval.is_none(),
        environments: preview.environments.iter().map(environment).collect(),
        problems: preview
            .forbidden
            .iter()
            .map(|refused| wire::ProblemItem {
                env: refused.environment.as_ref().map(ToString::to_string),
                rule: Some("access".to_owned()),
                message: refused.to_string(),
                ..Default::default()
            })
            .chain(preview.needs_approval.iter().map(|why| wire::ProblemItem {
                rule: Some("approvals".to_owned()),
                message: why.clone(),
                ..Default::default()
            }))
            .chain(preview.findings.iter().map(finding_item))
            .collect(),
    }
}

pub(super) fn environment(environment: &PreviewedEnvironment) -> wire::PreviewedEnvironment {
    wire::PreviewedEnvironment {
        env: environment.environment.to_string(),
        entries: environment.entries,
        changes: environment.changes.iter().map(change).collect(),
        through: environment.through.iter().map(ToString::to_string).collect(),
        truncated: environment.is_cut,
    }
}
