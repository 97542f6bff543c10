use super::preview::environment;
use super::promotion::side_of;
use super::{finding_item, problem_item};
use crate::merge::Conflict;
use crate::proposal::{Event, Proposal, Requirement, State};
use crate::service::{ProposalConflict, ProposalView, Written};
use crate::wire;

/// How many paths of one requirement are told.
const MOST_PATHS: usize = 100;

/// Where a proposal is.
pub fn proposal_url(number: u64) -> String {
    format!("/api/proposals/{number}")
}

/// The proposal that was made of a write, where one was.
pub fn proposed(written: &Written) -> Option<wire::WrittenProposal> {
    let proposal = written.proposal?;
    Some(wire::WrittenProposal { proposal, url: proposal_url(proposal), sequence: written.sequence.0 })
}

/// A proposal.
pub fn proposal(proposal: &Proposal) -> wire::Proposal {
    let head = |head: &crate::proposal::Head| wire::ProposalHead {
        env: head.environment.clone(),
        branch: head.branch.clone(),
        base: head.base.map(|base| base.to_string()),
        revision: head.commit.to_string(),
    };
    wire::Proposal {
        number: proposal.number,
        title: proposal.title.clone(),
        description: proposal.description.clone(),
        state: proposal.state.name().to_owned(),
        version: proposal.version,
        author: proposal.author.account.clone(),
        contributors: proposal.contributors.clone(),
        opened_at: proposal.opened_at.to_string(),
        updated_at: proposal.updated_at.to_string(),
        heads: proposal.heads.iter().map(head).collect(),
        approved_by: proposal.approvals.iter().map(|approval| approval.by.account.clone()).collect(),
        due: proposal.schedule.as_ref().map(|schedule| schedule.at.to_string()),
        sequence: match &proposal.state {
            State::Merged { sequence, .. } => Some(sequence.0),
            _ => None,
        },
    }
}

/// A proposal with all that is known of it.
pub fn proposal_details(view: &ProposalView) -> wire::ProposalDetails {
    let mut details = wire::ProposalDetails {
        proposal: proposal(&view.proposal),
        can_merge: false,
        requirements: Vec::new(),
        conflicts: Vec::new(),
        more_conflicts: 0,
        problems: Vec::new(),
        environments: Vec::new(),
        events: view.events.iter().map(event).collect(),
    };
    let Some(outcome) = &view.outcome else { return details };
    details.can_merge = outcome.can_merge;
    details.requirements = outcome.requirements.iter().map(requirement).collect();
    details.conflicts = outcome.conflicts.iter().map(conflict).collect();
    details.more_conflicts = outcome.more_conflicts as u64;
    details.environments = outcome.environments.iter().map(environment).collect();
    let refused = outcome.forbidden.iter().map(|refused| wire::ProblemItem {
        env: refused.environment.as_ref().map(ToString::to_string),
        rule: Some("access".to_owned()),
        message: refused.to_string(),
        ..Default::default()
    });
    let faults = outcome.faults.iter().map(problem_item);
    details.problems = refused.chain(faults).chain(outcome.findings.iter().map(finding_item)).collect();
    details
}

fn conflict(told: &ProposalConflict) -> wire::ProposalConflict {
    let Conflict { path, base, ours, theirs, .. } = &told.conflict;
    wire::ProposalConflict {
        env: told.environment.clone(),
        path: path.to_string(),
        id: told.id.clone(),
        base: side_of(base),
        ours: side_of(&ours.says),
        theirs: side_of(theirs),
    }
}

fn requirement(requirement: &Requirement) -> wire::ProposalRequirement {
    wire::ProposalRequirement {
        rule: requirement.rule,
        env: requirement.environment.to_string(),
        count: requirement.count,
        teams: requirement.teams.iter().map(ToString::to_string).collect(),
        paths: requirement.paths.iter().take(MOST_PATHS).map(ToString::to_string).collect(),
        approved_by: requirement.approved_by.iter().cloned().collect(),
        met: requirement.is_met,
    }
}

fn event(event: &Event) -> wire::ProposalEvent {
    wire::ProposalEvent {
        event: event.event.name().to_owned(),
        account: event.account.clone(),
        at: event.at.to_string(),
        version: event.version,
        text: event.text.clone(),
    }
}
