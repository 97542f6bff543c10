#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::ServiceError;
use super::recover::journal_error;
use super::refs::{KEPT, OUTSIDE_TRAILER, branch_moves};
use crate::git::journal::{self, Batch};
use crate::git::{Reader, RefState, Repository};
use crate::model::{ObjectId, Revision, Sequence};

/// The references of a project's configuration at one moment of its journal, taken from the files alone, while
/// another process may go on writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// The journal's tip; none in a repository that was never served.
    pub journal: Option<Revision>,
    /// The last change set.
    pub sequence: Sequence,
    /// Every reference by its full name. Branches are where the journal's tip leaves them; one that somebody
    /// moved from outside is where it was moved to, until the journal has it.
    pub refs: BTreeMap<String, ObjectId>,
    /// References whose files are damaged and that the journal does not tell of either.
    pub torn: Vec<String>,
}

/// How often the references are read until their moment can be told.
const MOST_ATTEMPTS: usize = 16;

/// How many batches may be published while the references are read.
const MOST_BATCHES: usize = 10_000;

impl Moment {
    /// Reads the references.
    ///
    /// The journal is read first, and once more at the end: a branch that a batch in between moved was, at the
    /// first moment, where that batch found it. The batch of the first moment itself may still be moving its
    /// branches, so what it says of them counts.
    pub fn observe(repository: &Repository, reader: &Reader) -> Result<Self, ServiceError> {
        for _ in 0..MOST_ATTEMPTS {
            let first = journal_tip(repository)?;
            let refs = repository.refs("refs/")?;
            let last = journal_tip(repository)?;
            let (Some(tip), Some(last)) = (first, last) else {
                if first == last {
                    return Ok(Self::of(None, refs));
                }
                continue;
            };
            if let Some(moment) = Self::between(reader, tip, refs, last)? {
                return Ok(moment);
            }
        }
        Err(other("the journal does not lead back to where it was a moment ago; somebody else moves its ref"))
    }

    /// The moment of `tip`, from references that were read while the journal went on to `last`; none where it
    /// does not lead back to the tip: it is another one by now.
    fn between(
        reader: &Reader,
        tip: Revision,
        refs: Vec<(String, RefState)>,
        last: Revision,
    ) -> Result<Option<Self>, ServiceError> {
        let mut later: HashMap<String, Option<Revision>> = HashMap::new();
        for batch in journal::batches(reader, last).take(MOST_BATCHES) {
            let batch = batch.map_err(journal_error)?;
            if batch.commit == tip {
                let mut moment = Self::of(Some(&batch), refs);
                moment.finish(&batch, &later);
                moment.rewind(later);
                return Ok(Some(moment));
            }
            // Older batches come later in this walk, so the oldest move after the tip decides.
            later
                .extend(branch_moves(batch.change_sets.iter()).into_iter().map(|step| (step.name, step.old)));
        }
        Ok(None)
    }

    /// The references as they stand, where the journal cannot order them.
    pub fn unordered(repository: &Repository) -> io::Result<Self> {
        Ok(Self::of(None, repository.refs("refs/")?))
    }

    fn of(batch: Option<&Batch>, found: Vec<(String, RefState)>) -> Self {
        let (mut refs, mut torn) = (BTreeMap::new(), Vec::new());
        for (name, state) in found {
            match state {
                RefState::At(id) => drop(refs.insert(name, id)),
                RefState::Torn => torn.push(name),
                RefState::Absent => {}
            }
        }
        if let Some(batch) = batch {
            refs.insert(journal::REF.to_owned(), batch.commit);
        }
        let newest = batch.and_then(|batch| batch.change_sets.last());
        Moment {
            journal: batch.map(|batch| batch.commit),
            sequence: newest.map(|newest| newest.sequence).unwrap_or_default(),
            refs,
            torn,
        }
    }

    /// Makes the steps of the tip's batch that its writer had not made yet: where a branch still stands where
    /// the batch found it. One found elsewhere was moved by somebody since.
    fn finish(&mut self, batch: &Batch, later: &HashMap<String, Option<Revision>>) {
        if batch.trailers.iter().any(|(key, _)| key == OUTSIDE_TRAILER) {
            return;
        }
        for step in branch_moves(batch.change_sets.iter()) {
            let lags = self.torn.contains(&step.name) || self.refs.get(&step.name).copied() == step.old;
            if lags && !later.contains_key(&step.name) {
                self.put(step.name, step.new);
            }
        }
    }

    /// Puts branches back to where later batches found them.
    fn rewind(&mut self, later: HashMap<String, Option<Revision>>) {
        for (name, head) in later {
            self.put(name, head);
        }
    }

    fn put(&mut self, name: String, head: Option<Revision>) {
        self.torn.retain(|torn| *torn != name);
        match head {
            Some(head) => drop(self.refs.insert(name, head)),
            None => drop(self.refs.remove(&name)),
        }
    }
}

/// What has to stay the same for objects and references to fit one another: the boundary at which history was
/// cut off, and what confgit noted of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    shallow: Vec<ObjectId>,
    notes: Vec<(String, RefState)>,
}

impl Boundary {
    /// Where the boundary is now.
    pub fn observe(repository: &Repository) -> io::Result<Self> {
        let mut notes = repository.refs("refs/confgit/")?;
        notes.retain(|(name, _)| name != journal::REF && !name.starts_with(KEPT));
        Ok(Boundary { shallow: repository.shallow()?, notes })
    }
}

fn journal_tip(repository: &Repository) -> Result<Option<Revision>, ServiceError> {
    match repository.find_ref(journal::REF)? {
        RefState::At(tip) => Ok(Some(tip)),
        RefState::Absent => Ok(None),
        RefState::Torn => Err(other(&format!("the ref {} is damaged", journal::REF))),
    }
}

fn other(what: &str) -> ServiceError {
    ServiceError::Io(io::Error::other(what.to_owned()))
}
