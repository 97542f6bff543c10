use crate::model::Diagnostic;
use crate::service::{
    BranchStatus, Health, PullStatus, PullsStatus, Status, UpstreamState, UpstreamStatus, WriteState,
};
use crate::validation::Finding;
use crate::wire;

/// How a project of this name is, as `/api/status` tells it.
pub fn status(status: &Status, project: &str) -> wire::Status {
    let (writable, reason) = match &status.health.writes {
        WriteState::Possible if status.health.history_ready => (true, None),
        WriteState::Possible => (false, Some("the history index is being rebuilt".to_owned())),
        WriteState::Failing(reason) | WriteState::Broken(reason) => (false, Some(reason.clone())),
    };
    wire::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        project: project.to_owned(),
        sequence: status.sequence.0,
        oldest_sequence: status.oldest_sequence.0,
        checked_sequence: status.checked_sequence.map(|sequence| sequence.0),
        writable,
        reason,
        parts: wire::Parts::from(&status.health),
        refused_settings: status.refused_settings.iter().map(problem_item).collect(),
        audit: status.audit.as_ref().map(|audit| wire::AuditStatus {
            record: audit.head.number,
            writable: audit.failure.is_none(),
            problem: audit.failure.clone().or_else(|| audit.damage.clone()),
            lost: audit.lost,
        }),
        upstream: status.upstream.as_ref().map(upstream),
        environments: status.branches.iter().map(environment).collect(),
    }
}

fn upstream(status: &UpstreamStatus) -> wire::UpstreamStatus {
    let branches = status.branches.iter().map(|branch| wire::UpstreamBranch {
        branch: branch.branch.to_string(),
        revision: branch.head.map(|head| head.to_string()),
        state: branch.state.name().to_owned(),
        reasons: match &branch.state {
            UpstreamState::Refused(reasons) => reasons.clone(),
            _ => Vec::new(),
        },
        ahead: branch.ahead,
        behind: branch.behind,
    });
    let overruled = status.overruled.iter();
    wire::UpstreamStatus {
        url: status.url.clone(),
        last_contact: status.last_contact.map(|time| time.to_string()),
        last_error: status.last_error.as_ref().map(|(_, reason)| reason.clone()),
        last_error_at: status.last_error.as_ref().map(|(time, _)| time.to_string()),
        branches: branches.collect(),
        overruled: overruled
            .map(|(sequence, kept, path)| wire::OverruledEntry {
                sequence: sequence.0,
                path: path.to_string(),
                proposal: *kept,
            })
            .collect(),
        pull_requests: status.pulls.as_ref().map(pulls),
    }
}

fn pulls(status: &PullsStatus) -> wire::PullRequestsStatus {
    wire::PullRequestsStatus {
        last_contact: status.last_contact.map(|time| time.to_string()),
        last_error: status.last_error.as_ref().map(|(_, reason)| reason.clone()),
        last_error_at: status.last_error.as_ref().map(|(time, _)| time.to_string()),
        open: status.open.iter().map(pull).collect(),
    }
}

fn pull(pull: &PullStatus) -> wire::PullRequestStatus {
    let told = pull.told.as_ref();
    wire::PullRequestStatus {
        number: pull.number,
        branch: pull.branch.clone(),
        state: match told {
            None => "unchecked",
            Some((_, verdict)) if verdict.is_good => "success",
            Some(_) => "failure",
        }
        .to_owned(),
        revision: told.map(|(commit, _)| commit.to_string()),
        description: told.map(|(_, verdict)| verdict.description.clone()),
        problem: pull.problem.clone(),
    }
}

impl From<&Health> for wire::Parts {
    fn from(health: &Health) -> Self {
        wire::Parts {
            index: "ready".to_owned(),
            history: if health.history_ready { "ready" } else { "rebuilding" }.to_owned(),
            history_covered: health.history_covered.0,
            waiting_writes: health.waiting_writes,
        }
    }
}

fn environment(branch: &BranchStatus) -> wire::EnvironmentStatus {
    let of_files = branch.problems.iter().map(problem_item);
    wire::EnvironmentStatus {
        name: branch.environment.to_string(),
        branch: branch.branch.to_string(),
        inherits: branch.inherits.as_ref().map(ToString::to_string),
        revision: branch.head.map(|head| head.to_string()),
        entries: branch.entries,
        files: branch.files,
        degraded: !branch.problems.is_empty(),
        problems: of_files.chain(branch.findings.iter().map(finding_item)).collect(),
    }
}

/// The same of what an environment shows.
pub fn finding_item(finding: &Finding) -> wire::ProblemItem {
    let env = Some(finding.environment.to_string());
    wire::ProblemItem { env, ..problem_item(&finding.diagnostic) }
}

/// A diagnostic as answers show it.
pub fn problem_item(diagnostic: &Diagnostic) -> wire::ProblemItem {
    wire::ProblemItem {
        path: diagnostic.path.as_ref().map(ToString::to_string),
        env: None,
        file: diagnostic.file.clone(),
        line: diagnostic.position.map(|position| position.line),
        column: diagnostic.position.map(|position| position.column),
        rule: Some(diagnostic.rule.name().to_owned()),
        message: diagnostic.message.clone(),
    }
}
