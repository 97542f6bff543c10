use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
// `ring` checks the signatures, and nothing else; keys, headers and claims are read in this room.
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::Algorithm;
use super::algorithm::{KeyKind, Scheme};

/// The most keys of a set.
const MOST_KEYS: usize = 100;

/// The bits of an RSA modulus: the least are those of RFC 7518 section 3.3, the most those that `ring` takes.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// The public keys of an issuer: those of a JWK set (RFC 7517) that some pinned algorithm could use.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// One public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    kid: Option<String>,
    kind: KeyKind,
    /// The only algorithm that the key is for, when it says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

/// The key itself, as `ring` takes it.
#[derive(Debug, Clone)]
enum Public {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point of a curve.
    Curve(Vec<u8>),
}

/// Why no key could be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unselected {
    Unknown,
    Unfit,
    Several { count: usize },
}

/// Why something is no JWK set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not the JSON of one.
    #[error("it is no JWK set: {0}")]
    Malformed(String),
    /// More than 100 keys.
    #[error("it has {count} keys, and at most {MOST_KEYS} are taken")]
    TooMany {
        /// How many.
        count: usize,
    },
}

/// The members of a JWK that are looked at (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWK set. A key that cannot be used here, be it of an unknown type, meant for encryption, too
    /// weak or malformed, is left out, as RFC 7517 section 5 asks. That a point is not on its curve, or an RSA
    /// exponent out of bounds, only shows at a signature: no signature fits such a key.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }
        let set: Jwks =
            serde_json::from_slice(bytes).map_err(|error| JwksError::Malformed(error.to_string()))?;
        if set.keys.len() > MOST_KEYS {
            return Err(JwksError::TooMany { count: set.keys.len() });
        }
        let jwks = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Ok(KeySet { keys: jwks.filter_map(Key::of).collect() })
    }

    /// How many keys were taken.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key was taken.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key with this id.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The one key that a token may mean. Ids need not be unique among keys of different types (RFC 7517
    /// section 4.5).
    pub(super) fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, Unselected> {
        let named = || self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let fitting: Vec<&Key> = named().filter(|key| key.is_for(algorithm)).collect();
        match fitting.as_slice() {
            [key] => Ok(key),
            [] if kid.is_some() && named().next().is_some() => Err(Unselected::Unfit),
            [] => Err(Unselected::Unknown),
            several => Err(Unselected::Several { count: several.len() }),
        }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        let verifies =
            jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") || !verifies {
            return None;
        }
        let algorithm = match &jwk.alg {
            Some(name) => Some(Algorithm::parse(name).ok()?),
            None => None,
        };
        let (kind, public) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => (KeyKind::Rsa, rsa_key(&jwk)?),
            ("EC", Some("P-256")) => (KeyKind::P256, curve_key(&jwk, 32)?),
            ("EC", Some("P-384")) => (KeyKind::P384, curve_key(&jwk, 48)?),
            ("OKP", Some("Ed25519")) => (KeyKind::Ed25519, Public::Curve(bytes(&jwk.x, 32)?)),
            _ => return None,
        };
        Some(Key { kid: jwk.kid, kind, algorithm, public })
    }

    /// Whether it is of the algorithm's type and not meant for another one.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        self.kind == algorithm.key_kind() && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether a signature in base64url is this key's, of this message.
    pub fn verifies(&self, message: &str, signature: &str, algorithm: Algorithm) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let message = message.as_bytes();
        let checked = match (&self.public, algorithm.scheme()) {
            _ if !self.is_for(algorithm) => return false,
            (Public::Rsa(key), Scheme::Rsa(parameters)) => key.verify(parameters, message, &signature),
            (Public::Curve(key), Scheme::Curve(curve)) => {
                UnparsedPublicKey::new(curve, key).verify(message, &signature)
            }
            _ => return false,
        };
        checked.is_ok()
    }
}

fn rsa_key(jwk: &Jwk) -> Option<Public> {
    let (n, e) = (number(&jwk.n)?, number(&jwk.e)?);
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !RSA_BITS.contains(&bits) || !is_odd(&n) || !is_odd(&e) {
        return None;
    }
    Some(Public::Rsa(RsaPublicKeyComponents { n, e }))
}

/// An uncompressed point (SEC 1 section 2.3.3).
fn curve_key(jwk: &Jwk, size: usize) -> Option<Public> {
    Some(Public::Curve([vec![4], bytes(&jwk.x, size)?, bytes(&jwk.y, size)?].concat()))
}

/// Exactly this many bytes.
fn bytes(text: &Option<String>, size: usize) -> Option<Vec<u8>> {
    decoded(text).filter(|bytes| bytes.len() == size)
}

/// A number without leading zeros: some issuers write them, and `ring` refuses them.
fn number(text: &Option<String>) -> Option<Vec<u8>> {
    Some(decoded(text)?.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn decoded(text: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_ref()?).ok()
}
