use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use gix::hash::{Kind as HashKind, hasher};

use super::{Known, ObjectCheck, ObjectFault};
use crate::git::fold::{FoldError, Packed};
use crate::git::object;
use crate::git::reader::Reader;
use crate::git::repository::Repository;

/// A pack with its index.
pub(super) struct PackFiles {
    name: String,
    pack: PathBuf,
    idx: PathBuf,
}

/// The packs of a repository that have an index, sorted; one that lacks either is a fault.
pub(super) fn list(repository: &Repository, check: &mut ObjectCheck) -> io::Result<Vec<PackFiles>> {
    let dir = repository.pack_dir();
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let file = PathBuf::from(entry?.file_name());
        let is_pack = matches!(file.extension().and_then(|e| e.to_str()), Some("pack" | "idx"));
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        names.extend(name.filter(|name| is_pack && name.starts_with("pack-")));
    }
    names.sort();
    names.dedup();
    let mut packs = Vec::new();
    for name in names {
        let file = |extension: &str| dir.join(format!("{name}.{extension}"));
        let files = PackFiles { pack: file("pack"), idx: file("idx"), name: name.clone() };
        let missing =
            [("pack", &files.pack), ("idx", &files.idx)].into_iter().find(|(_, file)| !file.exists());
        match missing {
            Some((extension, _)) => {
                check.push(ObjectFault::Pack {
                    pack: name,
                    reason: format!("its file .{extension} is missing"),
                });
            }
            None => packs.push(files),
        }
    }
    Ok(packs)
}

/// Learns which objects the packs hold, of which kinds.
pub(super) fn kinds(packs: &[PackFiles], known: &mut Known, check: &mut ObjectCheck) -> io::Result<()> {
    for files in packs {
        if let Some(packed) = open(files, check)? {
            known.kinds.extend(packed.objects().iter().map(|object| (object.id, object.kind)));
        }
    }
    Ok(())
}

/// Reads and hashes everything in the packs.
pub(super) fn contents(
    packs: &[PackFiles],
    known: &mut Known,
    check: &mut ObjectCheck,
    advance: &mut dyn FnMut(u64),
) -> io::Result<()> {
    for files in packs {
        for (file, what) in [(&files.pack, "pack"), (&files.idx, "index")] {
            if !has_its_checksum(file)? {
                let reason = format!("the {what} is not what its checksum says");
                check.push(ObjectFault::Pack { pack: files.name.clone(), reason });
            }
        }
        // One that cannot be opened was told when its kinds were asked for.
        if let Some(mut packed) = open(files, &mut ObjectCheck::default())? {
            for number in packed.in_pack_order() {
                let found = packed.objects()[number];
                match packed.content(found) {
                    Ok(content) if object::object_id(found.kind, &content) == Ok(found.id) => {
                        known.look_at(found.id, found.kind, &content);
                    }
                    Err(FoldError::Io(error)) => return Err(error),
                    _ => {
                        known.is_torn = true;
                        check.push(ObjectFault::Content { place: files.name.clone(), id: found.id });
                    }
                }
            }
        }
        advance(fs::metadata(&files.pack)?.len());
    }
    Ok(())
}

fn open(files: &PackFiles, check: &mut ObjectCheck) -> io::Result<Option<Packed>> {
    match Packed::open_files(&files.pack, &files.idx, Reader::MAX_OBJECT as usize) {
        Ok(packed) => Ok(Some(packed)),
        Err(FoldError::Io(error)) => Err(error),
        Err(error) => {
            let reason = match error {
                FoldError::BadPack { reason, .. } => reason,
                other => other.to_string(),
            };
            check.push(ObjectFault::Pack { pack: files.name.clone(), reason });
            Ok(None)
        }
    }
}

/// Whether the last 20 bytes of a file are the SHA-1 of those before, as in every pack and index.
fn has_its_checksum(path: &Path) -> io::Result<bool> {
    const TRAILER: u64 = 20;
    let mut file = File::open(path)?;
    let Some(length) = file.metadata()?.len().checked_sub(TRAILER) else { return Ok(false) };
    let mut state = hasher(HashKind::Sha1);
    let mut buffer = vec![0; 256 << 10];
    let mut content = (&mut file).take(length);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => state.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut trailer = [0; TRAILER as usize];
    file.read_exact(&mut trailer)?;
    Ok(object::finish(state).is_ok_and(|id| *id.as_bytes() == trailer))
}
