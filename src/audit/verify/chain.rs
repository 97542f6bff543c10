use super::FaultKind;
use super::told::Told;
use crate::audit::line::Unsound;
use crate::audit::{Entry, Head, RecordHash, What};

/// The records of a log passed so far, and what has to come next.
pub(super) struct Chain {
    next: u64,
    /// The hash that the next record has to name, where it is known.
    previous: Option<RecordHash>,
    told: Told,
    /// How many records were passed.
    pub records: u64,
    /// The last of them.
    pub last: Head,
}

impl Chain {
    /// A chain that begins with that record.
    pub fn new(next: u64, told: Told) -> Self {
        let previous = (next == 1).then_some(RecordHash::NONE);
        Chain { next, previous, told, records: 0, last: Head::EMPTY }
    }

    /// Passes the beginning of a segment.
    pub fn segment(&mut self, first: u64) -> Vec<FaultKind> {
        if first <= self.next {
            return Vec::new();
        }
        let missing = FaultKind::Missing { from: self.next, to: first - 1 };
        self.next = first;
        self.previous = None;
        vec![missing]
    }

    /// Passes a line.
    pub fn line(&mut self, line: Result<Entry, Unsound>) -> Vec<FaultKind> {
        match line {
            Ok(entry) => self.record(entry),
            // Whatever the line claims is not to be trusted, so that it counts as the record due here.
            Err(Unsound::Edited(entry)) => {
                self.step(Head { number: self.next, hash: entry.hash });
                vec![FaultKind::Edited(entry.number)]
            }
            Err(Unsound::NotARecord(reason)) => self.unreadable(FaultKind::NotARecord(reason)),
        }
    }

    /// Passes a line that is no record; it counts as the record due here.
    pub fn unreadable(&mut self, fault: FaultKind) -> Vec<FaultKind> {
        self.next = self.next.saturating_add(1);
        self.previous = None;
        vec![fault]
    }

    /// What is missing at the end.
    pub fn end(&self) -> Vec<FaultKind> {
        self.told.beyond(self.next.saturating_sub(1))
    }

    fn record(&mut self, entry: Entry) -> Vec<FaultKind> {
        let head = entry.head();
        let number = head.number;
        let mut faults = Vec::new();
        if entry.what == What::Broken {
            faults.push(FaultKind::Broken { number, detail: entry.detail.unwrap_or_default() });
        }
        if number < self.next {
            // What comes after is measured by the records before, so that one stray line is one fault.
            self.records += 1;
            faults.push(FaultKind::OutOfOrder { number, after: self.next - 1 });
            return faults;
        }
        if number > self.next {
            faults.push(FaultKind::Missing { from: self.next, to: number - 1 });
        } else if self.previous.is_some_and(|previous| previous != entry.previous) {
            faults.push(FaultKind::NotChained(number));
        }
        faults.extend(self.step(head));
        faults
    }

    fn step(&mut self, record: Head) -> Vec<FaultKind> {
        self.next = record.number.saturating_add(1);
        self.previous = Some(record.hash);
        self.records += 1;
        self.last = record;
        self.told.pass(record)
    }
}
