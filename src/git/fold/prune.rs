use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use super::source::Source;
use super::{FoldError, FoldPolicy, Unfinished, plan, remove_if_there, remove_packs};
use crate::git::boundary;
use crate::git::cut::CutError;
use crate::git::failpoint::{Step, reach};
use crate::git::pack::index;
use crate::git::reach::Reachable;
use crate::git::repository::Repository;
use crate::model::ObjectId;

/// Packs that hold what nothing leads to any more, and what takes their place.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The new packs, by name without extension.
    pub made: Vec<String>,
    /// The old ones. What is still wanted of them is in the new ones.
    pub packs: Vec<String>,
    /// How many objects the old ones hold, and the new ones.
    pub objects: (usize, usize),
    /// The size of the old ones in bytes, and of the new ones.
    pub bytes: (u64, u64),
    /// Packs that stay as they are, though not all of them is wanted, and why.
    pub left: Vec<(String, String)>,
}

/// Why packs were not pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Nothing was lost; it is to be tried again.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// A pack could not be written.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// The packs that may be pruned, small ones first: all but those that are special, or being published.
pub fn prunable(repository: &Repository) -> io::Result<Vec<String>> {
    let everything = FoldPolicy { max_bytes: u64::MAX, max_objects: u64::MAX, ..FoldPolicy::default() };
    let found = plan::candidates(&repository.pack_dir(), &everything)?;
    Ok(found.into_iter().map(|candidate| candidate.name).collect())
}

/// Writes what is reachable in some packs into new ones, for [`prune_finish`] to remove the old ones. Packs
/// without anything else, and those that are damaged, stay as they are.
///
/// What is reachable must have been found after these packs were listed. A pack that is published meanwhile is
/// none of them, and what a write needs of older ones must be reachable: it takes over whole directories of the
/// head that it follows, or the tree of a commit that is kept, and packs everything else itself.
pub fn prune(
    repository: &Repository,
    reachable: &Reachable,
    packs: &[String],
    stop: &dyn Fn() -> bool,
    name_made: &mut dyn FnMut(&str),
) -> Result<Pruned, PruneError> {
    let pack_dir = repository.pack_dir();
    let policy = FoldPolicy::default();
    let mut pruned = Pruned::default();
    let mut group = Group::default();
    let mut writer = Writer { pack_dir: &pack_dir, reachable, name_made };
    for name in packs {
        if stop() {
            return Err(CutError::Stopped.into());
        }
        let Some((objects, bytes)) = worth(&pack_dir, name, reachable)? else { continue };
        let full = group.objects + objects > policy.max_objects || group.bytes + bytes > policy.max_bytes;
        if full && !group.names.is_empty() {
            std::mem::take(&mut group).write(&mut writer, &mut pruned)?;
        }
        group.objects += objects;
        group.bytes += bytes;
        group.names.push(name.clone());
    }
    group.write(&mut writer, &mut pruned)?;
    Ok(pruned)
}

/// The objects and bytes of a pack that holds something unreachable; none for another.
fn worth(pack_dir: &Path, name: &str, reachable: &Reachable) -> Result<Option<(u64, u64)>, PruneError> {
    let read = || -> io::Result<(Vec<u8>, u64)> {
        let bytes = fs::metadata(pack_dir.join(format!("{name}.pack")))?.len();
        Ok((fs::read(pack_dir.join(format!("{name}.idx")))?, bytes))
    };
    let (idx, bytes) = match read() {
        Ok(found) => found,
        // Somebody repacked meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FoldError::Io(error).into()),
    };
    let Some((entries, _)) = index::decode(&idx) else { return Ok(None) };
    let dead = entries.iter().any(|entry| !reachable.contains(entry.id));
    Ok(dead.then_some((entries.len() as u64, bytes)))
}

/// Packs that are written anew together.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    objects: u64,
    bytes: u64,
}

/// Where new packs are written, of what, and who hears of them.
struct Writer<'a> {
    pack_dir: &'a Path,
    reachable: &'a Reachable,
    name_made: &'a mut dyn FnMut(&str),
}

impl Group {
    fn write(mut self, writer: &mut Writer<'_>, pruned: &mut Pruned) -> Result<(), PruneError> {
        while !self.names.is_empty() {
            match self.attempt(writer, pruned) {
                Err(FoldError::BadPack { pack, reason }) if self.names.contains(&pack) => {
                    self.names.retain(|name| *name != pack);
                    pruned.left.push((pack, reason));
                }
                // Somebody repacked meanwhile: what is there now is looked at the next time.
                Err(FoldError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(()),
                other => return Ok(other?),
            }
        }
        Ok(())
    }

    fn attempt(&self, writer: &mut Writer<'_>, pruned: &mut Pruned) -> Result<(), FoldError> {
        let pack_dir = writer.pack_dir;
        let mut source = Source::open(pack_dir, &self.names)?;
        let before = source.objects().len();
        source.retain(|id| writer.reachable.contains(id));
        let after = source.objects().len();
        let mut by = None;
        if after > 0 {
            let made = Unfinished::new(pack_dir, "prune");
            let name = made.write(&mut source)?;
            pruned.bytes.1 += fs::metadata(&made.pack)?.len();
            (writer.name_made)(&name);
            made.install(pack_dir, &name)?;
            by = Some(name);
        }
        reach(Step::PruneRenamed)?;
        pruned.packs.extend(self.names.iter().filter(|name| Some(*name) != by.as_ref()).cloned());
        pruned.made.extend(by);
        pruned.objects.0 += before;
        pruned.objects.1 += after;
        pruned.bytes.0 += self.bytes;
        Ok(())
    }
}

/// Whether references lead by now to what only the old packs hold: somebody pushed a history that was cut
/// off. `found` is what they lead to since [`prune`].
pub fn would_lose(repository: &Repository, pruned: &Pruned, found: &HashSet<ObjectId>) -> io::Result<bool> {
    let pack_dir = repository.pack_dir();
    let old: HashSet<&String> = pruned.packs.iter().collect();
    let ids_of = |name: &str| -> io::Result<Vec<ObjectId>> {
        match fs::read(pack_dir.join(format!("{name}.idx"))) {
            Ok(idx) => Ok(index::decode(&idx)
                .map(|(entries, _)| entries.into_iter().map(|entry| entry.id).collect())
                .unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    };
    let mut endangered = HashSet::new();
    for name in &pruned.packs {
        endangered.extend(ids_of(name)?.into_iter().filter(|id| found.contains(id)));
    }
    for entry in fs::read_dir(&pack_dir)? {
        if endangered.is_empty() {
            break;
        }
        let file = entry?.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".idx") else { continue };
        if !old.contains(&name.to_owned()) {
            for id in ids_of(name)? {
                endangered.remove(&id);
            }
        }
    }
    endangered.retain(|id| !loose_path(repository, *id).exists());
    Ok(!endangered.is_empty())
}

/// Removes the packs that [`prune`] has replaced, and loose objects that nothing leads to and nobody touched
/// since `quiet_since`. Answers whether it did: not where the new packs are not there any more.
///
/// Readers that have one of them open get along: what they look for is in a new pack, and they look again.
pub fn prune_finish(
    repository: &Repository,
    reachable: &Reachable,
    pruned: &Pruned,
    quiet_since: SystemTime,
) -> io::Result<bool> {
    // Written by who began before history was cut.
    boundary::remove_commit_graph(repository.dir())?;
    let pack_dir = repository.pack_dir();
    let is_there = |name: &String| {
        let file = |extension: &str| pack_dir.join(format!("{name}.{extension}")).exists();
        file("pack") && file("idx")
    };
    if !pruned.made.iter().all(is_there) {
        // A repack from outside took them in, and did the same to the old ones, or will: who knows which.
        return Ok(false);
    }
    remove_packs(&pack_dir, &pruned.packs, Step::PruneUnlinking)?;
    remove_loose(repository, reachable, quiet_since)?;
    reach(Step::PruneUnlinked)?;
    Ok(true)
}

fn loose_path(repository: &Repository, id: ObjectId) -> std::path::PathBuf {
    let hex = id.to_string();
    let (folder, file) = hex.split_at(2);
    repository.dir().join("objects").join(folder).join(file)
}

fn remove_loose(repository: &Repository, reachable: &Reachable, quiet_since: SystemTime) -> io::Result<()> {
    for folder in 0..=u8::MAX {
        let folder = format!("{folder:02x}");
        let entries = match fs::read_dir(repository.dir().join("objects").join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(id) = format!("{folder}{name}").parse::<ObjectId>() else { continue };
            // Git touches an object that it would write and finds there.
            let is_quiet = entry.metadata()?.modified()? < quiet_since;
            if is_quiet && !reachable.contains(id) {
                remove_if_there(&entry.path())?;
            }
        }
    }
    Ok(())
}
