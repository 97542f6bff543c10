use std::sync::Arc;

use super::ACCOUNT;
use super::state::{UpstreamBranch, UpstreamState};
use crate::auth::WriteGrant;
use crate::git::{
    EMPTY_TREE, PublishError, Quarantine, Reader, RefMove, RefState, Remote, RemoteError, publish,
};
use crate::model::{ObjectId, Revision};
use crate::service::ServiceError;
use crate::service::committer::QueueWatch;
use crate::service::core::Core;
use crate::service::receive::{
    self, Lineage, Merging, MovedRef, Proposing, Push, PushRefusal, RefUpdate, Verdict,
};

/// Where the upstream's branches come to.
const FETCHED: &str = "refs/confgit/upstream";

/// What of them was taken in.
const TAKEN_IN: &str = "refs/confgit/taken-in";

/// Git takes an answer without a head for one of a server that has no refs: so often in a row it has to say so.
const BELIEVED_AFTER: u32 = 3;

/// One round of following the upstream.
pub(super) struct Follower<'a> {
    pub core: &'a Arc<Core>,
    pub committer: &'a QueueWatch,
    pub remote: &'a Remote,
}

impl Follower<'_> {
    /// Fetches what is new, takes it in, and pushes what is not there yet.
    pub fn round(&self) -> Result<(), RemoteError> {
        let repository = &self.core.repository;
        // What was written by now is there when the round is over.
        let sequence = self.core.index.load().sequence;
        let heads = repository.remote_branches(self.remote)?;
        let branches = self.branches();
        let is_suspect =
            heads.is_empty() && branches.iter().any(|branch| self.find(TAKEN_IN, branch).is_some());
        if is_suspect && self.core.upstream.count_empty(true) < BELIEVED_AFTER {
            let reason = "it shows no branch at all, and had some; an answer that was cut off looks the same";
            return Err(RemoteError::Failed(reason.to_owned()));
        }
        if !is_suspect {
            self.core.upstream.count_empty(false);
        }
        let stale = branches.iter().filter(|branch| {
            let head = heads.get(&***branch);
            head.is_some() && self.find(FETCHED, branch) != head.copied()
        });
        let stale: Vec<&str> = stale.map(|branch| &**branch).collect();
        if !stale.is_empty() {
            repository.fetch_from(self.remote, &stale, FETCHED)?;
            self.core.packs_added(1);
        }
        let mut followed = Vec::new();
        for branch in &branches {
            // It may have moved between both; what was fetched is what is here.
            let theirs = heads.get(&**branch).and_then(|_| self.find(FETCHED, branch));
            followed.push((branch.clone(), theirs, self.take_in(branch, theirs)?));
        }
        let pushed = followed.iter_mut().try_for_each(|(branch, theirs, state)| {
            if !matches!(state, UpstreamState::Ahead | UpstreamState::Absent) {
                return Ok(());
            }
            let Some(head) = self.head(branch) else { return Ok(()) };
            repository.push_to(self.remote, head, branch)?;
            self.set(FETCHED, branch, Some(head))?;
            self.set(TAKEN_IN, branch, Some(head))?;
            (*theirs, *state) = (Some(head), UpstreamState::Same);
            Ok(())
        });
        if followed.iter().all(|(.., state)| !state.is_degraded()) && pushed.is_ok() {
            self.core.upstream.has(sequence);
        }
        self.core.upstream.note(followed.into_iter().map(|followed| self.status(followed)).collect());
        pushed
    }

    fn branches(&self) -> Vec<Arc<str>> {
        let mut branches: Vec<Arc<str>> =
            self.core.environments().iter().map(|environment| environment.branch.clone()).collect();
        branches.sort();
        branches.dedup();
        branches
    }

    /// Takes in what the upstream has on a branch.
    fn take_in(&self, branch: &Arc<str>, theirs: Option<Revision>) -> Result<UpstreamState, RemoteError> {
        let (ours, known) = (self.head(branch), self.find(TAKEN_IN, branch));
        let is_accepted = self.core.upstream.is_accepted(branch, theirs);
        let Some(theirs) = theirs else {
            return Ok(match known {
                // It was there.
                Some(_) if !is_accepted => UpstreamState::Rewritten,
                _ => UpstreamState::Absent,
            });
        };
        if ours == Some(theirs) {
            self.set(TAKEN_IN, branch, Some(theirs))?;
            return Ok(UpstreamState::Same);
        }
        if known == Some(theirs) && !is_accepted {
            return Ok(UpstreamState::Ahead);
        }
        let reader = self.core.repository.reader();
        let leads = |from: Revision, to: Revision| leads(&reader, from, to);
        let (old, is_merged) = match (ours, known) {
            (None, _) => (None, false),
            (Some(ours), _) if is_accepted => (Some(ours), false),
            // A branch that was made and never written to.
            (Some(ours), None) if reader.commit(ours).is_ok_and(|commit| commit.tree == EMPTY_TREE) => {
                (Some(ours), false)
            }
            (Some(_), Some(known)) if !leads(known, theirs)? => return Ok(UpstreamState::Rewritten),
            (Some(ours), _) if leads(ours, theirs)? => (Some(ours), false),
            (Some(ours), _) if leads(theirs, ours)? => {
                self.set(TAKEN_IN, branch, Some(theirs))?;
                return Ok(UpstreamState::Ahead);
            }
            (Some(_), Some(known)) => (Some(known), true),
            (Some(ours), None) => match self.core.repository.merge_base(ours, &[theirs])? {
                Some(base) => (Some(base), true),
                None => return Ok(UpstreamState::Unrelated),
            },
        };
        let name = format!("refs/heads/{branch}");
        match self.push(RefUpdate { name, old, new: Some(theirs) }) {
            Ok(Verdict::Moved(moved)) => {
                self.set(TAKEN_IN, branch, Some(theirs))?;
                self.tell(branch, &moved);
                Ok(if is_merged { UpstreamState::Ahead } else { UpstreamState::Same })
            }
            // It is looked at again with the next round.
            Ok(Verdict::Refused(PushRefusal::Behind { reason })) => Err(RemoteError::Rejected(reason)),
            Ok(Verdict::Refused(refusal)) => {
                let reasons = refusal.reasons();
                tracing::warn!(%branch, reason = %reasons.join("; "), "what the upstream has is not taken in");
                Ok(UpstreamState::Refused(reasons))
            }
            Err(error) => Err(RemoteError::Failed(error.to_string())),
        }
    }

    fn push(&self, update: RefUpdate) -> Result<Verdict, ServiceError> {
        let quarantine = Quarantine::empty(&self.core.repository)?;
        let push = Push {
            grant: WriteGrant::local(ACCOUNT.into()),
            updates: vec![update],
            is_atomic: false,
            merging: Merging::TakeTheirs,
            request_id: None,
            proposing: Proposing::default(),
        };
        let verdicts =
            receive::judge(self.core, push, quarantine, |received| self.committer.receive(received))?;
        verdicts.into_iter().next().ok_or(ServiceError::Busy)
    }

    fn tell(&self, branch: &str, moved: &MovedRef) {
        let Some(sequence) = moved.sequence else { return };
        tracing::info!(branch, %sequence, merged = moved.is_merged, "the upstream's branch was taken in");
        if !moved.overruled.is_empty() {
            tracing::warn!(branch, %sequence, entries = moved.overruled.len(), proposal = moved.kept, "both sides changed entries; the upstream's were taken");
            self.core.upstream.overrule((sequence, moved.kept), &moved.overruled);
        }
    }

    fn status(&self, (branch, head, state): (Arc<str>, Option<Revision>, UpstreamState)) -> UpstreamBranch {
        let counted = match (self.head(&branch), head) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                self.core.repository.ahead_behind(ours, theirs).ok()
            }
            _ => None,
        };
        let (ahead, behind) = counted.unwrap_or_default();
        UpstreamBranch { branch, head, state, ahead, behind }
    }

    fn head(&self, branch: &str) -> Option<Revision> {
        self.core.index.load().branches.get(branch).and_then(|branch| branch.head)
    }

    fn find(&self, below: &str, branch: &str) -> Option<ObjectId> {
        self.core.repository.find_ref(&format!("{below}/{branch}")).ok().and_then(RefState::id)
    }

    /// Notes where a branch of the upstream is.
    fn set(&self, below: &str, branch: &str, to: Option<ObjectId>) -> Result<(), RemoteError> {
        let old = self.find(below, branch);
        if old == to {
            return Ok(());
        }
        let step = RefMove { name: format!("{below}/{branch}"), old, new: to };
        publish(&self.core.repository, None, None, &[step])
            .map_err(|error: PublishError| RemoteError::Failed(error.to_string()))
    }
}

/// Whether one commit leads to another.
fn leads(reader: &Reader, from: Revision, to: Revision) -> Result<bool, RemoteError> {
    let found = Lineage::known(to).leads_from(from, reader);
    found.map_err(|refusal| RemoteError::Failed(refusal.to_string()))
}
