use std::collections::HashMap;
use std::rc::Rc;

use super::output::Output;
use super::replaced::Replaced;
use super::source::{Object, Source};
use super::{FoldError, Number, bad_pack};
use crate::git::ObjectKind;
use crate::git::commit;
use crate::git::pack::hunks::Hunks;
use crate::model::ObjectId;

/// Deltas on top of one another are at most this many deep: reading the last one applies them all.
const MAX_DEPTH: u8 = 40;
/// For large contents fewer, since each step copies all of it.
const MAX_DEPTH_LARGE: u8 = 32;
const LARGE: usize = 64 * 1024;
/// How many versions follow one another, each a delta against the one before, until one is made against
/// the first of the run, so that depth grows with the number of runs only.
const RUN: u8 = 12;
/// How deep directories are followed.
const MAX_NESTING: usize = 256;

/// Writes all objects of a source, each version of a directory or file after the one it came from.
pub(super) struct Lineage<'a> {
    source: &'a mut Source,
    output: &'a mut Output,
    runs: HashMap<Number, Run>,
    replaced: Replaced,
}

/// The run that an object is the newest version of.
struct Run {
    /// The first version of the run.
    anchor: Number,
    anchor_length: usize,
    /// How the newest differs from it.
    hunks: Hunks,
    length: u8,
}

struct Commit {
    number: Number,
    tree: ObjectId,
    parent: Option<ObjectId>,
}

impl<'a> Lineage<'a> {
    pub(super) fn new(source: &'a mut Source, output: &'a mut Output) -> Self {
        Lineage { source, output, runs: HashMap::new(), replaced: Replaced::default() }
    }

    pub(super) fn write_all(mut self) -> Result<(), FoldError> {
        let trees = self.write_commits()?;
        for (old, new) in trees {
            if let Some(new) = self.source.find(new) {
                self.follow(old, new, 0)?;
            }
        }
        for number in self.source.in_pack_order() {
            self.copy(number)?;
        }
        Ok(())
    }

    /// Writes the commits, first parents first; answers for each the tree before and its own.
    fn write_commits(&mut self) -> Result<Vec<(Option<ObjectId>, ObjectId)>, FoldError> {
        let mut commits: HashMap<ObjectId, Commit> = HashMap::new();
        let mut order = Vec::new();
        for number in self.source.in_pack_order() {
            let object = self.object(number);
            if object.kind != ObjectKind::Commit {
                continue;
            }
            let content = self.source.content(object)?;
            let Some((tree, parents)) = commit::links(&content) else {
                let pack = self.source.pack_of(object.id).unwrap_or_default();
                return Err(bad_pack(pack, &format!("commit {} is malformed", object.id)));
            };
            order.push(object.id);
            commits.insert(object.id, Commit { number, tree, parent: parents.first().copied() });
        }
        let mut trees = Vec::with_capacity(commits.len());
        let mut known: HashMap<ObjectId, ObjectId> = HashMap::new();
        for start in order {
            // What is taken out of the map has been written, so every chain is walked once.
            let mut chain = Vec::new();
            let mut at = Some(start);
            while let Some(found) = at.and_then(|id| commits.remove_entry(&id)) {
                at = found.1.parent;
                chain.push(found);
            }
            for (id, commit) in chain.into_iter().rev() {
                self.copy(commit.number)?;
                let before = commit.parent.and_then(|parent| known.get(&parent).copied());
                known.insert(id, commit.tree);
                trees.push((before, commit.tree));
            }
        }
        Ok(trees)
    }

    fn object(&self, number: Number) -> Object {
        self.source.objects()[number]
    }

    /// Writes a directory or file and what changed below it, knowing what it was before.
    fn follow(&mut self, old: Option<ObjectId>, new: Number, nesting: usize) -> Result<(), FoldError> {
        if self.output.depth(new).is_some() || nesting > MAX_NESTING {
            return Ok(());
        }
        let object = self.object(new);
        let old = old.and_then(|old| self.source.find(old)).filter(|&old| {
            let old = self.object(old);
            old.kind == object.kind && old.id != object.id
        });
        let Some(old) = old else { return self.copy(new) };
        self.copy(old)?;
        let before = self.source.content(self.object(old))?;
        let now = self.source.content(object)?;
        let step = Hunks::between(&before, &now);
        // Git makes old versions deltas of new ones: the new one is then written with the old one.
        if self.output.depth(new).is_none() {
            self.write_version(old, &before, new, &now, &step)?;
        }
        if object.kind == ObjectKind::Tree {
            for (old, new) in self.replaced.between((old, &before), (new, &now), &step) {
                if let Some(new) = self.source.find(new) {
                    self.follow(Some(old), new, nesting + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a version as a delta against the one before it or the first of its run, or in full.
    fn write_version(
        &mut self,
        old: Number,
        before: &Rc<Vec<u8>>,
        new: Number,
        now: &Rc<Vec<u8>>,
        step: &Hunks,
    ) -> Result<(), FoldError> {
        let mut run = self.runs.remove(&old).unwrap_or_else(|| Run {
            anchor: old,
            anchor_length: before.len(),
            hunks: Hunks::default(),
            length: 0,
        });
        run.hunks.follow(step);
        run.length += 1;
        let max_depth = if now.len() > LARGE { MAX_DEPTH_LARGE } else { MAX_DEPTH };
        let room = |base: Number| self.output.depth(base).is_some_and(|depth| depth < max_depth);
        if run.length < RUN && room(old) && worth(step, now.len()) {
            self.output.delta(new, old, before.len(), now, step)?;
        } else if run.length > 1 && room(run.anchor) && worth(&run.hunks, now.len()) {
            self.output.delta(new, run.anchor, run.anchor_length, now, &run.hunks)?;
            run = Run { anchor: new, anchor_length: now.len(), hunks: Hunks::default(), length: 0 };
        } else {
            self.copy_or_full(new, now)?;
            run = Run { anchor: new, anchor_length: now.len(), hunks: Hunks::default(), length: 0 };
        }
        self.runs.insert(new, run);
        Ok(())
    }

    /// Copies the entry when it is a full one, else writes the content in full.
    fn copy_or_full(&mut self, number: Number, content: &[u8]) -> Result<(), FoldError> {
        let object = self.object(number);
        let stored = self.source.stored(object)?;
        match stored.base {
            None => self.output.copy_full(number, object.kind, stored.size, stored.stream),
            Some(_) => self.output.full(number, object.kind, content),
        }
    }

    /// Writes an object the way its pack has it, after the bases that it needs.
    fn copy(&mut self, number: Number) -> Result<(), FoldError> {
        let mut chain = vec![number];
        while let Some(&last) = chain.last() {
            if self.output.depth(last).is_some() {
                chain.pop();
                continue;
            }
            let object = self.object(last);
            let stored = self.source.stored(object)?;
            let Some(base) = stored.base else {
                self.output.copy_full(last, object.kind, stored.size, stored.stream)?;
                continue;
            };
            // The base may be an object that is left out.
            let Some(base) = self.source.find(base) else {
                let content = self.source.content(object)?;
                self.output.full(last, object.kind, &content)?;
                continue;
            };
            match self.output.depth(base) {
                Some(depth) if depth < MAX_DEPTH => {
                    self.output.copy_delta(last, base, stored.size, stored.stream)?;
                }
                // A chain longer than there are objects would be a cycle among several packs.
                None if chain.len() <= self.source.objects().len() && !chain.contains(&base) => {
                    chain.push(base)
                }
                _ => {
                    let content = self.source.content(object)?;
                    self.output.full(last, object.kind, &content)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a delta is so much smaller than the content that it is worth a step more when reading.
fn worth(hunks: &Hunks, length: usize) -> bool {
    hunks.inserted() + 10 * hunks.len() + 16 < length / 2
}
