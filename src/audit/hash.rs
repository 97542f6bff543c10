use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// What every hash begins with as text.
const ALGORITHM: &str = "sha256:";

/// The SHA-256 of a record, written as `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash([u8; 32]);

/// A text that is no hash of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: expected `sha256:` and 64 lowercase hexadecimal digits")]
pub struct RecordHashError;

impl RecordHash {
    /// What the first record has as the hash of the record before it: all zeros.
    pub const NONE: RecordHash = RecordHash([0; 32]);

    /// How many bytes its text has.
    pub(super) const TEXT_BYTES: usize = ALGORITHM.len() + 64;

    pub(super) fn of(bytes: &[u8]) -> Self {
        RecordHash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecordHash {
    type Err = RecordHashError;

    /// Uppercase digits are refused, so that a hash has one text only and no byte of it can change unseen.
    fn from_str(text: &str) -> Result<Self, RecordHashError> {
        let digits = text.strip_prefix(ALGORITHM).ok_or(RecordHashError)?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(RecordHashError);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(RecordHash(hash))
    }
}

fn digit(byte: u8) -> Result<u8, RecordHashError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RecordHashError),
    }
}

impl Serialize for RecordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let hash = RecordHash::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.len(), RecordHash::TEXT_BYTES);
        assert_eq!(text.parse(), Ok(hash));
        for bad in ["", "sha256:", &text[7..], &text[..70], &text.to_uppercase(), &format!("{text}0")] {
            assert_eq!(bad.parse::<RecordHash>(), Err(RecordHashError), "{bad}");
        }
    }
}
