use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::scene::{Moved, Scene, Step};
use crate::model::Path;
use crate::model::Sequence;
use crate::snapshot::{Node, Snapshot, visit_differing};

/// How many steps are kept, and how much memory what they alone hold may take, as far as that can be told.
const MOST_STEPS: usize = 1_000;
const MOST_BYTES: usize = 32 << 20;

/// About how much of a tree one change makes anew.
const STEP_BYTES: usize = 8 << 10;

/// The last steps of a project, as the committer published them: it leaves each here and goes on, whoever may watch.
#[derive(Debug)]
pub(in crate::service) struct Timeline {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    /// The newest moment.
    scene: Scene,
    sequence: Sequence,
    /// Each with about how much memory it holds.
    steps: VecDeque<(Arc<Step>, usize)>,
    bytes: usize,
    is_closed: bool,
}

/// What comes after a moment.
pub(super) enum Next {
    /// This step.
    Step(Arc<Step>),
    /// What came right after is not kept any more; this is the newest moment.
    Behind(Scene, Sequence),
    /// Nothing yet.
    Nothing,
    /// Nothing, and there will be nothing.
    Closed,
}

impl Timeline {
    /// A timeline that begins with this moment.
    pub fn new(scene: Scene, sequence: Sequence) -> Self {
        let inner = Inner { scene, sequence, steps: VecDeque::new(), bytes: 0, is_closed: false };
        Timeline { inner: Mutex::new(inner), changed: Condvar::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest moment, known better.
    pub(super) fn begin_with(&self, scene: Scene) {
        self.inner().scene = scene;
    }

    /// Adds what was published, after readers see it.
    pub fn publish(&self, steps: Vec<Step>) {
        let mut inner = self.inner();
        for step in steps {
            let bytes = STEP_BYTES + step.moved.iter().map(held_by).sum::<usize>();
            inner.scene.apply(&step);
            inner.sequence = step.sequence;
            inner.bytes += bytes;
            inner.steps.push_back((Arc::new(step), bytes));
        }
        while inner.steps.len() > MOST_STEPS || inner.bytes > MOST_BYTES {
            let Some((_, bytes)) = inner.steps.pop_front() else { break };
            inner.bytes -= bytes;
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Ends the wait of whoever waits.
    pub fn close(&self) {
        self.inner().is_closed = true;
        self.changed.notify_all();
    }

    /// What comes right after a change set; waits so long for it.
    pub(super) fn next_after(&self, after: Sequence, patience: Duration) -> Next {
        let mut inner = self.inner();
        if inner.sequence <= after && !inner.is_closed {
            let waited = self.changed.wait_timeout(inner, patience);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.sequence <= after {
            return if inner.is_closed { Next::Closed } else { Next::Nothing };
        }
        let at = inner.steps.partition_point(|(step, _)| step.sequence <= after);
        match inner.steps.get(at) {
            Some((step, _)) if step.sequence == after.next() => Next::Step(step.clone()),
            _ => Next::Behind(inner.scene.clone(), inner.sequence),
        }
    }

    /// The moment right after a change set, and the steps since; where that is not kept any more, the oldest that is.
    pub fn since(&self, after: Sequence) -> (Scene, Sequence, Vec<Arc<Step>>) {
        let inner = self.inner();
        let (mut scene, mut at) = (inner.scene.clone(), inner.sequence);
        let mut steps = Vec::new();
        for (step, _) in inner.steps.iter().rev().take_while(|(step, _)| step.sequence > after) {
            scene.undo(step);
            at = Sequence(step.sequence.0.saturating_sub(1));
            steps.push(step.clone());
        }
        steps.reverse();
        (scene, at, steps)
    }
}

/// About how much memory is kept for what a branch was.
fn held_by(moved: &Moved) -> usize {
    let mut bytes = 0;
    differing(moved, &mut |path| {
        let value = |snapshot: &Snapshot| snapshot.entry(&path).map_or(0, |entry| entry.json().len());
        bytes += 400 + value(&moved.before.snapshot) + value(&moved.after.snapshot);
    });
    bytes
}

/// Calls `visit` with each path where a branch holds something else than before.
pub(super) fn differing(moved: &Moved, visit: &mut dyn FnMut(Path)) {
    let root = |snapshot: &Snapshot| Node::Object(snapshot.root().clone());
    let (before, after) = (root(&moved.before.snapshot), root(&moved.after.snapshot));
    visit_differing(&Path::root(), Some(&before), Some(&after), visit);
}
