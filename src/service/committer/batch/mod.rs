mod commit;
mod decide;
mod keep;
mod merge;
mod message;
mod permit;
mod promote;
mod propose;
mod push;
mod resolve;
mod trial;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

pub(in crate::service::committer) use self::keep::Kept;
pub(in crate::service::committer) use self::message::message;
pub(in crate::service) use self::propose::HeadsTrial;
pub(in crate::service::committer) use self::propose::{Merger, bound_paths};
pub(in crate::service::committer) use self::push::{PushFailure, PushedBranches};
pub(in crate::service) use self::trial::Trial;
use super::checks::Checks;
use super::publishing::Accepted;
use super::request::{ChangedEntry, Write, Written};
use super::stage::Draft;
use super::texts::Texts;
use crate::git::{EntryKind, Pack, PackError, WorkTree, WorkTreeError};
use crate::history::{History, NewVersion};
use crate::index::{Branch, State};
use crate::model::{
    ChangeSet, Environment, Environments, Limits, ObjectId, Path, Revision, Sequence, Timestamp, Version,
};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::live::Moved;
use crate::snapshot::{Plan, Snapshot};
use crate::telemetry::{Phase, ProjectMetrics};

/// A branch as the committer has it: ahead of what readers see by the batch in the making.
pub(in crate::service::committer) struct Working {
    pub head: Option<Revision>,
    /// The head's tree.
    pub tree_id: Option<ObjectId>,
    pub snapshot: Arc<Snapshot>,
    pub tree: WorkTree,
}

impl Working {
    /// A branch as readers see it.
    pub fn of(seen: &Branch) -> Self {
        Working {
            head: seen.head,
            tree_id: seen.tree,
            snapshot: seen.snapshot.clone(),
            tree: WorkTree::new(seen.tree),
        }
    }

    /// The branch as readers will see it.
    pub fn seen(&self) -> Branch {
        Branch { head: self.head, tree: self.tree_id, snapshot: self.snapshot.clone() }
    }
}

/// Every branch as readers see it.
pub(in crate::service::committer) fn working_of(state: &State) -> HashMap<Arc<str>, Working> {
    state.branches.iter().map(|(name, branch)| (name.clone(), Working::of(branch))).collect()
}

/// Why a batch cannot go on: nothing of it may be published.
#[derive(Debug, thiserror::Error)]
pub(in crate::service::committer) enum BatchError {
    /// An object could not be made.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A tree could not be read or changed.
    #[error(transparent)]
    Tree(#[from] WorkTreeError),
}

/// Why a write is not part of the batch, or why there is no batch any more.
pub(in crate::service::committer) enum Failure {
    Refused(ServiceError),
    Broken(BatchError),
}

impl Failure {
    /// What whoever asked is told.
    pub fn into_service(self) -> ServiceError {
        match self {
            Failure::Refused(error) => error,
            Failure::Broken(error) => ServiceError::WritesUnavailable { reason: error.to_string() },
        }
    }
}

impl<E: Into<ServiceError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Refused(error.into())
    }
}

/// What the committer knows besides the branches.
pub(in crate::service::committer) struct Context<'a> {
    pub environments: &'a Arc<Environments>,
    pub limits: &'a Limits,
    pub history: &'a History,
    pub metrics: &'a ProjectMetrics,
}

impl<'a> Context<'a> {
    /// The same of a project.
    pub fn of(core: &'a Core, environments: &'a Arc<Environments>, limits: &'a Limits) -> Self {
        Context { environments, limits, history: &core.history, metrics: &core.metrics }
    }
}

/// The writes of one batch, taken one after the other; each sees those before it.
pub(in crate::service::committer) struct Batch<'a> {
    context: Context<'a>,
    branches: &'a mut HashMap<Arc<str>, Working>,
    checks: &'a mut Checks,
    texts: &'a mut Texts,
    pack: Pack,
    accepted: Vec<(ChangeSet, Vec<NewVersion>)>,
    /// The branches that each of them moves, before and after.
    moved: Vec<Vec<Moved>>,
    /// Versions that the batch has given out and the history index does not know yet.
    versions: HashMap<(Arc<str>, Path), Version>,
    sequence: Sequence,
    time: Timestamp,
}

/// The versions that a write makes, by branch and by the file that holds or held the entry.
type FileVersions = HashMap<(Arc<str>, Arc<str>), Vec<ChangedEntry>>;

/// The edits of one write to one branch, decided.
struct Decided {
    branch: Arc<str>,
    content: Content,
    plan: Plan,
}

/// What a branch holds after a write.
enum Content {
    /// These files are other than before.
    Files(BTreeMap<Arc<str>, Draft>),
    /// It holds this tree, whole.
    Tree(ObjectId),
    /// It holds a commit that somebody pushed, one step from where it was.
    Commit(Pushed),
    /// It is where somebody pushed it, which is several commits away, elsewhere, or nowhere.
    Chain(Option<Pushed>),
    /// It holds what was pushed, or other files, together with what came meanwhile.
    Merge(Merged),
}

/// A commit that somebody pushed.
struct Pushed {
    commit: Revision,
    tree: ObjectId,
    /// What its changed files are there.
    files: FileBlobs,
}

/// What a merge makes of the files of a branch.
struct Merged {
    /// The commit that was pushed: the second parent; none where files are only brought back.
    pushed: Option<Revision>,
    /// The files that are as they were there, and those that are of another kind.
    taken: Files,
    /// The files that are as neither side has them, on top of that.
    files: BTreeMap<Arc<str>, Draft>,
}

/// What a file is in a tree; none where there is none.
type Held = Option<(EntryKind, ObjectId)>;

/// What files are to be in a tree.
type Files = BTreeMap<Arc<str>, Held>;

/// What files hold; none where one is gone.
type FileBlobs = BTreeMap<Arc<str>, Option<ObjectId>>;

impl<'a> Batch<'a> {
    pub fn new(
        context: Context<'a>,
        (branches, checks, texts): (&'a mut HashMap<Arc<str>, Working>, &'a mut Checks, &'a mut Texts),
        sequence: Sequence,
        time: Timestamp,
    ) -> Self {
        let (pack, accepted, moved, versions) = (Pack::new(), Vec::new(), Vec::new(), HashMap::new());
        Batch { context, branches, checks, texts, pack, accepted, moved, versions, sequence, time }
    }

    /// The objects made, and the change sets accepted.
    pub fn into_parts(self) -> (Pack, Accepted) {
        let Batch { sequence, time, accepted: change_sets, moved, .. } = self;
        (self.pack, Accepted { sequence, time, change_sets, moved, since: Vec::new() })
    }

    /// Takes one write: refuses it and changes nothing, or makes its commits.
    pub fn add(&mut self, write: &Write) -> Result<Written, Failure> {
        let begun = Instant::now();
        let permitted = self.permit_asked(&write.grant, &write.edits);
        let decided =
            permitted.and_then(|()| self.decide(&write.grant, &write.edits)).and_then(|(decided, edits)| {
                let needs = self.permit(&write.grant, &decided)?;
                if !needs.is_empty() {
                    return Err(ServiceError::NeedsApproval { needs });
                }
                self.validate(&decided, &write.grant)?;
                Ok((decided, edits))
            });
        self.context.metrics.took(Phase::Decide, begun.elapsed());
        let (decided, edits) = decided?;
        if decided.is_empty() {
            return Ok(self.unchanged(write, edits));
        }
        let begun = Instant::now();
        let written = self.commit(write, decided, edits);
        self.context.metrics.took(Phase::Build, begun.elapsed());
        written.map_err(Failure::Broken)
    }

    fn environment(&self, name: &str) -> Result<&'a Environment, ServiceError> {
        let environments: &'a Environments = self.context.environments;
        environments.get(name).ok_or_else(|| ServiceError::unknown_environment(environments, name))
    }

    fn branch(&self, name: &str) -> Result<&Working, ServiceError> {
        self.branches.get(name).ok_or(ServiceError::NotReady { part: "the branch" })
    }
}

/// The state that readers see once the batch is published.
pub(in crate::service::committer) fn state_of(
    branches: &HashMap<Arc<str>, Working>,
    environments: &Arc<Environments>,
    sequence: Sequence,
) -> State {
    let branches = branches.iter().map(|(name, working)| (name.clone(), working.seen())).collect();
    State::new(sequence, environments.clone(), branches)
}
