use std::sync::Arc;

use super::FeedKey;
use super::events::changed_by;
use super::fan_out::batch_of;
use super::reach::Reach;
use crate::model::Sequence;
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::watch::Batch;

/// Who is further behind is told what all of it came to.
pub(super) const MOST_REPLAYED: u64 = 10_000;

/// How much is looked up at a time: so many change sets, and so many bytes of events.
const MOST_STEPS: u64 = 1_000;
const MOST_BYTES: usize = 2 << 20;

/// How many batches are handed over at a time, and how many bytes of those that nobody else holds.
pub(super) const MOST_AT_ONCE: usize = 64;
const MOST_HELD: usize = 256 << 10;

/// What was missed, and up to where that is all.
pub(super) type Missed = (Vec<Arc<Batch>>, Sequence);

impl Core {
    /// What happened after a change set, as far as one look goes: from memory, or from Git where it is not there any more.
    /// Blocks.
    pub(super) fn catch_up(&self, key: &FeedKey, after: Sequence) -> Result<Missed, ServiceError> {
        // Somebody else may just have looked up the same.
        if let Some(found) = self.live.logged(key, after, MOST_AT_ONCE) {
            return Ok(found);
        }
        let (told, sequence, log_after) = {
            let mut feeds = self.live.feeds();
            let log_after = feeds.feed(key).map(|feed| feed.log().after());
            (feeds.scene.clone(), feeds.sequence, log_after.unwrap_or(feeds.sequence))
        };
        let reader = self.repository.reader();
        let (mut scene, kept_after, steps) = self.live.timeline.since(after);
        if kept_after > after {
            scene = self.rewound(&reader, &scene, after)?;
        }
        let mut reach = Reach::default();
        if sequence.0.saturating_sub(after.0) > MOST_REPLAYED {
            let step = scene.until(&told, sequence);
            let changed = changed_by(&step);
            let batch = batch_of(self, (&scene, &told), (&step, &changed), key, (after, true), &mut reach);
            return Ok((batch.into_iter().collect(), sequence));
        }
        let (mut at, mut batches, mut bytes) = (after, Vec::new(), 0);
        let mut kept = steps.into_iter();
        while at < log_after {
            let step = match at < kept_after {
                true => Arc::new(self.step_after(&reader, &scene, at)?),
                false => match kept.next() {
                    Some(step) => step,
                    None => break,
                },
            };
            let mut next = scene.clone();
            next.apply(&step);
            let changed = changed_by(&step);
            let batch = batch_of(self, (&scene, &next), (&step, &changed), key, (at, false), &mut reach);
            (scene, at) = (next, step.sequence);
            bytes += batch.as_ref().map_or(0, |batch| batch.bytes());
            batches.extend(batch);
            if at.0 - after.0 >= MOST_STEPS || bytes > MOST_BYTES {
                break;
            }
        }
        let is_kept = at == log_after
            && self.live.feeds().feed(key).is_some_and(|feed| feed.log().prepend(after, &batches, log_after));
        if is_kept && let Some(found) = self.live.logged(key, after, MOST_AT_ONCE) {
            return Ok(found);
        }
        // What one watcher alone holds has a bound; the rest is looked up again once this is told.
        let mut bytes = 0;
        let few = batches.iter().position(|batch| {
            bytes += batch.bytes();
            bytes > MOST_HELD
        });
        if let Some(few) = few.map(|few| few.max(1)).filter(|few| *few < batches.len()) {
            batches.truncate(few);
            at = batches.last().map_or(at, |last| last.sequence);
        }
        Ok((batches, at))
    }
}
