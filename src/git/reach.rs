use std::cmp::Ordering;
use std::collections::HashSet;
use std::rc::Rc;

use super::changes::skip_common;
use super::cut::{CutError, tips};
use super::object::ObjectKind;
use super::reader::{ReadError, Reader};
use super::repository::Repository;
use super::tree::{EntryKind, key, order, split_entry};
use crate::model::{ObjectId, Revision};

/// The objects that references lead to. Memory takes each id once.
pub struct Reachable {
    reader: Reader,
    ids: HashSet<ObjectId>,
}

/// How deep directories may be nested: many times what a configuration path may have, and no danger to
/// the stack.
const MAX_DEPTH: usize = 256;

impl Reachable {
    /// Finds them, and what these commits lead to. Of each commit only what differs from its first parent is
    /// looked at.
    pub fn find(
        repository: &Repository,
        also: &[Revision],
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, CutError> {
        let mut reachable = Reachable { reader: repository.reader(), ids: HashSet::new() };
        reachable.extend(repository, also, stop)?;
        Ok(reachable)
    }

    /// Adds what references and these commits lead to by now; answers what is new.
    pub fn extend(
        &mut self,
        repository: &Repository,
        also: &[Revision],
        stop: &dyn Fn() -> bool,
    ) -> Result<HashSet<ObjectId>, CutError> {
        let mut walk = Walk { reader: &self.reader, known: &self.ids, found: HashSet::new(), stop };
        let mut commits = Vec::new();
        let tips = tips(repository, &HashSet::new())?;
        for tip in tips.into_iter().chain(also.iter().copied()) {
            walk.tip(tip, &mut commits)?;
        }
        while let Some(id) = commits.pop() {
            walk.line(id, &mut commits)?;
        }
        let found = walk.found;
        self.ids.extend(&found);
        Ok(found)
    }

    /// Whether a reference leads to this object.
    pub fn contains(&self, id: ObjectId) -> bool {
        self.ids.contains(&id)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    known: &'a HashSet<ObjectId>,
    /// Of a tree among these, and of a commit but for the one at work, all that it leads to is here, too.
    found: HashSet<ObjectId>,
    stop: &'a dyn Fn() -> bool,
}

impl Walk<'_> {
    fn is_new(&mut self, id: ObjectId) -> bool {
        !self.known.contains(&id) && self.found.insert(id)
    }

    /// What a reference names: mostly a commit, to be followed; tags are followed here.
    fn tip(&mut self, id: ObjectId, commits: &mut Vec<Revision>) -> Result<(), ReadError> {
        let mut at = id;
        while !self.known.contains(&at) && !self.found.contains(&at) {
            match self.reader.header(at)?.ok_or(ReadError::Missing { id: at })?.0 {
                ObjectKind::Commit => {
                    commits.push(at);
                    break;
                }
                ObjectKind::Tag => {
                    self.found.insert(at);
                    at = self.reader.tag_target(at)?;
                }
                ObjectKind::Tree => return self.tree(at, None, 0),
                ObjectKind::Blob => drop(self.found.insert(at)),
            }
        }
        Ok(())
    }

    /// Follows first parents to a commit that is known, and takes what is between, the oldest first: what a
    /// commit has in common with its parent is known when it is its turn. Other parents are left for later.
    fn line(&mut self, start: Revision, others: &mut Vec<Revision>) -> Result<(), CutError> {
        let (mut trees, mut at) = (Vec::new(), Some(start));
        while let Some(id) = at.filter(|id| self.is_new(*id)) {
            if (self.stop)() {
                return Err(CutError::Stopped);
            }
            let commit = self.reader.commit(id)?;
            trees.push(commit.tree);
            at = commit.parents.first().copied();
            others.extend(commit.parents.get(1..).unwrap_or_default());
        }
        let mut before = match at {
            Some(known) => Some(self.reader.commit(known)?.tree),
            None => None,
        };
        for tree in trees.into_iter().rev() {
            if (self.stop)() {
                return Err(CutError::Stopped);
            }
            self.tree(tree, before, 0)?;
            before = Some(tree);
        }
        Ok(())
    }

    /// Takes a tree; of `before` all is known.
    fn tree(&mut self, id: ObjectId, before: Option<ObjectId>, depth: usize) -> Result<(), ReadError> {
        if before == Some(id) || !self.is_new(id) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(ReadError::TooDeep { path: id.to_string(), limit: MAX_DEPTH });
        }
        let old = before.map_or_else(|| Ok(Rc::default()), |before| self.reader.shared_tree(before))?;
        let new = self.reader.shared_tree(id)?;
        let (mut olds, mut news) = (old.raw(), new.raw());
        skip_common(&mut olds, &mut news);
        while let Some((entry, rest)) = split_entry(news) {
            if olds == news {
                break;
            }
            news = rest;
            let mut same = None;
            while let Some((old, rest)) = split_entry(olds) {
                let side = order(key(&old), key(&entry));
                if side != Ordering::Greater {
                    olds = rest;
                }
                if side != Ordering::Less {
                    same = Some(old).filter(|_| side == Ordering::Equal);
                    break;
                }
            }
            match entry.kind {
                // Its commits are in another repository.
                EntryKind::Submodule => {}
                EntryKind::Dir => self.tree(entry.id, same.map(|old| old.id), depth + 1)?,
                _ if same.is_some_and(|old| old.id == entry.id) => {}
                _ => drop(self.is_new(entry.id)),
            }
        }
        Ok(())
    }
}
