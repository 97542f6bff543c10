//! Proposals: changes that wait for others to agree. They are kept in Git (`log`), those that wait in memory, too (`board`),
//! and merged by the committer.

mod board;
mod log;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

pub(super) use self::board::{ProposalBoard, steps};
pub(super) use self::log::{Held, LogError, append};
use super::committer::{NewProposal, ProposalWork, QueueWatch, Resolving, Write, try_heads};
use super::core::Core;
use super::page::PageRoom;
use super::preview::previewed_all;
use super::project::Project;
use super::promote::id_of;
use super::{PreviewedEnvironment, Reading, ServiceError};
use crate::auth::{Action, Principal, ReadGrant, Refused, WriteGrant};
use crate::git::RefState;
use crate::merge::Conflict;
use crate::model::{Diagnostic, Path, Timestamp};
use crate::proposal::{
    Act, ActError, Approval, Event, Head, Need, Person, Proposal, Requirement, State, requirements,
};
use crate::validation::Finding;

/// How often it is looked whether a merge is due.
const LOOK: Duration = Duration::from_millis(500);

/// How many conflicts are told.
const MOST_CONFLICTS: usize = 1_000;

/// How many proposals one page lists at most.
pub const MOST_PROPOSALS: usize = 100;

/// What a proposal would come to, as somebody may see it.
#[derive(Debug)]
pub struct ProposalView {
    /// The proposal.
    pub proposal: Arc<Proposal>,
    /// What happened to it, in order.
    pub events: Vec<Event>,
    /// What it would come to if it were merged now; none where it waits no more.
    pub outcome: Option<ProposalOutcome>,
}

/// What merging a proposal would come to now.
#[derive(Debug)]
pub struct ProposalOutcome {
    /// Every environment that would show something else.
    pub environments: Vec<PreviewedEnvironment>,
    /// What would be wrong then and is not yet.
    pub findings: Vec<Finding>,
    /// What both it and its environments changed since it was made, by environment. The environment is ours, the proposal
    /// theirs.
    pub conflicts: Vec<ProposalConflict>,
    /// How many more there are.
    pub more_conflicts: usize,
    /// What else is in the way.
    pub faults: Vec<Diagnostic>,
    /// What others have to agree to, and who did.
    pub requirements: Vec<Requirement>,
    /// Why whoever asks may not merge it, where that is so.
    pub forbidden: Option<Box<Refused>>,
    /// Whether whoever asks could merge it now.
    pub can_merge: bool,
}

/// An entry that a proposal and its environment changed, each in its way.
#[derive(Debug)]
pub struct ProposalConflict {
    /// The environment.
    pub environment: String,
    /// What it was, and what both sides have.
    pub conflict: Conflict,
    /// Tells this conflict from another one at the same path.
    pub id: String,
}

/// Which proposals are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProposalFilter<'a> {
    /// `open`, `merged` or `closed`; all where none is said.
    pub state: Option<&'a str>,
    /// Those that change an environment.
    pub environment: Option<&'a str>,
    /// Those that an account opened, or whose changes they hold.
    pub author: Option<&'a str>,
    /// Those with smaller numbers.
    pub before: Option<u64>,
    /// So many.
    pub limit: usize,
}

impl From<LogError> for ServiceError {
    fn from(error: LogError) -> Self {
        ServiceError::Io(std::io::Error::other(error.to_string()))
    }
}

/// Who holds a grant.
pub(super) fn person_of(grant: &WriteGrant) -> Person {
    let teams = grant.rights().teams().iter().map(ToString::to_string).collect();
    Person { account: grant.account().to_string(), teams }
}

/// That what others have to agree to before a proposal is merged was agreed to.
pub(super) fn check_needs(core: &Core, proposal: &Proposal, needs: &[Need]) -> Result<(), ServiceError> {
    let mut missing = core.requirements(proposal, needs);
    missing.retain(|requirement| !requirement.is_met);
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ServiceError::NotApproved { number: proposal.number, missing }),
    }
}

impl Core {
    /// A proposal, whatever became of it.
    pub(super) fn find_proposal(&self, number: u64) -> Result<Held, ServiceError> {
        if let Some(held) = self.proposals.find(number) {
            return Ok(held);
        }
        match self.repository.find_ref(&log::log_ref(number))? {
            RefState::At(tip) => Ok(log::read(&self.repository.reader(), number, tip)?),
            RefState::Absent | RefState::Torn => Err(ServiceError::NoProposal { number }),
        }
    }

    /// Somebody as they may act now; none where they may not any more.
    pub(super) fn person(&self, person: &Person) -> Option<Arc<Principal>> {
        let access = self.identities().access();
        match access.account(&person.account) {
            Some(account) if account.is_disabled => None,
            Some(_) => access.principal(&person.account).cloned(),
            // Those whom a token gives their teams are named after its issuer.
            None if person.account.contains(':') => {
                let teams = person.teams.iter().map(|team| team.as_str().into()).collect();
                Some(Arc::new(access.principal_of_teams(person.account.as_str().into(), teams)))
            }
            None => None,
        }
    }

    fn requirements(&self, proposal: &Proposal, needs: &[Need]) -> Vec<Requirement> {
        let counts = |approval: &Approval, need: &Need| {
            let Some(principal) = self.person(&approval.by) else { return false };
            let is_of_team =
                need.teams.is_empty() || principal.teams().iter().any(|team| need.teams.contains(team));
            let rights = principal.rights();
            let may = match need.is_whole {
                true => rights.may_whole(Action::Approve, &need.environment, &need.path),
                false => rights.decide(Action::Approve, Some(&need.environment), &need.path).is_allowed,
            };
            is_of_team && may && !proposal.contributors.contains(&approval.by.account)
        };
        requirements(needs, &proposal.approvals, &counts)
    }

    /// The proposals that somebody may see, the newest first, and whether there are more. Blocks.
    pub fn proposals(
        &self,
        grant: &ReadGrant,
        filter: &ProposalFilter<'_>,
    ) -> Result<(Vec<Arc<Proposal>>, bool), ServiceError> {
        let mut found = Vec::new();
        let is_meant = |proposal: &Proposal| {
            filter.state.is_none_or(|state| proposal.state.name() == state)
                && filter.author.is_none_or(|author| {
                    proposal.author.account == author
                        || proposal.contributors.iter().any(|other| other == author)
                })
                && filter
                    .environment
                    .is_none_or(|name| proposal.heads.iter().any(|head| head.environment == name))
                && is_shown(grant, proposal)
        };
        let first = filter.before.unwrap_or(u64::MAX).min(self.proposals.last() + 1);
        if filter.state == Some("open") {
            let open = self.proposals.open().into_iter().rev().filter(|proposal| proposal.number < first);
            found.extend(open.filter(|proposal| is_meant(proposal)).take(filter.limit + 1));
        } else {
            for number in (1..first).rev() {
                match self.find_proposal(number) {
                    Ok(held) if is_meant(&held.proposal) => found.push(held.proposal),
                    Ok(_) | Err(ServiceError::NoProposal { .. }) => {}
                    Err(error) => tracing::warn!(proposal = number, %error, "a proposal cannot be read"),
                }
                if found.len() > filter.limit {
                    break;
                }
            }
        }
        let has_more = found.len() > filter.limit;
        found.truncate(filter.limit);
        Ok((found, has_more))
    }

    /// A proposal as somebody may see it, with what merging it would come to. Blocks.
    pub fn proposal(&self, reading: &Reading, number: u64) -> Result<ProposalView, ServiceError> {
        let held = self.find_proposal(number)?;
        demand_shown(reading.grant(), &held.proposal)?;
        let reader = self.repository.reader();
        let events = log::events(&reader, &held)?;
        let proposal = held.proposal;
        let outcome = match proposal.state {
            State::Open => Some(self.outcome(reading, &proposal)?),
            _ => None,
        };
        Ok(ProposalView { proposal, events, outcome })
    }

    fn outcome(&self, reading: &Reading, proposal: &Proposal) -> Result<ProposalOutcome, ServiceError> {
        self.require_history()?;
        let author = self.person(&proposal.author);
        let author = author.as_deref().map(Principal::rights);
        let grant = reading.grant();
        let trial = try_heads(self, reading.state(), (&grant.as_writer(), author), &proposal.heads)?;
        let is_without_conflicts = trial.conflicts.iter().all(|(_, found)| found.is_empty());
        let (mut conflicts, mut more_conflicts, mut room) = (Vec::new(), 0, PageRoom::default());
        for (Head { environment, .. }, found) in trial.conflicts {
            // What the proposal holds as its branch does by now is not among its paths.
            for conflict in found.into_iter().filter(|conflict| grant.sees(&environment, &conflict.path)) {
                if more_conflicts > 0 || conflicts.len() == MOST_CONFLICTS || !room.takes(bytes_of(&conflict))
                {
                    more_conflicts += 1;
                    continue;
                }
                let environment = environment.clone();
                conflicts.push(ProposalConflict { environment, id: id_of(&conflict), conflict });
            }
        }
        let own = self.requirements(proposal, &trial.own_needs);
        let can_merge = is_without_conflicts
            && trial.faults.is_empty()
            && trial.findings.is_empty()
            && trial.forbidden.is_none()
            && own.iter().all(|requirement| requirement.is_met);
        Ok(ProposalOutcome {
            environments: previewed_all(grant, &trial.environments, &self.limits()),
            findings: trial.findings,
            conflicts,
            more_conflicts,
            faults: trial.faults,
            requirements: self.requirements(proposal, &trial.needs),
            forbidden: trial.forbidden,
            can_merge,
        })
    }
}

/// How much the values of a conflict are, in bytes.
fn bytes_of(conflict: &Conflict) -> usize {
    let sides = [&conflict.base, &conflict.ours.says, &conflict.theirs];
    sides.iter().filter_map(|says| says.entry()).map(|entry| entry.json().len()).sum()
}

/// What somebody wants of a proposal.
#[derive(Debug)]
pub enum Wish {
    /// To say something, or to agree, and so on.
    Act {
        /// What.
        act: Act,
        /// What is said with it.
        text: Option<String>,
    },
    /// To change what it holds.
    Edit(Write),
    /// To merge what came meanwhile into it.
    Resolve {
        /// Where both changed the same.
        resolving: Resolving,
        /// What is said with it.
        text: Option<String>,
    },
    /// To merge it.
    Merge {
        /// The id of the request, for the commit.
        request_id: Option<String>,
    },
}

impl Project {
    /// Opens a proposal, and waits until it is durable. Blocks.
    pub fn open_proposal(&self, new: NewProposal) -> Result<Arc<Proposal>, ServiceError> {
        if new.due.is_some() {
            self.demand_known(&person_of(&new.write.grant))?;
        }
        self.propose_work(ProposalWork::Open(new))
    }

    /// Does something to a proposal that whoever asks may see, and waits until it is durable. Blocks.
    pub fn change_proposal(
        &self,
        read: &ReadGrant,
        (number, version): (u64, Option<u32>),
        wish: Wish,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let core = self.core();
        let proposal = core.find_proposal(number)?.proposal;
        demand_shown(read, &proposal)?;
        let write = &read.as_writer();
        let by = person_of(write);
        let work = match wish {
            Wish::Act { act, text } => {
                match act {
                    Act::Approve => demand_approving(write)?,
                    Act::Schedule(_) => {
                        demand_changing(write, &proposal)?;
                        self.demand_known(&by)?;
                    }
                    Act::Unschedule | Act::Close if proposal.author.account != by.account => {
                        demand_changing(write, &proposal)?;
                    }
                    _ => {}
                }
                ProposalWork::Act { by, number, version, act, text }
            }
            Wish::Edit(write) => ProposalWork::Edit { number, version, write },
            Wish::Resolve { resolving, text } => {
                ProposalWork::Resolve { grant: write.clone(), number, version, resolving, text }
            }
            Wish::Merge { request_id } => {
                ProposalWork::Merge { grant: write.clone(), number, version, request_id }
            }
        };
        self.propose_work(work)
    }

    /// That somebody is known when nobody asks: a merge that is due is made with their rights then.
    fn demand_known(&self, by: &Person) -> Result<(), ServiceError> {
        match self.core().person(by) {
            Some(_) => Ok(()),
            None => Err(ServiceError::Proposal(ActError::Unknown { account: by.account.clone() })),
        }
    }
}

/// Whether all that a proposal changes may be read by somebody: so may its title, and what is said of it.
fn is_shown(grant: &ReadGrant, proposal: &Proposal) -> bool {
    demand_shown(grant, proposal).is_ok()
}

fn demand_shown(grant: &ReadGrant, proposal: &Proposal) -> Result<(), Refused> {
    for head in &proposal.heads {
        if head.more && !grant.may_whole(&head.environment, &Path::root()) {
            return Err(grant.refusal(&head.environment, &Path::root()));
        }
        for path in &head.paths {
            if !grant.sees(&head.environment, path) {
                let because = format!("proposal {} changes it", proposal.number);
                return Err(grant.refusal(&head.environment, path).because(because));
            }
        }
    }
    Ok(())
}

/// That somebody may agree to anything at all: what it counts for is asked when the proposal is merged.
fn demand_approving(grant: &WriteGrant) -> Result<(), ServiceError> {
    match grant.rights().may_somewhere(Action::Approve) {
        true => Ok(()),
        false => Err(Refused::anything(grant.account(), Action::Approve).into()),
    }
}

/// That somebody may write something of each environment that a proposal changes.
fn demand_changing(grant: &WriteGrant, proposal: &Proposal) -> Result<(), ServiceError> {
    for head in &proposal.heads {
        grant.demand_some(Action::Write, &head.environment, &Path::root())?;
    }
    Ok(())
}

/// Merges what is due, for as long as the project is open.
pub(super) fn run(core: &Core, committer: &QueueWatch, stop: &Receiver<()>) {
    while stop.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if core.writable().is_err() {
            continue;
        }
        for proposal in core.proposals.due(Timestamp::from(SystemTime::now())) {
            merge_due(core, committer, &proposal);
        }
    }
}

fn merge_due(core: &Core, committer: &QueueWatch, proposal: &Proposal) {
    let Some(schedule) = &proposal.schedule else { return };
    let (number, version) = (proposal.number, Some(proposal.version));
    let merged = match core.person(&schedule.by) {
        Some(principal) => committer.propose(ProposalWork::Merge {
            grant: principal.as_writer(),
            number,
            version,
            request_id: None,
        }),
        None => Err(ServiceError::Proposal(ActError::Unknown { account: schedule.by.account.clone() })),
    };
    let reason = match merged {
        Ok(_) => return tracing::info!(proposal = number, "a proposal was merged at its time"),
        // It is tried again.
        Err(ServiceError::Busy | ServiceError::WritesUnavailable { .. } | ServiceError::NotReady { .. }) => {
            return;
        }
        Err(error) => error.to_string(),
    };
    tracing::warn!(proposal = number, %reason, "a proposal could not be merged at its time");
    let work = ProposalWork::Act {
        by: schedule.by.clone(),
        number,
        version,
        act: Act::Unschedule,
        text: Some(format!("it could not be merged: {reason}")),
    };
    if let Err(error) = committer.propose(work) {
        tracing::warn!(proposal = number, %error, "this could not be noted");
    }
}
