use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use super::line::MOST_LINE_BYTES;

/// The lines of a segment from an offset on, up to where the file ended when it was opened.
pub(super) struct Lines {
    file: BufReader<Take<File>>,
    line: Vec<u8>,
    offset: u64,
}

/// What the next line is.
pub(super) enum Line<'a> {
    /// One with its end, which is not given.
    Whole(&'a [u8]),
    /// One longer than any record; it was skipped.
    TooLong,
    /// The file ends in it.
    Torn,
}

impl Lines {
    pub fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let left = file.metadata()?.len().saturating_sub(offset);
        file.seek(SeekFrom::Start(offset))?;
        let file = BufReader::with_capacity(MOST_LINE_BYTES, file.take(left));
        Ok(Lines { file, line: Vec::new(), offset })
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let most = MOST_LINE_BYTES as u64 + 1;
        let read = (&mut self.file).take(most).read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(Line::Whole(&self.line)));
        }
        if read as u64 == most && self.skip()? {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Torn))
    }

    /// Skips what is left of a line, and tells whether it has an end.
    fn skip(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.file.fill_buf()?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let skipped = end.map_or(bytes.len(), |end| end + 1);
            self.file.consume(skipped);
            self.offset += skipped as u64;
            if end.is_some() || skipped == 0 {
                return Ok(end.is_some());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let long = "x".repeat(3 * MOST_LINE_BYTES);
        let fits = "y".repeat(MOST_LINE_BYTES);
        for (content, expected) in [
            (String::new(), vec![]),
            ("a\n\nb\n".to_owned(), vec!["a", "", "b"]),
            ("a\nb".to_owned(), vec!["a", "torn"]),
            (format!("a\n{long}\nb\n"), vec!["a", "too long", "b"]),
            (format!("a\n{long}"), vec!["a", "torn"]),
            (format!("{fits}\nb\n"), vec![&fits, "b"]),
        ] {
            std::fs::write(&path, &content).unwrap();
            let mut lines = Lines::open(&path, 0).unwrap();
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push(match line {
                    Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                    Line::TooLong => "too long".to_owned(),
                    Line::Torn => "torn".to_owned(),
                });
            }
            assert_eq!(found, expected);
            assert_eq!(lines.offset(), content.len() as u64);
        }
    }
}
