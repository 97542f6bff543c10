use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::git::{EntryKind, FileChange, ReadError, Reader};
use crate::model::{Limits, ObjectId, Path, Revision};
use crate::snapshot::{Blobs, Plan, Snapshot, Update, is_configuration};

/// Reads blobs for a snapshot that grows; what cannot be read, or is over the limit, is a problem of its file.
pub(super) struct FromGit<'a> {
    pub reader: &'a Reader,
    pub limits: &'a Limits,
}

impl Blobs for FromGit<'_> {
    fn content(&self, blob: ObjectId) -> Option<Bytes> {
        self.reader.blob(blob, self.limits.document_bytes as u64).ok().map(Bytes::from)
    }
}

/// What some files hold in one commit.
type BlobsByFile = BTreeMap<Arc<str>, ObjectId>;

/// How far back the last commit without a problem is looked for, in commits and in states of its files.
const MOST_ANCESTORS: usize = 1_000_000;
const MOST_STATES: usize = 1_000;

/// How many files a branch may have, and a commit may change.
pub(super) const MOST_FILES: usize = 5_000_000;

/// What may follow the last segment of a path in the name of a file that stands there.
const FILE_ENDINGS: [&str; 6] = ["", ".yaml", ".yml", ".json", ".toml", ".txt"];

/// How many files are parsed before they join the snapshot: a bound on what is in memory twice.
const FILES_AT_ONCE: usize = 1_000;

/// Which files of a commit are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All.
    Everything,
    /// Those that can hold something at these paths: at one, above it, or below it.
    Around(&'a [Path]),
}

/// Reads one commit into a snapshot, from nothing: what a server does at its start, and for old versions.
pub(super) struct Loader<'a> {
    pub reader: &'a Reader,
    pub limits: &'a Limits,
}

impl Loader<'_> {
    /// The snapshot of a commit, its entries without stamps.
    pub fn load(&self, commit: Revision, scope: Scope<'_>) -> Result<Snapshot, ReadError> {
        let tree = self.reader.commit(commit)?.tree;
        let files = match scope {
            Scope::Everything => self.files_below(tree, "")?,
            Scope::Around(paths) => {
                let mut files = Vec::new();
                for path in paths {
                    files.append(&mut self.files_around(tree, path)?);
                }
                files.sort();
                files.dedup();
                files
            }
        };
        let snapshot = self.grown(&Snapshot::default(), &files);
        let troubled = troubled(&snapshot);
        if troubled.is_empty() {
            return Ok(snapshot);
        }
        let sound: Vec<_> = files.into_iter().filter(|(file, _)| !troubled.contains(file)).collect();
        let sound = self.grown(&Snapshot::default(), &sound);
        Ok(sound.grafted(&self.settled(commit, &troubled)?))
    }

    /// The snapshot of a commit where files with problems hold nothing, whatever older commits have of them.
    pub fn load_plainly(&self, commit: Revision) -> Result<Snapshot, ReadError> {
        let tree = self.reader.commit(commit)?.tree;
        Ok(self.grown(&Snapshot::default(), &self.files_below(tree, "")?))
    }

    /// The older commits that are read for a commit whose files have problems, newest first.
    pub fn rests_on(&self, commit: Revision) -> Result<Vec<Revision>, ReadError> {
        let files = self.files_below(self.reader.commit(commit)?.tree, "")?;
        let troubled = troubled(&self.grown(&Snapshot::default(), &files));
        if troubled.is_empty() {
            return Ok(Vec::new());
        }
        let states = self.states(commit, &troubled)?;
        Ok(states.into_iter().map(|(id, _)| id).filter(|id| *id != commit).collect())
    }

    fn files_below(&self, tree: ObjectId, folder: &str) -> Result<Vec<(Arc<str>, ObjectId)>, ReadError> {
        let mut files = Vec::new();
        for mut change in self.reader.changed_files(None, Some(tree), MOST_FILES)?.files {
            if !folder.is_empty() {
                change.path = format!("{folder}/{}", change.path);
            }
            if let Some(blob) = configuration_blob(&change) {
                files.push((change.path.into(), blob));
            }
        }
        Ok(files)
    }

    /// Reads no tree that the path does not lead through.
    fn files_around(&self, tree: ObjectId, path: &Path) -> Result<Vec<(Arc<str>, ObjectId)>, ReadError> {
        let mut files = Vec::new();
        let (mut at, mut folder) = (tree, String::new());
        for segment in path.segments() {
            let tree = self.reader.tree(at)?;
            let names = FILE_ENDINGS.iter().map(|ending| format!("{segment}{ending}"));
            for name in names {
                let file = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if let Some(entry) = tree.get(name.as_bytes())
                    && is_file(entry.kind)
                    && is_configuration(&file)
                {
                    files.push((file.into(), entry.id));
                }
            }
            match tree.get(segment.as_bytes()) {
                Some(entry) if entry.kind == EntryKind::Dir => at = entry.id,
                _ => return Ok(files),
            }
            if !folder.is_empty() {
                folder.push('/');
            }
            folder.push_str(&segment);
        }
        files.append(&mut self.files_below(at, &folder)?);
        Ok(files)
    }

    fn grown(&self, from: &Snapshot, files: &[(Arc<str>, ObjectId)]) -> Snapshot {
        let mut snapshot = from.clone();
        for chunk in files.chunks(FILES_AT_ONCE) {
            let updates = chunk.iter().map(|(file, blob)| Update {
                file: file.clone(),
                blob: Some(*blob),
                value: None,
            });
            let plan = self.plan(&snapshot, updates.collect());
            snapshot = snapshot.apply(plan, &mut |_| None);
        }
        snapshot
    }

    fn plan(&self, snapshot: &Snapshot, updates: Vec<Update>) -> Plan {
        snapshot.plan(updates, &FromGit { reader: self.reader, limits: self.limits }, self.limits)
    }

    /// What files are in a commit and before it, wherever that differs, newest first: up to where none of them
    /// has a problem. Each comes with a commit that has it.
    fn states(
        &self,
        commit: Revision,
        files: &BTreeSet<Arc<str>>,
    ) -> Result<Vec<(Revision, BlobsByFile)>, ReadError> {
        let mut states: Vec<(Revision, BlobsByFile)> = Vec::new();
        let mut at = Some(commit);
        for _ in 0..MOST_ANCESTORS {
            let Some(id) = at else { break };
            let here = self.reader.commit(id)?;
            let state = self.blobs_of(here.tree, files)?;
            if states.last().map(|(_, last)| last) != Some(&state) {
                let list: Vec<_> = state.iter().map(|(file, blob)| (file.clone(), *blob)).collect();
                let sound = self.grown(&Snapshot::default(), &list).problems().is_empty();
                states.push((id, state));
                if sound || states.len() > MOST_STATES {
                    break;
                }
            }
            at = here.parents.first().copied().or_else(|| self.reader.bridge(id));
        }
        Ok(states)
    }

    /// What files with problems serve: they are followed from the last ancestor in which they had none.
    fn settled(&self, commit: Revision, files: &BTreeSet<Arc<str>>) -> Result<Snapshot, ReadError> {
        let states = self.states(commit, files)?;
        let mut snapshot = Snapshot::default();
        let mut before = BlobsByFile::new();
        for (_, state) in states.into_iter().rev() {
            let changed = files.iter().filter(|file| before.get(*file) != state.get(*file));
            let updates = changed.map(|file| Update {
                file: file.clone(),
                blob: state.get(file).copied(),
                value: None,
            });
            let plan = self.plan(&snapshot, updates.collect());
            snapshot = snapshot.apply(plan, &mut |_| None);
            before = state;
        }
        Ok(snapshot)
    }

    fn blobs_of(&self, tree: ObjectId, files: &BTreeSet<Arc<str>>) -> Result<BlobsByFile, ReadError> {
        let mut found = BTreeMap::new();
        for file in files {
            if let Some(blob) = self.blob_at(tree, file)? {
                found.insert(file.clone(), blob);
            }
        }
        Ok(found)
    }

    fn blob_at(&self, tree: ObjectId, file: &str) -> Result<Option<ObjectId>, ReadError> {
        let mut at = tree;
        let mut components = file.split('/').peekable();
        while let Some(component) = components.next() {
            let tree = self.reader.tree(at)?;
            let Some(entry) = tree.get(component.as_bytes()) else { return Ok(None) };
            match (components.peek().is_some(), entry.kind == EntryKind::Dir, is_file(entry.kind)) {
                (true, true, _) => at = entry.id,
                (false, _, true) => return Ok(Some(entry.id)),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The files that something is wrong with.
fn troubled(snapshot: &Snapshot) -> BTreeSet<Arc<str>> {
    snapshot.problems().iter().flat_map(|problem| problem.files.iter().cloned()).collect()
}

/// The blob that a file has after a change, when it is configuration: symlinks and submodules are not.
pub(super) fn configuration_blob(change: &FileChange) -> Option<ObjectId> {
    change.new.filter(|(kind, _)| is_file(*kind) && is_configuration(&change.path)).map(|(_, blob)| blob)
}

fn is_file(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::File | EntryKind::Executable)
}
