use std::ops::Range;

/// One region of a base and what stands there now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk {
    base: Range<usize>,
    now: Range<usize>,
}

/// How a content differs from an earlier one, its base: regions in order that never touch one another.
/// Everything between them is the same in both.
///
/// Kept up to date while the content is edited, it makes a delta without comparing the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::git) struct Hunks(Vec<Hunk>);

impl Hunks {
    /// The difference of two contents, found from the bytes: for equal sizes every run of bytes that
    /// differ (a tree in which some ids changed), else what stands between a common head and tail.
    pub(in crate::git) fn between(base: &[u8], now: &[u8]) -> Self {
        if base.len() == now.len() { runs(base, now) } else { middle(base, now) }
    }

    /// How many regions differ.
    pub(in crate::git) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes a delta inserts.
    pub(in crate::git) fn inserted(&self) -> usize {
        self.0.iter().map(|hunk| hunk.now.len()).sum()
    }

    /// Notes that `at`, a range of the content as it was just now, was replaced by `length` bytes.
    pub(in crate::git) fn replace(&mut self, at: Range<usize>, length: usize) {
        let first = self.0.partition_point(|hunk| hunk.now.end < at.start);
        let after = self.0.partition_point(|hunk| hunk.now.start <= at.end);
        // Between hunks, a place of the content is a place of the base plus the growth before it.
        let before = first.checked_sub(1).and_then(|i| self.0.get(i));
        let origin = before.map_or((0, 0), |hunk| (hunk.base.end, hunk.now.end));
        let mut merged = Hunk { base: origin.0 + (at.start - origin.1)..0, now: at.start..at.end };
        match self.0.get(first..after) {
            Some([one, ..]) => {
                let last = self.0.get(after - 1).unwrap_or(one);
                if one.now.start <= at.start {
                    merged.base.start = one.base.start;
                    merged.now.start = one.now.start;
                }
                merged.base.end = last.base.end + at.end.saturating_sub(last.now.end);
                merged.now.end = last.now.end.max(at.end);
            }
            _ => merged.base.end = merged.base.start + at.len(),
        }
        merged.now.end = merged.now.end + length - at.len();
        self.0.splice(first..after, [merged]);
        for hunk in self.0.iter_mut().skip(first + 1) {
            hunk.now = hunk.now.start + length - at.len()..hunk.now.end + length - at.len();
        }
    }

    /// Makes the difference from A to B, which this is, the one from A to C, by that from B to C.
    pub(in crate::git) fn follow(&mut self, step: &Hunks) {
        // From the back, so that the places still to come are those of B.
        for hunk in step.0.iter().rev() {
            self.replace(hunk.base.clone(), hunk.now.len());
        }
    }

    /// Each region as a range of the base and one of the content.
    pub(in crate::git) fn iter(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        self.0.iter().map(|hunk| (hunk.base.clone(), hunk.now.clone()))
    }
}

/// Regions closer than this are one: a copy instruction between them would take as many bytes.
const NEAR: usize = 8;

fn runs(base: &[u8], now: &[u8]) -> Hunks {
    const STRIDE: usize = 256;
    let mut hunks: Vec<Hunk> = Vec::new();
    for (block, (old, new)) in base.chunks(STRIDE).zip(now.chunks(STRIDE)).enumerate() {
        if old == new {
            continue;
        }
        for (i, _) in old.iter().zip(new).enumerate().filter(|(_, (a, b))| a != b) {
            let at = block * STRIDE + i;
            match hunks.last_mut() {
                Some(last) if at - last.now.end < NEAR => {
                    last.now.end = at + 1;
                    last.base.end = at + 1;
                }
                _ => hunks.push(Hunk { base: at..at + 1, now: at..at + 1 }),
            }
        }
    }
    Hunks(hunks)
}

fn middle(base: &[u8], now: &[u8]) -> Hunks {
    let shorter = base.len().min(now.len());
    let head = same(base.iter(), now.iter());
    let tail = same(base.iter().rev(), now.iter().rev()).min(shorter - head);
    Hunks(vec![Hunk { base: head..base.len() - tail, now: head..now.len() - tail }])
}

fn same<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::delta;
    use super::*;

    proptest! {
        #[test]
        fn edits_and_comparisons_give_deltas_that_apply(
            base in proptest::collection::vec(0u8..4, 0..300),
            edits in proptest::collection::vec((0usize..300, 0usize..40, proptest::collection::vec(0u8..4, 0..40)), 0..12),
        ) {
            let (mut now, mut hunks) = (base.clone(), Hunks::default());
            let mut steps = Hunks::default();
            for (at, length, bytes) in edits {
                let start = at.min(now.len());
                let end = (start + length).min(now.len());
                let before = now.clone();
                now.splice(start..end, bytes.iter().copied());
                hunks.replace(start..end, bytes.len());
                steps.follow(&Hunks::between(&before, &now));
                for hunks in [&hunks, &steps, &Hunks::between(&base, &now)] {
                    let mut packed = Vec::new();
                    delta::encode(&mut packed, base.len(), &now, hunks);
                    prop_assert_eq!(delta::apply(&base, &packed, 1 << 20), Some(now.clone()));
                }
            }
        }
    }
}
