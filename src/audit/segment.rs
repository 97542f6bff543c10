use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Entry;
use super::line::{self, MOST_LINE_BYTES};

const SUFFIX: &str = ".jsonl";

/// The name of the segment that begins with that record.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:020}{SUFFIX}")
}

pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(file_name(number))
}

/// What a directory has of segments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The first number of each, ascending.
    pub numbers: Vec<u64>,
    /// Files that end like a segment and are none.
    pub strangers: Vec<String>,
}

/// Lists them; a directory that is missing has none.
pub(super) fn list(dir: &Path) -> io::Result<Listing> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        entries => entries?,
    };
    let mut listing = Listing::default();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match name.strip_suffix(SUFFIX).map(number_of) {
            None => {}
            Some(Some(number)) => listing.numbers.push(number),
            Some(None) => listing.strangers.push(name),
        }
    }
    listing.numbers.sort_unstable();
    listing.strangers.sort_unstable();
    Ok(listing)
}

fn number_of(digits: &str) -> Option<u64> {
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > 0)
}

/// Makes the segment that begins with that record. An empty one that is there already, as a crash may leave
/// it, is as good as a new one; one with content is never touched.
pub(super) fn create(dir: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).open(path_of(dir, number))?;
    if file.metadata()?.len() > 0 {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} exists already", file_name(number)),
        ));
    }
    sync_dir(dir)?;
    Ok(file)
}

/// Flushes a directory, and with it the names of files made or renamed in it.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The record on the last line of a segment, if that line is whole and as it was written.
pub(super) fn last_entry(dir: &Path, number: u64) -> io::Result<Option<Entry>> {
    let mut file = File::open(path_of(dir, number))?;
    let from = file.metadata()?.len().saturating_sub(MOST_LINE_BYTES as u64 + 2);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_LINE_BYTES as u64 + 2).read_to_end(&mut bytes)?;
    let Some(lines) = bytes.strip_suffix(b"\n") else { return Ok(None) };
    let begins = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok(line::parse(&lines[begins..]).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list(&dir.path().join("missing")).unwrap(), Listing::default());
        let strangers = ["00000000000000000000.jsonl", "1.jsonl", "99999999999999999999.jsonl"];
        for name in strangers.iter().copied().chain(["head", &file_name(12), &file_name(3)]) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let strangers = strangers.map(str::to_owned).to_vec();
        assert_eq!(list(dir.path()).unwrap(), Listing { numbers: vec![3, 12], strangers });
        assert_eq!(file_name(u64::MAX), "18446744073709551615.jsonl");
        assert_eq!(create(dir.path(), 3).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
