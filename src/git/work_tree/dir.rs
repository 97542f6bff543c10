use std::collections::HashMap;

use super::lookup::Entries;
use super::versions::Versions;
use crate::git::object::ObjectKind;
use crate::git::pack::deflate::{BIG_TREE, Packing};
use crate::git::pack::{Pack, PackError};
use crate::git::reader::{ReadError, Reader};
use crate::git::tree::EntryKind;
use crate::model::ObjectId;

/// One directory of a work tree.
pub(super) struct Dir {
    /// Its id as the repository, or the pack being built, has it; none since it was changed.
    id: Option<ObjectId>,
    loaded: bool,
    entries: Entries,
    children: HashMap<Box<[u8]>, Dir>,
    /// The children that changed since the last write, whose ids here are out of date.
    stale: Vec<Box<[u8]>>,
    versions: Versions,
}

impl Dir {
    pub(super) fn empty() -> Self {
        Dir { id: None, loaded: true, ..Dir::unloaded(ObjectId::ZERO) }
    }

    pub(super) fn unloaded(id: ObjectId) -> Self {
        Dir {
            id: Some(id),
            loaded: false,
            entries: Entries::default(),
            children: HashMap::new(),
            stale: Vec::new(),
            versions: Versions::default(),
        }
    }

    /// Reads the directories on the way to a path, as far as they exist. Changes nothing otherwise.
    pub(super) fn load(&mut self, reader: &Reader, parts: &[&str]) -> Result<(), ReadError> {
        if let (false, Some(id)) = (self.loaded, self.id) {
            self.entries = Entries::new(reader.tree(id)?.into_raw());
            self.loaded = true;
        }
        let [name, rest @ ..] = parts else { return Ok(()) };
        if rest.is_empty() {
            return Ok(());
        }
        let name = name.as_bytes();
        let Some(entry) = self.entries.get(name, true) else { return Ok(()) };
        match self.children.get_mut(name) {
            Some(child) => child.load(reader, rest),
            None => {
                let mut child = Dir::unloaded(entry.id);
                child.load(reader, rest)?;
                self.children.insert(name.into(), child);
                Ok(())
            }
        }
    }

    /// What stands at a path whose directories are loaded.
    pub(super) fn get(&self, parts: &[&str]) -> Option<(EntryKind, ObjectId)> {
        let [name, rest @ ..] = parts else { return None };
        let name = name.as_bytes();
        if !rest.is_empty() {
            return self.children.get(name)?.get(rest);
        }
        let entry = self.entries.get(name, false).or_else(|| self.entries.get(name, true))?;
        match self.children.get(name) {
            Some(child) if entry.kind == EntryKind::Dir => {
                Some((entry.kind, child.id.unwrap_or(ObjectId::ZERO)))
            }
            _ => Some((entry.kind, entry.id)),
        }
    }

    /// Sets or removes what is at a path whose directories are loaded; answers whether anything changed. A file of no
    /// given kind is of the kind that it was.
    pub(super) fn set(&mut self, parts: &[&str], file: Option<(Option<EntryKind>, ObjectId)>) -> bool {
        let [name, rest @ ..] = parts else { return false };
        let name = name.as_bytes();
        if rest.is_empty() {
            return match file {
                Some((kind, blob)) => self.set_file(name, kind, blob),
                None => self.remove(name, false) | self.remove(name, true),
            };
        }
        if self.entries.get(name, true).is_none() {
            if file.is_none() {
                return false;
            }
            self.remove(name, false);
            self.put(EntryKind::Dir, name, ObjectId::ZERO);
            self.children.insert(name.into(), Dir::empty());
            self.stale.push(name.into());
        }
        let Some(child) = self.children.get_mut(name) else { return false };
        let was_clean = child.id.is_some();
        if !child.set(rest, file) {
            return false;
        }
        if child.entries.is_empty() {
            self.remove(name, true);
        } else if was_clean {
            self.stale.push(name.into());
        }
        self.id = None;
        true
    }

    fn set_file(&mut self, name: &[u8], kind: Option<EntryKind>, blob: ObjectId) -> bool {
        let before = self.entries.get(name, false);
        let was = before.filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Executable));
        let kind = kind.or(was.map(|entry| entry.kind)).unwrap_or(EntryKind::File);
        if before.is_some_and(|entry| (entry.kind, entry.id) == (kind, blob)) {
            return false;
        }
        self.remove(name, true);
        self.put(kind, name, blob);
        self.id = None;
        true
    }

    fn put(&mut self, kind: EntryKind, name: &[u8], id: ObjectId) {
        let (at, length) = self.entries.put(kind, name, id);
        self.versions.edited(at, length);
    }

    fn remove(&mut self, name: &[u8], dir: bool) -> bool {
        let Some(range) = self.entries.remove(name, dir) else { return false };
        if dir {
            self.children.remove(name);
        }
        self.versions.edited(range, 0);
        self.id = None;
        true
    }

    /// Adds this directory and those below it to the pack, as far as they changed; answers its id.
    pub(super) fn write(&mut self, pack: &mut Pack) -> Result<ObjectId, PackError> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        for name in std::mem::take(&mut self.stale) {
            // One that changed and then went is still listed.
            let Some(child) = self.children.get_mut(&name) else { continue };
            let id = child.write(pack)?;
            if self.entries.get(&name, true).is_some_and(|entry| entry.id != id) {
                self.put(EntryKind::Dir, &name, id);
            }
        }
        let raw = self.entries.raw();
        let id = self.versions.id(raw)?;
        let packing = if raw.len() > BIG_TREE { Packing::Stored } else { Packing::Fast };
        match self.versions.base(pack, id, raw.len()) {
            Some(base) => pack.delta(id, base.place, base.length, raw, base.hunks)?,
            None => pack.full(id, ObjectKind::Tree, raw, packing)?,
        }
        self.versions.written(pack, id, raw.len());
        self.id = Some(id);
        Ok(id)
    }
}
