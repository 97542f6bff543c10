use gix::hash::Hasher;

use super::object::{self, CollisionError, ObjectKind};
use crate::model::ObjectId;

/// How far apart the places are at which hashing can be taken up again.
const CHECKPOINT: usize = 8 * 1024;

/// Computes the ids of successive versions of a large tree, taking up the hash of the last version where
/// the new one begins to differ.
#[derive(Default)]
pub(super) struct Rehash {
    states: Vec<Hasher>,
    length: usize,
}

impl Rehash {
    /// Trees below this size are better hashed as a whole.
    pub(super) const WORTH: usize = 2 * CHECKPOINT;

    /// The id of a tree, of which the first `same` bytes are those of the tree hashed before.
    pub(super) fn id(&mut self, raw: &[u8], same: usize) -> Result<ObjectId, CollisionError> {
        // The length is hashed first, so with another length no state can be used.
        let good = if raw.len() == self.length { same / CHECKPOINT } else { 0 };
        self.states.truncate(good);
        self.length = raw.len();
        let mut state = match self.states.last() {
            Some(state) => state.clone(),
            None => object::start(ObjectKind::Tree, raw.len()),
        };
        let done = self.states.len() * CHECKPOINT;
        for chunk in raw.get(done..).unwrap_or_default().chunks(CHECKPOINT) {
            state.update(chunk);
            if chunk.len() == CHECKPOINT {
                self.states.push(state.clone());
            }
        }
        object::finish(state)
    }

    /// Forgets the tree hashed before.
    pub(super) fn clear(&mut self) {
        self.states.clear();
    }
}
