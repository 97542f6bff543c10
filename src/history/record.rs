use std::io;
use std::sync::Arc;

use super::corrupt;
use crate::model::{ObjectId, Path, Revision, Sequence, Timestamp};

/// One thing that a frame says; numbers are little-endian, texts have a four-byte length before them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// The index begins with this change set, not with the first.
    Base(Sequence),
    /// Where a branch is as of the change set that the index begins with, and which one moved it there.
    Head {
        branch: u32,
        sequence: Sequence,
        revision: Revision,
    },
    /// The next branch number has this name.
    Branch(Arc<str>),
    /// The next account number has this name.
    Account(Arc<str>),
    /// The next path number is this path in this branch.
    Path {
        branch: u32,
        path: Path,
    },
    ChangeSet {
        sequence: Sequence,
        time: Timestamp,
        account: u32,
        moves: Vec<(u32, Option<Revision>, Option<Revision>)>,
    },
    Version(VersionItem),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct VersionItem {
    pub path: u32,
    pub version: u64,
    pub deleted: bool,
    pub sequence: Sequence,
    pub revision: Revision,
    pub before: Before,
}

/// What a version has before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Before {
    /// Records: that of the version before, and that of version [`skip_target`]; 0 for none.
    At { previous: u64, skip: u64 },
    /// Nothing that is kept: the index begins with it, so that it says itself what its change set would.
    Pruned { time: Timestamp, account: u32 },
}

/// Tag, path, version, deleted, sequence, revision, and previous and skip, or time and account and padding.
pub(super) const VERSION_BYTES: usize = 1 + 4 + 8 + 1 + 8 + 20 + 8 + 8;
/// Tag, sequence, time, account, count of moves.
const CHANGE_SET_HEAD: usize = 1 + 8 + 8 + 4 + 4;
const MOVE_BYTES: usize = 4 + 20 + 20;

/// How long the record of a change set with so many moves is.
pub(super) fn change_set_bytes(moves: usize) -> u32 {
    u32::try_from(CHANGE_SET_HEAD + moves * MOVE_BYTES).unwrap_or(u32::MAX)
}

/// The version that a record points at beside the one before: its number without the lowest set bit.
pub(super) fn skip_target(version: u64) -> u64 {
    version & version.wrapping_sub(1)
}

/// A frame in the making: its bytes, and its items with the place in the file that each will have.
pub(super) struct Frame {
    pub bytes: Vec<u8>,
    pub items: Vec<(u64, Item)>,
    begins: u64,
}

impl Frame {
    pub fn new(begins: u64) -> Self {
        Frame { bytes: Vec::new(), items: Vec::new(), begins }
    }

    /// Adds an item and answers where it will stand.
    pub fn push(&mut self, item: Item) -> u64 {
        let at = self.begins + self.bytes.len() as u64;
        encode(&item, &mut self.bytes);
        self.items.push((at, item));
        at
    }
}

fn encode(item: &Item, out: &mut Vec<u8>) {
    match item {
        Item::Base(sequence) => {
            out.push(b'B');
            out.extend_from_slice(&sequence.0.to_le_bytes());
        }
        Item::Head { branch, sequence, revision } => {
            out.push(b'h');
            out.extend_from_slice(&branch.to_le_bytes());
            out.extend_from_slice(&sequence.0.to_le_bytes());
            out.extend_from_slice(revision.as_bytes());
        }
        Item::Branch(name) => text(out, b'b', name),
        Item::Account(name) => text(out, b'a', name),
        Item::Path { branch, path } => {
            text(out, b'p', path.as_str());
            out.extend_from_slice(&branch.to_le_bytes());
        }
        Item::ChangeSet { sequence, time, account, moves } => {
            out.push(b'c');
            out.extend_from_slice(&sequence.0.to_le_bytes());
            out.extend_from_slice(&time.as_millis().to_le_bytes());
            out.extend_from_slice(&account.to_le_bytes());
            out.extend_from_slice(&(moves.len() as u32).to_le_bytes());
            for (branch, old, new) in moves {
                out.extend_from_slice(&branch.to_le_bytes());
                out.extend_from_slice(old.unwrap_or(ObjectId::ZERO).as_bytes());
                out.extend_from_slice(new.unwrap_or(ObjectId::ZERO).as_bytes());
            }
        }
        Item::Version(item) => {
            out.push(if matches!(item.before, Before::At { .. }) { b'v' } else { b'w' });
            out.extend_from_slice(&item.path.to_le_bytes());
            out.extend_from_slice(&item.version.to_le_bytes());
            out.push(u8::from(item.deleted));
            out.extend_from_slice(&item.sequence.0.to_le_bytes());
            out.extend_from_slice(item.revision.as_bytes());
            let (first, second) = match item.before {
                Before::At { previous, skip } => (previous.to_le_bytes(), skip.to_le_bytes()),
                // As long as the other form, so that both are read alike.
                Before::Pruned { time, account } => {
                    (time.as_millis().to_le_bytes(), u64::from(account).to_le_bytes())
                }
            };
            out.extend_from_slice(&first);
            out.extend_from_slice(&second);
        }
    }
}

fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The items of a payload that begins at `offset` of the file, each with its own place.
pub(super) fn decode(offset: u64, payload: &[u8]) -> impl Iterator<Item = io::Result<(u64, Item)>> + '_ {
    let mut cursor = Cursor { bytes: payload, at: 0 };
    std::iter::from_fn(move || {
        let at = offset + cursor.at as u64;
        if cursor.at == payload.len() {
            return None;
        }
        let item = cursor.item();
        if item.is_err() {
            cursor.at = payload.len();
        }
        Some(item.map(|item| (at, item)))
    })
}

pub(super) fn decode_version(bytes: &[u8]) -> io::Result<VersionItem> {
    match (Cursor { bytes, at: 0 }).item()? {
        Item::Version(item) => Ok(item),
        _ => Err(corrupt("no version where one was noted")),
    }
}

/// Decodes a change set; `read` gives so many bytes from its beginning, or fewer at the end of the file.
pub(super) fn decode_change_set(mut read: impl FnMut(usize) -> io::Result<Vec<u8>>) -> io::Result<Item> {
    // Nearly every change set moves one branch; those with more are read a second time, to their end.
    let mut bytes = read(CHANGE_SET_HEAD + MOVE_BYTES)?;
    if let Some(count) = bytes.get(CHANGE_SET_HEAD - 4..CHANGE_SET_HEAD) {
        let count = count.iter().rev().fold(0usize, |count, byte| (count << 8) | usize::from(*byte));
        if count > 1 {
            bytes = read(CHANGE_SET_HEAD + count.saturating_mul(MOVE_BYTES))?;
        }
    }
    (Cursor { bytes: &bytes, at: 0 }).item()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let end = self.at + N;
        let bytes = self.bytes.get(self.at..end).and_then(|bytes| bytes.try_into().ok());
        self.at = end;
        bytes.ok_or_else(|| corrupt("a record is cut off"))
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> io::Result<Arc<str>> {
        let length = self.u32()? as usize;
        let bytes = self
            .bytes
            .get(self.at..self.at.saturating_add(length))
            .ok_or_else(|| corrupt("a text is cut off"))?;
        self.at += length;
        std::str::from_utf8(bytes).map(Arc::from).map_err(|_| corrupt("a text is not UTF-8"))
    }

    fn id(&mut self) -> io::Result<ObjectId> {
        self.take().map(ObjectId::from_bytes)
    }

    fn item(&mut self) -> io::Result<Item> {
        let [tag] = self.take()?;
        Ok(match tag {
            b'B' => Item::Base(Sequence(self.u64()?)),
            b'h' => Item::Head { branch: self.u32()?, sequence: Sequence(self.u64()?), revision: self.id()? },
            b'b' => Item::Branch(self.text()?),
            b'a' => Item::Account(self.text()?),
            b'p' => {
                let path = self.text()?.parse().map_err(|_| corrupt("a path that is none"))?;
                Item::Path { path, branch: self.u32()? }
            }
            b'c' => {
                let (sequence, time, account) = (Sequence(self.u64()?), self.u64()? as i64, self.u32()?);
                let count = self.u32()?;
                let some = |id: ObjectId| (!id.is_zero()).then_some(id);
                let moves = (0..count).map(|_| Ok((self.u32()?, some(self.id()?), some(self.id()?))));
                let moves = moves.collect::<io::Result<_>>()?;
                Item::ChangeSet { sequence, time: Timestamp::from_millis(time), account, moves }
            }
            b'v' | b'w' => Item::Version(VersionItem {
                path: self.u32()?,
                version: self.u64()?,
                deleted: self.take::<1>()? != [0],
                sequence: Sequence(self.u64()?),
                revision: self.id()?,
                before: if tag == b'v' {
                    Before::At { previous: self.u64()?, skip: self.u64()? }
                } else {
                    let time = Timestamp::from_millis(self.u64()? as i64);
                    let account =
                        u32::try_from(self.u64()?).map_err(|_| corrupt("an account that is none"))?;
                    Before::Pruned { time, account }
                },
            }),
            _ => return Err(corrupt("an unknown record")),
        })
    }
}
