//! Checking objects: everything that the packs and loose files of a repository hold is read and hashed, and
//! everything that its references lead to has to be there.
//!
//! Memory: some 100 bytes for each object of the repository, and 64 MiB of decoded content.

mod links;
mod loose;
mod packs;

use std::collections::{HashMap, HashSet};
use std::io;

use self::links::each_link;
use super::object::ObjectKind;
use super::reader::{ReadError, Reader};
use super::repository::Repository;
use crate::model::ObjectId;

/// One thing that is wrong with the objects of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectFault {
    /// A pack or its index cannot be read as such, or is not what its checksum says.
    #[error("{pack}: {reason}")]
    Pack {
        /// The pack's name without extension.
        pack: String,
        /// What is wrong.
        reason: String,
    },
    /// An object does not have the content of its id, or cannot be decoded.
    #[error("{place}: the object {id} does not have the content of its id")]
    Content {
        /// The pack or file.
        place: String,
        /// The object.
        id: ObjectId,
    },
    /// Something leads to an object that is not there.
    #[error("the {} {id} is missing; {wanted_by} leads to it", kind.name())]
    Missing {
        /// The object.
        id: ObjectId,
        /// What it should be.
        kind: ObjectKind,
        /// The reference or object that names it.
        wanted_by: String,
    },
    /// Something leads to an object of another kind.
    #[error("the object {id} is a {}, but {wanted_by} takes it for a {}", actual.name(), expected.name())]
    Kind {
        /// The object.
        id: ObjectId,
        /// What it is taken for.
        expected: ObjectKind,
        /// What it is.
        actual: ObjectKind,
        /// Who names it.
        wanted_by: String,
    },
}

/// What a check of the objects found.
#[derive(Debug, Default)]
pub struct ObjectCheck {
    /// How many objects were looked at, each once.
    pub objects: usize,
    /// The first faults, at most [`ObjectCheck::MOST_FAULTS`].
    pub faults: Vec<ObjectFault>,
    /// How many further ones there are.
    pub more: usize,
}

impl ObjectCheck {
    /// How many faults are told one by one.
    pub const MOST_FAULTS: usize = 50;

    fn push(&mut self, fault: ObjectFault) {
        if self.faults.len() < Self::MOST_FAULTS { self.faults.push(fault) } else { self.more += 1 }
    }
}

/// What is known of the objects while they are checked.
struct Known {
    kinds: HashMap<ObjectId, ObjectKind>,
    /// Commits whose parents were taken away on purpose.
    shallow: HashSet<ObjectId>,
    /// Whether anything, reachable or not, names an object that is not there, or takes it for another kind.
    is_torn: bool,
}

/// Reads and hashes every object of the repository, and follows everything that `tips` lead to: names of
/// references, and what they name. Commits listed in `shallow` have no parents. `advance` hears of each byte
/// of the packs as it has been read.
pub fn check_objects(
    repository: &Repository,
    tips: &[(String, ObjectId)],
    advance: &mut dyn FnMut(u64),
) -> io::Result<ObjectCheck> {
    let mut check = ObjectCheck::default();
    let shallow = repository.shallow()?.into_iter().collect();
    let mut known = Known { kinds: HashMap::new(), shallow, is_torn: false };
    let packs = packs::list(repository, &mut check)?;
    let loose = loose::list(repository)?;
    packs::kinds(&packs, &mut known, &mut check)?;
    loose::kinds(&loose, &mut known);
    packs::contents(&packs, &mut known, &mut check, advance)?;
    loose::contents(&loose, &mut known, &mut check)?;
    check.objects = known.kinds.len();
    // Where nothing at all is torn, all that is reachable is there if the tips are.
    if known.is_torn || !check.faults.is_empty() || tips.iter().any(|(_, id)| !known.kinds.contains_key(id)) {
        follow(&repository.reader(), &known, tips, &mut check);
    }
    Ok(check)
}

/// How many bytes of packs a check will read.
pub fn pack_bytes(repository: &Repository) -> io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(repository.pack_dir())? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().ends_with(b".pack") {
            total += entry.metadata().map_or(0, |found| found.len());
        }
    }
    Ok(total)
}

impl Known {
    /// Notes whether what an object links to is there and of the right kind.
    fn look_at(&mut self, id: ObjectId, kind: ObjectKind, content: &[u8]) {
        let (kinds, shallow) = (&self.kinds, &self.shallow);
        let mut torn = false;
        let sound = each_link(kind, content, shallow.contains(&id), &mut |to, expected| {
            torn |= kinds.get(&to) != Some(&expected);
        });
        self.is_torn |= torn || !sound;
    }
}

/// Walks everything that the tips lead to, and tells what is missing on the way.
fn follow(reader: &Reader, known: &Known, tips: &[(String, ObjectId)], check: &mut ObjectCheck) {
    let mut seen = HashSet::new();
    // A tip may be of any kind.
    let mut waiting = Vec::new();
    for (name, id) in tips {
        match known.kinds.get(id) {
            Some(kind) => waiting.push((*id, *kind)),
            None => {
                let kind = ObjectKind::Commit;
                check.push(ObjectFault::Missing { id: *id, kind, wanted_by: name.clone() });
            }
        }
    }
    while let Some((id, kind)) = waiting.pop() {
        if !seen.insert(id) || kind == ObjectKind::Blob {
            continue;
        }
        let content = match reader.content(id, kind) {
            Ok(content) => content,
            // Told already: by its pack, or as an object without the content of its id.
            Err(ReadError::Store { .. } | ReadError::Missing { .. }) => continue,
            Err(error) => {
                check.push(ObjectFault::Pack { pack: format!("object {id}"), reason: error.to_string() });
                continue;
            }
        };
        let wanted_by = || format!("the {} {id}", kind.name());
        let sound = each_link(kind, &content, known.shallow.contains(&id), &mut |to, expected| {
            match known.kinds.get(&to) {
                _ if seen.contains(&to) => {}
                Some(actual) if *actual == expected => waiting.push((to, expected)),
                Some(actual) => {
                    let wanted_by = wanted_by();
                    check.push(ObjectFault::Kind { id: to, expected, actual: *actual, wanted_by });
                }
                None => {
                    // Told once, however many lead to it.
                    seen.insert(to);
                    check.push(ObjectFault::Missing { id: to, kind: expected, wanted_by: wanted_by() });
                }
            }
        });
        if !sound {
            let reason = format!("the {} is malformed", kind.name());
            check.push(ObjectFault::Pack { pack: format!("object {id}"), reason });
        }
    }
}
