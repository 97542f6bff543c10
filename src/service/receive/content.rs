//! What the branch of an environment may come to hold, whoever sends it: files that checkouts and readers can be served with, in
//! commits that can be followed.

use std::collections::HashMap;

use super::{PushRefusal, file_fault, kind_name};
use crate::git::{Changes, Commit, EntryKind, FileChange, ReadError, Reader};
use crate::model::{Diagnostic, ObjectId, Revision};
use crate::service::replay::first_parent_chain;

/// How much the commits of one push may change in the branch of an environment.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct ChangeLimits {
    /// How many files.
    pub files: usize,
    /// How many bytes those may have.
    pub bytes: u64,
}

/// What may be changed by somebody who may push.
pub(in crate::service) const PUSHED: ChangeLimits = ChangeLimits { files: 200_000, bytes: 512 << 20 };

/// The largest file that the branch of an environment may hold, in bytes.
const MOST_FILE_BYTES: u64 = 32 << 20;

/// How many faults are told.
const MOST_NAMED: usize = 100;

/// What a branch is to be looked at from.
pub(in crate::service) struct Content<'a> {
    /// What was sent, and what the repository holds.
    pub reader: &'a Reader,
    pub limits: ChangeLimits,
    /// Where the branch is; none where it is to begin.
    pub head: Option<Revision>,
    /// The tree of that.
    pub tree: Option<ObjectId>,
}

impl Content<'_> {
    /// That nothing comes into the branch of an environment which no checkout, or no reader, could be served with.
    pub fn check_files(&self, new: Revision) -> Result<(), PushRefusal> {
        let tree = self.reader.commit(new)?.tree;
        let changes = self.changes(self.tree, tree, self.limits.files)?;
        let mut faults = Vec::new();
        for name in changes.skipped.iter().take(MOST_NAMED) {
            faults.push(file_fault(name, "its name is no UTF-8; give it another".to_owned()));
        }
        let mut siblings = Siblings { reader: self.reader, tree, folders: HashMap::new() };
        for change in &changes.files {
            if faults.len() >= MOST_NAMED {
                break;
            }
            faults.extend(self.fault(change)?);
            if change.old.is_none() {
                faults.extend(siblings.collision(&change.path)?);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(PushRefusal::Content(faults)) }
    }

    fn changes(&self, before: Option<ObjectId>, tree: ObjectId, most: usize) -> Result<Changes, PushRefusal> {
        match self.reader.changed_files(before, Some(tree), most) {
            Err(ReadError::TooManyFiles { .. }) => Err(too_much()),
            changes => Ok(changes?),
        }
    }

    /// That what the commits on the way change can be followed one by one, and that each is one that may come in: so that none
    /// says what the server says of its own.
    pub fn check_chain(
        &self,
        new: Revision,
        may_come: &dyn Fn(Revision, &Commit) -> Result<bool, ReadError>,
    ) -> Result<(), PushRefusal> {
        let chain = first_parent_chain(self.reader, self.head, new)?;
        let (mut files, mut bytes) = (self.limits.files, 0);
        let mut before = match self.head {
            Some(head) => Some(self.reader.commit(head)?.tree),
            None => None,
        };
        for id in chain {
            let commit = self.reader.commit(id)?;
            if !may_come(id, &commit)? {
                let reason = format!(
                    "the commit {id} ends with a line that the server writes of promotions and rollbacks; take it out of the message"
                );
                return Err(PushRefusal::NoSuchRef { reason });
            }
            let changes = self.changes(before, commit.tree, files)?;
            files = files.saturating_sub(changes.files.len() + changes.folders / 8 + 1);
            for (_, blob) in changes.files.iter().filter_map(|change| change.new) {
                bytes += self.reader.header(blob)?.map_or(0, |(_, size)| size);
            }
            if files == 0 || bytes > self.limits.bytes {
                return Err(too_much());
            }
            before = Some(commit.tree);
        }
        Ok(())
    }

    fn fault(&self, change: &FileChange) -> Result<Option<Diagnostic>, PushRefusal> {
        let Some((kind, id)) = change.new else { return Ok(None) };
        // What was there before is left alone.
        if change.old.is_some_and(|(old, _)| old == kind)
            && !matches!(kind, EntryKind::File | EntryKind::Executable)
        {
            return Ok(None);
        }
        match kind {
            EntryKind::Symlink | EntryKind::Submodule => {
                let message = format!(
                    "{} is not followed, so that nothing would be served for it; commit the content itself",
                    kind_name(kind)
                );
                Ok(Some(file_fault(&change.path, message)))
            }
            EntryKind::File | EntryKind::Executable | EntryKind::Dir => {
                let size = self.reader.header(id)?.map_or(0, |(_, size)| size);
                let message =
                    format!("{size} bytes are more than the {MOST_FILE_BYTES} that a file may have");
                Ok((size > MOST_FILE_BYTES).then(|| file_fault(&change.path, message)))
            }
        }
    }
}

fn too_much() -> PushRefusal {
    let reason = "the commits of the push change more than can be followed at once; push in several steps";
    PushRefusal::Behind { reason: reason.to_owned() }
}

/// The names in the folders of a tree, without regard to upper and lower case.
struct Siblings<'a> {
    reader: &'a Reader,
    tree: ObjectId,
    folders: HashMap<String, HashMap<String, Vec<String>>>,
}

impl Siblings<'_> {
    /// Whether a new file cannot be beside another on a file system that takes upper and lower case for the same.
    fn collision(&mut self, file: &str) -> Result<Option<Diagnostic>, PushRefusal> {
        let ends = file.match_indices('/').map(|(at, _)| at).chain([file.len()]);
        let mut begin = 0;
        for end in ends {
            let (folder, name) = (file[..begin].trim_end_matches('/'), &file[begin..end]);
            let same = self.names(folder)?.get(&name.to_lowercase());
            if let Some(other) = same.and_then(|names| names.iter().find(|other| *other != name)) {
                let message = format!(
                    "`{name}` and `{other}` differ only in upper and lower case, so that many machines cannot check out both; rename one"
                );
                return Ok(Some(file_fault(file, message)));
            }
            begin = end + 1;
        }
        Ok(None)
    }

    fn names(&mut self, folder: &str) -> Result<&HashMap<String, Vec<String>>, PushRefusal> {
        if !self.folders.contains_key(folder) {
            let mut at = self.tree;
            for part in folder.split('/').filter(|part| !part.is_empty()) {
                let tree = self.reader.tree(at)?;
                let Some(entry) = tree.get(part.as_bytes()) else { break };
                at = entry.id;
            }
            let mut names: HashMap<String, Vec<String>> = HashMap::new();
            for entry in self.reader.tree(at)?.iter() {
                let name = String::from_utf8_lossy(entry.name).into_owned();
                names.entry(name.to_lowercase()).or_default().push(name);
            }
            self.folders.insert(folder.to_owned(), names);
        }
        Ok(&self.folders[folder])
    }
}
