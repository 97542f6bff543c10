//! Pushes: what a branch becomes is somebody else's commit, and asked of it is what is asked of any write.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commit::MadeChangeSet;
use super::decide::restore_updates;
use super::keep::Kept;
use super::merge::Overruled;
use super::{Batch, BatchError, Content, Decided, Failure, FileBlobs, Pushed, Working};
use crate::auth::{Action, WriteGrant};
use crate::git::{ReadError, WorkTree};
use crate::history::NewVersion;
use crate::index::Branch;
use crate::model::{ChangeSet, Move, ObjectId, Path, Revision};
use crate::service::ServiceError;
use crate::service::live::Moved;
use crate::service::load::MOST_FILES;
use crate::service::receive::{Inspected, Lineage, Merging, MovedRef, Push, PushRefusal, demand_force};
use crate::service::replay::Replay;
use crate::snapshot::{Plan, Snapshot, base_path};

/// How many commits may have come since a client saw a branch that it pushes to.
const MOST_MISSED: usize = 20_000;

/// Why the branches of a push do not move.
pub(in crate::service::committer) enum PushFailure {
    /// This one of them is refused.
    Refused(usize, PushRefusal),
    /// There is no batch any more.
    Broken(BatchError),
}

/// What becomes of the branch of an environment.
enum Step {
    /// It is there already.
    Nothing,
    /// It goes where it was pushed.
    Goes { is_forced: bool },
    /// It goes beyond: what came meanwhile is merged with what was pushed.
    Merges { base: Revision },
}

/// One branch of a push, decided.
struct DecidedBranch {
    decided: Option<Decided>,
    is_forced: bool,
    is_merged: bool,
    overruled: Overruled,
    old: Option<Revision>,
}

/// What became of the branches of a push.
pub(in crate::service::committer) struct PushedBranches {
    /// Of each.
    pub moved: Vec<MovedRef>,
    /// Heads that their branch's history does not hold any more.
    pub dropped: Vec<Revision>,
    /// Where what was pushed counts instead of what a branch had: which branch, by its place in the group, and commits that
    /// bring that back.
    pub kept: Vec<(usize, Kept)>,
}

impl Batch<'_> {
    /// Moves branches of environments where somebody pushed them, as one change set: all or none.
    pub fn push(
        &mut self,
        push: &Push,
        grant: &WriteGrant,
        group: &[(Arc<str>, &Inspected)],
    ) -> Result<PushedBranches, PushFailure> {
        let mut branches = Vec::new();
        for (at, (branch, inspected)) in group.iter().enumerate() {
            let decided = self.decide_push(push, grant, branch, inspected);
            branches.push(decided.map_err(|refusal| PushFailure::Refused(at, refusal))?);
        }
        let mut decided: Vec<Decided> =
            branches.iter_mut().filter_map(|branch| branch.decided.take()).collect();
        // Several at once are told by the first: the views that show them are of all of them.
        let refused = |refusal: PushRefusal| PushFailure::Refused(0, refusal);
        let needs = self.permit(grant, &decided).map_err(|error| refused(error.into()))?;
        if !needs.is_empty() {
            return Err(refused(ServiceError::NeedsApproval { needs }.into()));
        }
        self.validate(&decided, grant).map_err(|error| refused(error.into()))?;
        let mut dropped = Vec::new();
        let mut sequence = None;
        if !decided.is_empty() {
            decided.sort_by(|a, b| a.branch.cmp(&b.branch));
            let plans: Vec<(Arc<str>, BTreeSet<Path>)> = decided
                .iter()
                .map(|decided| (decided.branch.clone(), changed_paths(&decided.plan)))
                .collect();
            let roots: Vec<_> = decided.iter().map(|decided| decided.plan.root().digest()).collect();
            let message = merge_message(push);
            let mut made = self.begin_change_set(grant.account());
            for decided in decided {
                self.commit_branch(&mut made, decided, &message).map_err(PushFailure::Broken)?;
            }
            let MadeChangeSet { change_set, versions, moved, .. } = made;
            // What commits on the way leave of files that do not parse must not be another thing than was judged.
            let as_judged =
                moved.iter().zip(roots).all(|(moved, root)| moved.after.snapshot.root().digest() == root);
            let permitted = match as_judged {
                true => self.permit_passing(grant, &plans, &versions),
                false => Err(PushRefusal::Behind {
                    reason: "a file of the branch does not parse, and the commits of the push change it on the way; mend it with one commit".to_owned(),
                }),
            };
            if let Err(refusal) = permitted {
                self.take_back(&moved);
                return Err(refused(refusal));
            }
            sequence = Some(change_set.sequence);
            self.accept(change_set, versions, moved);
        }
        let (mut moved, mut kept) = (Vec::new(), Vec::new());
        for (at, ((name, _), decided)) in group.iter().zip(branches).enumerate() {
            let DecidedBranch { is_forced, is_merged, overruled, old, .. } = decided;
            if !overruled.is_empty() {
                match self.keep(name, &overruled, grant.account()) {
                    Ok(found) => kept.push((at, found)),
                    Err(Failure::Broken(error)) => return Err(PushFailure::Broken(error)),
                    Err(Failure::Refused(error)) => {
                        tracing::warn!(branch = %name, %error, "what was overruled cannot be made a proposal; it is in history");
                    }
                }
            }
            let new = self.branches.get(name).and_then(|working| working.head);
            let sequence = sequence.filter(|_| old != new);
            if let (true, Some(old)) = (is_forced && old != new, old) {
                dropped.push(old);
            }
            moved.push(MovedRef {
                old,
                new,
                is_forced,
                is_merged,
                sequence,
                overruled: overruled.paths(),
                kept: None,
                proposal: None,
            });
        }
        Ok(PushedBranches { moved, dropped, kept })
    }

    fn decide_push(
        &mut self,
        push: &Push,
        grant: &WriteGrant,
        branch: &Arc<str>,
        inspected: &Inspected,
    ) -> Result<DecidedBranch, PushRefusal> {
        let old = self.branch(branch)?.head;
        let step = self.step(push, grant, branch, inspected)?;
        match step {
            Step::Nothing => {}
            Step::Goes { .. } => {
                let before = self.branch(branch)?.tree_id;
                self.permit_files(grant, branch, (before, inspected.update.new))?;
            }
            // What came meanwhile is not the pusher's.
            Step::Merges { base } => {
                let before = Some(self.texts.reader().commit(base)?.tree);
                self.permit_files(grant, branch, (before, inspected.update.new))?;
            }
        }
        let (mut is_forced, mut is_merged, mut overruled) = (false, false, Overruled::default());
        let decided = match step {
            Step::Nothing => None,
            Step::Goes { is_forced: forced } => {
                is_forced = forced;
                Some(self.decide_move(branch, inspected.update.new)?)
            }
            Step::Merges { base } => {
                let pushed = inspected.update.new.unwrap_or(Revision::ZERO);
                let (decided, lost) = self.decide_merge(branch, (Some(base), pushed), push.merging.into())?;
                (is_merged, overruled) = (true, lost);
                Some(decided)
            }
        };
        if let Some(Decided { plan, .. }) = &decided {
            let working = self.branch(branch)?;
            let new: Vec<_> =
                plan.new_problems(&working.snapshot).map(|problem| problem.diagnostic.clone()).collect();
            if !new.is_empty() {
                return Err(ServiceError::Problems(new).into());
            }
        }
        Ok(DecidedBranch { decided, is_forced, is_merged, overruled, old })
    }

    /// What is to become of a branch, by what the client saw and where it is now.
    fn step(
        &self,
        push: &Push,
        grant: &WriteGrant,
        branch: &Arc<str>,
        inspected: &Inspected,
    ) -> Result<Step, PushRefusal> {
        let now = self.branch(branch)?.head;
        let update = &inspected.update;
        let behind = |reason: &str| Err(PushRefusal::Behind { reason: reason.to_owned() });
        if update.new == now {
            return Ok(Step::Nothing);
        }
        let environments = self.context.environments;
        let named: Vec<&Arc<str>> = environments
            .iter()
            .filter(|environment| environment.branch == *branch)
            .map(|environment| &environment.name)
            .collect();
        let demand_force =
            || named.iter().try_for_each(|name| demand_force(grant, name)).map_err(PushRefusal::from);
        let follows_now = match now {
            None => update.old.is_none(),
            Some(now) => {
                inspected.lineage.boundary.contains(&now) || (update.old == Some(now) && inspected.follows)
            }
        };
        match (now, update.new) {
            (_, Some(_)) if follows_now => Ok(Step::Goes { is_forced: false }),
            // The client knows what it does away with.
            (Some(_), _) if update.old == now => {
                demand_force()?;
                Ok(Step::Goes { is_forced: true })
            }
            (Some(now), Some(_)) => match update.old {
                Some(base)
                    if inspected.follows
                        && push.merging != Merging::Never
                        && self.is_ancestor(base, now)? =>
                {
                    Ok(Step::Merges { base })
                }
                Some(_) if inspected.follows => behind(
                    "the branch moved on meanwhile, and -o no-merge asks that it be left so; fetch, merge and push again",
                ),
                _ => behind(
                    "the branch is elsewhere than it was seen, and what is pushed does not follow it; fetch first",
                ),
            },
            _ => behind("the branch is elsewhere than it was seen; fetch first"),
        }
    }

    /// Whether a branch was where a client says that it saw it, not too long ago.
    pub(super) fn is_ancestor(&self, base: Revision, head: Revision) -> Result<bool, PushRefusal> {
        Lineage::known(head).leads_from_within(base, self.texts.reader(), MOST_MISSED)
    }

    /// Lets a push change files beyond their entries: comments, layout, what is no configuration.
    pub(super) fn permit_files(
        &self,
        grant: &WriteGrant,
        branch: &Arc<str>,
        (before, to): (Option<ObjectId>, Option<Revision>),
    ) -> Result<(), PushRefusal> {
        if grant.is_unrestricted() {
            return Ok(());
        }
        let reader = self.texts.reader();
        let tree = match to {
            Some(commit) => Some(reader.commit(commit)?.tree),
            None => None,
        };
        let changes = reader.changed_files(before, tree, MOST_FILES)?;
        for environment in self.context.environments.iter().filter(|other| other.branch == *branch) {
            // Also who changes nothing: the commit is there all the same.
            grant.demand_some(Action::Write, &environment.name, &Path::root())?;
            for change in &changes.files {
                let base = base_path(&change.path).unwrap_or_else(|_| Path::root());
                grant.demand_some(Action::Write, &environment.name, &base).map_err(|refused| {
                    refused.because(format!("the push changes the file {}", change.path))
                })?;
            }
        }
        Ok(())
    }

    /// Takes a branch to a commit that is here.
    fn decide_move(&self, branch: &Arc<str>, to: Option<Revision>) -> Result<Decided, PushRefusal> {
        let working = self.branch(branch)?;
        let reader = self.texts.reader();
        let tree = match to {
            Some(commit) => Some(reader.commit(commit)?.tree),
            None => None,
        };
        let updates = restore_updates(reader, working, tree)?;
        let files: FileBlobs = updates.iter().map(|update| (update.file.clone(), update.blob)).collect();
        let plan = working.snapshot.plan(updates, &*self.texts, self.context.limits);
        let pushed = match (to, tree) {
            (Some(commit), Some(tree)) => Some(Pushed { commit, tree, files }),
            _ => None,
        };
        let is_one = match (&pushed, working.head) {
            (Some(pushed), Some(head)) => reader.commit(pushed.commit)?.parents.first() == Some(&head),
            _ => false,
        };
        let content = match pushed {
            Some(pushed) if is_one => Content::Commit(pushed),
            pushed => Content::Chain(pushed),
        };
        Ok(Decided { branch: branch.clone(), content, plan })
    }

    /// Follows a branch commit by commit: each makes versions of its own.
    pub(super) fn follow_branch(
        &mut self,
        made: &mut MadeChangeSet,
        branch: Arc<str>,
        to: Option<(Revision, ObjectId)>,
    ) -> Result<(), BatchError> {
        let Some(working) = self.branches.get_mut(&branch) else { return Ok(()) };
        let before = working.seen();
        let step = Move { branch: branch.clone(), old: working.head, new: to.map(|(commit, _)| commit) };
        let mut replay = Replay::new(self.texts.reader(), self.context.history, self.context.limits);
        if let Some(head) = working.head {
            replay.start_at(branch.clone(), head, Snapshot::clone(&working.snapshot));
        }
        let alone = ChangeSet { moves: vec![step.clone()], ..made.change_set.clone() };
        made.versions.extend(replay.follow(&alone).map_err(read_error)?);
        let snapshot = replay.branch(&branch).map(|(_, snapshot)| Arc::new(snapshot.clone()));
        working.head = step.new;
        working.tree_id = to.map(|(_, tree)| tree);
        working.tree = WorkTree::new(working.tree_id);
        working.snapshot = snapshot.unwrap_or_default();
        let after: Branch = working.seen();
        made.moved.push(Moved { branch, before, after });
        made.change_set.moves.push(step);
        Ok(())
    }

    /// What commits on the way change counts as well, though later ones undo it: history shows it.
    fn permit_passing(
        &self,
        grant: &WriteGrant,
        plans: &[(Arc<str>, BTreeSet<Path>)],
        versions: &[NewVersion],
    ) -> Result<(), PushRefusal> {
        if grant.is_unrestricted() {
            return Ok(());
        }
        for (branch, judged) in plans {
            let of_branch = versions.iter().filter(|version| version.branch == *branch);
            let passing: BTreeSet<&Path> =
                of_branch.map(|version| &version.path).filter(|path| !judged.contains(*path)).collect();
            for environment in self.context.environments.iter().filter(|other| other.branch == *branch) {
                for path in &passing {
                    grant.demand(Action::Write, &environment.name, path).map_err(|refused| {
                        refused.because(
                            "a commit of the push changes it, though a later one undoes that".to_owned(),
                        )
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Puts branches back where they were, and forgets what was known of where they were to go.
    fn take_back(&mut self, moved: &[Moved]) {
        self.put_back(moved);
        self.checks.forget();
    }

    /// Puts branches back where they were.
    pub(super) fn put_back(&mut self, moved: &[Moved]) {
        for Moved { branch, before, .. } in moved {
            self.branches.insert(branch.clone(), Working::of(before));
        }
    }
}

fn changed_paths(plan: &Plan) -> BTreeSet<Path> {
    plan.changes().iter().map(|change| change.path.clone()).collect()
}

fn read_error(error: ReadError) -> BatchError {
    BatchError::Tree(error.into())
}

/// What the commit of a merge says.
fn merge_message(push: &Push) -> String {
    let account: String = push.grant.account().chars().filter(|char| !char.is_control()).take(200).collect();
    let mut message = format!("merge what was pushed\n\nAccount: {account}\n");
    if let Some(id) = &push.request_id {
        let id: String = id.chars().filter(|char| !char.is_control()).take(200).collect();
        message.push_str(&format!("Request-Id: {id}\n"));
    }
    message
}
