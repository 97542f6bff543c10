use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::FeedKey;
use super::events::{Changed, Look, changed_by};
use super::reach::Reach;
use super::scene::{Scene, Step};
use super::timeline::Next;
use crate::model::Sequence;
use crate::service::core::Core;
use crate::watch::Batch;

/// How long to wait for a step before looking around.
const PATIENCE: Duration = Duration::from_secs(1);

/// Follows the timeline until the project closes, and tells every watcher what each step is for it.
pub(in crate::service) fn run(core: &Core) {
    let mut reach = Reach::default();
    loop {
        let after = core.live.sequence();
        match core.live.timeline.next_after(after, PATIENCE) {
            Next::Step(step) => tell(core, &step, false, &mut reach),
            Next::Behind(scene, sequence) => {
                tracing::warn!(%after, %sequence, "changes come faster than watchers are told: several are told as one");
                let step = core.live.feeds().scene.until(&scene, sequence);
                tell(core, &step, true, &mut reach);
            }
            Next::Nothing => {}
            Next::Closed => break,
        }
    }
    core.live.close();
}

fn tell(core: &Core, step: &Step, is_coalesced: bool, reach: &mut Reach) {
    let (before, told_before) = {
        let feeds = core.live.feeds();
        (feeds.scene.clone(), feeds.sequence)
    };
    let mut after = before.clone();
    after.apply(step);
    let mut changed = None;
    let mut batches = HashMap::new();
    loop {
        // Somebody may have come meanwhile who watches something new: that one hears of this step, too.
        let missing = core.live.publish(step, &after, &mut batches);
        if missing.is_empty() {
            return;
        }
        let changed = &*changed.get_or_insert_with(|| changed_by(step));
        for key in missing {
            let batch =
                batch_of(core, (&before, &after), (step, changed), &key, (told_before, is_coalesced), reach);
            batches.insert(key, batch);
        }
    }
}

/// What a step is for a feed; none where that is nothing.
pub(super) fn batch_of(
    core: &Core,
    (before, after): (&Scene, &Scene),
    (step, changed): (&Step, &Changed),
    key: &FeedKey,
    (told_before, is_coalesced): (Sequence, bool),
    reach: &mut Reach,
) -> Option<Arc<Batch>> {
    let limits = core.limits();
    let look = Look { before, after, step, changed, limits: &limits };
    let events = look.events(&key.environment, key.facet, reach);
    let (range, environment) = ((told_before, step.sequence), key.environment.clone());
    (!events.is_empty()).then(|| {
        Arc::new(Batch::new(range, environment, is_coalesced, events, (step.accepted, step.published)))
    })
}
