mod backward;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use backward::{Backward, LineBefore};

use super::line::{self, Unsound, number_of};
use super::lines::{Line, Lines};
use super::{Entry, ReadBackError, segment};

/// Reads a log from its end, or from the record before `before`, back to its beginning.
///
/// Segments are read by chunks, and only as far as the iterator is asked. A line that is no record, or one
/// that was edited, is an error in its place, after which older records follow. A torn last line, which a
/// server may be just writing, is left out. A directory that is missing is an empty log.
pub fn read_back(dir: &Path, before: Option<u64>) -> ReadBack {
    let (mut segments, unlisted) = match segment::list(dir) {
        Ok(listing) => (listing.numbers, None),
        Err(source) => (Vec::new(), Some(ReadBackError::Unreadable { file: ".".to_owned(), source })),
    };
    let newest = segments.last().copied();
    segments.retain(|first| before.is_none_or(|before| *first < before));
    ReadBack { dir: dir.to_owned(), segments, before, newest, open: None, unlisted }
}

/// The records of a log, newest first; see [`read_back`].
pub struct ReadBack {
    dir: PathBuf,
    /// Those that are still to be read, ascending.
    segments: Vec<u64>,
    /// Where to begin in the first segment that is read.
    before: Option<u64>,
    /// The last segment of the log, the only one that a server writes.
    newest: Option<u64>,
    open: Option<(u64, Backward)>,
    unlisted: Option<ReadBackError>,
}

impl Iterator for ReadBack {
    type Item = Result<Entry, ReadBackError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.unlisted.take() {
            return Some(Err(error));
        }
        loop {
            let (first, lines) = match &mut self.open {
                Some(open) => open,
                None => {
                    let first = self.segments.pop()?;
                    match self.open(first) {
                        Ok(lines) => self.open.insert((first, lines)),
                        Err(error) => return Some(Err(self.unreadable(first, error))),
                    }
                }
            };
            let first = *first;
            match lines.next() {
                Ok(None) => self.open = None,
                Ok(Some(line)) if line.torn && self.newest == Some(first) => {}
                Ok(Some(line)) => return Some(entry(first, line)),
                Err(error) => return Some(Err(self.unreadable(first, error))),
            }
        }
    }
}

impl ReadBack {
    fn open(&mut self, first: u64) -> io::Result<Backward> {
        let path = segment::path_of(&self.dir, first);
        let file = File::open(&path)?;
        let len = file.metadata()?.len();
        let end = match self.before.take() {
            Some(before) => offset_of(&path, len, before)?,
            None => len,
        };
        Ok(Backward::new(file, end))
    }

    fn unreadable(&mut self, segment: u64, source: io::Error) -> ReadBackError {
        self.segments.clear();
        self.open = None;
        ReadBackError::Unreadable { file: segment::file_name(segment), source }
    }
}

fn entry(segment: u64, line: LineBefore) -> Result<Entry, ReadBackError> {
    let LineBefore { offset, bytes, torn } = line;
    let file = segment::file_name(segment);
    let not_a_record = |file, reason| Err(ReadBackError::NotARecord { file, offset, reason });
    let Some(bytes) = bytes else {
        return not_a_record(file, "the line is longer than any record".to_owned());
    };
    if torn {
        return not_a_record(file, "the last line is torn".to_owned());
    }
    match line::parse(&bytes) {
        Ok(entry) => Ok(entry),
        Err(Unsound::NotARecord(reason)) => not_a_record(file, reason),
        Err(Unsound::Edited(entry)) => Err(ReadBackError::Edited { file, offset, number: entry.number }),
    }
}

/// Where the first line begins whose number is not less than that one; the end if there is none.
///
/// It halves the bytes in which that line may begin. Lines that cannot be read are passed over: those
/// directly before the line found are read back as errors.
fn offset_of(path: &Path, len: u64, number: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, len);
    let mut found = len;
    while low < high {
        let middle = low + (high - low) / 2;
        match readable_line(path, middle, high)? {
            Some(line) if line.number < number => low = line.end,
            Some(line) => {
                found = line.begin;
                high = middle;
            }
            None => high = middle,
        }
    }
    Ok(found)
}

struct ReadableLine {
    begin: u64,
    end: u64,
    number: u64,
}

/// The first line that begins in that range and has a number.
fn readable_line(path: &Path, from: u64, to: u64) -> io::Result<Option<ReadableLine>> {
    // A line begins where the one before ends, so that it takes one byte more to see it.
    let mut lines = Lines::open(path, from.saturating_sub(1))?;
    if from > 0 {
        lines.next()?;
    }
    loop {
        let begin = lines.offset();
        if begin >= to {
            return Ok(None);
        }
        let number = match lines.next()? {
            None => return Ok(None),
            Some(Line::Whole(line)) => number_of(line),
            Some(_) => None,
        };
        if let Some(number) = number {
            return Ok(Some(ReadableLine { begin, end: lines.offset(), number }));
        }
    }
}
