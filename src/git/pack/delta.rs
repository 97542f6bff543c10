//! Deltas between two contents: gitformat-pack(5), "Deltified representation".

use super::hunks::Hunks;

/// The longest insert instruction.
const MAX_INSERT: usize = 0x7f;
/// The longest copy instruction: three bytes of size.
const MAX_COPY: usize = 0xff_ffff;

/// Appends the delta that makes `now` of a base of that length from which it differs by `hunks`.
pub(in crate::git) fn encode(out: &mut Vec<u8>, base_length: usize, now: &[u8], hunks: &Hunks) {
    push_size(out, base_length);
    push_size(out, now.len());
    let mut copied = 0;
    for (base, new) in hunks.iter() {
        push_copy(out, copied, base.start);
        for chunk in now.get(new).unwrap_or_default().chunks(MAX_INSERT) {
            out.push(chunk.len() as u8);
            out.extend_from_slice(chunk);
        }
        copied = base.end;
    }
    push_copy(out, copied, base_length);
}

/// The content that a delta makes of its base; none when it is malformed, reaches outside of the base or
/// makes more than `max` bytes.
pub(in crate::git) fn apply(base: &[u8], delta: &[u8], max: usize) -> Option<Vec<u8>> {
    let (base_length, delta) = read_size(delta)?;
    let (length, mut delta) = read_size(delta)?;
    if base_length != base.len() || length > max {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    while let Some((&instruction, rest)) = delta.split_first() {
        delta = rest;
        let piece = if instruction & 0x80 != 0 {
            let mut fields = [0u8; 7];
            for (bit, field) in fields.iter_mut().enumerate() {
                if instruction & (1 << bit) != 0 {
                    let (&byte, rest) = delta.split_first()?;
                    *field = byte;
                    delta = rest;
                }
            }
            let [o0, o1, o2, o3, s0, s1, s2] = fields;
            let offset = u32::from_le_bytes([o0, o1, o2, o3]) as usize;
            let size = u32::from_le_bytes([s0, s1, s2, 0]) as usize;
            let size = if size == 0 { 0x1_0000 } else { size };
            base.get(offset..offset.checked_add(size)?)?
        } else {
            let size = usize::from(instruction);
            // Instruction 0 is reserved.
            let piece = delta.get(..size).filter(|piece| !piece.is_empty())?;
            delta = &delta[size..];
            piece
        };
        if out.len() + piece.len() > length {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == length).then_some(out)
}

fn push_size(out: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

fn read_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut size = 0usize;
    for (i, byte) in bytes.iter().enumerate().take(6) {
        size |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((size, &bytes[i + 1..]));
        }
    }
    None
}

fn push_copy(out: &mut Vec<u8>, mut from: usize, to: usize) {
    while from < to {
        let size = (to - from).min(MAX_COPY);
        let place = out.len();
        let mut instruction = 0x80;
        out.push(0);
        for (bit, byte) in (from as u32).to_le_bytes().into_iter().enumerate() {
            if byte != 0 {
                instruction |= 1 << bit;
                out.push(byte);
            }
        }
        // A size of 0x10000 is written as none at all.
        let written = if size == 0x1_0000 { 0 } else { size as u32 };
        for (bit, byte) in written.to_le_bytes().into_iter().take(3).enumerate() {
            if byte != 0 {
                instruction |= 0x10 << bit;
                out.push(byte);
            }
        }
        out[place] = instruction;
        from += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_every_awkward_size() {
        for size in [1, 255, 256, 0xffff, 0x1_0000, 0x1_0001, 0x2_0000, 0xff_ffff, 0x100_0000] {
            let base: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut packed = Vec::new();
            encode(&mut packed, base.len(), &base, &Hunks::default());
            assert_eq!(apply(&base, &packed, size), Some(base), "{size}");
        }
    }

    #[test]
    fn hostile_deltas_are_refused() {
        for bad in [
            &b""[..],
            &[3],
            &[3, 0x80],
            &[3, 1, 0],
            &[3, 1, 0x90, 4],
            &[3, 3, 0x91, 1, 3],
            &[3, 2, 0x90, 3],
            &[3, 4, 0x90, 3],
            &[3, 2, 2, b'a'],
            &[2, 1, 1, b'a'],
            &[3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x90, 3],
        ] {
            assert_eq!(apply(b"abc", bad, 1000), None, "{bad:?}");
        }
        assert_eq!(apply(b"abc", &[3, 3, 0x90, 3], 1000).as_deref(), Some(&b"abc"[..]));
    }
}
