use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::base::{BaseHead, BaseVersion};
use super::record::{self, Before, Item, VersionItem};
use super::{Inner, NewVersion};
use crate::model::{ChangeSet, Path};

/// What a batch adds to the index, before it is written.
pub(super) struct Draft<'a> {
    inner: &'a Inner,
    /// New branches (`true`) and accounts (`false`).
    names: HashMap<(bool, Arc<str>), u32>,
    paths: HashMap<(u32, Path), u32>,
    lines: HashMap<u32, Vec<(u64, VersionItem)>>,
}

impl<'a> Draft<'a> {
    pub fn new(inner: &'a Inner) -> Self {
        Draft { inner, names: HashMap::new(), paths: HashMap::new(), lines: HashMap::new() }
    }

    fn name(&mut self, is_branch: bool, name: &Arc<str>, frame: &mut record::Frame) -> u32 {
        let known = if is_branch { &self.inner.branches } else { &self.inner.accounts };
        if let Some(&id) = known.ids.get(name).or_else(|| self.names.get(&(is_branch, name.clone()))) {
            return id;
        }
        let fresh = self.names.keys().filter(|(kind, _)| *kind == is_branch).count();
        let id = (known.list.len() + fresh) as u32;
        self.names.insert((is_branch, name.clone()), id);
        frame.push(if is_branch { Item::Branch(name.clone()) } else { Item::Account(name.clone()) });
        id
    }

    /// Adds a change set to the frame.
    pub fn change_set(&mut self, change_set: &ChangeSet, frame: &mut record::Frame) {
        let account = self.name(false, &change_set.account, frame);
        let moves = change_set
            .moves
            .iter()
            .map(|step| (self.name(true, &step.branch, frame), step.old, step.new))
            .collect();
        frame.push(Item::ChangeSet { sequence: change_set.sequence, time: change_set.time, account, moves });
    }

    /// Adds a version that a change set makes.
    pub fn version(
        &mut self,
        change_set: &ChangeSet,
        new: &NewVersion,
        frame: &mut record::Frame,
    ) -> io::Result<()> {
        let branch = self.name(true, &new.branch, frame);
        let key = (branch, new.path.clone());
        let path = match self.inner.paths.get(&key).or_else(|| self.paths.get(&key)) {
            Some(&path) => path,
            None => {
                let path = (self.inner.lines.len() + self.paths.len()) as u32;
                frame.push(Item::Path { branch, path: new.path.clone() });
                self.paths.insert(key, path);
                path
            }
        };
        let previous = match self.lines.get(&path).and_then(|drafted| drafted.last()) {
            Some((offset, item)) => Some((*offset, item.version)),
            None => self
                .inner
                .lines
                .get(path as usize)
                .filter(|line| line.version > 0)
                .map(|line| (line.last, line.version)),
        };
        let skip = match previous {
            Some((offset, version)) => {
                self.skip(path, offset, version, record::skip_target(new.version.0))?
            }
            None => 0,
        };
        let item = VersionItem {
            path,
            version: new.version.0,
            deleted: new.deleted,
            sequence: change_set.sequence,
            revision: new.revision,
            before: Before::At { previous: previous.map_or(0, |(offset, _)| offset), skip },
        };
        let at = frame.push(Item::Version(item.clone()));
        self.lines.entry(path).or_default().push((at, item));
        Ok(())
    }

    /// Adds where a branch is when the index begins.
    pub fn head(&mut self, head: &BaseHead, frame: &mut record::Frame) {
        let branch = self.name(true, &head.branch, frame);
        if let Some((sequence, revision)) = head.at {
            frame.push(Item::Head { branch, sequence, revision });
        }
    }

    /// Adds a version with which the history of a path begins, though it is not the first.
    pub fn base_version(&mut self, branch: &Arc<str>, base: &BaseVersion, frame: &mut record::Frame) {
        let branch = self.name(true, branch, frame);
        let account = self.name(false, &base.account, frame);
        let path = (self.inner.lines.len() + self.paths.len()) as u32;
        frame.push(Item::Path { branch, path: base.path.clone() });
        self.paths.insert((branch, base.path.clone()), path);
        frame.push(Item::Version(VersionItem {
            path,
            version: base.version.0,
            deleted: base.deleted,
            sequence: base.sequence,
            revision: base.revision,
            before: Before::Pruned { time: base.time, account },
        }));
    }

    /// Where the record of version `target` stands, walking back from `version` at `offset`; 0 where that
    /// is before what is kept.
    fn skip(&self, path: u32, mut offset: u64, mut version: u64, target: u64) -> io::Result<u64> {
        if target == 0 {
            return Ok(0);
        }
        while version > target {
            let drafted =
                self.lines.get(&path).and_then(|list| list.iter().rev().find(|(at, _)| *at == offset));
            let item = match drafted {
                Some((_, item)) => item.clone(),
                None => self.inner.version_at(offset)?,
            };
            let Before::At { previous, skip } = item.before else { return Ok(0) };
            let far = record::skip_target(version);
            (offset, version) =
                if far >= target && skip != 0 { (skip, far) } else { (previous, version - 1) };
        }
        Ok(offset)
    }
}
