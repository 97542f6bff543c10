use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;

use super::Delivery;
use crate::model::Sequence;

/// How many deliveries wait for one watcher, and how large they may be together.
const MOST_WAITING: usize = 64;
const MOST_BYTES: usize = 256 << 10;

/// Why a watch ends from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server stops.
    Closing,
    /// The environment is not there any more.
    NoEnvironment,
}

/// What waits for one watcher. One that takes nothing is not waited for: it is noted from where on it has to catch up.
#[derive(Debug, Default)]
pub struct Slot(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Arc<Delivery>>,
    bytes: usize,
    missed: Option<Missed>,
    end: Option<End>,
    waker: Option<Waker>,
}

/// What there was no room for.
#[derive(Debug, Clone, Copy)]
struct Missed {
    /// The change set before the first.
    after: Sequence,
    last: Sequence,
    since: Instant,
}

/// What a watcher finds in its slot.
#[derive(Debug)]
pub enum Taken {
    /// This, next.
    Delivery(Arc<Delivery>),
    /// Nothing more fit: what comes after `after` has to be looked up, `last` included.
    Behind {
        /// The change set before the first that did not fit.
        after: Sequence,
        /// The last that did not fit so far.
        last: Sequence,
    },
    /// Nothing, and there will be nothing.
    Ended(End),
    /// Nothing yet; it will be woken.
    Nothing,
}

impl Slot {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a delivery in, where there is room.
    pub fn push(&self, delivery: &Arc<Delivery>) {
        let mut inner = self.inner();
        let sequence = delivery.sequence();
        let bytes = delivery.bytes();
        let is_full = inner.waiting.len() >= MOST_WAITING
            || (!inner.waiting.is_empty() && inner.bytes + bytes > MOST_BYTES);
        match &mut inner.missed {
            Some(missed) => missed.last = sequence,
            None if is_full => {
                let since = delivery.batch().published;
                inner.missed = Some(Missed { after: delivery.batch().after, last: sequence, since });
            }
            None => {
                inner.bytes += bytes;
                inner.waiting.push_back(delivery.clone());
            }
        }
        wake(inner);
    }

    /// Ends the watch once what waits was taken.
    pub fn end(&self, end: End) {
        let mut inner = self.inner();
        inner.end = Some(end);
        wake(inner);
    }

    /// Lets the watcher look around, whether there is anything or not.
    pub fn nudge(&self) {
        wake(self.inner());
    }

    /// What is next; where there is nothing, whoever waits is woken once there is.
    pub fn take(&self, context: &Context<'_>) -> Taken {
        let mut inner = self.inner();
        if let Some(delivery) = inner.waiting.pop_front() {
            inner.bytes -= delivery.bytes();
            return Taken::Delivery(delivery);
        }
        if let Some(missed) = inner.missed.take() {
            // The queue of one that is slow gives its room back.
            inner.waiting = VecDeque::new();
            return Taken::Behind { after: missed.after, last: missed.last };
        }
        if let Some(end) = inner.end {
            return Taken::Ended(end);
        }
        match &inner.waker {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => inner.waker = Some(context.waker().clone()),
        }
        Taken::Nothing
    }

    /// Since when the oldest delivery waits; none where nothing does.
    pub fn waiting_since(&self) -> Option<Instant> {
        let inner = self.inner();
        let first = inner.waiting.front().map(|delivery| delivery.batch().published);
        first.or(inner.missed.map(|missed| missed.since))
    }
}

/// Wakes who waits, after the lock is let go.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::delivery;

    #[test]
    fn one_that_takes_nothing_is_told_from_where_to_catch_up() {
        let slot = Slot::default();
        let context = Context::from_waker(Waker::noop());
        assert!(matches!(slot.take(&context), Taken::Nothing));
        for sequence in 1..=200 {
            slot.push(&delivery(sequence, &["/a"]));
        }
        for sequence in 1..=MOST_WAITING as u64 {
            assert!(matches!(slot.take(&context), Taken::Delivery(next) if next.sequence().0 == sequence));
        }
        let Taken::Behind { after, last } = slot.take(&context) else { panic!("it is not behind") };
        assert_eq!((after.0, last.0), (MOST_WAITING as u64, 200));
        slot.push(&delivery(201, &["/a"]));
        slot.end(End::Closing);
        assert!(matches!(slot.take(&context), Taken::Delivery(next) if next.sequence().0 == 201));
        assert!(matches!(slot.take(&context), Taken::Ended(End::Closing)));
    }
}
