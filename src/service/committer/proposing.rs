//! The committer's part of proposals: it alone numbers them, writes their logs, and merges them.

use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use super::batch::{Batch, Context, Failure, Kept, Merger};
use super::publishing::Outcome;
use super::request::{Resolving, Write, Written};
use super::{MOST_ATTEMPTS, PAUSE};
use crate::auth::{Principal, WriteGrant};
use crate::git::{Pack, RefMove};
use crate::model::Timestamp;
use crate::proposal::{Act, Event, EventKind, Head, Person, Proposal, Schedule, State, title_of};
use crate::service::ServiceError;
use crate::service::proposals::{Held, append, check_needs, person_of, steps};

/// Who proposes to bring back what the upstream overruled.
const UPSTREAM: &str = "upstream";

/// What is asked of the committer about a proposal.
#[derive(Debug)]
pub(in crate::service) enum ProposalWork {
    /// A write that is to be looked at first.
    Open(NewProposal),
    /// Something that changes no commits.
    Act { by: Person, number: u64, version: Option<u32>, act: Act, text: Option<String> },
    /// Other edits, on top of what it holds.
    Edit { number: u64, version: Option<u32>, write: Write },
    /// What came meanwhile, merged into it.
    Resolve {
        grant: WriteGrant,
        number: u64,
        version: Option<u32>,
        resolving: Resolving,
        text: Option<String>,
    },
    /// To be merged.
    Merge { grant: WriteGrant, number: u64, version: Option<u32>, request_id: Option<String> },
}

/// A proposal that is wanted.
#[derive(Debug)]
pub struct NewProposal {
    /// What it changes, and who wants that.
    pub write: Write,
    /// What it is about; the message of the write, or what it does, where none is given.
    pub title: Option<String>,
    /// Why.
    pub description: String,
    /// When it is to be merged by itself.
    pub due: Option<Timestamp>,
}

impl Worker {
    /// Does what is asked about a proposal.
    pub(super) fn propose(
        &mut self,
        work: &ProposalWork,
        since: Instant,
    ) -> Result<Arc<Proposal>, ServiceError> {
        for _ in 0..MOST_ATTEMPTS {
            if let Some(broken) = &self.broken {
                return Err(ServiceError::WritesUnavailable { reason: broken.clone() });
            }
            if self.is_somewhere_else() {
                self.reset();
                self.take_in_outside_moves()?;
            }
            let done = match work {
                ProposalWork::Open(new) => self.open_proposal(new),
                ProposalWork::Act { by, number, version, act, text } => {
                    self.act((*number, *version), by, act.clone(), text.clone())
                }
                ProposalWork::Edit { number, version, write } => {
                    self.edit_proposal((*number, *version), write)
                }
                ProposalWork::Resolve { grant, number, version, resolving, text } => {
                    self.resolve_proposal((*number, *version), grant, resolving, text.clone())
                }
                ProposalWork::Merge { grant, number, version, request_id } => {
                    self.merge_proposal((*number, *version), grant, request_id.as_deref(), since)
                }
            };
            match done {
                Err(ServiceError::Busy) => std::thread::sleep(PAUSE),
                done => return done,
            }
        }
        Err(ServiceError::Busy)
    }

    /// Makes proposals of the writes that others have to agree to, and answers them so.
    pub(super) fn propose_write(&mut self, write: &Write) -> Result<Written, ServiceError> {
        let (title, description) =
            match write.message.as_deref().and_then(|text| text.trim().split_once('\n')) {
                Some((title, rest)) => (title_of(title), rest.trim().to_owned()),
                None => (write.message.as_deref().and_then(title_of), String::new()),
            };
        let made = self.heads_of(&write.grant, write, None).and_then(|heads| {
            self.open_with(&person_of(&write.grant), (title, message_of(write), description), None, heads)
        });
        let proposal = made?;
        Ok(Written { proposal: Some(proposal.number), ..self.nothing_written() })
    }

    fn open_proposal(&mut self, new: &NewProposal) -> Result<Arc<Proposal>, ServiceError> {
        let NewProposal { write, title, description, due } = new;
        let grant = self.renewed_grant(&write.grant)?;
        let heads = self.heads_of(&grant, write, None)?;
        let title = title.as_deref().and_then(title_of);
        self.open_with(&person_of(&grant), (title, message_of(write), description.clone()), *due, heads)
    }

    /// The commits of a write, and the objects that they are made of.
    fn heads_of(
        &mut self,
        grant: &WriteGrant,
        write: &Write,
        onto: Option<&Proposal>,
    ) -> Result<(Pack, Vec<Head>), ServiceError> {
        self.with_batch(|batch| batch.propose(grant, write, onto).map_err(Failure::into_service))
    }

    /// Works something out on a batch of its own, of which nothing is published: its objects alone are.
    pub(super) fn with_batch<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, ServiceError>,
    ) -> Result<(Pack, T), ServiceError> {
        let core = self.core.clone();
        let (environments, limits, time) = (self.environments.clone(), core.limits(), self.now());
        let context = Context::of(&core, &environments, &limits);
        let mut batch =
            Batch::new(context, (&mut self.branches, &mut self.checks, &mut self.texts), self.sequence, time);
        let done = work(&mut batch);
        let (pack, _) = batch.into_parts();
        match done {
            Ok(done) => Ok((pack, done)),
            Err(error) => {
                self.reset();
                Err(error)
            }
        }
    }

    /// Opens a proposal of commits that were made.
    pub(super) fn open_with(
        &mut self,
        by: &Person,
        (title, fallback, description): (Option<String>, String, String),
        due: Option<Timestamp>,
        (mut pack, heads): (Pack, Vec<Head>),
    ) -> Result<Arc<Proposal>, ServiceError> {
        let title = title.or_else(|| title_of(&fallback)).unwrap_or_else(|| "a change".to_owned());
        let contributors = vec![by.account.clone()];
        let held = self.opened((by, contributors), (title, &description), due, (&mut pack, heads))?;
        self.keep(pack, None, held)
    }

    /// Makes a proposal of what was here, where what the upstream has took its place.
    pub(super) fn keep_overruled(&mut self, pack: &mut Pack, kept: Kept) -> Result<Held, ServiceError> {
        let Kept { heads, mut writers } = kept;
        let by = Person { account: UPSTREAM.to_owned(), teams: Vec::new() };
        if writers.is_empty() {
            writers.push(by.account.clone());
        }
        let environment = heads.first().map(|head| head.environment.clone()).unwrap_or_default();
        let title = format!("Bring back what the upstream overruled in {environment}");
        let description = format!(
            "The upstream changed what {} had changed here as well. What the upstream has counts by now; merging this brings \
             back what was here, closing it leaves that.",
            writers.join(", ")
        );
        self.opened((&by, writers), (title, &description), None, (pack, heads))
    }

    /// The first state of a proposal, whose log goes into a pack.
    fn opened(
        &mut self,
        (by, contributors): (&Person, Vec<String>),
        (title, description): (String, &str),
        due: Option<Timestamp>,
        (pack, heads): (&mut Pack, Vec<Head>),
    ) -> Result<Held, ServiceError> {
        let core = self.core.clone();
        let (number, at) = (core.proposals.next()?, self.now());
        let proposal = Proposal {
            number,
            title,
            description: bounded(description),
            author: by.clone(),
            opened_at: at,
            updated_at: at,
            state: State::Open,
            version: 1,
            heads,
            contributors,
            approvals: Vec::new(),
            schedule: due.map(|at| Schedule { by: by.clone(), at }),
            events: 1,
        };
        let opened = Event {
            number: 1,
            at,
            account: by.account.clone(),
            event: EventKind::Opened,
            version: 1,
            text: None,
            due,
            sequence: None,
        };
        let commits: Vec<_> = proposal.heads.iter().map(|head| head.commit).collect();
        Ok(append(pack, &core.repository.reader(), None, (proposal, &opened), &commits)?)
    }

    /// Publishes what became of a proposal, without a change set.
    fn keep(
        &mut self,
        pack: Pack,
        before: Option<&Held>,
        after: Held,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let core = self.core.clone();
        let steps = steps(before, &after);
        match self.publish_others(Some(pack), &steps) {
            Outcome::Published => {}
            Outcome::Moved => {
                let reason = format!(
                    "the refs of proposal {} were moved by somebody else; restart the server",
                    after.proposal.number
                );
                return Err(ServiceError::WritesUnavailable { reason });
            }
            Outcome::InTheWay(_) => return Err(ServiceError::Busy),
            Outcome::Failed(reason) => return Err(ServiceError::WritesUnavailable { reason }),
        }
        core.packs_added(1);
        let proposal = after.proposal.clone();
        core.proposals.note(after);
        self.flush_refs(&steps)?;
        Ok(proposal)
    }

    pub(super) fn held(&self, (number, version): (u64, Option<u32>)) -> Result<Held, ServiceError> {
        let held = self.core.find_proposal(number)?;
        held.proposal.demand_version(version)?;
        Ok(held)
    }

    fn act(
        &mut self,
        which: (u64, Option<u32>),
        by: &Person,
        act: Act,
        text: Option<String>,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let held = self.held(which)?;
        let (after, event) = held.proposal.after(act, text, (by, self.now()))?;
        let mut pack = Pack::new();
        let after = append(&mut pack, &self.core.repository.reader(), Some(&held), (after, &event), &[])?;
        self.keep(pack, Some(&held), after)
    }

    pub(super) fn update(
        &mut self,
        held: &Held,
        by: &Person,
        (mut pack, heads): (Pack, Vec<Head>),
        text: Option<String>,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let commits: Vec<_> = heads.iter().map(|head| head.commit).collect();
        let (after, event) = held.proposal.after(Act::Update(heads), text, (by, self.now()))?;
        let after = append(&mut pack, &self.core.repository.reader(), Some(held), (after, &event), &commits)?;
        self.keep(pack, Some(held), after)
    }

    fn edit_proposal(
        &mut self,
        which: (u64, Option<u32>),
        write: &Write,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let held = self.held(which)?;
        held.proposal.demand_open()?;
        let grant = self.renewed_grant(&write.grant)?;
        let made = self.heads_of(&grant, write, Some(&held.proposal))?;
        self.update(&held, &person_of(&grant), made, write.message.clone())
    }

    fn resolve_proposal(
        &mut self,
        which: (u64, Option<u32>),
        grant: &WriteGrant,
        resolving: &Resolving,
        text: Option<String>,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let held = self.held(which)?;
        held.proposal.demand_open()?;
        let grant = self.renewed_grant(grant)?;
        let made = self.with_batch(|batch| {
            batch.resolve(&grant, &held.proposal, resolving).map_err(Failure::into_service)
        })?;
        self.update(&held, &person_of(&grant), made, text)
    }

    fn merge_proposal(
        &mut self,
        which: (u64, Option<u32>),
        grant: &WriteGrant,
        request_id: Option<&str>,
        since: Instant,
    ) -> Result<Arc<Proposal>, ServiceError> {
        let core = self.core.clone();
        let held = self.held(which)?;
        held.proposal.demand_open()?;
        let grant = &self.renewed_grant(grant)?;
        let author = core.person(&held.proposal.author);
        let merger = Merger { grant, author: author.as_deref().map(Principal::rights) };
        let (environments, limits, time) = (self.environments.clone(), core.limits(), self.now());
        let context = Context::of(&core, &environments, &limits);
        let mut batch =
            Batch::new(context, (&mut self.branches, &mut self.checks, &mut self.texts), self.sequence, time);
        let agreed = |needs: &[_]| check_needs(&core, &held.proposal, needs);
        let merged = batch.merge_heads(&held.proposal, &merger, request_id, &agreed);
        let (mut pack, mut accepted) = batch.into_parts();
        let done = merged.map_err(Failure::into_service).and_then(|sequence| {
            let by = person_of(grant);
            let (after, event) = held.proposal.after(Act::Merge(sequence), None, (&by, time))?;
            let reader = core.repository.reader();
            Ok(append(&mut pack, &reader, Some(&held), (after, &event), &[])?)
        });
        let after = match done {
            Ok(after) => after,
            Err(error) => {
                self.reset();
                return Err(error);
            }
        };
        accepted.since = vec![since];
        let others = steps(Some(&held), &after);
        match self.publish_push(pack, accepted, others.clone(), &[]) {
            Outcome::Published => {}
            Outcome::Moved | Outcome::InTheWay(_) => return Err(ServiceError::Busy),
            Outcome::Failed(reason) => return Err(ServiceError::WritesUnavailable { reason }),
        }
        let proposal = after.proposal.clone();
        core.proposals.note(after);
        self.flush_refs(&others)?;
        Ok(proposal)
    }

    /// Makes refs durable. One that went comes back with a crash at most until the start.
    fn flush_refs(&self, steps: &[RefMove]) -> Result<(), ServiceError> {
        let there = steps.iter().filter(|step| step.new.is_some());
        Ok(self.core.repository.flush_refs(there.map(|step| step.name.as_str()))?)
    }

    pub(super) fn renewed_grant(&self, grant: &WriteGrant) -> Result<WriteGrant, ServiceError> {
        match self.core.identities.renewed(grant) {
            Ok(renewed) => Ok(renewed.unwrap_or_else(|| grant.clone())),
            Err(denied) => Err(ServiceError::Denied(Box::new(denied))),
        }
    }
}

/// What a write says, or does.
fn message_of(write: &Write) -> String {
    super::batch::message(write).lines().next().unwrap_or_default().to_owned()
}

/// As much of a text as is kept.
fn bounded(text: &str) -> String {
    let mut end = text.len().min(crate::proposal::MOST_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
