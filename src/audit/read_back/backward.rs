use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::audit::line::MOST_LINE_BYTES;

/// So many bytes are read at a time.
const CHUNK_BYTES: u64 = 64 << 10;

/// The lines of a segment from its end, or from another line's beginning, backward.
pub(super) struct Backward {
    file: File,
    /// Where the bytes begin that are read and not yet given.
    begins: u64,
    bytes: Vec<u8>,
}

/// What the line before is.
pub(super) struct LineBefore {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes without its end; none if it is longer than any record.
    pub bytes: Option<Vec<u8>>,
    /// It has no end.
    pub torn: bool,
}

impl Backward {
    pub fn new(file: File, end: u64) -> Self {
        Backward { file, begins: end, bytes: Vec::new() }
    }

    pub fn next(&mut self) -> io::Result<Option<LineBefore>> {
        if self.bytes.is_empty() {
            if self.begins == 0 {
                return Ok(None);
            }
            self.read()?;
        }
        let torn = self.bytes.pop_if(|last| *last == b'\n').is_none();
        let mut too_long = false;
        loop {
            if let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') {
                let line = self.bytes.split_off(end + 1);
                return Ok(Some(self.line(self.begins + end as u64 + 1, line, torn, too_long)));
            }
            if self.begins == 0 {
                let line = std::mem::take(&mut self.bytes);
                return Ok(Some(self.line(0, line, torn, too_long)));
            }
            if self.bytes.len() > MOST_LINE_BYTES {
                too_long = true;
                self.bytes.clear();
            }
            self.read()?;
        }
    }

    fn line(&self, offset: u64, line: Vec<u8>, torn: bool, too_long: bool) -> LineBefore {
        let fits = !too_long && line.len() <= MOST_LINE_BYTES;
        LineBefore { offset, bytes: fits.then_some(line), torn }
    }

    /// Puts the chunk before what is there.
    fn read(&mut self) -> io::Result<()> {
        let begins = self.begins.saturating_sub(CHUNK_BYTES);
        let mut bytes = vec![0; (self.begins - begins) as usize];
        self.file.read_exact_at(&mut bytes, begins)?;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        self.begins = begins;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Lines short and long, around the sizes of chunks and of the longest line.
    fn line_lengths() -> impl Strategy<Value = Vec<usize>> {
        let around = (MOST_LINE_BYTES - 2..MOST_LINE_BYTES + 3).boxed();
        vec(prop_oneof![0..3_usize, 100..40_000_usize, around, 130_000..200_000_usize], 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn backward_is_forward_reversed(lengths in line_lengths(), torn in 0..2_usize) {
            let content: String = lengths.iter().map(|length| format!("{}\n", "x".repeat(*length))).collect();
            let content = &content[..content.len().saturating_sub(torn)];
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("lines");
            std::fs::write(&path, content).unwrap();
            let mut lines = Backward::new(File::open(&path).unwrap(), content.len() as u64);
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push((line.offset, line.bytes.map(|bytes| bytes.len()), line.torn));
            }
            let mut expected = Vec::new();
            let mut offset = 0;
            for line in content.split_inclusive('\n') {
                let length = line.trim_end_matches('\n').len();
                let fits = (length <= MOST_LINE_BYTES).then_some(length);
                expected.insert(0, (offset as u64, fits, !line.ends_with('\n')));
                offset += line.len();
            }
            prop_assert_eq!(found, expected);
        }
    }
}
