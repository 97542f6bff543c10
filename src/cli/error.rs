use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::auth::EditAccessError;
use crate::client::ClientError;
use crate::import::ImportError;
use crate::model::{Diagnostic, PathError};
use crate::present;
use crate::server::ServeError;
use crate::service::{BackupError, FsckError, InitError, OpenError, RestoreError, ServiceError};
use crate::wire::{Problem, ProblemItem};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments ask for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// A path argument that is none.
    #[error("`{text}` is no path: {reason}")]
    Path {
        /// The argument.
        text: String,
        /// Why.
        reason: PathError,
    },
    /// The server, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The local project.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A project that cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A project that cannot be made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A source that cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A server that cannot run.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A backup that cannot be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A backup that is not restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A project that cannot be checked.
    #[error(transparent)]
    Fsck(#[from] FsckError),
    /// Configuration that is not as it should be; what is wrong was printed.
    #[error("{count} {} found", if *count == 1 { "problem was" } else { "problems were" })]
    Invalid {
        /// How many problems there are.
        count: usize,
    },
    /// Two environments changed the same entries; both sides were printed.
    #[error("{count} {} both, each in its way; nothing was written", if *count == 1 { "entry was changed in" } else { "entries were changed in" })]
    Undecided {
        /// How many entries there are.
        count: usize,
        /// Where they were written to, to be decided.
        file: Option<PathBuf>,
    },
    /// Nobody reads what is printed, or it cannot be printed.
    #[error("the result cannot be printed: {0}")]
    Output(io::Error),
    /// What was looked for is not there.
    #[error("{0}")]
    NothingFound(String),
    /// A text that a person edited was not written, and is kept.
    #[error("{reason}; the edited text is kept in {}", file.display())]
    Kept {
        /// Why it was not written.
        reason: Box<CliError>,
        /// Where it is.
        file: PathBuf,
    },
    /// A command that was run for somebody ended so.
    #[error("the command ended with {code}")]
    Ended {
        /// Its exit code, which is that of this process.
        code: u8,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// How a command went, as its exit code tells scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It failed.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// What it is about does not exist: 404.
    NotFound = 3,
    /// It is not allowed, or not valid: 401, 403, 422.
    Refused = 4,
    /// It is not as expected any more, or in the way of something: 409, 412.
    Conflict = 5,
}

impl Exit {
    /// The exit code for an answer of this HTTP status.
    pub fn of_status(status: u16) -> Self {
        match status {
            404 => Exit::NotFound,
            400 => Exit::Usage,
            401 | 403 | 422 => Exit::Refused,
            409 | 412 => Exit::Conflict,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl CliError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Usage(_) | CliError::Path { .. } => Exit::Usage,
            CliError::Client(error) => error.status().map_or(Exit::Failed, Exit::of_status),
            CliError::Service(error) => of_service(error),
            CliError::NothingFound(_) => Exit::NotFound,
            CliError::Import(_) | CliError::Invalid { .. } => Exit::Refused,
            CliError::Undecided { .. } => Exit::Conflict,
            CliError::Kept { reason, .. } => reason.exit(),
            CliError::Restore(RestoreError::Archive(_) | RestoreError::Damaged(_)) => Exit::Refused,
            CliError::Backup(_)
            | CliError::Restore(_)
            | CliError::Fsck(_)
            | CliError::Open(_)
            | CliError::Init(_)
            | CliError::Serve(_)
            | CliError::Output(_)
            | CliError::Ended { .. }
            | CliError::Failed(_) => Exit::Failed,
        }
    }

    /// Whether it means no more than that nobody reads on.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether nothing stands at the path that was asked for.
    pub fn is_missing_value(&self) -> bool {
        match self {
            CliError::Service(error) => matches!(error, ServiceError::NotFound { .. }),
            CliError::Client(ClientError::Refused(problem)) => {
                problem.status == 404 && problem.kind == "/problems/not-found"
            }
            _ => false,
        }
    }

    /// The places that are wrong.
    pub fn places(&self) -> Vec<String> {
        match self {
            CliError::Client(ClientError::Refused(problem)) => places_of(problem),
            CliError::Kept { reason, .. } => reason.places(),
            CliError::Service(
                ServiceError::Problems(problems)
                | ServiceError::Unresolvable(problems)
                | ServiceError::NotExpressible(problems),
            ) => problems.iter().map(Diagnostic::to_string).collect(),
            CliError::Service(ServiceError::Findings(findings)) => {
                findings.iter().map(|finding| place_of_item(&present::finding_item(finding))).collect()
            }
            CliError::Restore(RestoreError::Damaged(report)) => {
                report.damage().map(ToOwned::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What to do about it, where the message alone does not say so.
    pub fn advice(&self) -> Option<String> {
        match self {
            CliError::Kept { reason, .. } => reason.advice(),
            CliError::Undecided { file: Some(file), .. } => Some(format!(
                "decide in {}, then run the same with --resolve in the place of --conflicts",
                file.display()
            )),
            CliError::Undecided { file: None, .. } => Some(
                "take one side of all of them with --ours or --theirs, or decide one by one with --edit".to_owned(),
            ),
            CliError::Client(error) => advice_of_client(error),
            CliError::Open(OpenError::InUse { .. }) => Some(
                "the project is served by another process: leave out --repo, and name that server with --server URL".to_owned(),
            ),
            CliError::Service(ServiceError::PreconditionFailed(_)) => Some(STALE.to_owned()),
            CliError::Serve(ServeError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another server is there: stop it, or take another port with --listen 127.0.0.1:8001".to_owned())
            }
            _ => None,
        }
    }
}

const STALE: &str = "nothing was written: look at what stands there with `confgit get` and `confgit history`, then decide anew";

fn advice_of_client(error: &ClientError) -> Option<String> {
    match error {
        ClientError::Unreachable { .. } => {
            Some("start one with `confgit demo` or `confgit serve DIR`, or name another with --server or CONFGIT_SERVER".to_owned())
        }
        ClientError::TimedOut { .. } => Some("a write may have been made: look before repeating it".to_owned()),
        ClientError::Unintelligible { .. } => Some("check the address given by --server or CONFGIT_SERVER".to_owned()),
        ClientError::Refused(problem) => match problem.status {
            401 => Some("set CONFGIT_TOKEN to a key of this server (`confgit init` and `confgit demo` print one)".to_owned()),
            403 => Some("ask an administrator of the project, or use another key".to_owned()),
            412 => Some(STALE.to_owned()),
            429 | 503 => Some("try again in a moment; `confgit status` tells how the server is".to_owned()),
            _ => None,
        },
    }
}

/// The places of a refusal; one that only repeats the message is left out.
fn places_of(problem: &Problem) -> Vec<String> {
    let repeats =
        |item: &&ProblemItem| item.message == problem.detail || place_of_item(item) == problem.detail;
    problem.errors.iter().filter(|item| !repeats(item)).map(place_of_item).collect()
}

/// The exit code that the same refusal has over HTTP.
fn of_service(error: &ServiceError) -> Exit {
    match error {
        ServiceError::UnknownEnvironment { .. }
        | ServiceError::NotFound { .. }
        | ServiceError::NoEntry { .. }
        | ServiceError::NoClient { .. }
        | ServiceError::NoProposal { .. }
        | ServiceError::NoVersion { .. } => Exit::NotFound,
        ServiceError::Problems(problems) if !problems.iter().any(|problem| problem.rule.is_conflict()) => {
            Exit::Refused
        }
        ServiceError::Findings(_)
        | ServiceError::Unresolvable(_)
        | ServiceError::NotExpressible(_)
        | ServiceError::NothingToPropose
        | ServiceError::NeedsApproval { .. }
        | ServiceError::Forbidden(_)
        | ServiceError::Denied(_) => Exit::Refused,
        ServiceError::Account(error) => match **error {
            EditAccessError::Exists { .. } | EditAccessError::LastAdministrator { .. } => Exit::Conflict,
            EditAccessError::Unknown { .. } => Exit::NotFound,
            EditAccessError::NoName { .. } => Exit::Usage,
            EditAccessError::File(_) => Exit::Failed,
        },
        ServiceError::PreconditionFailed(_)
        | ServiceError::Conflict(_)
        | ServiceError::NotApproved { .. }
        | ServiceError::Proposal(_)
        | ServiceError::Unmergeable { .. }
        | ServiceError::Problems(_)
        | ServiceError::EnvironmentExists { .. } => Exit::Conflict,
        ServiceError::NoSuchPoint { .. }
        | ServiceError::Cursor { .. }
        | ServiceError::Settings(_)
        | ServiceError::Patch { .. }
        | ServiceError::Invalid { .. } => Exit::Usage,
        ServiceError::Gone { .. }
        | ServiceError::Pruned { .. }
        | ServiceError::NotKept { .. }
        | ServiceError::TooLarge { .. }
        | ServiceError::Busy
        | ServiceError::TooManyWatchers { .. }
        | ServiceError::TooManyProposals { .. }
        | ServiceError::Secret(_)
        | ServiceError::WritesUnavailable { .. }
        | ServiceError::NotReady { .. }
        | ServiceError::NotUpstream { .. }
        | ServiceError::AuditUnavailable { .. }
        | ServiceError::Repository(_)
        | ServiceError::Io(_) => Exit::Failed,
    }
}

/// `env/file:line:column: /path: message [rule]`, as far as the server says so.
pub fn place_of_item(item: &ProblemItem) -> String {
    let mut text = String::new();
    if let Some(env) = &item.env {
        text.push_str(&format!("{env}: "));
    }
    if let Some(file) = &item.file {
        text.push_str(file);
        for number in [item.line, item.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        text.push_str(": ");
    }
    if let Some(path) = &item.path {
        text.push_str(&format!("{path}: "));
    }
    text.push_str(&item.message);
    if let Some(rule) = &item.rule {
        text.push_str(&format!(" [{rule}]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Precondition, Unmet};

    #[test]
    fn exit_codes() {
        for (status, code) in
            [(400, 2), (401, 4), (403, 4), (404, 3), (409, 5), (410, 1), (412, 5), (422, 4), (503, 1)]
        {
            assert_eq!(Exit::of_status(status) as u8, code, "{status}");
        }
        let path: crate::model::Path = "/a".parse().unwrap();
        let unmet = Unmet {
            path: path.clone(),
            expected: Precondition::Absent,
            current: Some("1.0".to_owned()),
            version: None,
        };
        for (error, code) in [
            (
                ServiceError::NotFound {
                    path: path.clone(),
                    environment: "base".into(),
                    inherited_from: None,
                },
                3,
            ),
            (ServiceError::UnknownEnvironment { name: "x".to_owned(), known: Vec::new() }, 3),
            (ServiceError::Problems(Vec::new()), 4),
            (ServiceError::PreconditionFailed(Box::new(unmet)), 5),
            (ServiceError::Busy, 1),
        ] {
            assert_eq!(CliError::from(error).exit() as u8, code);
        }
        assert_eq!(CliError::Usage(String::new()).exit() as u8, 2);
    }

    #[test]
    fn places_read_like_a_compilers() {
        let item = ProblemItem {
            path: Some("/a/b".to_owned()),
            file: Some("a.yaml".to_owned()),
            line: Some(3),
            column: Some(5),
            rule: Some("parse".to_owned()),
            message: "a duplicate key".to_owned(),
            ..ProblemItem::default()
        };
        assert_eq!(place_of_item(&item), "a.yaml:3:5: /a/b: a duplicate key [parse]");
        let bare = ProblemItem { message: "odd".to_owned(), ..ProblemItem::default() };
        assert_eq!(place_of_item(&bare), "odd");
    }
}
