use crate::service::{BranchStatus, Written};
use crate::wire;

/// The environments of a project, the default one named.
pub fn environments(default: &str, branches: &[BranchStatus]) -> wire::Environments {
    wire::Environments {
        default: default.to_owned(),
        environments: branches.iter().map(environment).collect(),
    }
}

fn environment(branch: &BranchStatus) -> wire::Environment {
    wire::Environment {
        name: branch.environment.to_string(),
        branch: branch.branch.to_string(),
        inherits: branch.inherits.as_ref().map(ToString::to_string),
        revision: branch.head.map(|head| head.to_string()),
        entries: branch.entries,
        problems: branch.problems.len() + branch.findings.len(),
    }
}

/// What became of a write of an environment as a whole.
pub fn written_environment(environment: &str, written: &Written) -> wire::WrittenEnvironment {
    let revision = written.revisions.get(environment).map(ToString::to_string).unwrap_or_default();
    let changed = written.edits.iter().flat_map(|edit| &edit.changed);
    wire::WrittenEnvironment {
        env: environment.to_owned(),
        revision,
        sequence: written.sequence.0,
        entries: changed.map(|changed| super::written::path_version(changed, None)).collect(),
        proposal: written.proposal,
    }
}
