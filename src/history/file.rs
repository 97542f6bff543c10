use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path as FilePath;

use super::corrupt;

/// What an index file begins with. Another number is another format, and the file is rebuilt.
const MAGIC: &[u8; 24] = b"confgit history index 2\n";
/// Length and CRC-32 of a frame's payload, each four bytes, little-endian.
const FRAME_HEAD: u64 = 8;
/// No batch is larger; a length beyond it is damage.
const MAX_FRAME: u32 = 1 << 30;

/// An append-only file of frames, each whole or not there.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    len: u64,
    /// How often the file was read, for tests of what a look-up costs.
    #[cfg(test)]
    pub reads: std::sync::atomic::AtomicU64,
}

impl LogFile {
    pub fn open(path: &FilePath) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let len = file.metadata()?.len();
        if len == 0 {
            file.write_all_at(MAGIC, 0)?;
            return Ok(Self::of(file, MAGIC.len() as u64));
        }
        let mut magic = [0; MAGIC.len()];
        if len < magic.len() as u64 || file.read_exact_at(&mut magic, 0).is_err() || magic != *MAGIC {
            return Err(corrupt("it is of another format"));
        }
        Ok(Self::of(file, len))
    }

    fn of(file: File, len: u64) -> Self {
        LogFile {
            file,
            len,
            #[cfg(test)]
            reads: Default::default(),
        }
    }

    /// Where the payload of the next frame will begin.
    pub fn next_payload(&self) -> u64 {
        self.len + FRAME_HEAD
    }

    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + FRAME_HEAD as usize);
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= MAX_FRAME);
        frame.extend_from_slice(&length.ok_or_else(|| corrupt("a batch too large"))?.to_le_bytes());
        frame.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        frame.extend_from_slice(payload);
        self.file.write_all_at(&frame, self.len)?;
        self.len += frame.len() as u64;
        Ok(())
    }

    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Up to `length` bytes; fewer at the end of the file.
    pub fn read_up_to(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.read(offset, self.at_most(offset, length))
    }

    /// The same into a buffer that is used again.
    pub fn read_into(&self, buffer: &mut Vec<u8>, offset: u64, length: usize) -> io::Result<()> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        buffer.resize(self.at_most(offset, length), 0);
        self.file.read_exact_at(buffer, offset)
    }

    fn at_most(&self, offset: u64, length: usize) -> usize {
        usize::try_from(self.len.saturating_sub(offset)).map_or(length, |left| length.min(left))
    }

    pub fn truncate(&mut self, len: u64) -> io::Result<()> {
        if len < self.len {
            self.file.set_len(len)?;
            self.len = len;
        }
        Ok(())
    }

    /// Flushes what was written.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    pub fn frames(&self) -> io::Result<Frames> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
        Ok(Frames { file: BufReader::with_capacity(1 << 20, file), at: MAGIC.len() as u64, len: self.len })
    }
}

/// The frames of a file from its beginning, up to the first that is not whole.
pub(super) struct Frames {
    file: BufReader<File>,
    at: u64,
    len: u64,
}

impl Frames {
    /// The next payload and where it begins. A frame that the end of the file cuts off, or the last one
    /// with a wrong checksum, is a torn write and ends the iteration; elsewhere it is damage.
    pub fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let left = self.len - self.at;
        if left < FRAME_HEAD {
            return Ok(None);
        }
        let mut head = [0; FRAME_HEAD as usize];
        self.file.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let checksum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if u64::from(length) > left - FRAME_HEAD {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        self.file.read_exact(&mut payload)?;
        let end = self.at + FRAME_HEAD + u64::from(length);
        if crc32fast::hash(&payload) != checksum {
            return if end == self.len { Ok(None) } else { Err(corrupt("a checksum does not match")) };
        }
        let begins = self.at + FRAME_HEAD;
        self.at = end;
        Ok(Some((begins, payload)))
    }

    /// Where the frames read so far end.
    pub fn position(&self) -> u64 {
        self.at
    }
}
