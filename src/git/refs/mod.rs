//! References: gitrepository-layout(5), files under `refs/` and `packed-refs`.

pub(super) mod lock;
mod name;
pub(super) mod packed;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

pub use self::name::{RefNameError, check_name};
use crate::model::ObjectId;

/// What a reference was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefState {
    /// It does not exist.
    Absent,
    /// It names an object.
    At(ObjectId),
    /// Its file is empty or torn, as a loss of power may leave it. What it should say is in the journal.
    Torn,
}

impl RefState {
    /// The object named; none for a reference that is absent or torn.
    pub fn id(self) -> Option<ObjectId> {
        match self {
            RefState::At(id) => Some(id),
            RefState::Absent | RefState::Torn => None,
        }
    }
}

/// How many symbolic references are followed.
const MAX_SYMBOLIC: usize = 5;

/// The state of one reference: the loose file if there is one, else what `packed-refs` says.
/// A text that can be no name is absent: as the name of a file it could lead anywhere.
pub(super) fn find(git_dir: &Path, name: &str) -> io::Result<RefState> {
    if check_name(name).is_err() {
        return Ok(RefState::Absent);
    }
    let mut name = name.to_owned();
    for _ in 0..=MAX_SYMBOLIC {
        match read_loose(git_dir, &name)? {
            Loose::At(id) => return Ok(RefState::At(id)),
            Loose::Torn => return Ok(RefState::Torn),
            Loose::Symbolic(target) => name = target,
            Loose::Absent => {
                if let Some(id) = packed::read(git_dir)?.get(&name) {
                    return Ok(RefState::At(*id));
                }
                // `git pack-refs` writes packed-refs before it unlinks the loose file, so a file that was
                // not there before may be, when packed-refs was read too early: look once more.
                return Ok(match read_loose(git_dir, &name)? {
                    Loose::At(id) => RefState::At(id),
                    Loose::Torn => RefState::Torn,
                    Loose::Absent | Loose::Symbolic(_) => RefState::Absent,
                });
            }
        }
    }
    Ok(RefState::Torn)
}

/// All references whose names begin with `prefix` (which ends with `/`), by full name.
pub(super) fn list(git_dir: &Path, prefix: &str) -> io::Result<BTreeMap<String, RefState>> {
    // Loose files first: one that is packed meanwhile is then found in packed-refs.
    let mut loose = Vec::new();
    collect(git_dir, prefix.trim_end_matches('/'), 0, &mut loose)?;
    let mut all = BTreeMap::new();
    for (name, id) in packed::read(git_dir)? {
        if name.starts_with(prefix) {
            all.insert(name, RefState::At(id));
        }
    }
    for name in loose {
        match find(git_dir, &name)? {
            RefState::Absent => all.remove(&name),
            state => all.insert(name, state),
        };
    }
    Ok(all)
}

fn collect(git_dir: &Path, dir: &str, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(git_dir.join(dir)) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Ok(file_name) = entry.file_name().into_string() else { continue };
        let name = format!("{dir}/{file_name}");
        if entry.file_type()?.is_dir() {
            if depth < 64 {
                collect(git_dir, &name, depth + 1, names)?;
            }
        } else if check_name(&name).is_ok() {
            // Lock files fall out here: no reference may end with `.lock`.
            names.push(name);
        }
    }
    Ok(())
}

enum Loose {
    Absent,
    At(ObjectId),
    Symbolic(String),
    Torn,
}

fn read_loose(git_dir: &Path, name: &str) -> io::Result<Loose> {
    let text = match fs::read(git_dir.join(name)) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(Loose::Absent),
        Err(error) => return Err(error),
    };
    if let Some(target) = text.strip_prefix(b"ref:") {
        let target = String::from_utf8_lossy(target).trim().to_owned();
        return Ok(if check_name(&target).is_ok() { Loose::Symbolic(target) } else { Loose::Torn });
    }
    let id = text.get(..40).and_then(|hex| std::str::from_utf8(hex).ok()?.parse().ok());
    let ends = text.get(40).is_none_or(u8::is_ascii_whitespace);
    Ok(match id {
        Some(id) if ends && id != ObjectId::ZERO => Loose::At(id),
        _ => Loose::Torn,
    })
}

/// Whether a file is missing: also when its name is a directory's, or a file stands above it.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory)
}
