use std::fmt;
use std::sync::Arc;

use super::committer::Precondition;
use crate::auth::{Denied, EditAccessError, Refused};
use crate::git::ReadError;
use crate::history::HistoryError;
use crate::model::{Diagnostic, Path, Sequence, Version};
use crate::patch::PatchError;
use crate::proposal::{ActError, Need, Requirement};
use crate::secret::SecretError;
use crate::telemetry::Refusal;
use crate::validation::Finding;

/// Why a read, a write or a look into history gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No such environment.
    #[error("there is no environment `{name}`; there are: {}", known.join(", "))]
    UnknownEnvironment {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Nothing stands at the path.
    #[error("{path} does not exist in {environment}{}", match inherited_from {
        Some(template) if template.starts_with('/') => {
            format!(" as it is written; its value comes from the template {template}: ask for it with resolve=true or --resolve")
        }
        Some(origin) => format!("; its value comes from {origin}"),
        None => String::new(),
    })]
    NotFound {
        /// The path.
        path: Path,
        /// The environment asked.
        environment: Arc<str>,
        /// Where an inherited value comes from: an environment, or the path of a template.
        inherited_from: Option<Arc<str>>,
    },
    /// The account may not do this.
    #[error("{0}")]
    Forbidden(Box<Refused>),
    /// The caller may not ask this.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// An account cannot be changed so.
    #[error("{0}")]
    Account(Box<EditAccessError>),
    /// Nobody of this name watches with the account, nor is missed.
    #[error("no client `{id}` of this account watches; it names itself with `client=` when its watch begins")]
    NoClient {
        /// The name asked for.
        id: String,
    },
    /// The path is an object, and a version of it was asked for.
    #[error(
        "{path} is an object in {environment}, and only entries have versions; name a moment with at= instead"
    )]
    NoEntry {
        /// The path.
        path: Path,
        /// The environment asked.
        environment: Arc<str>,
    },
    /// The path never had this version.
    #[error("{path} has no version {version} in {environment}; its newest is {newest}")]
    NoVersion {
        /// The path.
        path: Path,
        /// The environment asked.
        environment: Arc<str>,
        /// The version asked for.
        version: Version,
        /// The newest there is.
        newest: Version,
    },
    /// The version is a delete.
    #[error("version {version} of {path} is its deletion, so it has no value")]
    Gone {
        /// The path.
        path: Path,
        /// The version asked for.
        version: Version,
    },
    /// The version's commit is not in the repository any more.
    #[error("version {version} of {path} was pruned from the repository")]
    Pruned {
        /// The path.
        path: Path,
        /// The version asked for.
        version: Version,
    },
    /// A point in history that is before what is kept.
    #[error(
        "{what} is not kept any more: history begins with change set {oldest}, as `retention` in the settings asks"
    )]
    NotKept {
        /// What was asked for.
        what: String,
        /// The oldest change set that can be asked for.
        oldest: Sequence,
    },
    /// A point in history that cannot be found.
    #[error("{reason}")]
    NoSuchPoint {
        /// What was asked for and how it is written.
        reason: String,
    },
    /// An environment of this name is there already.
    #[error("there is an environment `{name}` already")]
    EnvironmentExists {
        /// The name.
        name: Arc<str>,
    },
    /// The settings would not be such that a project can have them.
    #[error("the settings cannot be so: {}", .0.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Diagnostic>),
    /// A patch does not fit what is there.
    #[error("{path}: {reason}{}", match heir { Some(heir) => format!("; a patch changes what {heir} itself holds, not what it inherits"), None => String::new() })]
    Patch {
        /// The path.
        path: Path,
        /// Which operation, and why.
        reason: Box<PatchError>,
        /// The environment, where it inherits from another and something is missing.
        heir: Option<Arc<str>>,
    },
    /// A page that begins where no page of this listing ends.
    #[error("this is no cursor of this listing: {reason}")]
    Cursor {
        /// Why not.
        reason: String,
    },
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("{}", .0)]
    PreconditionFailed(Box<Unmet>),
    /// The request asks for what no configuration can be.
    #[error("{path}: {reason}")]
    Invalid {
        /// The path.
        path: Path,
        /// Why, and what to do.
        reason: String,
    },
    /// Others have to agree first.
    #[error("{}", told_needs(needs))]
    NeedsApproval {
        /// To what.
        needs: Vec<Need>,
    },
    /// Others have not agreed to a proposal yet.
    #[error("proposal {number} cannot be merged yet: {}", told_requirements(missing))]
    NotApproved {
        /// Which.
        number: u64,
        /// What is missing.
        missing: Vec<Requirement>,
    },
    /// There is no such proposal.
    #[error("there is no proposal {number}")]
    NoProposal {
        /// Which.
        number: u64,
    },
    /// Something cannot be done to a proposal.
    #[error(transparent)]
    Proposal(#[from] ActError),
    /// A proposal and its branches do not go together.
    #[error("proposal {number} cannot be merged: {}", told(faults, "things are in the way"))]
    Unmergeable {
        /// Which.
        number: u64,
        /// What is in the way.
        faults: Vec<Diagnostic>,
    },
    /// A proposal of nothing.
    #[error("nothing would change, so there is nothing to propose")]
    NothingToPropose,
    /// Too many proposals wait.
    #[error("{most} proposals are open, which is the most; merge or close some")]
    TooManyProposals {
        /// How many there may be.
        most: usize,
    },
    /// The value cannot stand at the path, or cannot be edited in place.
    #[error("{0}")]
    Conflict(Diagnostic),
    /// The write would bring problems that were not there before.
    #[error("the change would break {} thing(s)", .0.len())]
    Problems(Vec<Diagnostic>),
    /// The write would make wrong what environments show, and is right now.
    #[error("the change would break {}", if let [only] = &.0[..] { only.diagnostic.to_string() } else { format!("{} things", .0.len()) })]
    Findings(Vec<Finding>),
    /// References or templates lead nowhere.
    #[error("{}", told(.0, "values cannot be resolved"))]
    Unresolvable(Vec<Diagnostic>),
    /// A bundle cannot be written in the format that is asked for.
    #[error("{}", told(.0, "values cannot be written in this format"))]
    NotExpressible(Vec<Diagnostic>),
    /// A provider of secrets fails.
    #[error("{0}")]
    Secret(#[from] SecretError),
    /// A value or document over its limit.
    #[error("{path}: {actual} bytes are more than the limit of {limit}")]
    TooLarge {
        /// The path.
        path: Path,
        /// The size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// More writes wait than the queue holds.
    #[error("too many writes are waiting; try again")]
    Busy,
    /// More watch than the server has room for.
    #[error("{most} watches are under way, and there is room for no more; end some, or try again")]
    TooManyWatchers {
        /// How many there may be.
        most: usize,
    },
    /// Writes are refused at present.
    #[error("writes are not possible at present: {reason}")]
    WritesUnavailable {
        /// The cause, for people.
        reason: String,
    },
    /// The write is accepted, but the upstream does not have it yet, as the settings require.
    #[error(
        "the write is change set {sequence} here, and is on its way; the upstream does not have it yet: {reason}"
    )]
    NotUpstream {
        /// The change set.
        sequence: Sequence,
        /// Why not, for people.
        reason: String,
    },
    /// What has to be told to the audit log cannot be told.
    #[error("this cannot be shown, for the audit log cannot be told: {reason}")]
    AuditUnavailable {
        /// The cause, for people.
        reason: String,
    },
    /// A part that this request needs is still being built.
    #[error("{part} is still being built; try again")]
    NotReady {
        /// Which part.
        part: &'static str,
    },
    /// The repository could not be read.
    #[error("the repository cannot be read: {0}")]
    Repository(#[from] ReadError),
    /// Derived data could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A precondition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The path.
    pub path: Path,
    /// What was asked for.
    pub expected: Precondition,
    /// The present entity tag; none when nothing stands there.
    pub current: Option<String>,
    /// The version of the entry there, where the environment's own layer holds one.
    pub version: Option<Version>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmet { path, expected, current, version } = self;
        match (expected, current, version) {
            (_, None, _) => write!(f, "{path} is not what the precondition expects: it does not exist"),
            (Precondition::Absent, Some(_), Some(version)) => {
                write!(f, "{path} exists already, in version {version}")
            }
            (Precondition::Absent, Some(_), None) => write!(f, "{path} exists already"),
            (_, Some(tag), Some(version)) => {
                write!(
                    f,
                    "{path} is not what the precondition expects: it is now in version {version}, its entity tag {tag}"
                )
            }
            (_, Some(tag), None) => {
                write!(f, "{path} is not what the precondition expects: its entity tag is now {tag}")
            }
        }
    }
}

impl ServiceError {
    /// The kind of refusal that metrics count a write under which ends so.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            ServiceError::UnknownEnvironment { .. }
            | ServiceError::NotFound { .. }
            | ServiceError::NoEntry { .. }
            | ServiceError::NoClient { .. }
            | ServiceError::NoVersion { .. }
            | ServiceError::Gone { .. }
            | ServiceError::Pruned { .. }
            | ServiceError::NotKept { .. }
            | ServiceError::NoProposal { .. }
            | ServiceError::NoSuchPoint { .. } => Refusal::NotFound,
            ServiceError::Forbidden(_) | ServiceError::Denied(_) | ServiceError::NeedsApproval { .. } => {
                Refusal::Forbidden
            }
            ServiceError::Account(_) => Refusal::Invalid,
            ServiceError::PreconditionFailed(_) => Refusal::Precondition,
            ServiceError::Invalid { .. }
            | ServiceError::NothingToPropose
            | ServiceError::Settings(_)
            | ServiceError::Patch { .. }
            | ServiceError::Cursor { .. } => Refusal::Invalid,
            ServiceError::Conflict(_)
            | ServiceError::EnvironmentExists { .. }
            | ServiceError::NotApproved { .. }
            | ServiceError::Proposal(_)
            | ServiceError::Unmergeable { .. } => Refusal::Conflict,
            ServiceError::Problems(_)
            | ServiceError::Findings(_)
            | ServiceError::Unresolvable(_)
            | ServiceError::NotExpressible(_) => Refusal::Problems,
            ServiceError::TooLarge { .. } => Refusal::TooLarge,
            ServiceError::Busy
            | ServiceError::TooManyWatchers { .. }
            | ServiceError::TooManyProposals { .. } => Refusal::Busy,
            ServiceError::WritesUnavailable { .. }
            | ServiceError::NotReady { .. }
            | ServiceError::AuditUnavailable { .. }
            | ServiceError::NotUpstream { .. }
            | ServiceError::Secret(_) => Refusal::Unavailable,
            ServiceError::Repository(_) | ServiceError::Io(_) => Refusal::Failed,
        }
    }
}

/// Whose agreement a change needs, and how to ask for it.
fn told_needs(needs: &[Need]) -> String {
    let Some(Need { rule, count, teams, environment, path, layer, .. }) = needs.first() else {
        return "the change needs the agreement of others".to_owned();
    };
    let of = if teams.is_empty() { String::new() } else { format!(" of {}", teams.join(", ")) };
    let shown = layer
        .as_ref()
        .map_or_else(String::new, |layer| format!(" ({environment} shows what changes in {layer})"));
    let more = if needs.len() > 1 { format!(", and {} more", needs.len() - 1) } else { String::new() };
    format!(
        "rule {rule} of access.yaml asks for the agreement of {count}{of} to changes of {path} in {environment}{shown}{more}; propose the change: \
         POST /api/proposals, or git push origin HEAD:refs/for/{}",
        layer.as_ref().unwrap_or(environment)
    )
}

/// What agreement is missing.
fn told_requirements(missing: &[Requirement]) -> String {
    let told = missing.iter().map(|requirement| {
        let Requirement { rule, count, teams, environment, paths, approved_by, .. } = requirement;
        let of = if teams.is_empty() { String::new() } else { format!(" of {}", teams.join(", ")) };
        let path = paths.first().map(ToString::to_string).unwrap_or_default();
        let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
        let so_far = match approved_by.is_empty() {
            true => "nobody did".to_owned(),
            false => format!("{} did", approved_by.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        format!("rule {rule} asks {count}{of} to agree to {path}{more} in {environment}, and {so_far}")
    });
    told.collect::<Vec<_>>().join("; ")
}

/// One by itself; of several how many there are.
fn told(diagnostics: &[Diagnostic], what: &str) -> String {
    match diagnostics {
        [only] => only.to_string(),
        several => format!("{} {what}", several.len()),
    }
}

impl From<Refused> for ServiceError {
    fn from(refused: Refused) -> Self {
        ServiceError::Forbidden(Box::new(refused))
    }
}

impl From<HistoryError> for ServiceError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Pruned { oldest } => {
                ServiceError::NotKept { what: "what is asked for".to_owned(), oldest }
            }
            HistoryError::Io(error) => ServiceError::Io(error),
        }
    }
}
