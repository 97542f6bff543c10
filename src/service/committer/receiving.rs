//! The committer's part of a push: refs move only here, together with the journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Context, Kept, PushFailure, PushedBranches, bound_paths};
use super::publishing::{Accepted, Outcome};
use super::{MOST_ATTEMPTS, PAUSE, Worker};
use crate::auth::WriteGrant;
use crate::git::{Pack, PublishError, RefMove, RefState, publish};
use crate::model::{Revision, Timestamp};
use crate::proposal::title_of;
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::proposals::{person_of, steps};
use crate::service::receive::{Inspected, MovedRef, PushRefusal, Received, Target, Verdict, demand_other};

/// What an attempt at a push came to.
enum Tried {
    Done(Vec<Verdict>),
    /// Somebody else was in the way, for this reason.
    Again(String),
}

/// A push as far as it was decided.
struct DecidedPush {
    verdicts: Vec<Verdict>,
    pack: Pack,
    accepted: Accepted,
    /// The steps of refs that are no branches of environments.
    others: Vec<RefMove>,
    /// Heads that no branch leads to any more.
    dropped: Vec<Revision>,
    /// What was overruled, and of which verdict.
    kept: Vec<(usize, Kept)>,
}

impl Worker {
    /// Takes a push through to its verdicts.
    pub(super) fn receive(
        &mut self,
        received: &Received,
        since: Instant,
    ) -> Result<Vec<Verdict>, ServiceError> {
        let mut reason = String::new();
        for _ in 0..MOST_ATTEMPTS {
            if let Some(broken) = &self.broken {
                return Err(ServiceError::WritesUnavailable { reason: broken.clone() });
            }
            if self.is_somewhere_else() {
                self.reset();
                self.take_in_outside_moves()?;
            }
            let tried = match &received.inspected[..] {
                [Inspected { target: Target::Proposal(branch, base), update, .. }] => {
                    self.attempt_proposal(received, (branch, *base, update.new.unwrap_or(Revision::ZERO)))?
                }
                _ => self.attempt_push(received, since)?,
            };
            match tried {
                Tried::Done(verdicts) => return Ok(verdicts),
                Tried::Again(why) => reason = why,
            }
            std::thread::sleep(PAUSE);
        }
        Err(ServiceError::WritesUnavailable { reason })
    }

    /// Makes a proposal of what was pushed, or gives one other commits.
    fn attempt_proposal(
        &mut self,
        received: &Received,
        (branch, base, commit): (&Arc<str>, Option<Revision>, Revision),
    ) -> Result<Tried, ServiceError> {
        let core = self.core.clone();
        let asked = &received.push.proposing;
        let grant = self.renewed_grant(&received.push.grant)?;
        let by = person_of(&grant);
        let held = match asked.number {
            Some(number) => Some(self.held((number, None))?),
            None => None,
        };
        if let Some(held) = &held {
            held.proposal.demand_open()?;
        }
        self.texts.read_with(received.quarantine.reader(&core.repository)?);
        let mut refused = None;
        let judged = self.with_batch(|batch| {
            batch.judge_head(&grant, branch, (base, commit)).map_err(|refusal| {
                refused = Some(refusal);
                ServiceError::Busy
            })
        });
        self.texts.read_with(core.repository.reader());
        self.prunings = core.packs.prunings();
        if let Some(refusal) = refused {
            return Ok(Tried::Done(vec![Verdict::Refused(refusal)]));
        }
        let (pack, (head, message)) = judged?;
        let taken = received
            .quarantine
            .take_over(&core.repository)
            .map_err(|error| ServiceError::WritesUnavailable { reason: error.to_string() })?;
        let made = match held {
            Some(held) => {
                let mut heads = held.proposal.heads.clone();
                heads.retain(|old| old.branch != head.branch);
                heads.push(head);
                bound_paths(&mut heads);
                self.update(&held, &by, (pack, heads), asked.title.clone())
            }
            None => {
                let (subject, body) = message.trim().split_once('\n').unwrap_or((message.trim(), ""));
                let description = asked.description.clone().unwrap_or_else(|| body.trim().to_owned());
                let title = asked.title.as_deref().and_then(title_of);
                self.open_with(&by, (title, subject.to_owned(), description), None, (pack, vec![head]))
            }
        };
        let proposal = match made {
            Ok(proposal) => proposal,
            Err(ServiceError::Busy) => {
                return Ok(Tried::Again("refs are moved faster than a push gets through".to_owned()));
            }
            Err(error) => return Err(error),
        };
        taken.settle();
        Ok(Tried::Done(vec![Verdict::Moved(MovedRef {
            old: None,
            new: Some(commit),
            is_forced: false,
            is_merged: false,
            sequence: None,
            overruled: Vec::new(),
            kept: None,
            proposal: Some((proposal.number, proposal.version)),
        })]))
    }

    fn attempt_push(&mut self, received: &Received, since: Instant) -> Result<Tried, ServiceError> {
        let core = self.core.clone();
        let grant = match core.identities.renewed(&received.push.grant) {
            Ok(renewed) => renewed.unwrap_or_else(|| received.push.grant.clone()),
            Err(denied) => return Err(ServiceError::Denied(Box::new(denied))),
        };
        // What was sent is seen by this push alone.
        self.texts.read_with(received.quarantine.reader(&core.repository)?);
        let decided = self.decide_push(received, &grant);
        self.texts.read_with(core.repository.reader());
        self.prunings = core.packs.prunings();
        let DecidedPush { mut verdicts, mut pack, mut accepted, mut others, dropped, kept } = match decided {
            Ok(decided) => decided,
            Err(error) => {
                self.reset();
                return Err(error);
            }
        };
        if accepted.change_sets.is_empty() && others.is_empty() {
            self.texts.end_batch(false);
            return Ok(Tried::Done(verdicts));
        }
        let mut opened = Vec::new();
        for (at, kept) in kept {
            match self.keep_overruled(&mut pack, kept) {
                Ok(held) => {
                    if let Some(Verdict::Moved(moved)) = verdicts.get_mut(at) {
                        moved.kept = Some(held.proposal.number);
                    }
                    others.extend(steps(None, &held));
                    opened.push(held);
                }
                // What the upstream has is not held up by it; what was here is in history.
                Err(error) => tracing::warn!(%error, "what was overruled cannot be made a proposal"),
            }
        }
        let taken = match received.quarantine.take_over(&core.repository) {
            Ok(taken) => taken,
            Err(error) => {
                self.reset();
                let reason = error.to_string();
                if matches!(error, PublishError::SyncFailed(_)) {
                    self.break_down(&reason);
                }
                return Err(ServiceError::WritesUnavailable { reason });
            }
        };
        let (journal, broken) = (self.journal, self.broken.is_some());
        let outcome = if accepted.change_sets.is_empty() {
            self.publish_others(None, &others)
        } else {
            accepted.since = vec![since];
            self.publish_push(pack, accepted, others.clone(), &dropped)
        };
        match outcome {
            Outcome::Published => {
                taken.settle();
                opened.into_iter().for_each(|held| core.proposals.note(held));
                // Publishing flushes the folder of the first alone.
                if self.journal != journal || others.len() > 1 {
                    core.repository.flush_refs(others.iter().map(|step| step.name.as_str()))?;
                }
                if self.journal == journal {
                    core.packs_added(1);
                }
                Ok(Tried::Done(verdicts))
            }
            Outcome::Moved => Ok(Tried::Again("refs are moved faster than a push gets through".to_owned())),
            Outcome::InTheWay(reason) => Ok(Tried::Again(reason)),
            Outcome::Failed(reason) => {
                // Where some of it may have moved, what was sent stays.
                if self.journal != journal || self.broken.is_some() != broken {
                    taken.settle();
                }
                Err(ServiceError::WritesUnavailable { reason })
            }
        }
    }

    fn decide_push(&mut self, received: &Received, grant: &WriteGrant) -> Result<DecidedPush, ServiceError> {
        let core = self.core.clone();
        let push = &received.push;
        let time: Timestamp = self.now();
        let environments = self.environments.clone();
        let limits = core.limits();
        let context = Context::of(&core, &environments, &limits);
        let mut batch =
            Batch::new(context, (&mut self.branches, &mut self.checks, &mut self.texts), self.sequence, time);
        let mut verdicts: HashMap<usize, Verdict> = HashMap::new();
        let (mut groups, mut others, mut dropped, mut kept) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, inspected) in received.inspected.iter().enumerate() {
            let branch = match &inspected.target {
                Target::Branch(branch) => environments.iter().find(|other| other.branch == *branch),
                Target::Tag | Target::Proposal(..) => None,
            };
            match branch {
                Some(environment) => groups.push((at, environment.branch.clone(), inspected)),
                None => match other_step(&core, grant, inspected)? {
                    Ok((step, moved)) => {
                        others.extend(step);
                        verdicts.insert(at, Verdict::Moved(moved));
                    }
                    Err(refusal) => {
                        verdicts.insert(at, Verdict::Refused(refusal));
                    }
                },
            }
        }
        let is_refused = |verdict: &Verdict| matches!(verdict, Verdict::Refused(_));
        let mut is_void = push.is_atomic && verdicts.values().any(is_refused);
        let groups: Vec<Vec<_>> = match push.is_atomic {
            true if groups.is_empty() => Vec::new(),
            true => vec![groups],
            false => groups.into_iter().map(|one| vec![one]).collect(),
        };
        for group in groups {
            if is_void {
                break;
            }
            let branches: Vec<(Arc<str>, &Inspected)> =
                group.iter().map(|(_, branch, inspected)| (branch.clone(), *inspected)).collect();
            match batch.push(push, grant, &branches) {
                Ok(PushedBranches { moved, dropped: gone, kept: overruled }) => {
                    dropped.extend(gone);
                    kept.extend(overruled.into_iter().map(|(at, kept)| (group[at].0, kept)));
                    verdicts.extend(
                        group.iter().zip(moved).map(|((at, ..), moved)| (*at, Verdict::Moved(moved))),
                    );
                }
                Err(PushFailure::Refused(at, refusal)) => {
                    verdicts.insert(group[at].0, Verdict::Refused(refusal));
                    is_void = push.is_atomic;
                }
                Err(PushFailure::Broken(error)) => {
                    return Err(ServiceError::WritesUnavailable { reason: error.to_string() });
                }
            }
        }
        let (pack, accepted) = batch.into_parts();
        if is_void {
            // Nothing of an atomic push moves.
            others.clear();
            verdicts.retain(|_, verdict| is_refused(verdict));
        }
        let verdicts = (0..received.inspected.len())
            .map(|at| verdicts.remove(&at).unwrap_or(Verdict::Refused(PushRefusal::NotAlone)))
            .collect();
        Ok(DecidedPush { verdicts, pack, accepted, others, dropped, kept })
    }

    /// Moves refs that no environment shows: the journal has no part in that.
    pub(super) fn publish_others(&mut self, pack: Option<Pack>, steps: &[RefMove]) -> Outcome {
        self.texts.end_batch(false);
        let pack = match pack.map(Pack::finish).transpose() {
            Ok(pack) => pack,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        match publish(&self.core.repository, pack, None, steps) {
            Ok(()) => Outcome::Published,
            Err(PublishError::Moved { .. }) => Outcome::Moved,
            Err(error @ PublishError::Locked { .. }) => Outcome::InTheWay(error.to_string()),
            Err(error) if error.may_have_moved() => {
                let reason = format!("{error}; restart the server once the disk is sound");
                self.break_down(&reason);
                Outcome::Failed(reason)
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

/// The step of a ref that is no branch of an environment, where nothing speaks against it.
fn other_step(
    core: &Core,
    grant: &WriteGrant,
    inspected: &Inspected,
) -> Result<Result<(Option<RefMove>, MovedRef), PushRefusal>, ServiceError> {
    let update = &inspected.update;
    let now = match core.repository.find_ref(&update.name)? {
        RefState::At(id) => Some(id),
        RefState::Absent => None,
        RefState::Torn => {
            let reason = format!("{} is damaged; an administrator has to look at it", update.name);
            return Ok(Err(PushRefusal::NoSuchRef { reason }));
        }
    };
    let moved = |is_forced| MovedRef {
        old: now,
        new: update.new,
        is_forced,
        is_merged: false,
        sequence: None,
        overruled: Vec::new(),
        kept: None,
        proposal: None,
    };
    if now == update.new {
        return Ok(Ok((None, moved(false))));
    }
    if now != update.old {
        let reason = format!("{} is elsewhere than it was seen; fetch first", update.name);
        return Ok(Err(PushRefusal::Behind { reason }));
    }
    let is_forced = now.is_some() && !inspected.follows;
    let allowed = match (&inspected.target, now) {
        // What a tag names is relied upon.
        (Target::Tag, Some(_)) => grant.demand_administration(),
        _ => demand_other(grant, &core.environments()),
    };
    if let Err(refused) = allowed {
        return Ok(Err(refused.into()));
    }
    let step = RefMove { name: update.name.clone(), old: now, new: update.new };
    Ok(Ok((Some(step), moved(is_forced))))
}
