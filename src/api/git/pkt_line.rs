//! Lines with their length in front: gitprotocol-common(5).

use bytes::{BufMut as _, BytesMut};

/// The longest line, its head included.
pub const MOST_BYTES: usize = 65_520;

/// How much of a side band goes into one line: all but the head and the number of the band.
const MOST_IN_BAND: usize = MOST_BYTES - 5;

/// What ends a list of lines.
pub const FLUSH: &[u8] = b"0000";

/// The bands of side-band-64k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// What the client reads.
    Data = 1,
    /// What the client shows.
    Progress = 2,
}

/// Adds a line; it has to fit one.
pub fn line(into: &mut BytesMut, text: &[u8]) {
    let text = &text[..text.len().min(MOST_BYTES - 4)];
    into.put_slice(format!("{:04x}", text.len() + 4).as_bytes());
    into.put_slice(text);
}

/// Adds bytes to a band, in as many lines as it takes.
pub fn band(into: &mut BytesMut, band: Band, bytes: &[u8]) {
    for part in bytes.chunks(MOST_IN_BAND) {
        into.put_slice(format!("{:04x}", part.len() + 5).as_bytes());
        into.put_u8(band as u8);
        into.put_slice(part);
    }
}

/// What the head of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The end of a list.
    Flush,
    /// A line of so many bytes.
    Line(usize),
}

/// Reads the four digits in front of a line.
pub fn head(digits: [u8; 4]) -> Option<Head> {
    let text =
        std::str::from_utf8(&digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    match usize::from_str_radix(text, 16).ok()? {
        0 => Some(Head::Flush),
        length @ 4..=MOST_BYTES => Some(Head::Line(length - 4)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_length_in_front() {
        let mut bytes = BytesMut::new();
        line(&mut bytes, b"a\n");
        bytes.put_slice(FLUSH);
        assert_eq!(&bytes[..], b"0006a\n0000");
        assert_eq!(head(*b"0006"), Some(Head::Line(2)));
        assert_eq!(head(*b"0000"), Some(Head::Flush));
        assert_eq!(head(*b"0004"), Some(Head::Line(0)));
        for wrong in [*b"0001", *b"0003", *b"fff1", *b"00g0", *b"+006", *b"\xff\xff\xff\xff"] {
            assert_eq!(head(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn long_texts_take_several_lines_of_a_band() {
        let mut bytes = BytesMut::new();
        band(&mut bytes, Band::Progress, &vec![b'x'; MOST_IN_BAND + 1]);
        assert_eq!(&bytes[..5], b"fff0\x02");
        assert_eq!(&bytes[MOST_BYTES..], b"0006\x02x");
    }
}
