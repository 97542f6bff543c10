use std::collections::VecDeque;
use std::sync::Arc;

use super::Batch;
use crate::model::Sequence;

/// How much of what was told is kept: so many batches, and so many bytes.
const MOST_BATCHES: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// What was told lately, without a gap: who comes back after a moment finds here what it missed.
#[derive(Debug)]
pub struct Log {
    /// Every batch after this change set is here.
    after: Sequence,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
}

impl Log {
    /// A log that begins after a change set.
    pub fn new(after: Sequence) -> Self {
        Log { after, batches: VecDeque::new(), bytes: 0 }
    }

    /// The change set after which nothing is missing.
    pub fn after(&self) -> Sequence {
        self.after
    }

    /// Adds the next batch. The oldest go where there is no room.
    pub fn append(&mut self, batch: Arc<Batch>) {
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        while self.batches.len() > MOST_BATCHES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.after = oldest.sequence;
        }
    }

    /// Adds what was before: every batch after `after` and up to `until`, where the log has to begin still. Answers whether
    /// that is so, and there was room.
    pub fn prepend(&mut self, after: Sequence, before: &[Arc<Batch>], until: Sequence) -> bool {
        let bytes: usize = before.iter().map(|batch| batch.bytes()).sum();
        let fits = self.batches.len() + before.len() <= MOST_BATCHES && self.bytes + bytes <= MOST_BYTES;
        // Meanwhile somebody else may have added the same, or what it began with may have gone.
        if !fits || self.after != until || after >= self.after {
            return false;
        }
        before.iter().rev().for_each(|batch| self.batches.push_front(batch.clone()));
        self.bytes += bytes;
        self.after = after;
        true
    }

    /// The batches after a change set, at most so many; none where some may be gone already.
    pub fn since(&self, after: Sequence, most: usize) -> Option<Vec<Arc<Batch>>> {
        if after < self.after {
            return None;
        }
        let first = self.batches.partition_point(|batch| batch.sequence <= after);
        Some(self.batches.iter().skip(first).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::batch;

    fn numbers(batches: Option<Vec<Arc<Batch>>>) -> Option<Vec<u64>> {
        batches.map(|batches| batches.iter().map(|batch| batch.sequence.0).collect())
    }

    #[test]
    fn what_is_kept_has_no_gap() {
        let mut log = Log::new(Sequence(10));
        for sequence in [12, 15, 16] {
            log.append(batch(sequence, &["/a"]));
        }
        assert_eq!(numbers(log.since(Sequence(9), 9)), None);
        assert_eq!(numbers(log.since(Sequence(10), 2)), Some(vec![12, 15]));
        assert_eq!(numbers(log.since(Sequence(15), 9)), Some(vec![16]));
        assert_eq!(numbers(log.since(Sequence(20), 9)), Some(vec![]));
        assert!(log.prepend(Sequence(4), &[batch(5, &["/a"]), batch(10, &["/a"])], Sequence(10)));
        assert_eq!(numbers(log.since(Sequence(4), 3)), Some(vec![5, 10, 12]));
        // What ends elsewhere than the log begins is not taken.
        assert!(!log.prepend(Sequence(2), &[batch(5, &["/a"])], Sequence(10)));
        assert_eq!(log.after(), Sequence(4));
        for sequence in 17..=20_000 {
            log.append(batch(sequence, &["/a"]));
        }
        let first = log.since(log.after(), 1).unwrap()[0].sequence;
        assert_eq!(first.0, log.after().0 + 1);
        assert!(log.batches.len() <= MOST_BATCHES && log.bytes <= MOST_BYTES);
    }
}
