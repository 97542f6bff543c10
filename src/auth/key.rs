use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// An API key: `cg_` and 48 digits of URL-safe base64 (RFC 4648 section 5) that hold 256 random bits and
/// their CRC-32, so that a scanner tells a leaked key from other text. Never printed but by [`ApiKey::reveal`].
pub struct ApiKey(String);

/// A text that is no key of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no confgit key: expected `cg_` and 48 characters with a valid checksum")]
pub struct MalformedKey;

/// The SHA-256 of a key: all that is stored. A random key of 256 bits needs no slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl ApiKey {
    /// The key of these random bits.
    pub fn new(random: [u8; 32]) -> Self {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(&random);
        bytes[32..].copy_from_slice(&crc32fast::hash(&random).to_be_bytes());
        ApiKey(format!("cg_{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a key and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let digits = text.strip_prefix("cg_").ok_or(MalformedKey)?;
        let bytes = URL_SAFE_NO_PAD.decode(digits).map_err(|_| MalformedKey)?;
        let (random, checksum) = bytes.split_at_checked(32).ok_or(MalformedKey)?;
        if checksum != crc32fast::hash(random).to_be_bytes() {
            return Err(MalformedKey);
        }
        Ok(ApiKey(text.to_owned()))
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

impl KeyHash {
    /// The hash of a key as it came, well-formed or not.
    pub fn of(text: &str) -> Self {
        KeyHash(Sha256::digest(text.as_bytes()).into())
    }

    /// The first twelve hexadecimal digits: enough to tell keys apart, and nothing to find one by.
    pub fn id(&self) -> String {
        self.to_string().chars().skip("sha256:".len()).take(12).collect()
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        }
        Some(KeyHash(bytes))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_typos_are_told() {
        let key = ApiKey::new([7; 32]);
        assert_eq!(key.reveal().len(), 51);
        assert_eq!(ApiKey::parse(key.reveal()).unwrap().hash(), key.hash());
        assert_eq!(KeyHash::parse(&key.hash().to_string()), Some(key.hash()));
        let typo = key.reveal().replacen('H', "I", 1);
        assert!(
            ApiKey::parse(&typo).is_err() && ApiKey::parse("cg_").is_err() && ApiKey::parse("x").is_err()
        );
        assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
    }
}
