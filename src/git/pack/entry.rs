//! Headers of pack entries: gitformat-pack(5), "Object types" and "Size encoding".

use crate::git::ObjectKind;

/// What the header of a pack entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) struct EntryHeader {
    /// How the content is given.
    pub(in crate::git) form: Form,
    /// The size of what the zlib stream holds: the content, or the delta.
    pub(in crate::git) size: usize,
    /// Where the stream begins, from the start of the entry.
    pub(in crate::git) length: usize,
}

/// How a pack entry gives its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) enum Form {
    /// In full.
    Full(ObjectKind),
    /// As a delta against the entry that many bytes before this one.
    Offset(u64),
    /// As a delta against the object of this id.
    Reference([u8; 20]),
}

const OFS_DELTA: u8 = 6;
const REF_DELTA: u8 = 7;

/// Appends the header of a full entry.
pub(in crate::git) fn push_full(out: &mut Vec<u8>, kind: ObjectKind, size: usize) {
    let number = match kind {
        ObjectKind::Commit => 1,
        ObjectKind::Tree => 2,
        ObjectKind::Blob => 3,
        ObjectKind::Tag => 4,
    };
    push_type_and_size(out, number, size);
}

/// Appends the header of a delta entry whose base begins `distance` bytes before it.
pub(in crate::git) fn push_delta(out: &mut Vec<u8>, size: usize, distance: u64) {
    push_type_and_size(out, OFS_DELTA, size);
    // Big-endian groups of seven bits, each but the last lessened by one so that no length is wasted.
    let mut groups = [0u8; 10];
    let mut at = groups.len() - 1;
    let mut rest = distance;
    groups[at] = (rest & 0x7f) as u8;
    while rest >> 7 != 0 {
        rest = (rest >> 7) - 1;
        at -= 1;
        groups[at] = 0x80 | (rest & 0x7f) as u8;
    }
    out.extend_from_slice(&groups[at..]);
}

fn push_type_and_size(out: &mut Vec<u8>, number: u8, size: usize) {
    let mut byte = (number << 4) | (size & 0x0f) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
}

/// Reads the header at the start of `bytes`; none when it is malformed.
pub(in crate::git) fn read(bytes: &[u8]) -> Option<EntryHeader> {
    let mut at = 0;
    let mut next = || {
        let byte = *bytes.get(at)?;
        at += 1;
        Some(byte)
    };
    let first = next()?;
    let mut size = usize::from(first & 0x0f);
    let (mut shift, mut more) = (4, first & 0x80 != 0);
    while more {
        let byte = next()?;
        if shift > 46 {
            return None;
        }
        size |= usize::from(byte & 0x7f) << shift;
        (shift, more) = (shift + 7, byte & 0x80 != 0);
    }
    let form = match (first >> 4) & 7 {
        1 => Form::Full(ObjectKind::Commit),
        2 => Form::Full(ObjectKind::Tree),
        3 => Form::Full(ObjectKind::Blob),
        4 => Form::Full(ObjectKind::Tag),
        OFS_DELTA => {
            let mut byte = next()?;
            let mut distance = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = next()?;
                distance = (distance + 1).checked_mul(128)? | u64::from(byte & 0x7f);
            }
            Form::Offset(distance)
        }
        REF_DELTA => {
            let id = bytes.get(at..at + 20)?.try_into().ok()?;
            at += 20;
            Form::Reference(id)
        }
        _ => return None,
    };
    Some(EntryHeader { form, size, length: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for size in [0, 1, 15, 16, 127, 2047, 2048, 1 << 20, (1 << 31) + 5] {
            let mut bytes = Vec::new();
            push_full(&mut bytes, ObjectKind::Tag, size);
            let length = bytes.len();
            assert_eq!(read(&bytes), Some(EntryHeader { form: Form::Full(ObjectKind::Tag), size, length }));
            for distance in [1u64, 127, 128, 255, 16_511, 16_512, 1 << 33] {
                let mut bytes = Vec::new();
                push_delta(&mut bytes, size, distance);
                let length = bytes.len();
                assert_eq!(read(&bytes), Some(EntryHeader { form: Form::Offset(distance), size, length }));
                assert_eq!(read(&bytes[..length - 1]), None);
            }
        }
        assert_eq!(read(&[0x90, 0xff]), None);
        assert_eq!(read(&[0x00]), None);
        assert_eq!(read(&[0xff; 30]), None);
    }
}
