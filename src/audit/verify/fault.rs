use std::fmt;

use crate::audit::Head;

/// One thing that is wrong with a log, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of the file.
    pub file: String,
    /// The line in it; the first is 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Who tells that a record is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldBy {
    /// The file `head`.
    Head,
    /// An anchor.
    Anchor,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// A file or the directory cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A file that ends in `.jsonl` and is no segment.
    #[error("is not named like a segment")]
    Name,
    /// The first record of a segment is not the one that its name tells.
    #[error("begins with record {0}, which its name does not tell")]
    NotOfName(u64),
    /// A segment without records that is not the last one.
    #[error("has no records, and is not the last segment")]
    Empty,
    /// The file `head` is missing, but there are records.
    #[error("is missing")]
    HeadMissing,
    /// The file `head` is no head.
    #[error("is not a head: expected `<number> sha256:<hex>`")]
    HeadUnreadable,
    /// A line is no record.
    #[error("{0}")]
    NotARecord(String),
    /// A line is longer than any record.
    #[error("the line is longer than any record")]
    TooLong,
    /// A line has no end.
    #[error("the last line is torn")]
    Torn,
    /// A record is not what its hash says.
    #[error("record {0} was edited: its hash is not that of its content")]
    Edited(u64),
    /// A record is not the one that followed the record before it.
    #[error("record {0} does not follow the record before it: one of the two was replaced")]
    NotChained(u64),
    /// Records are missing.
    #[error("{}", Missing(*.from, *.to))]
    Missing {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A record stands after one that it should stand before.
    #[error("record {number} is out of order: it stands after record {after}")]
    OutOfOrder {
        /// The record.
        number: u64,
        /// The one before it.
        after: u64,
    },
    /// The end of the log is missing.
    #[error("the log is cut: it ends with record {ends}, but {by} tells record {}", told.number)]
    Cut {
        /// The last record; 0 when there is none.
        ends: u64,
        /// A record that must be there.
        told: Head,
        /// Who tells so.
        by: ToldBy,
    },
    /// A record is another than the one that was there once.
    #[error("record {} was replaced: its hash is {found}, but {by} tells {}", told.number, told.hash)]
    Replaced {
        /// The record as it must be.
        told: Head,
        /// The hash that it has.
        found: crate::audit::RecordHash,
        /// Who tells so.
        by: ToldBy,
    },
    /// A record that says that the log was found damaged when it was opened.
    #[error("record {number} says that the log was broken: {detail}")]
    Broken {
        /// Its number.
        number: u64,
        /// What was found then.
        detail: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.file, self.kind),
            None => write!(f, "{}: {}", self.file, self.kind),
        }
    }
}

impl fmt::Display for ToldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ToldBy::Head => "the file `head`",
            ToldBy::Anchor => "an anchor",
        })
    }
}

struct Missing(u64, u64);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing(from, to) if from == to => write!(f, "record {from} is missing before this"),
            Missing(from, to) => write!(f, "records {from} to {to} are missing before this"),
        }
    }
}
