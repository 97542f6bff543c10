//! Pushes: what somebody sends is received beside the repository and looked at there, decided by the committer like any
//! write, and moves refs only through it.

mod content;
mod inspect;
mod lineage;
mod settings;

use std::fmt;
use std::io::Read;
use std::process::Command;
use std::time::Duration;

pub(super) use self::content::{ChangeLimits, Content, PUSHED};
pub(super) use self::inspect::{Inspected, Target};
pub(super) use self::lineage::Lineage;
pub(super) use self::settings::ReceivedSettings;
use super::ServiceError;
use super::core::Core;
use super::project::Project;
use crate::auth::{Action, Refused, WriteGrant};
use crate::git::{EntryKind, Quarantine, ReceiveError, ReceiveLimits, RefState, Repository};
use crate::model::{Diagnostic, Environment, Environments, ObjectId, Path, Revision, Rule, Sequence};

/// How much one push may bring.
pub const PUSH_LIMITS: ReceiveLimits = ReceiveLimits {
    pack_bytes: 512 << 20,
    objects: 2_000_000,
    memory_bytes: 640 << 20,
    cpu: Duration::from_secs(300),
};

/// How many refs one push may move.
pub const MOST_REF_UPDATES: usize = 1_000;

/// The step of one ref that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name, such as `refs/heads/main`.
    pub name: String,
    /// Where the client saw it; none where it saw none.
    pub old: Option<ObjectId>,
    /// Where it is to go; none to delete it.
    pub new: Option<ObjectId>,
}

/// One push, before anything of it is looked at.
#[derive(Debug)]
pub struct Push {
    /// Who pushes, proven.
    pub grant: WriteGrant,
    /// The refs.
    pub updates: Vec<RefUpdate>,
    /// Whether all of them move or none.
    pub is_atomic: bool,
    /// What happens where a branch moved on meanwhile.
    pub merging: Merging,
    /// The id of the request, for the trailer of a merge.
    pub request_id: Option<String>,
    /// What is said of the proposal that it makes.
    pub proposing: Proposing,
}

/// What is said of the proposal that a push to `refs/for/<environment>` makes.
#[derive(Debug, Clone, Default)]
pub struct Proposing {
    /// The proposal that gets other commits; a new one where none is named.
    pub number: Option<u64>,
    /// What it is about; the subject of the last commit, where none is given.
    pub title: Option<String>,
    /// Why; what else the last commit says.
    pub description: Option<String>,
}

/// What happens to a branch that moved on since who pushes saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merging {
    /// It stays; who pushes has to fetch.
    Never,
    /// Both sides are merged entry by entry, unless both changed the same.
    Refuse,
    /// They are merged, and where both changed the same, what is pushed counts.
    TakeTheirs,
}

/// What became of one ref.
#[derive(Debug)]
pub enum Verdict {
    /// It moved, or is there already.
    Moved(MovedRef),
    /// It did not.
    Refused(PushRefusal),
}

/// A ref that is where it was to go, or beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRef {
    /// Where it was.
    pub old: Option<ObjectId>,
    /// Where it is.
    pub new: Option<ObjectId>,
    /// Whether what it was is no part of its history any more.
    pub is_forced: bool,
    /// Whether the server merged what was sent with what had come meanwhile.
    pub is_merged: bool,
    /// The change set, where it is the branch of an environment.
    pub sequence: Option<Sequence>,
    /// The entries that both sides changed, where what was pushed counts.
    pub overruled: Vec<Path>,
    /// The proposal that brings those back.
    pub kept: Option<u64>,
    /// The proposal that holds it now, rather than a ref, and its version.
    pub proposal: Option<(u64, u32)>,
}

/// Why a ref did not move.
#[derive(Debug)]
pub enum PushRefusal {
    /// Nobody pushes to such a ref.
    NoSuchRef {
        /// What is wrong with it, and what may be pushed.
        reason: String,
    },
    /// It moved on, or would lose commits.
    Behind {
        /// What to do.
        reason: String,
    },
    /// What was pushed can be no part of the branch.
    Content(Vec<Diagnostic>),
    /// Both sides changed the same.
    Conflicts(Vec<Diagnostic>),
    /// Another ref of an atomic push was refused.
    NotAlone,
    /// What any write could be refused for.
    Service(ServiceError),
}

impl PushRefusal {
    /// A few words for the client's table of refs.
    pub fn summary(&self) -> &'static str {
        match self {
            PushRefusal::NoSuchRef { .. } => "no such ref can be pushed",
            PushRefusal::Behind { .. } => "fetch first",
            PushRefusal::Content(_) => "files that cannot be",
            PushRefusal::Conflicts(_) => "conflicts",
            PushRefusal::NotAlone => "atomic push failed",
            PushRefusal::Service(ServiceError::Forbidden(_) | ServiceError::Denied(_)) => "not permitted",
            PushRefusal::Service(ServiceError::Problems(_) | ServiceError::Findings(_)) => "not valid",
            PushRefusal::Service(
                ServiceError::Busy
                | ServiceError::WritesUnavailable { .. }
                | ServiceError::NotReady { .. }
                | ServiceError::AuditUnavailable { .. },
            ) => "try again",
            PushRefusal::Service(_) => "refused",
        }
    }
}

impl PushRefusal {
    /// Why, with each place that is wrong.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = vec![self.to_string()];
        match self {
            PushRefusal::Content(faults) | PushRefusal::Conflicts(faults) => {
                reasons.extend(faults.iter().map(ToString::to_string));
            }
            PushRefusal::Service(ServiceError::Problems(faults)) => {
                reasons.extend(faults.iter().map(ToString::to_string));
            }
            PushRefusal::Service(ServiceError::Findings(findings)) => {
                reasons.extend(
                    findings.iter().map(|found| format!("{}: {}", found.environment, found.diagnostic)),
                );
            }
            _ => {}
        }
        reasons
    }
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushRefusal::NoSuchRef { reason } | PushRefusal::Behind { reason } => f.write_str(reason),
            PushRefusal::Content(_) => f.write_str("the push holds what the branch of an environment cannot"),
            PushRefusal::Conflicts(_) => f.write_str(
                "the branch moved on meanwhile, and both sides changed the same; fetch, merge and push again",
            ),
            PushRefusal::NotAlone => f.write_str("another ref was refused, and the push is atomic"),
            PushRefusal::Service(error) => error.fmt(f),
        }
    }
}

impl<E: Into<ServiceError>> From<E> for PushRefusal {
    fn from(error: E) -> Self {
        PushRefusal::Service(error.into())
    }
}

/// A push that was looked at, on its way to the committer.
#[derive(Debug)]
pub(super) struct Received {
    pub push: Push,
    pub quarantine: Quarantine,
    /// The refs that nothing speaks against so far.
    pub inspected: Vec<Inspected>,
}

/// One of the repositories of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That of the configuration.
    Config,
    /// That of settings and access.
    Meta,
}

impl Core {
    fn repository_of(&self, which: Which) -> &Repository {
        match which {
            Which::Config => &self.repository,
            Which::Meta => &self.meta,
        }
    }

    /// The refs that a client may push to, and where they are.
    pub fn pushable_refs(&self, which: Which) -> Result<Vec<(String, ObjectId)>, ServiceError> {
        let mut all = Vec::new();
        for prefix in PUSHABLE {
            let found = self.repository_of(which).refs(prefix)?.into_iter();
            all.extend(found.filter_map(|(name, state)| match state {
                RefState::At(id) => Some((name, id)),
                RefState::Absent | RefState::Torn => None,
            }));
        }
        Ok(all)
    }

    /// Receives the pack of a push beside the repository. Blocks for as long as it takes to come.
    pub fn receive_pack(&self, which: Which, pack: &mut dyn Read) -> Result<Quarantine, ReceiveError> {
        Quarantine::receive(self.repository_of(which), pack, &PUSH_LIMITS)
    }

    /// The `git` of this machine, to serve one of the repositories.
    pub fn git_command(&self, which: Which) -> Command {
        self.repository_of(which).git_command()
    }
}

/// Where what is pushed becomes a proposal for the environment that the rest of the name says.
pub(super) const PROPOSING: &str = "refs/for/";

/// Where refs are that can be pushed.
pub(super) const PUSHABLE: [&str; 2] = ["refs/heads/", "refs/tags/"];

impl Project {
    /// Decides a push whose pack is here, and waits until what it moves is durable. Blocks.
    pub fn receive(&self, push: Push, quarantine: Quarantine) -> Result<Vec<Verdict>, ServiceError> {
        judge(self.core(), push, quarantine, |received| self.hand_over_push(received))
    }
}

/// Looks at a push, and lets the committer decide what nothing speaks against.
pub(super) fn judge(
    core: &Core,
    push: Push,
    quarantine: Quarantine,
    hand_over: impl FnOnce(Received) -> Result<Vec<Verdict>, ServiceError>,
) -> Result<Vec<Verdict>, ServiceError> {
    core.writable()?;
    let found = inspect::inspect(core, &push, &quarantine, PUSHED)?;
    let is_void = push.is_atomic && found.iter().any(Result::is_err);
    let (mut inspected, mut verdicts) = (Vec::new(), Vec::new());
    for found in found {
        verdicts.push(match found {
            Ok(_) if is_void => Some(Verdict::Refused(PushRefusal::NotAlone)),
            Ok(found) => {
                inspected.push(found);
                None
            }
            Err(refusal) => Some(Verdict::Refused(refusal)),
        });
    }
    let decided = match inspected.is_empty() {
        true => Vec::new(),
        false => hand_over(Received { push, quarantine, inspected })?,
    };
    let mut decided = decided.into_iter();
    let all = verdicts.into_iter().filter_map(|verdict| verdict.or_else(|| decided.next()));
    Ok(all.collect())
}

/// Looks at a commit that would come into the branch of an environment, as at one that is pushed to become a proposal;
/// answers the newest commit of the branch that it was made on.
pub(super) fn base_of(
    core: &Core,
    grant: &WriteGrant,
    (environment, commit): (&Environment, Revision),
    quarantine: &Quarantine,
    limits: ChangeLimits,
) -> Result<Result<Option<Revision>, PushRefusal>, ServiceError> {
    let name = format!("{PROPOSING}{}", environment.name);
    let push = Push {
        grant: grant.clone(),
        updates: vec![RefUpdate { name, old: None, new: Some(commit) }],
        is_atomic: false,
        merging: Merging::Refuse,
        request_id: None,
        proposing: Proposing::default(),
    };
    let found = inspect::inspect(core, &push, quarantine, limits)?.into_iter().next();
    let found = found.ok_or(ServiceError::Busy)?;
    Ok(found.map(|inspected| match inspected.target {
        Target::Proposal(_, base) => base,
        Target::Branch(_) | Target::Tag => None,
    }))
}

/// What is asked of somebody who makes the branch of an environment lose commits, or removes it.
pub(super) fn demand_force(grant: &WriteGrant, environment: &str) -> Result<(), Refused> {
    grant.demand_all(Action::Admin, environment, &Path::root()).map_err(|refused| {
        let because =
            "commits, or the branch, would be lost; that takes somebody who administers the environment";
        refused.because(because.to_owned())
    })
}

/// What is asked of somebody who pushes what no environment shows: that they may write something.
pub(super) fn demand_other(grant: &WriteGrant, environments: &Environments) -> Result<(), Refused> {
    let mut refused = Ok(());
    for environment in environments.iter() {
        refused = grant.demand_some(Action::Write, &environment.name, &Path::root());
        if refused.is_ok() {
            return Ok(());
        }
    }
    refused
}

/// What is wrong with a file of a push.
fn file_fault(file: &str, message: String) -> Diagnostic {
    Diagnostic { rule: Rule::File, file: Some(file.to_owned()), position: None, path: None, message }
}

/// What stands in a tree, for people.
fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File | EntryKind::Executable => "a file",
        EntryKind::Dir => "a folder",
        EntryKind::Symlink => "a symbolic link",
        EntryKind::Submodule => "a submodule",
    }
}
