use gix::hash::{Hasher, Kind as HashKind, hasher};

use crate::model::ObjectId;

/// The four kinds of Git objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// The content of a file.
    Blob,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// The kind's name as object headers spell it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Commit => "commit",
            ObjectKind::Tree => "tree",
            ObjectKind::Blob => "blob",
            ObjectKind::Tag => "tag",
        }
    }
}

impl From<gix::objs::Kind> for ObjectKind {
    fn from(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Commit => ObjectKind::Commit,
            gix::objs::Kind::Tree => ObjectKind::Tree,
            gix::objs::Kind::Blob => ObjectKind::Blob,
            gix::objs::Kind::Tag => ObjectKind::Tag,
        }
    }
}

/// The content was made to collide with another under SHA-1, so it has no trustworthy id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content carries a SHA-1 collision attack")]
pub struct CollisionError;

/// The id of an object: SHA-1 of `<kind> <size>\0<content>`, with collision detection as Git does it.
pub(super) fn object_id(kind: ObjectKind, content: &[u8]) -> Result<ObjectId, CollisionError> {
    let mut state = start(kind, content.len());
    state.update(content);
    finish(state)
}

/// A hasher that has seen the header of an object.
pub(super) fn start(kind: ObjectKind, size: usize) -> Hasher {
    let mut state = hasher(HashKind::Sha1);
    state.update(kind.name().as_bytes());
    state.update(format!(" {size}\0").as_bytes());
    state
}

/// The id that a hasher has come to.
pub(super) fn finish(state: Hasher) -> Result<ObjectId, CollisionError> {
    let id = state.try_finalize().map_err(|_| CollisionError)?;
    from_gix(&id).ok_or(CollisionError)
}

/// The plain SHA-1 of some bytes, as packs and indices carry it at their end.
pub(super) fn checksum(parts: &[&[u8]]) -> Result<ObjectId, CollisionError> {
    let mut state = hasher(HashKind::Sha1);
    for part in parts {
        state.update(part);
    }
    finish(state)
}

pub(super) fn from_gix(id: &gix::oid) -> Option<ObjectId> {
    Some(ObjectId::from_bytes(id.as_bytes().try_into().ok()?))
}

pub(super) fn to_gix(id: ObjectId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids() {
        for (kind, content, id) in [
            (ObjectKind::Blob, "hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
            (ObjectKind::Tree, "", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        ] {
            assert_eq!(object_id(kind, content.as_bytes()).unwrap().to_string(), id);
        }
    }
}
