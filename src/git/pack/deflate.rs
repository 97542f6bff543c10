use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::PackError;

/// Content from this size on is not worth the time of compressing when it is mostly object ids.
pub(in crate::git) const BIG_TREE: usize = 20 * 1024;
/// Up to this size a stored stream is put together by hand, which spares the reset of a compressor.
const SMALL_STORED: usize = 4096;

/// How an entry's content is written as a zlib stream (RFC 1950).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) enum Packing {
    /// Fast compression (level 1).
    Fast,
    /// Stored as it is: for content that does not compress, such as object ids.
    Stored,
}

/// A zlib compressor that is reused, since setting one up costs more than a small object.
pub(in crate::git) struct Deflate {
    fast: Compress,
    stored: Compress,
}

impl Deflate {
    pub(in crate::git) fn new() -> Self {
        Deflate {
            fast: Compress::new(Compression::new(1), true),
            stored: Compress::new(Compression::new(0), true),
        }
    }

    /// Appends the zlib stream of `content`.
    pub(in crate::git) fn append(
        &mut self,
        out: &mut Vec<u8>,
        content: &[u8],
        packing: Packing,
    ) -> Result<(), PackError> {
        let stream = match packing {
            Packing::Stored if content.len() <= SMALL_STORED => {
                append_stored(out, content);
                return Ok(());
            }
            Packing::Stored => &mut self.stored,
            Packing::Fast => &mut self.fast,
        };
        stream.reset();
        let start = out.len();
        let mut room = content.len() + content.len() / 512 + 128;
        loop {
            out.reserve(room);
            let rest = content.get(stream.total_in() as usize..).unwrap_or_default();
            let status = stream.compress_vec(rest, out, FlushCompress::Finish);
            match status {
                Ok(Status::StreamEnd) => return Ok(()),
                // The output did not fit: short random content can grow by more than one expects.
                Ok(Status::Ok | Status::BufError) if room < (4 * content.len()).max(1 << 16) => room *= 2,
                _ => {
                    out.truncate(start);
                    return Err(PackError::Deflate { size: content.len() });
                }
            }
        }
    }
}

fn append_stored(out: &mut Vec<u8>, content: &[u8]) {
    // SMALL_STORED fits one stored block (RFC 1951 3.2.4), whose length has 16 bits.
    let length = content.len() as u16;
    out.extend_from_slice(&[0x78, 0x01, 0x01]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(content);
    let (mut a, mut b) = (1u32, 0u32);
    // 4096 bytes cannot overflow the sums, so one reduction at the end is enough (RFC 1950 9).
    for &byte in content {
        a += u32::from(byte);
        b += a;
    }
    out.extend_from_slice(&(((b % 65_521) << 16) | (a % 65_521)).to_be_bytes());
}

/// A zlib decompressor that is reused.
pub(in crate::git) struct Inflate(Decompress);

impl Inflate {
    pub(in crate::git) fn new() -> Self {
        Inflate(Decompress::new(true))
    }

    /// Appends exactly `size` bytes to `out` from the stream at the start of `packed`; answers how many
    /// bytes the stream took, none when it is no such stream.
    pub(in crate::git) fn append(&mut self, out: &mut Vec<u8>, packed: &[u8], size: usize) -> Option<usize> {
        self.0.reset(true);
        let start = out.len();
        // One byte more than needed, so that a stream that is too long shows itself.
        out.reserve(size.checked_add(1)?);
        loop {
            let (seen, made) = (self.0.total_in() as usize, out.len() - start);
            if made > size {
                return None;
            }
            let status = self.0.decompress_vec(packed.get(seen..)?, out, FlushDecompress::Finish).ok()?;
            let done = out.len() - start;
            match status {
                Status::StreamEnd => return (done == size).then_some(self.0.total_in() as usize),
                _ if done == made && self.0.total_in() as usize == seen => return None,
                _ => {}
            }
            if out.len() == out.capacity() && done > size {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_round_trip() {
        let mut deflate = Deflate::new();
        let mut inflate = Inflate::new();
        let mut noise = 1u32;
        for size in [0usize, 1, 5, 19, 100, 1000, 4096, 4097, 66_000, 400_000] {
            let random: Vec<u8> = (0..size)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (noise >> 24) as u8
                })
                .collect();
            for content in [random, vec![b'x'; size]] {
                for packing in [Packing::Fast, Packing::Stored] {
                    let mut packed = Vec::new();
                    deflate.append(&mut packed, &content, packing).unwrap();
                    let length = packed.len();
                    packed.extend_from_slice(b"what follows");
                    let mut back = vec![7];
                    assert_eq!(inflate.append(&mut back, &packed, size), Some(length));
                    assert_eq!(back[1..], content);
                    assert_eq!(inflate.append(&mut Vec::new(), &packed, size + 1), None);
                    assert_eq!(inflate.append(&mut Vec::new(), &packed[..length - 5], size), None);
                    if size > 0 {
                        assert_eq!(inflate.append(&mut Vec::new(), &packed, size - 1), None);
                    }
                }
            }
        }
    }
}
