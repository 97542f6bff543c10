use std::ops::Range;

use crate::git::object::{self, CollisionError, ObjectKind};
use crate::git::pack::hunks::Hunks;
use crate::git::pack::{Pack, Place};
use crate::git::rehash::Rehash;
use crate::model::ObjectId;

/// A run of versions is delta'd against its first; with more regions than this a new run begins.
const RUN: usize = 16;
/// When a delta would insert more than this, the tree is written in full again.
const MAX_DELTA: usize = 30 * 1024;

/// What is known of the earlier versions of a directory: hash states to go on from, and how it differs
/// from the versions in the pack being built that its next version may be a delta against.
#[derive(Default)]
pub(super) struct Versions {
    rehash: Rehash,
    /// The first byte that changed since it was hashed.
    changed_from: usize,
    /// At most two: the version that is in the pack in full, and the first of the current run.
    anchors: Vec<Anchor>,
}

struct Anchor {
    id: ObjectId,
    length: usize,
    hunks: Hunks,
}

/// A version in the pack to make a delta against.
pub(super) struct Base<'a> {
    pub(super) place: Place,
    pub(super) length: usize,
    pub(super) hunks: &'a Hunks,
}

impl Versions {
    /// Notes that a range of the directory's bytes was replaced by `length` bytes.
    pub(super) fn edited(&mut self, at: Range<usize>, length: usize) {
        self.changed_from = self.changed_from.min(at.start);
        for anchor in &mut self.anchors {
            anchor.hunks.replace(at.clone(), length);
        }
    }

    /// The id of the directory, whose bytes these are.
    pub(super) fn id(&mut self, raw: &[u8]) -> Result<ObjectId, CollisionError> {
        if raw.len() < Rehash::WORTH {
            self.rehash.clear();
            return object::object_id(ObjectKind::Tree, raw);
        }
        self.rehash.id(raw, std::mem::replace(&mut self.changed_from, raw.len()))
    }

    /// The version that the next one is best written against; none when it is to be written in full.
    pub(super) fn base(&self, pack: &Pack, id: ObjectId, length: usize) -> Option<Base<'_>> {
        let worth = |anchor: &&Anchor| {
            let estimate = anchor.hunks.inserted() + 10 * anchor.hunks.len() + 8;
            anchor.id != id && estimate < MAX_DELTA && estimate < length / 2
        };
        let run = self.anchors.get(1).filter(|anchor| anchor.hunks.len() < RUN);
        let anchor = run.or(self.anchors.first()).filter(worth)?;
        Some(Base { place: pack.place(anchor.id)?, length: anchor.length, hunks: &anchor.hunks })
    }

    /// Notes that the directory, with all edits so far, is in the pack.
    pub(super) fn written(&mut self, pack: &Pack, id: ObjectId, length: usize) {
        let here = || Anchor { id, length, hunks: Hunks::default() };
        // It may also have been in the pack before, at any depth, so only what the pack says counts.
        match pack.place(id).map(|place| place.depth) {
            Some(0) => self.anchors = vec![here()],
            Some(1) if self.anchors.last().is_some_and(|anchor| anchor.hunks.len() >= RUN) => {
                self.anchors.truncate(1);
                self.anchors.push(here());
            }
            _ => {}
        }
    }
}
