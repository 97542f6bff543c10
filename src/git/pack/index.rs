//! The index of a pack, version 2: gitformat-pack(5), "Version 2 pack-*.idx files".

use crate::git::object::{self, CollisionError};
use crate::model::ObjectId;

/// Where one object stands in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) struct IndexEntry {
    /// The object.
    pub(in crate::git) id: ObjectId,
    /// CRC-32 of the entry's bytes in the pack, header and all.
    pub(in crate::git) crc: u32,
    /// Where the entry begins in the pack.
    pub(in crate::git) offset: u64,
}

/// Offsets from this one on stand in a table of their own.
const FAR: u64 = 1 << 31;

/// The bytes of the index of a pack with that checksum. The order of `entries` does not matter.
pub(in crate::git) fn encode(
    mut entries: Vec<IndexEntry>,
    pack_checksum: ObjectId,
) -> Result<Vec<u8>, CollisionError> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut out = Vec::with_capacity(8 + 1024 + entries.len() * 28 + 40);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut seen = 0;
    for first_byte in 0..=255u8 {
        seen += entries[seen..].partition_point(|entry| entry.id.as_bytes()[0] <= first_byte);
        out.extend_from_slice(&(seen as u32).to_be_bytes());
    }
    for entry in &entries {
        out.extend_from_slice(entry.id.as_bytes());
    }
    for entry in &entries {
        out.extend_from_slice(&entry.crc.to_be_bytes());
    }
    let mut far = Vec::new();
    for entry in &entries {
        let field = if entry.offset < FAR {
            entry.offset as u32
        } else {
            far.push(entry.offset);
            FAR as u32 | (far.len() as u32 - 1)
        };
        out.extend_from_slice(&field.to_be_bytes());
    }
    for offset in far {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum.as_bytes());
    let own = object::checksum(&[&out])?;
    out.extend_from_slice(own.as_bytes());
    Ok(out)
}

/// The entries of an index and the checksum of its pack; none when it is malformed or of version 1.
pub(in crate::git) fn decode(bytes: &[u8]) -> Option<(Vec<IndexEntry>, ObjectId)> {
    const FAN_OUT: usize = 8 + 256 * 4;
    if bytes.get(..8)? != b"\xfftOc\0\0\0\x02" {
        return None;
    }
    let count = u32::from_be_bytes(bytes.get(FAN_OUT - 4..FAN_OUT)?.try_into().ok()?) as usize;
    // Divided instead of multiplied, so that a hostile count cannot overflow.
    if count > (bytes.len().checked_sub(FAN_OUT + 40)?) / 28 {
        return None;
    }
    let (ids, rest) = bytes.get(FAN_OUT..)?.split_at(count * 20);
    let (crcs, rest) = rest.split_at(count * 4);
    let (offsets, rest) = rest.split_at(count * 4);
    let (far, trailer) = rest.split_at(rest.len().checked_sub(40)?);
    let word = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
    let mut entries = Vec::with_capacity(count);
    let rows = ids.chunks_exact(20).zip(crcs.chunks_exact(4)).zip(offsets.chunks_exact(4));
    for ((id, crc), offset) in rows {
        let offset = u64::from(word(offset)?);
        let offset = match offset.checked_sub(FAR) {
            None => offset,
            Some(row) => {
                let row = row as usize * 8;
                u64::from_be_bytes(far.get(row..row + 8)?.try_into().ok()?)
            }
        };
        entries.push(IndexEntry { id: ObjectId::from_bytes(id.try_into().ok()?), crc: word(crc)?, offset });
    }
    Some((entries, ObjectId::from_bytes(trailer.get(..20)?.try_into().ok()?)))
}

/// How many objects an index lists, from its first bytes; none when they are not those of version 2.
pub(in crate::git) fn count(head: &[u8]) -> Option<u32> {
    if head.get(..8)? != b"\xfftOc\0\0\0\x02" {
        return None;
    }
    Some(u32::from_be_bytes(head.get(HEAD_BYTES - 4..HEAD_BYTES)?.try_into().ok()?))
}

/// How many bytes [`count`] needs.
pub(in crate::git) const HEAD_BYTES: usize = 8 + 256 * 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_round_trip_with_far_offsets() {
        let entry = |byte: u8, offset| IndexEntry { id: ObjectId::from_bytes([byte; 20]), crc: 7, offset };
        let entries = vec![entry(0, 12), entry(9, FAR), entry(9, FAR - 1), entry(255, FAR * 8 + 5)];
        let bytes = encode(entries.clone(), ObjectId::ZERO).unwrap();
        assert_eq!(decode(&bytes), Some((entries, ObjectId::ZERO)));
        assert_eq!(count(&bytes), Some(4));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]).filter(|(entries, _)| entries.len() == 4), None);
        }
    }
}
