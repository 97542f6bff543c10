use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gix::objs::Find as _;
use gix::odb::Header as _;

use super::boundary::{Boundary, Ends};
use super::commit::{self, Commit};
use super::object::{self, ObjectKind};
use super::tree::Tree;
use crate::model::{ObjectId, Revision};

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The repository does not hold it.
    #[error("the repository has no object {id}")]
    Missing {
        /// The object asked for.
        id: ObjectId,
    },
    /// It is of another kind.
    #[error("object {id} is a {}, expected a {}", actual.name(), expected.name())]
    WrongKind {
        /// The object.
        id: ObjectId,
        /// What the caller needs.
        expected: ObjectKind,
        /// What it is.
        actual: ObjectKind,
    },
    /// It is larger than the caller takes.
    #[error("object {id} has {actual} bytes, more than {limit}")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// Its size in bytes.
        actual: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Its content is not what its kind asks for.
    #[error("the {} {id} is malformed", kind.name())]
    Malformed {
        /// The object.
        id: ObjectId,
        /// Its kind.
        kind: ObjectKind,
    },
    /// Directories are nested deeper than is followed.
    #[error("the directories below {path} are nested deeper than {limit} levels")]
    TooDeep {
        /// Where the limit was passed.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A comparison found more files than the caller takes.
    #[error("more than {limit} files differ")]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// The object store failed: I/O, or a damaged pack.
    #[error("cannot read object {id}: {message}")]
    Store {
        /// The object asked for.
        id: ObjectId,
        /// What the store says.
        message: String,
    },
}

type Store = gix::odb::Cache<gix::odb::store::Handle<Arc<gix::odb::Store>>>;

/// Reads objects. One per thread: it keeps open packs and decoded bases to itself.
///
/// An object that no known pack holds makes it look at the directory of packs once more, and again as long as
/// there are new ones; one that is missing even then is an error.
pub struct Reader {
    store: Store,
    /// Objects beside the repository, which are looked for first.
    beside: Option<Store>,
    boundary: Arc<Boundary>,
    trees: RefCell<RecentTrees>,
}

/// Trees read of late: walks along history meet most of them again with the next commit.
#[derive(Default)]
struct RecentTrees {
    by_id: HashMap<ObjectId, Rc<Tree>>,
    bytes: usize,
}

/// How many bytes of trees are kept; then all are dropped.
const TREE_CACHE_BYTES: usize = 16 << 20;

/// How much memory the decoded delta bases of one reader take at most.
const BASE_CACHE_BYTES: usize = 8 << 20;

impl Reader {
    /// The largest object that is read at all, in bytes.
    pub const MAX_OBJECT: u64 = 1 << 30;
    /// The largest tree or commit that is read, in bytes.
    pub const MAX_TREE: u64 = 64 << 20;

    pub(super) fn new(store: &Arc<gix::odb::Store>, boundary: Arc<Boundary>) -> Self {
        let mut store = store.to_cache_arc();
        store.set_pack_cache(|| {
            Box::new(gix::odb::pack::cache::lru::StaticLinkedList::<64>::new(BASE_CACHE_BYTES))
        });
        Reader { store, beside: None, boundary, trees: RefCell::default() }
    }

    /// The same with objects of another folder, which are looked for first.
    pub(super) fn beside(self, store: &Arc<gix::odb::Store>) -> Self {
        Reader { beside: Some(store.to_cache_arc()), ..self }
    }

    /// A reader that looks at the directory of packs once.
    pub(super) fn still(store: &Arc<gix::odb::Store>, boundary: Arc<Boundary>) -> Self {
        let mut reader = Self::new(store, boundary);
        reader.store.refresh_never();
        reader
    }

    /// Whether the repository holds an object.
    pub fn contains(&self, id: ObjectId) -> Result<bool, ReadError> {
        self.header(id).map(|header| header.is_some())
    }

    /// Kind and size in bytes of an object; none when the repository does not hold it.
    pub fn header(&self, id: ObjectId) -> Result<Option<(ObjectKind, u64)>, ReadError> {
        let gix = object::to_gix(id);
        let header_in = |store: &Store| store.try_header(&gix).map_err(|error| store_error(id, &error));
        let header = match self.beside.as_ref().map(header_in).transpose()?.flatten() {
            Some(header) => Some(header),
            None => header_in(&self.store)?,
        };
        Ok(header.map(|header| (header.kind().into(), header.size())))
    }

    /// A commit. One at which the history kept ends has no parents, whatever its bytes say.
    pub fn commit(&self, id: Revision) -> Result<Commit, ReadError> {
        let content = self.content(id, ObjectKind::Commit)?;
        let commit = Commit::decode(id, &content);
        let mut commit = commit.ok_or(ReadError::Malformed { id, kind: ObjectKind::Commit })?;
        if !commit.parents.is_empty() && self.is_end(id) {
            commit.parents.clear();
        }
        Ok(commit)
    }

    /// Whether the history kept ends at a commit.
    pub fn is_end(&self, id: Revision) -> bool {
        self.boundary.holds(id)
    }

    /// Where the history kept ends.
    pub fn ends(&self) -> Arc<Ends> {
        self.boundary.ends()
    }

    /// An older commit that is kept beyond the end of history at this one: see [`Ends::bridges`].
    pub fn bridge(&self, id: Revision) -> Option<Revision> {
        self.boundary.bridge(id)
    }

    /// The parents that a commit's bytes name, kept or not; none when the commit itself is not there.
    pub(super) fn recorded_parents(&self, id: Revision) -> Result<Option<Vec<Revision>>, ReadError> {
        match self.content(id, ObjectKind::Commit) {
            Ok(content) => {
                let links = commit::links(&content);
                let (_, parents) = links.ok_or(ReadError::Malformed { id, kind: ObjectKind::Commit })?;
                Ok(Some(parents))
            }
            Err(ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A tree.
    pub fn tree(&self, id: ObjectId) -> Result<Tree, ReadError> {
        if id == super::EMPTY_TREE {
            // Git knows this one without storing it, and so do we.
            return Ok(Tree::default());
        }
        let content = self.content(id, ObjectKind::Tree)?;
        Tree::decode(content).ok_or(ReadError::Malformed { id, kind: ObjectKind::Tree })
    }

    /// A tree, kept for the next who asks.
    pub(super) fn shared_tree(&self, id: ObjectId) -> Result<Rc<Tree>, ReadError> {
        if let Some(tree) = self.trees.borrow().by_id.get(&id) {
            return Ok(tree.clone());
        }
        let tree = Rc::new(self.tree(id)?);
        let mut trees = self.trees.borrow_mut();
        if trees.bytes > TREE_CACHE_BYTES {
            *trees = RecentTrees::default();
        }
        trees.bytes += tree.raw().len() + 100;
        trees.by_id.insert(id, tree.clone());
        Ok(tree)
    }

    /// The content of a file, of at most `max_bytes`.
    pub fn blob(&self, id: ObjectId, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
        let (kind, size) = self.header(id)?.ok_or(ReadError::Missing { id })?;
        let limit = max_bytes.min(Self::MAX_OBJECT);
        if kind != ObjectKind::Blob {
            return Err(ReadError::WrongKind { id, expected: ObjectKind::Blob, actual: kind });
        }
        if size > limit {
            return Err(ReadError::TooLarge { id, actual: size, limit });
        }
        self.content(id, ObjectKind::Blob)
    }

    /// The commit that `id` names: itself, or what an annotated tag points at in the end.
    pub fn peel_to_commit(&self, id: ObjectId) -> Result<Commit, ReadError> {
        let mut at = id;
        // Tags of tags are rare, and none needs more steps than this.
        for _ in 0..16 {
            match self.header(at)?.ok_or(ReadError::Missing { id: at })?.0 {
                ObjectKind::Tag => {
                    at = self.tag_target(at)?;
                }
                ObjectKind::Commit => return self.commit(at),
                actual => return Err(ReadError::WrongKind { id: at, expected: ObjectKind::Commit, actual }),
            }
        }
        Err(ReadError::Malformed { id, kind: ObjectKind::Tag })
    }

    /// What an annotated tag points at.
    pub(super) fn tag_target(&self, tag: ObjectId) -> Result<ObjectId, ReadError> {
        let content = self.content(tag, ObjectKind::Tag)?;
        let target = content.strip_prefix(b"object ").and_then(|rest| rest.get(..40));
        let target = target.and_then(|hex| std::str::from_utf8(hex).ok()?.parse().ok());
        target.ok_or(ReadError::Malformed { id: tag, kind: ObjectKind::Tag })
    }

    /// The content of an object of this kind.
    pub(super) fn content(&self, id: ObjectId, expected: ObjectKind) -> Result<Vec<u8>, ReadError> {
        let mut content = Vec::new();
        let gix = object::to_gix(id);
        let mut size_in = |store: &Store| -> Result<_, ReadError> {
            let found = store.try_find(&gix, &mut content).map_err(|error| store_error(id, &error))?;
            Ok(found.map(|found| (found.kind.into(), found.data.len())))
        };
        let found = match self.beside.as_ref().map(&mut size_in).transpose()?.flatten() {
            Some(found) => Some(found),
            None => size_in(&self.store)?,
        };
        let (actual, size): (ObjectKind, usize) = found.ok_or(ReadError::Missing { id })?;
        if actual != expected {
            return Err(ReadError::WrongKind { id, expected, actual });
        }
        if expected != ObjectKind::Blob && size as u64 > Self::MAX_TREE {
            return Err(ReadError::TooLarge { id, actual: size as u64, limit: Self::MAX_TREE });
        }
        // The store answers a slice of our buffer, from its start.
        content.truncate(size);
        Ok(content)
    }
}

fn store_error(id: ObjectId, error: &dyn std::fmt::Display) -> ReadError {
    ReadError::Store { id, message: error.to_string() }
}
