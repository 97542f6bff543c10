//! The file `packed-refs`: gitrepository-layout(5), git-pack-refs(1).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::lock::{Lock, LockError};
use crate::model::ObjectId;

const FILE: &str = "packed-refs";

/// What `packed-refs` says, by full name. Lines that say nothing are passed over.
pub(in crate::git) fn read(git_dir: &Path) -> io::Result<BTreeMap<String, ObjectId>> {
    let text = match fs::read(git_dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&text).lines().filter_map(parse_line).collect())
}

fn parse_line(line: &str) -> Option<(String, ObjectId)> {
    // Comments begin with `#`, what a tag peels to with `^`.
    let (id, name) = line.split_once(' ')?;
    let id = id.parse().ok()?;
    super::check_name(name).ok()?;
    Some((name.to_owned(), id))
}

/// Takes a reference out of `packed-refs`, if it is there; flushes the file.
pub(in crate::git) fn remove(git_dir: &Path, name: &str) -> Result<(), LockError> {
    if !read(git_dir).map_err(|error| LockError::io(FILE, error))?.contains_key(name) {
        return Ok(());
    }
    let mut lock = Lock::acquire(git_dir, FILE)?;
    let text = fs::read(git_dir.join(FILE)).map_err(|error| LockError::io(FILE, error))?;
    let mut kept = Vec::with_capacity(text.len());
    let mut removing = false;
    for line in text.split_inclusive(|&b| b == b'\n') {
        // A line with `^` belongs to the one before it.
        if !line.starts_with(b"^") {
            let parsed =
                std::str::from_utf8(line).ok().and_then(|line| parse_line(line.trim_end_matches('\n')));
            removing = parsed.is_some_and(|(found, _)| found == name);
        }
        if !removing {
            kept.extend_from_slice(line);
        }
    }
    let file = lock.write(&kept)?;
    file.sync_all().map_err(|error| LockError::io(FILE, error))?;
    lock.commit()
}
