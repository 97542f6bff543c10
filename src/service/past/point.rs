use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::git::{ReadError, Reader};
use crate::history::HistoryError;
use crate::model::{ChangeSet, Move, ObjectId, Revision, Sequence, Timestamp};
use crate::service::ServiceError;
use crate::service::core::Core;

/// How many change sets after a commit's date, and before it (clocks run apart), are searched for it.
const MOST_LATER: usize = 10_000;
const MOST_EARLIER: usize = 1_000;
/// How many commits are read in search of one.
const MOST_COMMITS: usize = 100_000;

/// A moment in the life of a project, as `at=` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// After this change set.
    Sequence(Sequence),
    /// At this moment.
    Time(Timestamp),
    /// At this commit.
    Commit(Revision),
    /// At the commit that a tag names.
    Tag(String),
}

impl Point {
    /// Reads `at=`: a number is a sequence, 40 hexadecimal digits are a commit, RFC 3339 is a time, anything
    /// else is the name of a tag.
    ///
    /// ```
    /// use confgit::service::Point;
    /// assert!(matches!(Point::parse("42"), Point::Sequence(_)));
    /// assert!(matches!(Point::parse("0000000000000000000000000000000000000000"), Point::Commit(_)));
    /// assert!(matches!(Point::parse("2026-01-31T12:00:00Z"), Point::Time(_)));
    /// assert!(matches!(Point::parse("v1.2"), Point::Tag(_)));
    /// ```
    pub fn parse(text: &str) -> Self {
        // Forty digits are a commit, also where all of them are decimal.
        if let Ok(id) = text.parse::<ObjectId>() {
            return Point::Commit(id);
        }
        if let Ok(number) = text.parse() {
            return Point::Sequence(Sequence(number));
        }
        match text.parse() {
            Ok(time) => Point::Time(time),
            Err(_) => Point::Tag(text.to_owned()),
        }
    }
}

/// A point, found: a change set, and where a commit in the middle of it is meant, what is seen at that.
#[derive(Debug, Default)]
pub(in crate::service) struct Located {
    pub sequence: Sequence,
    /// The branches seen at a commit that the change set only passed through.
    pub pins: HashMap<Arc<str>, Pin>,
}

/// A branch within a change set.
#[derive(Debug)]
pub(in crate::service) struct Pin {
    pub head: Revision,
    /// The commits that the change set put on the branch after it.
    pub unmade: HashSet<Revision>,
}

impl Core {
    /// The change set that a point names, and for a commit within it the branches that are pinned to it.
    pub(in crate::service) fn locate(&self, reader: &Reader, point: &Point) -> Result<Located, ServiceError> {
        let newest = self.history.covered();
        match point {
            Point::Sequence(sequence) if *sequence <= newest => match self.history.base() {
                Some(oldest) if *sequence < oldest => Err(not_kept(format!("change set {sequence}"), oldest)),
                _ => Ok(after(*sequence)),
            },
            Point::Sequence(sequence) => {
                let reason = format!("there is no change set {sequence} yet; the newest is {newest}");
                Err(ServiceError::NoSuchPoint { reason })
            }
            Point::Time(time) => match self.history.sequence_at(*time) {
                Err(HistoryError::Pruned { oldest }) => Err(not_kept(format!("the state of {time}"), oldest)),
                Err(error) => Err(error.into()),
                Ok(Sequence(0)) => {
                    let reason = format!("{time} is before the first change set of this project");
                    Err(ServiceError::NoSuchPoint { reason })
                }
                Ok(sequence) => Ok(after(sequence)),
            },
            Point::Commit(id) => self.locate_commit(reader, *id),
            Point::Tag(name) => match self.repository.find_ref(&format!("refs/tags/{name}"))?.id() {
                Some(id) => {
                    // A tag can name what is not here.
                    let commit = self.repository.still_reader()?.peel_to_commit(id).map_err(|_| {
                        ServiceError::NoSuchPoint {
                            reason: format!("the tag `{name}` does not name a commit"),
                        }
                    })?;
                    self.locate_commit(reader, commit.id)
                }
                None => {
                    let reason = format!(
                        "`{name}` is no change set, commit, tag or time: write a sequence number, 40 hexadecimal digits, the name of a tag, or RFC 3339"
                    );
                    Err(ServiceError::NoSuchPoint { reason })
                }
            },
        }
    }

    /// The head of a branch at a point that was found.
    pub(in crate::service) fn located_head(
        &self,
        located: &Located,
        branch: &str,
    ) -> Result<Option<Revision>, ServiceError> {
        match located.pins.get(branch) {
            Some(pin) => Ok(Some(pin.head)),
            None => Ok(self.history.head_at(branch, located.sequence)?),
        }
    }

    fn locate_commit(&self, reader: &Reader, id: Revision) -> Result<Located, ServiceError> {
        // What anybody may ask for may well be missing.
        if !self.repository.still_reader()?.contains(id)? {
            return Err(match self.history.base() {
                // Whether it ever was here, nobody knows any more.
                Some(oldest) => not_kept(format!("the commit {id} is not in this project, or"), oldest),
                None => not_in_project(id),
            });
        }
        let commit = match reader.commit(id) {
            Ok(commit) => commit,
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => return Err(not_in_project(id)),
            Err(error) => return Err(error.into()),
        };
        let begins = commit.time.as_millis();
        let (oldest, covered) = (self.history.base().map_or(1, |base| base.0), self.history.covered().0);
        // A write through this server is accepted in the very second that its commit names; what is pushed,
        // later, or by a clock that runs ahead, earlier.
        let before = self.sequence_by(begins.saturating_sub(1))?;
        let same = self.sequence_by(begins.saturating_add(999))?;
        let earlier = || (oldest..=before).rev().take(MOST_EARLIER);
        let later = (same + 1..=covered).take(MOST_LATER);
        for number in (before + 1..=same).rev().chain(later).chain(earlier()) {
            if self.change_set(number)?.moves.iter().any(|step| step.new == Some(id)) {
                return Ok(after(Sequence(number)));
            }
        }
        let mut commits_left = MOST_COMMITS;
        for number in (before + 1..=covered).take(MOST_LATER).chain(earlier()) {
            let mut pins = HashMap::new();
            for step in &self.change_set(number)?.moves {
                let pin = pin_within(reader, step, id, &mut commits_left)?;
                pins.extend(pin.map(|pin| (step.branch.clone(), pin)));
            }
            if !pins.is_empty() {
                return Ok(Located { sequence: Sequence(number), pins });
            }
            if commits_left == 0 {
                break;
            }
        }
        if let Some(oldest) = self.history.base()
            && before < oldest.0
        {
            return Err(not_kept(format!("the time of the commit {id}"), oldest));
        }
        let reason = format!(
            "no change set around its date ({}) brought the commit {id} to the branch of an environment; name a sequence number or a time",
            commit.time
        );
        Err(ServiceError::NoSuchPoint { reason })
    }

    /// The number of the last change set by a moment; where that is before what is kept, the one before it.
    fn sequence_by(&self, millis: i64) -> Result<u64, ServiceError> {
        match self.history.sequence_at(Timestamp::from_millis(millis)) {
            Ok(sequence) => Ok(sequence.0),
            Err(HistoryError::Pruned { oldest }) => Ok(oldest.0.saturating_sub(1)),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::service) fn change_set(&self, number: u64) -> Result<ChangeSet, ServiceError> {
        let found = self.history.change_set(Sequence(number))?;
        found.ok_or_else(|| std::io::Error::other(format!("change set {number} is gone")).into())
    }
}

fn not_in_project(id: Revision) -> ServiceError {
    ServiceError::NoSuchPoint { reason: format!("the commit {id} is not in this project") }
}

fn not_kept(what: String, oldest: Sequence) -> ServiceError {
    ServiceError::NotKept { what, oldest }
}

fn after(sequence: Sequence) -> Located {
    Located { sequence, ..Located::default() }
}

/// Whether a move passes through a commit along first parents. A move whose old head is not among them counts
/// once and passes through nothing; neither is anything found through commits that were pruned, or beyond
/// the number that may still be read.
fn pin_within(
    reader: &Reader,
    step: &Move,
    id: Revision,
    commits_left: &mut usize,
) -> Result<Option<Pin>, ServiceError> {
    let mut unmade = HashSet::new();
    let mut is_found = false;
    let mut at = step.new;
    while at != step.old {
        let Some(commit) = at.filter(|_| *commits_left > 0) else { return Ok(None) };
        *commits_left -= 1;
        is_found |= commit == id;
        if !is_found {
            unmade.insert(commit);
        }
        at = match reader.commit(commit) {
            Ok(commit) => commit.parents.first().copied(),
            Err(ReadError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(is_found.then_some(Pin { head: id, unmade }))
}
