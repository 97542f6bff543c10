use super::{FaultKind, ToldBy};
use crate::audit::Head;

/// The records that must be there, in the order of their numbers.
pub(super) struct Told {
    heads: Vec<(Head, ToldBy)>,
    /// Those before this are settled.
    next: usize,
}

impl Told {
    /// Those from record `from` on, by the anchors and by the file `head`.
    pub fn new(anchors: &[Head], head: Option<Head>, from: u64) -> Self {
        let anchors = anchors.iter().map(|anchor| (*anchor, ToldBy::Anchor));
        let told = anchors.chain(head.map(|head| (head, ToldBy::Head)));
        let mut heads: Vec<_> = told.filter(|(head, _)| head.number >= from && head.number > 0).collect();
        heads.sort_by_key(|(head, _)| head.number);
        heads.dedup();
        Told { heads, next: 0 }
    }

    /// Passes a record and answers what contradicts it. What is told of records before it stays without an
    /// answer: that they are missing is known already.
    pub fn pass(&mut self, record: Head) -> Vec<FaultKind> {
        let mut faults = Vec::new();
        while let Some((told, by)) =
            self.heads.get(self.next).filter(|(told, _)| told.number <= record.number)
        {
            if told.number == record.number && told.hash != record.hash {
                faults.push(FaultKind::Replaced { told: *told, found: record.hash, by: *by });
            }
            self.next += 1;
        }
        faults
    }

    /// What lies beyond the end: the farthest that each tells.
    pub fn beyond(&self, ends: u64) -> Vec<FaultKind> {
        let left = self.heads.get(self.next..).unwrap_or_default();
        let farthest = |by| left.iter().rev().find(|told| told.1 == by && told.0.number > ends);
        let told = [ToldBy::Head, ToldBy::Anchor].into_iter().filter_map(farthest);
        told.map(|(told, by)| FaultKind::Cut { ends, told: *told, by: *by }).collect()
    }
}
