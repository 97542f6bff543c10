use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::audit::line::Unsound;
use crate::audit::lines::{Line, Lines};
use crate::audit::{
    AuditFailed, AuditLog, Entry, Expected, Fault, FaultKind, Head, Options, Record, Verified, What, line,
    segment, verify,
};
use crate::model::Timestamp;

/// No test waits longer for what has to happen.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A directory with a log, removed with all it has.
pub struct Fixture {
    dir: TempDir,
    /// How large a segment gets.
    pub segment_bytes: u64,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with_segments_of(u64::MAX)
    }

    pub fn with_segments_of(segment_bytes: u64) -> Self {
        Fixture { dir: tempfile::tempdir().unwrap(), segment_bytes }
    }

    /// One with so many records, closed.
    pub fn with_records(segment_bytes: u64, records: u64) -> Self {
        let fixture = Self::with_segments_of(segment_bytes);
        fixture.write(records);
        fixture
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    pub fn segment(&self, first: u64) -> PathBuf {
        segment::path_of(&self.path(), first)
    }

    pub fn segments(&self) -> Vec<u64> {
        segment::list(&self.path()).unwrap().numbers
    }

    pub fn open(&self) -> AuditLog {
        let options = Options { segment_bytes: self.segment_bytes };
        AuditLog::open(&self.path(), Timestamp::from_millis(7), options).unwrap()
    }

    /// Opens the log, appends so many and closes it; answers its head.
    pub fn write(&self, records: u64) -> Head {
        let log = self.open();
        for at in 0..records {
            append(&log, record(at)).unwrap();
        }
        log.head()
    }

    pub fn verify(&self) -> Result<Verified, Vec<Fault>> {
        verify(&self.path(), Expected::default(), &mut |_| ())
    }

    pub fn verify_with(&self, anchors: &[Head]) -> Result<Verified, Vec<Fault>> {
        verify(&self.path(), Expected { anchors, from: None }, &mut |_| ())
    }

    /// What is wrong, without where.
    pub fn faults(&self) -> Vec<FaultKind> {
        kinds(self.verify())
    }

    /// All records by reading forward.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for first in self.segments() {
            let mut lines = Lines::open(&self.segment(first), 0).unwrap();
            while let Some(line) = lines.next().unwrap() {
                let Line::Whole(line) = line else { panic!("no whole line") };
                entries.push(line::parse(line).map_err(|_: Unsound| "unsound").unwrap());
            }
        }
        entries
    }
}

pub fn kinds(verified: Result<Verified, Vec<Fault>>) -> Vec<FaultKind> {
    verified.err().unwrap_or_default().into_iter().map(|fault| fault.kind).collect()
}

pub fn record(at: u64) -> Record {
    Record {
        account: Some("ann".into()),
        path: Some(format!("/a/{at}").into()),
        ..Record::new(What::Refused, Timestamp::from_millis(at as i64))
    }
}

/// Appends and waits until it is durable.
pub fn append(log: &AuditLog, record: Record) -> Result<(), AuditFailed> {
    let (done, answer) = mpsc::channel();
    log.append(record, move |result| done.send(result).unwrap());
    answer.recv_timeout(DEADLINE).unwrap()
}

pub fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

pub fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// The lines of a file, each with its end.
pub fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

/// Rewrites the lines of a file.
pub fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines = lines(path);
    change(&mut lines);
    fs::write(path, lines.concat()).unwrap();
}
