use std::sync::Arc;

use super::groups::{Groups, concerns};
use super::{Batch, Delivery, End, Log, Slot};
use crate::model::{Path, Sequence};

/// One way of seeing one environment: who watches that, and what they were told lately.
#[derive(Debug)]
pub struct Feed {
    groups: Groups,
    log: Log,
}

impl Feed {
    /// A feed that begins after a change set.
    pub fn new(after: Sequence) -> Self {
        Feed { groups: Groups::default(), log: Log::new(after) }
    }

    /// What was told lately.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Adds a watcher.
    pub fn add(&mut self, prefixes: &Arc<[Path]>, id: u64, slot: Arc<Slot>) {
        self.groups.add(prefixes, id, slot);
    }

    /// Takes a watcher away.
    pub fn remove(&mut self, prefixes: &Arc<[Path]>, id: u64) {
        self.groups.remove(prefixes, id);
    }

    /// Whether nobody watches.
    pub fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    /// Tells everybody whom a batch concerns. What each group is told exists once.
    pub fn publish(&mut self, batch: Arc<Batch>) {
        for (slots, places) in self.groups.concerned(&batch) {
            let delivery = Arc::new(Delivery::part(batch.clone(), places));
            slots.for_each(|slot| slot.push(&delivery));
        }
        self.log.append(batch);
    }

    /// Ends all watches.
    pub fn end(&self, end: End) {
        self.groups.slots().for_each(|slot| slot.end(end));
    }

    /// Lets every watcher look around.
    pub fn nudge(&self) {
        self.groups.slots().for_each(|slot| slot.nudge());
    }
}

impl Batch {
    /// What of it is for somebody who watches these prefixes; none where nothing is.
    pub fn delivery(self: &Arc<Self>, prefixes: &[Path]) -> Option<Arc<Delivery>> {
        let places = (0_u32..).zip(&self.events);
        let concerned: Vec<u32> =
            places.filter(|(_, event)| concerns(prefixes, &event.path)).map(|(place, _)| place).collect();
        (!concerned.is_empty()).then(|| Arc::new(Delivery::part(self.clone(), concerned)))
    }
}
