//! How proposals are kept: `refs/proposals/<number>/log` leads to a chain of commits, one for each thing that happened, whose
//! trees hold `proposal.json` (what it is by then) and `events/<number>.json`. The commits that it proposes are parents of
//! those, so that whatever leads to the log keeps them; while it waits, `refs/proposals/<number>/heads/<branch>` lead to them as
//! well, for whoever wants to fetch them. The log is the truth.

use std::sync::Arc;

use crate::git::{NewCommit, Pack, PackError, ReadError, Reader, Signature, WorkTree, WorkTreeError};
use crate::model::{ObjectId, Revision};
use crate::proposal::{Event, MOST_EVENTS, Proposal};

/// Where proposals are.
pub(in crate::service) const PROPOSALS: &str = "refs/proposals/";

const STATE_FILE: &str = "proposal.json";
const EVENTS: &str = "events";

/// How many bytes one file of a proposal may have.
const MOST_FILE_BYTES: u64 = 8 << 20;

/// A proposal as it stands in its log.
#[derive(Debug, Clone)]
pub(in crate::service) struct Held {
    pub proposal: Arc<Proposal>,
    /// The newest commit of the log.
    pub log: Revision,
    /// That one's tree.
    tree: ObjectId,
}

/// Why a log cannot be read, or gone on with.
#[derive(Debug, thiserror::Error)]
pub(in crate::service) enum LogError {
    /// Git cannot.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object could not be made.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A tree could not be read or changed.
    #[error(transparent)]
    Tree(#[from] WorkTreeError),
    /// What is to be kept has no text.
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    /// It is none of confgit's.
    #[error("the commit {commit} is none of a proposal's log: {reason}")]
    Malformed {
        /// Which.
        commit: Revision,
        /// What is wrong.
        reason: String,
    },
}

/// The ref of a proposal's log.
pub(in crate::service) fn log_ref(number: u64) -> String {
    format!("{PROPOSALS}{number}/log")
}

/// The ref of what a proposal makes of a branch.
pub(in crate::service) fn head_ref(number: u64, branch: &str) -> String {
    format!("{PROPOSALS}{number}/heads/{branch}")
}

/// Reads a proposal where its log ends.
pub(in crate::service) fn read(reader: &Reader, number: u64, tip: Revision) -> Result<Held, LogError> {
    let malformed = |reason: String| LogError::Malformed { commit: tip, reason };
    let tree = reader.commit(tip)?.tree;
    let found = reader.tree(tree)?.get(STATE_FILE.as_bytes()).map(|entry| entry.id);
    let blob = found.ok_or_else(|| malformed(format!("it has no {STATE_FILE}")))?;
    let text = reader.blob(blob, MOST_FILE_BYTES)?;
    let proposal: Proposal = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    if proposal.number != number {
        return Err(malformed(format!("it is of proposal {}", proposal.number)));
    }
    Ok(Held { proposal: Arc::new(proposal), log: tip, tree })
}

/// What happened to a proposal, in order.
pub(in crate::service) fn events(reader: &Reader, held: &Held) -> Result<Vec<Event>, LogError> {
    let malformed = |reason: String| LogError::Malformed { commit: held.log, reason };
    let Some(folder) = reader.tree(held.tree)?.get(EVENTS.as_bytes()).map(|entry| entry.id) else {
        return Ok(Vec::new());
    };
    let mut events = Vec::new();
    for entry in reader.tree(folder)?.iter().take(MOST_EVENTS as usize + 10) {
        let text = reader.blob(entry.id, MOST_FILE_BYTES)?;
        events.push(serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?);
    }
    events.sort_by_key(|event: &Event| event.number);
    Ok(events)
}

/// Adds what happened to a log; `commits` are those that the proposal holds newly.
pub(in crate::service) fn append(
    pack: &mut Pack,
    reader: &Reader,
    before: Option<&Held>,
    (proposal, event): (Proposal, &Event),
    commits: &[Revision],
) -> Result<Held, LogError> {
    let mut tree = WorkTree::new(before.map(|held| held.tree));
    let files = [
        (STATE_FILE.to_owned(), serde_json::to_string_pretty(&proposal)?),
        (format!("{EVENTS}/{:04}.json", event.number), serde_json::to_string_pretty(event)?),
    ];
    for (file, text) in files {
        let blob = pack.blob(format!("{text}\n").as_bytes())?;
        tree.set(reader, &file, Some(blob))?;
    }
    let tree = tree.write(pack)?;
    let parents: Vec<Revision> =
        before.map(|held| held.log).into_iter().chain(commits.iter().copied()).collect();
    let email = format!("{}@confgit", event.account);
    let log = pack.commit(&NewCommit {
        tree,
        parents: &parents,
        author: Signature { name: &event.account, email: &email },
        committer: Signature { name: "confgit", email: "confgit@confgit" },
        time: event.at,
        message: &message(&proposal, event),
    })?;
    Ok(Held { proposal: Arc::new(proposal), log, tree })
}

fn message(proposal: &Proposal, event: &Event) -> String {
    let account: String = event.account.chars().filter(|char| !char.is_control()).take(200).collect();
    let mut message = format!("{account} {} proposal {}: {}\n", verb(event), proposal.number, proposal.title);
    if let Some(text) = &event.text {
        message.push_str(&format!("\n{text}\n"));
    }
    message
}

fn verb(event: &Event) -> &'static str {
    use crate::proposal::EventKind::{
        Approved, Closed, Commented, Merged, Opened, Scheduled, Unscheduled, Updated, Withdrawn,
    };
    match event.event {
        Opened => "opened",
        Updated => "updated",
        Commented => "commented on",
        Approved => "approved",
        Withdrawn => "withdrew the approval of",
        Scheduled => "scheduled",
        Unscheduled => "unscheduled",
        Merged => "merged",
        Closed => "closed",
    }
}
