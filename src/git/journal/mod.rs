//! The journal: the order of all change sets of a project, as a chain of commits with the empty tree.
//!
//! Each commit holds one batch. Its message is a subject for people, an empty line, one line per change set
//! (`sequence time account branch old new [branch old new …]`: the time in RFC 3339 with milliseconds, forty
//! zeros for no head, blanks, controls and `%` in names as `%XX`), and, after another empty line, trailers
//! `Key: value`. The first commit begins with sequence 1, unless what is before it is not kept any more, and
//! each goes on where its parent ended.

mod line;

use std::fmt::Write as _;

use self::line::Names;
use super::pack::{NewCommit, Pack, PackError, Signature};
use super::reader::{ReadError, Reader};
use crate::model::{ChangeSet, Revision, Sequence};

/// The reference that holds the journal's tip.
pub const REF: &str = "refs/confgit/journal";

/// Who records the journal.
const RECORDER: Signature<'static> = Signature { name: "confgit", email: "confgit@localhost" };

/// Why the journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A commit of the chain is not what confgit writes.
    #[error("the journal's commit {commit} is not one of confgit's: {reason}")]
    Malformed {
        /// The commit.
        commit: Revision,
        /// What is wrong.
        reason: String,
    },
    /// Sequences do not follow upon one another: something was cut out or put in.
    #[error("the journal's commit {commit} should end with sequence {expected} and ends with {actual}")]
    Gap {
        /// The commit.
        commit: Revision,
        /// The sequence before its successor's first; 0 stands for the end of the chain.
        expected: Sequence,
        /// The last sequence it has.
        actual: Sequence,
    },
    /// A commit could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One commit of the journal: the change sets of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The commit.
    pub commit: Revision,
    /// The commit before it; none for the first.
    pub parent: Option<Revision>,
    /// The change sets, in order; at least one.
    pub change_sets: Vec<ChangeSet>,
    /// The trailers, in order.
    pub trailers: Vec<(String, String)>,
}

/// Adds a commit with these change sets to the pack; answers the new tip. Their sequences must follow upon
/// one another and upon the tip; none at all is an error. Newlines in trailers become blanks.
pub fn append(
    pack: &mut Pack,
    tip: Option<Revision>,
    change_sets: &[ChangeSet],
    trailers: &[(&str, &str)],
) -> Result<Revision, PackError> {
    let (Some(first), Some(last)) = (change_sets.first(), change_sets.last()) else {
        return Err(PackError::EmptyBatch);
    };
    let mut message = subject(first.sequence, last.sequence);
    message.push_str("\n\n");
    for change_set in change_sets {
        line::push(&mut message, change_set);
    }
    for (i, (key, value)) in trailers.iter().enumerate() {
        let gap = if i == 0 { "\n" } else { "" };
        let _ = writeln!(message, "{gap}{key}: {}", value.replace(['\n', '\r'], " "));
    }
    let parents: Vec<Revision> = tip.into_iter().collect();
    let tree = pack.empty_tree()?;
    pack.commit(&NewCommit {
        tree,
        parents: &parents,
        author: RECORDER,
        committer: RECORDER,
        time: last.time,
        message: &message,
    })
}

/// The change sets after `after`, oldest first, of the journal that ends with `tip`.
///
/// Walks back from the tip and stops as soon as it can; the memory taken is that of the answer.
pub fn read(reader: &Reader, tip: Revision, after: Sequence) -> Result<Vec<ChangeSet>, JournalError> {
    let mut newest_first = Vec::new();
    for batch in batches(reader, tip) {
        let batch = batch?;
        let first = batch.change_sets.first().map_or(Sequence(0), |first| first.sequence);
        newest_first.extend(batch.change_sets.into_iter().rev().take_while(|found| found.sequence > after));
        if first <= after.next() {
            break;
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// A change set as a line of text, in the form that the journal has.
pub fn to_line(change_set: &ChangeSet) -> String {
    let mut text = String::new();
    line::push(&mut text, change_set);
    text
}

/// Reads a change set that [`to_line`] wrote.
pub fn of_line(text: &str) -> Option<ChangeSet> {
    line::parse(text.strip_suffix('\n').unwrap_or(text), &mut Names::default())
}

/// A text as one word of a line: see [`of_word`].
pub fn to_word(text: &str) -> String {
    let mut word = String::new();
    line::push_escaped(&mut word, text);
    word
}

/// Reads a text that [`to_word`] wrote.
pub fn of_word(word: &str) -> Option<String> {
    line::unescape(word)
}

/// The commits of the journal, newest first, each checked against the one after it.
pub fn batches(reader: &Reader, tip: Revision) -> Batches<'_> {
    Batches { reader, next: Some(tip), follower: None, names: Names::default() }
}

/// An iterator over the journal's commits, newest first; ends after the first error.
pub struct Batches<'a> {
    reader: &'a Reader,
    next: Option<Revision>,
    /// The first sequence of the commit given last.
    follower: Option<Sequence>,
    names: Names,
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let commit = self.next.take()?;
        Some(self.step(commit))
    }
}

impl Batches<'_> {
    fn step(&mut self, commit: Revision) -> Result<Batch, JournalError> {
        let batch = self.decode(commit)?;
        let (Some(first), Some(last)) = (batch.change_sets.first(), batch.change_sets.last()) else {
            return Err(malformed(commit, "it holds no change set"));
        };
        if let Some(follower) = self.follower
            && last.sequence.next() != follower
        {
            let expected = Sequence(follower.0.saturating_sub(1));
            return Err(JournalError::Gap { commit, expected, actual: last.sequence });
        }
        if batch.parent.is_none() && first.sequence != Sequence(1) && !self.reader.is_end(commit) {
            let actual = Sequence(first.sequence.0.saturating_sub(1));
            return Err(JournalError::Gap { commit, expected: Sequence(0), actual });
        }
        self.follower = Some(first.sequence);
        self.next = batch.parent;
        Ok(batch)
    }

    fn decode(&mut self, id: Revision) -> Result<Batch, JournalError> {
        let commit = self.reader.commit(id)?;
        if commit.parents.len() > 1 || commit.tree != super::EMPTY_TREE {
            return Err(malformed(id, "it has several parents, or a tree with entries"));
        }
        let mut sections = commit.message.splitn(3, "\n\n");
        let subject_line = sections.next().unwrap_or_default();
        let lines = sections.next().unwrap_or_default();
        let trailers = sections.next().unwrap_or_default();
        let mut change_sets: Vec<ChangeSet> = Vec::new();
        for text in lines.lines() {
            let Some(found) = line::parse(text, &mut self.names) else {
                return Err(malformed(id, &format!("line `{}`", text.chars().take(120).collect::<String>())));
            };
            if change_sets.last().is_some_and(|last| last.sequence.next() != found.sequence) {
                return Err(malformed(id, &format!("sequence {} is out of order", found.sequence)));
            }
            change_sets.push(found);
        }
        match (change_sets.first(), change_sets.last()) {
            (Some(first), Some(last)) if subject(first.sequence, last.sequence) == subject_line => {}
            _ => return Err(malformed(id, "the subject does not say what the lines hold")),
        }
        let trailers = trailers.lines().map(|text| {
            let (key, value) =
                text.split_once(": ").ok_or_else(|| malformed(id, "a trailer without a key"))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        let trailers = trailers.collect::<Result<_, JournalError>>()?;
        Ok(Batch { commit: id, parent: commit.parents.first().copied(), change_sets, trailers })
    }
}

fn subject(first: Sequence, last: Sequence) -> String {
    if first == last { format!("change set {first}") } else { format!("change sets {first} to {last}") }
}

fn malformed(commit: Revision, reason: &str) -> JournalError {
    JournalError::Malformed { commit, reason: reason.to_owned() }
}
