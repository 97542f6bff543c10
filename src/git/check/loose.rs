use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;

use super::{Known, ObjectCheck, ObjectFault};
use crate::git::object::{self, ObjectKind};
use crate::git::reader::Reader;
use crate::git::repository::Repository;
use crate::model::ObjectId;

/// The longest header of a loose object: kind, blank, digits, NUL.
const MOST_HEADER_BYTES: u64 = 32;

/// The files of the loose objects with their ids.
pub(super) fn list(repository: &Repository) -> io::Result<Vec<(ObjectId, PathBuf)>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(repository.dir().join("objects"))? {
        let folder = folder?;
        let name = folder.file_name().to_string_lossy().into_owned();
        if name.len() != 2 || !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let id = format!("{name}{}", file.file_name().to_string_lossy()).parse();
            // Unfinished files of Git have other names.
            found.extend(id.ok().map(|id| (id, file.path())));
        }
    }
    found.sort();
    Ok(found)
}

/// Learns of which kinds the loose objects are.
pub(super) fn kinds(files: &[(ObjectId, PathBuf)], known: &mut Known) {
    for (id, path) in files {
        let mut head = Vec::new();
        let read = File::open(path)
            .and_then(|file| ZlibDecoder::new(file).take(MOST_HEADER_BYTES).read_to_end(&mut head));
        // One without a kind is told when its content is read.
        if let (Ok(_), Some((kind, _))) = (read, split(&head)) {
            known.kinds.insert(*id, kind);
        }
    }
}

/// Reads and hashes the loose objects: the id is the SHA-1 of header and content.
pub(super) fn contents(
    files: &[(ObjectId, PathBuf)],
    known: &mut Known,
    check: &mut ObjectCheck,
) -> io::Result<()> {
    for (id, path) in files {
        let bytes = read(path);
        match bytes.as_deref().and_then(split) {
            Some((kind, content)) if object::object_id(kind, content) == Ok(*id) => {
                known.look_at(*id, kind, content);
            }
            _ => {
                known.is_torn = true;
                check.push(ObjectFault::Content { place: "loose objects".to_owned(), id: *id });
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = Reader::MAX_OBJECT + MOST_HEADER_BYTES;
    ZlibDecoder::new(File::open(path).ok()?).take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Kind and content of `<kind> <size>\0<content>`.
fn split(bytes: &[u8]) -> Option<(ObjectKind, &[u8])> {
    let end = bytes.iter().take(MOST_HEADER_BYTES as usize).position(|&byte| byte == 0)?;
    let (kind, _) = std::str::from_utf8(&bytes[..end]).ok()?.split_once(' ')?;
    let kinds = [ObjectKind::Commit, ObjectKind::Tree, ObjectKind::Blob, ObjectKind::Tag];
    Some((kinds.into_iter().find(|known| known.name() == kind)?, &bytes[end + 1..]))
}
