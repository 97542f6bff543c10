//! Folding: many small packs become one, in the background, while reading and publishing go on.
//!
//! Packs form tiers by their number of objects; when a tier has enough of them they are folded together
//! with all smaller ones, so that the number of packs and how often an object is copied grow with the
//! logarithm of the number of writes. Compressed entries are copied as they are; what follows an earlier
//! version of the same directory or file becomes a delta against it. The new pack is read back and every
//! object's id computed before it gets its name, and the old packs go only after a grace.

mod contents;
mod lineage;
mod output;
mod plan;
mod prune;
mod replaced;
mod source;
mod verify;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use self::prune::{PruneError, Pruned, prunable, prune, prune_finish, would_lose};

use self::lineage::Lineage;
use self::output::Output;
use self::source::Source;
pub(super) use self::source::Source as Packed;
use self::verify::verify;
use super::durable::sync_dir;
use super::failpoint::{Step, reach};
use super::publish::install::unfinished;
use super::repository::Repository;
use crate::model::ObjectId;

/// When packs are folded, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldPolicy {
    /// How many packs of fewer than 256 objects start a fold.
    pub small_packs: usize,
    /// How many packs of one larger size class start a fold.
    pub large_packs: usize,
    /// How many bytes of packs are folded at a time; larger packs stay as they are.
    pub max_bytes: u64,
    /// How many objects are folded at a time: each takes some 100 bytes of memory.
    pub max_objects: u64,
    /// Packs to leave alone, by name without extension, such as one that an earlier fold found damaged.
    pub exclude: Vec<String>,
}

impl Default for FoldPolicy {
    fn default() -> Self {
        FoldPolicy {
            small_packs: 32,
            large_packs: 16,
            max_bytes: 256 << 20,
            max_objects: 1_000_000,
            exclude: Vec::new(),
        }
    }
}

/// Why a fold was given up. The repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A pack is damaged, or of a form that is not folded: exclude it from now on.
    #[error("the pack {pack} cannot be folded: {reason}")]
    BadPack {
        /// Its name without extension.
        pack: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The new pack does not hold what the old ones do. The old ones are untouched.
    #[error("the folded pack is not what it should be: {reason}")]
    Unverified {
        /// What differs.
        reason: String,
    },
    /// The file system failed.
    #[error("cannot fold packs: {0}")]
    Io(#[from] io::Error),
}

/// What a fold did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldReport {
    /// How many objects the new pack holds.
    pub objects: usize,
    /// The size of the packs folded, in bytes.
    pub bytes_before: u64,
    /// The size of the new pack, in bytes.
    pub bytes_after: u64,
    /// The packs that can go.
    pub superseded: Superseded,
}

/// Packs that a folded pack has replaced. Processes that read them may not know of the new one yet, so
/// they are left for a grace of some seconds before [`fold_finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superseded {
    /// The new pack's name without extension.
    pub by: String,
    /// The old ones' names.
    pub packs: Vec<String>,
}

/// How much decoded content is kept while folding, in bytes.
const CACHE_BYTES: usize = 64 << 20;
/// An object larger than this keeps its pack from being folded, so that memory stays bounded.
const MAX_OBJECT: usize = 64 << 20;

/// Folds the packs that the policy asks for into one; none when there is nothing to do.
///
/// What an earlier fold superseded must be finished first, or it would be folded again. Packs with a
/// `.keep` file are never touched. One fold at a time.
pub fn fold(repository: &Repository, policy: &FoldPolicy) -> Result<Option<FoldReport>, FoldError> {
    let pack_dir = repository.pack_dir();
    let chosen = plan::choose(plan::candidates(&pack_dir, policy)?, policy);
    if chosen.len() < 2 {
        return Ok(None);
    }
    let names: Vec<String> = chosen.iter().map(|candidate| candidate.name.clone()).collect();
    let mut source = match Source::open(&pack_dir, &names) {
        Ok(source) => source,
        // Somebody repacked meanwhile: what is there now is looked at the next time.
        Err(FoldError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let made = Unfinished::new(&pack_dir, "fold");
    let by = made.write(&mut source)?;
    let superseded = Superseded { packs: names.into_iter().filter(|name| *name != by).collect(), by };
    let bytes_after = fs::metadata(&made.pack)?.len();
    made.install(&pack_dir, &superseded.by)?;
    reach(Step::FoldRenamed)?;
    Ok(Some(FoldReport {
        objects: source.objects().len(),
        bytes_before: chosen.iter().map(|candidate| candidate.bytes).sum(),
        bytes_after,
        superseded,
    }))
}

/// Removes the packs that a fold has replaced, if the new one is still there; answers how many went.
pub fn fold_finish(repository: &Repository, superseded: &Superseded) -> io::Result<usize> {
    let pack_dir = repository.pack_dir();
    let file = |name: &str, extension: &str| pack_dir.join(format!("{name}.{extension}"));
    if !file(&superseded.by, "pack").exists() || !file(&superseded.by, "idx").exists() {
        // An outside repack took it in. It did the same to ours, or will.
        return Ok(0);
    }
    remove_packs(&pack_dir, &superseded.packs, Step::FoldUnlinking)
}

/// Removes packs whose objects are elsewhere; answers how many went.
fn remove_packs(pack_dir: &Path, packs: &[String], step: Step) -> io::Result<usize> {
    let file = |name: &str, extension: &str| pack_dir.join(format!("{name}.{extension}"));
    // An index over several packs must not name one that is gone; it is made anew by who wants it.
    for entry in fs::read_dir(pack_dir)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("multi-pack-index")
            && !name.to_string_lossy().ends_with(".lock")
        {
            remove_if_there(&pack_dir.join(name))?;
        }
    }
    let mut removed = 0;
    for name in packs {
        if file(name, "keep").exists() {
            continue;
        }
        // The index first: without it the pack is invisible.
        removed += usize::from(remove_if_there(&file(name, "idx"))?);
        for extension in ["rev", "bitmap", "pack"] {
            remove_if_there(&file(name, extension))?;
        }
        reach(step)?;
    }
    Ok(removed)
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The files of a new pack before they have their names; removed when dropped.
struct Unfinished {
    pack: PathBuf,
    idx: PathBuf,
}

impl Unfinished {
    fn new(pack_dir: &Path, name: &str) -> Self {
        let [pack, idx] = unfinished(pack_dir, name);
        Unfinished { pack, idx }
    }

    /// Writes the objects of a source, flushes and verifies them; answers the name that the pack shall have.
    fn write(&self, source: &mut Source) -> Result<String, FoldError> {
        let mut output = Output::create(&self.pack, source.objects().len())?;
        Lineage::new(source, &mut output).write_all()?;
        let checksum = output.finish(source, &self.idx)?;
        reach(Step::FoldSynced)?;
        verify(source, self)?;
        Ok(format!("pack-{checksum}"))
    }

    fn install(&self, pack_dir: &Path, name: &str) -> io::Result<()> {
        fs::rename(&self.pack, pack_dir.join(format!("{name}.pack")))?;
        fs::rename(&self.idx, pack_dir.join(format!("{name}.idx")))?;
        sync_dir(pack_dir)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.idx);
        let _ = fs::remove_file(&self.pack);
    }
}

/// The object's place in the list of objects of a [`Source`].
type Number = usize;

fn bad_pack(pack: &str, reason: &str) -> FoldError {
    FoldError::BadPack { pack: pack.to_owned(), reason: reason.to_owned() }
}

fn unsound(id: ObjectId, pack: &str) -> FoldError {
    bad_pack(pack, &format!("object {id} cannot be read"))
}
