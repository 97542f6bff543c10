use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::head::{HeadFile, read_head};
use super::line::{self, Unsound, number_of};
use super::lines::{Line, Lines};
use super::{Head, segment};

/// What a directory has when a log is opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    New,
    /// A log that agrees with its head, and the number of the segment to go on in.
    Sound { last: Head, segment: u64 },
    /// A log that does not.
    Damaged(Damage),
}

/// How a log contradicts its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// What the record about it follows: a number that none in the log exceeds, and the hash that `head` tells.
    pub last: Head,
    /// What was found, for people.
    pub detail: String,
}

/// Finds where a log ends.
///
/// In the usual case, where `head` tells the very last line, this reads one line. Otherwise it reads the last
/// segment: a log is made such that whatever `head` does not tell is in there.
///
/// What stands beyond `head` was never acknowledged. Records there that are whole and chained are kept, and
/// what a power cut left of others is cut off, the only thing that is ever taken from a log.
pub(super) fn find(dir: &Path) -> io::Result<Found> {
    let segments = segment::list(dir)?.numbers;
    let told = read_head(dir)?;
    let Some((segment, earlier)) = segments.split_last() else {
        return Ok(match told {
            HeadFile::Missing | HeadFile::Told(Head::EMPTY) => Found::New,
            told => damaged(0, told, "the log has no records"),
        });
    };
    let contradiction = match &told {
        HeadFile::Told(head) => match follow(dir, earlier.last().copied(), *segment, *head)? {
            Ok(last) => return Ok(Found::Sound { last, segment: *segment }),
            Err(contradiction) => contradiction,
        },
        // A power cut may leave it so, and then the log speaks for itself.
        HeadFile::Blank => match segment::last_entry(dir, *segment)? {
            Some(entry) => return Ok(Found::Sound { last: entry.head(), segment: *segment }),
            None => "the last line is no record".to_owned(),
        },
        HeadFile::Missing | HeadFile::Unreadable(_) => "the log has records".to_owned(),
    };
    Ok(damaged(highest(dir, *segment)?, told, &contradiction))
}

fn damaged(highest: u64, told: HeadFile, contradiction: &str) -> Found {
    let (head, what) = match told {
        HeadFile::Told(head) => (head, format!("`head` tells record {}", head.number)),
        HeadFile::Missing => (Head::EMPTY, "`head` is missing".to_owned()),
        HeadFile::Blank => (Head::EMPTY, "`head` is empty".to_owned()),
        HeadFile::Unreadable(text) => (Head::EMPTY, format!("`head` is {text:?}")),
    };
    let last = Head { number: head.number.max(highest), hash: head.hash };
    Found::Damaged(Damage { last, detail: format!("{what}, but {contradiction}") })
}

/// The last record, if the log goes on from `head` to its end; else what contradicts.
fn follow(dir: &Path, earlier: Option<u64>, first: u64, head: Head) -> io::Result<Result<Head, String>> {
    if segment::last_entry(dir, first)?.is_some_and(|entry| entry.head() == head) {
        return Ok(Ok(head));
    }
    if head.number.checked_add(1).is_some_and(|next| next < first) {
        return Ok(Err(format!("the last segment begins with record {first}")));
    }
    let mut lines = Lines::open(&segment::path_of(dir, first), 0)?;
    let at_head = if head.number >= first { seek(&mut lines, head)? } else { ends_with(dir, earlier, head)? };
    match at_head {
        Ok(()) => take_up(dir, first, lines, head),
        Err(contradiction) => Ok(Err(contradiction)),
    }
}

/// Reads on to just after the record that `head` tells.
fn seek(lines: &mut Lines, head: Head) -> io::Result<Result<(), String>> {
    while let Some(line) = lines.next()? {
        let Line::Whole(line) = line else { continue };
        if number_of(line) == Some(head.number) {
            let found = line::parse(line).is_ok_and(|entry| entry.head() == head);
            return Ok(found.then_some(()).ok_or_else(|| "the record of that number is another".to_owned()));
        }
    }
    Ok(Err("the log does not have it".to_owned()))
}

/// Whether the segment before the last ends with the record that `head` tells.
fn ends_with(dir: &Path, segment: Option<u64>, head: Head) -> io::Result<Result<(), String>> {
    let last = match segment {
        Some(segment) => segment::last_entry(dir, segment)?.map(|entry| entry.head()),
        None => (head.number == 0).then_some(Head::EMPTY),
    };
    Ok(if last == Some(head) { Ok(()) } else { Err("the segment before the last ends otherwise".to_owned()) })
}

/// Takes up the records after `head`, and cuts off a torn end.
fn take_up(dir: &Path, segment: u64, mut lines: Lines, head: Head) -> io::Result<Result<Head, String>> {
    let mut last = head;
    let mut end = lines.offset();
    while let Some(line) = lines.next()? {
        let Line::Whole(line) = line else { break };
        match line::parse(line) {
            Ok(entry) if entry.number == last.number + 1 && entry.previous == last.hash => {
                last = entry.head()
            }
            Ok(entry) => return Ok(Err(format!("record {} follows record {}", entry.number, last.number))),
            // No power cut makes such a line.
            Err(Unsound::Edited(_)) => {
                return Ok(Err(format!("the record after record {} was edited", last.number)));
            }
            Err(Unsound::NotARecord(_)) => break,
        }
        end = lines.offset();
    }
    let file = OpenOptions::new().write(true).open(segment::path_of(dir, segment))?;
    if file.metadata()?.len() > end {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(Ok(last))
}

/// A number that no record of a damaged log exceeds, as far as its last segment can be read. A line that is
/// no sound record counts as the one due there, as it does to whoever verifies the log.
fn highest(dir: &Path, segment: u64) -> io::Result<u64> {
    let mut lines = Lines::open(&segment::path_of(dir, segment), 0)?;
    let mut highest = segment - 1;
    while let Some(line) = lines.next()? {
        let entry = match line {
            Line::Whole(line) => line::parse(line).ok(),
            Line::TooLong | Line::Torn => None,
        };
        highest = entry.map_or(highest.saturating_add(1), |entry| highest.max(entry.number));
    }
    Ok(highest)
}
