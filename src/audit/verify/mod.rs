mod chain;
mod fault;
mod told;

use std::io;
use std::path::Path;

use chain::Chain;
pub use fault::{Fault, FaultKind, ToldBy};
use told::Told;

use super::head::{HEAD_FILE, HeadFile, read_head};
use super::line;
use super::lines::{Line, Lines};
use super::segment::{self, Listing};
use super::{Head, RecordHash};

/// So many faults are told at most; the first of them are.
pub const MOST_FAULTS: usize = 20;

/// So many lines lie between two reports of progress.
const PROGRESS_LINES: u64 = 4096;

/// What a log is compared with besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The record with which it begins, when earlier segments were archived; 1 unless told. Segments that
    /// end before it are not read.
    pub from: Option<u64>,
    /// Records that must be there, each with that hash. Those before `from` are skipped.
    pub anchors: &'a [Head],
}

/// A log in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records were read.
    pub records: u64,
    /// The last of them.
    pub head: Head,
    /// How many segments were read.
    pub segments: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many records were read.
    pub records: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// How many there are.
    pub of_bytes: u64,
}

/// Reads a whole log and tells whether it is as it was written.
///
/// The memory it takes is bounded, whatever the log has. A directory that is missing is an empty log. A
/// server may write the log at the same time: `head` is read first, and a torn last line beyond it is no
/// fault. `progress` is called every few thousand lines and after each segment.
pub fn verify(
    dir: &Path,
    expected: Expected<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Vec<Fault>> {
    let unreadable = |file: &str, error: io::Error| {
        vec![Fault { file: file.to_owned(), line: None, kind: FaultKind::Unreadable(error.to_string()) }]
    };
    // This order matters: what is flushed before `head` was read is in the segments listed after it.
    let head = read_head(dir).map_err(|error| unreadable(HEAD_FILE, error))?;
    let listing = segment::list(dir).map_err(|error| unreadable(".", error))?;
    let mut walk = Walk::new(dir, expected, head, listing);
    walk.run(progress);
    if !walk.faults.is_empty() {
        walk.faults.truncate(MOST_FAULTS);
        return Err(walk.faults);
    }
    let segments = walk.segments.len() as u64;
    Ok(Verified { records: walk.chain.records, head: walk.chain.last, segments })
}

struct Walk<'a> {
    dir: &'a Path,
    segments: Vec<u64>,
    /// The last record that is surely flushed.
    flushed: u64,
    chain: Chain,
    faults: Vec<Fault>,
    bytes: u64,
}

impl<'a> Walk<'a> {
    fn new(dir: &'a Path, expected: Expected<'_>, head: HeadFile, listing: Listing) -> Self {
        let Listing { numbers: mut segments, strangers } = listing;
        let fault = |file: String, kind| Fault { file, line: None, kind };
        let mut faults: Vec<_> = strangers.into_iter().map(|name| fault(name, FaultKind::Name)).collect();
        let told = match head {
            HeadFile::Told(head) => Some(head),
            HeadFile::Missing if segments.is_empty() => None,
            HeadFile::Missing => {
                faults.push(fault(HEAD_FILE.to_owned(), FaultKind::HeadMissing));
                None
            }
            HeadFile::Blank | HeadFile::Unreadable(_) => {
                faults.push(fault(HEAD_FILE.to_owned(), FaultKind::HeadUnreadable));
                None
            }
        };
        // Only the number 0 needs it here: of every other, a record with that hash has to be there.
        if told.is_some_and(|head| head.number == 0 && head.hash != RecordHash::NONE) {
            faults.push(fault(HEAD_FILE.to_owned(), FaultKind::HeadUnreadable));
        }
        let from = expected.from.unwrap_or(1).max(1);
        let archived = segments.iter().skip(1).take_while(|first| **first <= from).count();
        segments.drain(..archived);
        let next = segments.first().map_or(from, |first| from.min(*first));
        let chain = Chain::new(next, Told::new(expected.anchors, told, next));
        Walk { dir, segments, flushed: told.map_or(0, |head| head.number), chain, faults, bytes: 0 }
    }

    fn run(&mut self, progress: &mut dyn FnMut(Progress)) {
        let sizes =
            self.segments.iter().filter_map(|first| segment::path_of(self.dir, *first).metadata().ok());
        let of_bytes = sizes.map(|metadata| metadata.len()).sum();
        for at in 0..self.segments.len() {
            if let Err(error) = self.segment(at, of_bytes, progress) {
                self.fault(self.segments[at], None, vec![FaultKind::Unreadable(error.to_string())]);
            }
            if self.faults.len() >= MOST_FAULTS {
                return;
            }
        }
        let end = self.chain.end();
        match self.segments.last() {
            Some(last) => self.fault(*last, None, end),
            None => {
                let fault = |kind| Fault { file: ".".to_owned(), line: None, kind };
                self.faults.extend(end.into_iter().map(fault));
            }
        }
    }

    fn segment(&mut self, at: usize, of_bytes: u64, progress: &mut dyn FnMut(Progress)) -> io::Result<()> {
        let first = self.segments[at];
        let is_last = at + 1 == self.segments.len();
        let mut lines = Lines::open(&segment::path_of(self.dir, first), 0)?;
        let missing = self.chain.segment(first);
        self.fault(first, None, missing);
        let mut number = 0;
        while self.faults.len() < MOST_FAULTS
            && let Some(line) = lines.next()?
        {
            number += 1;
            let faults = match line {
                Line::Torn if is_last && self.chain.last.number >= self.flushed => Vec::new(),
                Line::Torn => self.chain.unreadable(FaultKind::Torn),
                Line::TooLong => self.chain.unreadable(FaultKind::TooLong),
                Line::Whole(line) => {
                    let line = line::parse(line);
                    let of_name = line.as_ref().ok().map(|entry| entry.number).filter(|_| number == 1);
                    let other = of_name.filter(|number| *number != first).map(FaultKind::NotOfName);
                    other.into_iter().chain(self.chain.line(line)).collect()
                }
            };
            self.fault(first, Some(number), faults);
            if number % PROGRESS_LINES == 0 {
                progress(self.progress(lines.offset(), of_bytes));
            }
        }
        if number == 0 && !is_last {
            self.fault(first, None, vec![FaultKind::Empty]);
        }
        progress(self.progress(lines.offset(), of_bytes));
        self.bytes += lines.offset();
        Ok(())
    }

    fn fault(&mut self, segment: u64, line: Option<u64>, kinds: Vec<FaultKind>) {
        let fault = |kind| Fault { file: segment::file_name(segment), line, kind };
        self.faults.extend(kinds.into_iter().map(fault));
    }

    fn progress(&self, read: u64, of_bytes: u64) -> Progress {
        Progress { records: self.chain.records, bytes: self.bytes + read, of_bytes }
    }
}
