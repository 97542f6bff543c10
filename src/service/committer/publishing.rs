use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use super::batch::state_of;
use crate::git::failpoint::{Step, reach};
use crate::git::{Pack, PublishError, RefMove, journal, publish};
use crate::history::NewVersion;
use crate::model::{ChangeSet, Revision, Sequence, Timestamp};
use crate::service::live::{self, Moved};
use crate::service::recover;
use crate::service::refs::{AUDIT_TRAILER, KEPT, OUTSIDE_TRAILER, REF_TRAILER, branch_moves, ref_trailer};
use crate::telemetry::Phase;

/// The change sets of a batch, with the versions they make.
pub(super) struct Accepted {
    pub sequence: Sequence,
    pub time: Timestamp,
    pub change_sets: Vec<(ChangeSet, Vec<NewVersion>)>,
    /// The branches that each of them moves, before and after.
    pub moved: Vec<Vec<Moved>>,
    /// When each of them was handed over, where that is known.
    pub since: Vec<Instant>,
}

/// What publishing came to. All but `Published` leave the worker where readers are.
pub(super) enum Outcome {
    /// It is durable, and readers see it.
    Published,
    /// A ref is not where it was believed to be.
    Moved,
    /// Another process holds what is needed, for this reason; the next attempt may succeed.
    InTheWay(String),
    /// It cannot be, for this reason.
    Failed(String),
}

impl Worker {
    /// Publishes commits of our own: the journal moves, and the branches follow.
    pub(super) fn publish_batch(&mut self, pack: Pack, accepted: Accepted) -> Outcome {
        let branches = branch_moves(accepted.change_sets.iter().map(|(change_set, _)| change_set));
        self.publish(pack, accepted, &branches, &[])
    }

    /// Publishes what others did: only the journal moves, and heads that branches left are kept.
    pub(super) fn publish_outside(
        &mut self,
        pack: Pack,
        accepted: Accepted,
        dropped: &[Revision],
    ) -> Outcome {
        let kept = self.kept(dropped);
        self.publish(pack, accepted, &kept, &[(OUTSIDE_TRAILER, "true")])
    }

    /// Publishes what somebody pushed: the journal and the branches of environments move, and other refs with them; heads
    /// that branches left are kept.
    pub(super) fn publish_push(
        &mut self,
        pack: Pack,
        accepted: Accepted,
        others: Vec<RefMove>,
        dropped: &[Revision],
    ) -> Outcome {
        let mut steps = branch_moves(accepted.change_sets.iter().map(|(change_set, _)| change_set));
        // What the journal says of them, a start after a crash brings about.
        let told: Vec<String> = others.iter().map(ref_trailer).collect();
        let trailers: Vec<(&str, &str)> = told.iter().map(|told| (REF_TRAILER, told.as_str())).collect();
        steps.extend(others);
        // Before the journal says that they were left: nothing else would keep them then.
        let kept = self.kept(dropped);
        if let Err(error) = publish(&self.core.repository, None, None, &kept) {
            self.reset();
            return Outcome::InTheWay(error.to_string());
        }
        self.publish(pack, accepted, &steps, &trailers)
    }

    /// The refs that keep heads which branches left, where there are none yet.
    fn kept(&self, dropped: &[Revision]) -> Vec<RefMove> {
        let mut kept = Vec::new();
        for head in dropped {
            let name = format!("{KEPT}/{head}");
            if self.core.repository.find_ref(&name).is_ok_and(|state| state.id().is_none()) {
                kept.push(RefMove { name, old: None, new: Some(*head) });
            }
        }
        kept
    }

    fn publish(
        &mut self,
        mut pack: Pack,
        accepted: Accepted,
        steps: &[RefMove],
        trailers: &[(&str, &str)],
    ) -> Outcome {
        let begun = Instant::now();
        let change_sets: Vec<ChangeSet> =
            accepted.change_sets.iter().map(|(change_set, _)| change_set.clone()).collect();
        // What the audit log held by then: it cannot be cut or rewritten before that any more.
        let anchor = self.core.audit.anchor();
        let anchored = anchor.iter().map(|head| (AUDIT_TRAILER, head.as_str()));
        let trailers: Vec<(&str, &str)> = trailers.iter().copied().chain(anchored).collect();
        let built = journal::append(&mut pack, self.journal, &change_sets, &trailers)
            .and_then(|tip| Ok((tip, pack.finish()?)));
        let (tip, pack) = match built {
            Ok(built) => built,
            Err(error) => {
                self.reset();
                return Outcome::Failed(error.to_string());
            }
        };
        let step = RefMove { name: journal::REF.to_owned(), old: self.journal, new: Some(tip) };
        match publish(&self.core.repository, Some(pack), Some(&step), steps) {
            Ok(()) => {
                self.core.metrics.published(change_sets.len(), begun.elapsed());
                self.published(tip, accepted);
                Outcome::Published
            }
            Err(error) => self.not_published(error, tip, accepted, steps),
        }
    }

    /// What follows the commit point: history, then readers.
    fn published(&mut self, journal: Revision, accepted: Accepted) {
        let begun = Instant::now();
        self.journal = Some(journal);
        self.sequence = accepted.sequence;
        self.last_time = accepted.time;
        self.texts.end_batch(true);
        match self.core.history.append(&accepted.change_sets) {
            Ok(()) => self.core.health.recovered(),
            // The index is derived: the next start rebuilds what is missing. Until then versions would be
            // wrong, so there are no further writes.
            Err(error) => self
                .break_down(&format!("the history index cannot be written ({error}); restart to rebuild it")),
        }
        if let Err(error) = reach(Step::IndexSwapped) {
            tracing::debug!(%error, "a failpoint that only death can use");
        }
        self.core.index.swap(state_of(&self.branches, &self.environments, self.sequence));
        self.core.metrics.took(Phase::Index, begun.elapsed());
        let change_sets = accepted.change_sets.len();
        self.tell(accepted);
        self.core.packs_added(1);
        self.core.retention.add(change_sets);
        self.core.upstream.news.add(change_sets);
    }

    /// Leaves what readers see now to those who tell watchers.
    fn tell(&mut self, accepted: Accepted) {
        let published = Instant::now();
        let mut environments = (!Arc::ptr_eq(&self.told_environments, &self.environments))
            .then(|| (self.told_environments.clone(), self.environments.clone()));
        self.told_environments = self.environments.clone();
        for since in &accepted.since {
            self.core.metrics.took(Phase::Seen, published.saturating_duration_since(*since));
        }
        let mut since = accepted.since.into_iter();
        let steps =
            accepted.change_sets.into_iter().zip(accepted.moved).map(|((change_set, _), moved)| live::Step {
                sequence: change_set.sequence,
                updated: Some((change_set.time, change_set.account)),
                moved,
                environments: environments.take(),
                accepted: since.next(),
                published,
            });
        self.core.live.timeline.publish(steps.collect());
    }

    fn not_published(
        &mut self,
        error: PublishError,
        tip: Revision,
        accepted: Accepted,
        steps: &[RefMove],
    ) -> Outcome {
        let reason = error.to_string();
        match error {
            PublishError::Moved { name, .. } => {
                tracing::info!(reference = %name, "a ref was moved from outside");
                self.reset();
                Outcome::Moved
            }
            PublishError::Locked { .. } => {
                self.reset();
                Outcome::InTheWay(reason)
            }
            // `git gc` takes away folders that are empty and files that look left over; the next attempt
            // makes them anew.
            PublishError::Io(error) if error.kind() == ErrorKind::NotFound => {
                self.reset();
                Outcome::InTheWay(reason)
            }
            PublishError::AfterCommitPoint(_) => {
                tracing::error!(%reason, "the branches are brought up to the journal");
                self.published(tip, accepted);
                self.bring_refs(steps);
                Outcome::Published
            }
            PublishError::Uncertain(_) => {
                // What readers see is what the journal says; whether it outlives a loss of power is not
                // known, so nobody is told that it does.
                self.published(tip, accepted);
                self.bring_refs(steps);
                let reason = format!("{reason}; restart the server once the disk is sound");
                self.break_down(&reason);
                Outcome::Failed(reason)
            }
            PublishError::SyncFailed(_) => {
                // What the disk holds is unknown, and a second flush would lie: only a restart looks anew.
                let reason = format!("{reason}; restart the server once the disk is sound");
                self.reset();
                self.break_down(&reason);
                Outcome::Failed(reason)
            }
            PublishError::Full(_)
            | PublishError::ReadOnly(_)
            | PublishError::BadRef { .. }
            | PublishError::Io(_) => {
                tracing::error!(%reason, "a batch could not be published");
                self.reset();
                Outcome::Failed(reason)
            }
        }
    }

    fn bring_refs(&mut self, steps: &[RefMove]) {
        if let Err(error) = recover::finish_steps(&self.core.repository, steps) {
            self.break_down(&format!(
                "branches could not be brought up to the journal ({error}); restart the server"
            ));
        }
    }

    pub(super) fn break_down(&mut self, reason: &str) {
        tracing::error!(%reason, "no further writes until a restart");
        self.core.health.break_down(reason);
        self.broken = Some(reason.to_owned());
    }
}
