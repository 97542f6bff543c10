use std::collections::HashSet;
use std::io;

use super::reader::{ReadError, Reader};
use super::refs::RefState;
use super::repository::Repository;
use crate::model::{ObjectId, Revision};

/// Why history could not be cut, or what is cut off not be taken away. Nothing was lost.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The project closes; the next one to open it goes on.
    #[error("the project is closing")]
    Stopped,
    /// A reference whose file is damaged may lead to anything.
    #[error("the reference `{name}` is damaged; restore or delete it")]
    TornRef {
        /// The full name.
        name: String,
    },
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where history shall begin.
#[derive(Debug)]
pub struct CutPlan<'a> {
    /// The commits it begins with, on the branches and on the journal.
    pub heads: &'a [Revision],
    /// Older commits that stay all the same, each on its own.
    pub single: &'a [Revision],
    /// References that will be gone or elsewhere, by full name.
    pub ignored: &'a HashSet<String>,
}

/// The commits to cut at, for history to begin with the heads of a plan.
///
/// `moves` are the steps of branches after that beginning: what they passed through is kept, even where it is
/// older than the head that another branch begins with. What is not a past of any head is kept whole; and
/// what a reference or a merge names in such a past stays, without its parents.
///
/// Of every commit that goes, memory takes its id.
pub fn cut_at<E: From<CutError>>(
    repository: &Repository,
    plan: &CutPlan<'_>,
    moves: impl Iterator<Item = Result<(Revision, Revision), E>>,
    stop: &dyn Fn() -> bool,
) -> Result<HashSet<Revision>, E> {
    let reader = repository.reader();
    let mut walk =
        Walk { reader: &reader, stop, begin: plan.heads.iter().copied().collect(), open: HashSet::new() };
    let still = repository.still_reader().map_err(CutError::Io)?;
    walk.find_past(&still, plan.heads)?;
    for step in moves {
        let (old, new) = step?;
        walk.open_between(old, new)?;
    }
    let mut tips = tips(repository, plan.ignored)?;
    tips.extend(plan.heads);
    tips.extend(plan.single);
    Ok(walk.shallow(tips)?)
}

struct Walk<'a> {
    reader: &'a Reader,
    stop: &'a dyn Fn() -> bool,
    /// The heads that history begins with, and all that is before one of them.
    begin: HashSet<Revision>,
    /// Those among them that keep their parents.
    open: HashSet<Revision>,
}

impl Walk<'_> {
    fn check(&self) -> Result<(), CutError> {
        if (self.stop)() { Err(CutError::Stopped) } else { Ok(()) }
    }

    /// Parents are followed where an earlier cut ended, too: of what it cut off, some may be there still.
    fn find_past(&mut self, reader: &Reader, heads: &[Revision]) -> Result<(), CutError> {
        let mut left = heads.to_vec();
        while let Some(id) = left.pop() {
            self.check()?;
            for parent in reader.recorded_parents(id)?.unwrap_or_default() {
                if self.begin.insert(parent) {
                    left.push(parent);
                }
            }
        }
        Ok(())
    }

    fn open_between(&mut self, old: Revision, new: Revision) -> Result<(), CutError> {
        self.check()?;
        let (mut at, mut passed) = (new, Vec::new());
        while at != old {
            if self.begin.contains(&at) {
                passed.push(at);
            }
            let parent = match self.reader.commit(at) {
                Ok(commit) => commit.parents.first().copied(),
                Err(ReadError::Missing { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            // A move to what the old head is no past of counts once, and passes through nothing.
            let Some(parent) = parent else { return Ok(()) };
            at = parent;
        }
        self.open.extend(passed);
        Ok(())
    }

    fn shallow(&self, tips: Vec<ObjectId>) -> Result<HashSet<Revision>, CutError> {
        let ends = self.reader.ends();
        let (mut shallow, mut seen, mut left) = (HashSet::new(), HashSet::new(), Vec::new());
        for tip in tips {
            match self.reader.peel_to_commit(tip) {
                Ok(commit) => left.push(commit.id),
                // Tags of trees and files have no history, and what is missing has none any more.
                Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.check()?;
            let commit = self.reader.commit(id)?;
            let ends_here = self.begin.contains(&id) && !self.open.contains(&id);
            if ends.shallow.contains(&id) || (ends_here && !commit.parents.is_empty()) {
                shallow.insert(id);
            } else if !ends_here {
                left.extend(commit.parents);
            }
        }
        Ok(shallow)
    }
}

/// What the references lead to, and HEAD where it names a commit itself.
pub(super) fn tips(repository: &Repository, ignored: &HashSet<String>) -> Result<Vec<ObjectId>, CutError> {
    let mut tips = Vec::new();
    for (name, state) in repository.refs("refs/")? {
        match state {
            _ if ignored.contains(&name) => {}
            RefState::At(id) => tips.push(id),
            RefState::Torn => return Err(CutError::TornRef { name }),
            RefState::Absent => {}
        }
    }
    let head = std::fs::read_to_string(repository.dir().join("HEAD")).unwrap_or_default();
    tips.extend(head.trim().parse::<ObjectId>().ok());
    Ok(tips)
}
