//! Where history ends: gitrepository-layout(5), the file `shallow`, one commit a line.
//!
//! A commit that it names keeps its parents in its bytes, and so its id; but they are not there any more, and
//! nothing asks for them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::durable::sync_dir;
use super::refs::lock::Lock;
use crate::model::Revision;

/// The file, and with `.lock` the one that Git locks it by.
const FILE: &str = "shallow";

/// Where history ends, for all readers of a repository.
#[derive(Default)]
pub(super) struct Boundary(ArcSwap<Ends>);

/// The commits at which history ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// The commits that have no parents any more.
    pub shallow: HashSet<Revision>,
    /// Of some of them an older commit that is kept, though those between are not: a file in them has a
    /// problem, and its last sound state is there.
    pub bridges: HashMap<Revision, Revision>,
}

impl Boundary {
    pub(super) fn open(git_dir: &Path) -> io::Result<Arc<Self>> {
        let ends = Ends { shallow: read(git_dir)?, bridges: HashMap::new() };
        Ok(Arc::new(Boundary(ArcSwap::from_pointee(ends))))
    }

    pub(super) fn holds(&self, commit: Revision) -> bool {
        self.0.load().shallow.contains(&commit)
    }

    pub(super) fn bridge(&self, commit: Revision) -> Option<Revision> {
        self.0.load().bridges.get(&commit).copied()
    }

    pub(super) fn ends(&self) -> Arc<Ends> {
        self.0.load_full()
    }

    /// Makes these the ends: durably, then for every reader at once.
    pub(super) fn replace(&self, git_dir: &Path, ends: Ends) -> io::Result<()> {
        if read(git_dir)? != ends.shallow {
            write(git_dir, &ends.shallow)?;
            remove_commit_graph(git_dir)?;
        }
        self.0.store(Arc::new(ends));
        Ok(())
    }
}

/// Removes what Git remembers of commits beside them. It makes no use of it where history is cut, and complains
/// of what it names and does not find.
pub(super) fn remove_commit_graph(git_dir: &Path) -> io::Result<()> {
    let info = git_dir.join("objects/info");
    let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    fs::remove_file(info.join("commit-graph"))
        .or_else(|error| if missing(&error) { Ok(()) } else { Err(error) })?;
    fs::remove_dir_all(info.join("commit-graphs"))
        .or_else(|error| if missing(&error) { Ok(()) } else { Err(error) })
}

/// The commits that the file names.
pub(super) fn read(git_dir: &Path) -> io::Result<HashSet<Revision>> {
    match fs::read_to_string(git_dir.join(FILE)) {
        // A line that is no id says nothing, as it does for Git.
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

fn write(git_dir: &Path, shallow: &HashSet<Revision>) -> io::Result<()> {
    let mut ids: Vec<&Revision> = shallow.iter().collect();
    ids.sort();
    let text: String = ids.into_iter().map(|id| format!("{id}\n")).collect();
    let mut lock = Lock::acquire(git_dir, FILE).map_err(io::Error::other)?;
    lock.write(text.as_bytes()).map_err(io::Error::other)?.sync_all()?;
    lock.commit().map_err(io::Error::other)?;
    sync_dir(git_dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectId;

    #[test]
    fn what_is_written_is_read_and_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let boundary = Boundary::open(dir.path()).unwrap();
        let id = |byte: u8| ObjectId::from_bytes([byte; 20]);
        assert!(!boundary.holds(id(1)));
        let ends = Ends { shallow: [id(2), id(1)].into(), bridges: [(id(1), id(9))].into() };
        boundary.replace(dir.path(), ends).unwrap();
        assert!(boundary.holds(id(1)) && !boundary.holds(id(9)));
        assert_eq!((boundary.bridge(id(1)), boundary.bridge(id(2))), (Some(id(9)), None));
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, format!("{}\n{}\n", id(1), id(2)));
        assert!(Boundary::open(dir.path()).unwrap().holds(id(2)));
    }
}
