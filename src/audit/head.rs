use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use super::RecordHash;
use super::segment::sync_dir;

/// The file that tells how far the log goes.
pub(super) const HEAD_FILE: &str = "head";
/// Where the next `head` is written before it takes the place of the last one.
const NEW_HEAD_FILE: &str = "head.tmp";
/// A longer file is no head: 20 digits, a space, a hash and the line's end.
const MOST_HEAD_BYTES: u64 = 20 + 1 + RecordHash::TEXT_BYTES as u64 + 1;

/// The last record of a log, written as `<number> sha256:<hex>`.
///
/// Whoever keeps one elsewhere has an anchor: the log cannot be cut or rewritten before it unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The record's number; 0 of an empty log.
    pub number: u64,
    /// The record's hash; [`RecordHash::NONE`] of an empty log.
    pub hash: RecordHash,
}

/// A text that is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a head: expected `<number> sha256:<hex>`")]
pub struct HeadError;

impl Head {
    /// That of a log without records.
    pub const EMPTY: Head = Head { number: 0, hash: RecordHash::NONE };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (number, hash) = text.split_once(' ').ok_or(HeadError)?;
        let head = Head {
            number: number.parse().map_err(|_| HeadError)?,
            hash: hash.parse().map_err(|_| HeadError)?,
        };
        // A number has one text only: no sign and no leading zeros.
        if head.to_string() == text { Ok(head) } else { Err(HeadError) }
    }
}

/// What the file `head` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeadFile {
    Missing,
    /// It has no bytes. A power cut may leave it so, where a file system renames before it writes.
    Blank,
    Told(Head),
    /// It is no head; this is how it begins.
    Unreadable(String),
}

pub(super) fn read_head(dir: &Path) -> io::Result<HeadFile> {
    let file = match File::open(dir.join(HEAD_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HeadFile::Missing),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MOST_HEAD_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(HeadFile::Blank);
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.strip_suffix('\n').and_then(|line| line.parse().ok()) {
        Some(head) => Ok(HeadFile::Told(head)),
        None => Ok(HeadFile::Unreadable(text.into_owned())),
    }
}

/// Replaces the file `head`: a reader sees the old one or the new one. It is not flushed: after a power cut
/// it may be an older one, and what the log has beyond it is taken up when the log is opened.
pub(super) fn write_head(dir: &Path, head: Head) -> io::Result<()> {
    File::create(dir.join(NEW_HEAD_FILE))?.write_all(format!("{head}\n").as_bytes())?;
    fs::rename(dir.join(NEW_HEAD_FILE), dir.join(HEAD_FILE))
}

/// The same, and it outlives a power cut.
pub(super) fn write_head_durably(dir: &Path, head: Head) -> io::Result<()> {
    let mut file = File::create(dir.join(NEW_HEAD_FILE))?;
    file.write_all(format!("{head}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(dir.join(NEW_HEAD_FILE), dir.join(HEAD_FILE))?;
    sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let head = Head { number: 12, hash: RecordHash::of(b"a record") };
        assert_eq!(head.to_string().parse(), Ok(head));
        let hash = head.hash;
        for bad in ["", "12", &format!("+12 {hash}"), &format!("012 {hash}"), &format!("12  {hash}")] {
            assert_eq!(bad.parse::<Head>(), Err(HeadError), "{bad}");
        }
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_head(dir.path()).unwrap(), HeadFile::Missing);
        let head = Head { number: u64::MAX, hash: RecordHash::of(b"") };
        for write in [write_head, write_head_durably] {
            write(dir.path(), head).unwrap();
            assert_eq!(read_head(dir.path()).unwrap(), HeadFile::Told(head));
        }
        for (bytes, read) in [
            (String::new(), HeadFile::Blank),
            (head.to_string(), HeadFile::Unreadable(head.to_string())),
            (format!("{head}\n\n"), HeadFile::Unreadable(format!("{head}\n\n"))),
            ("x".repeat(1000), HeadFile::Unreadable("x".repeat(94))),
        ] {
            fs::write(dir.path().join(HEAD_FILE), &bytes).unwrap();
            assert_eq!(read_head(dir.path()).unwrap(), read, "{bytes}");
        }
    }
}
