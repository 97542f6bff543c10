//! From a JWT of a configured issuer to an account: workloads that hold a token of their platform (a CI job,
//! a pod) need no key of ours.
//!
//! [`Issuers`] is what `issuers:` of `access.yaml` says, [`KeyCache`] gets and keeps the issuers' public
//! keys, and [`Issuers::verify`] brings both and a token together. Formats: JWT (RFC 7519) in JWS compact
//! serialization (RFC 7515), keys as JWK sets (RFC 7517, RFC 8037), found by OpenID Connect Discovery 1.0.
//! The practices of RFC 8725 are kept: algorithms are pinned by the operator and have to fit the key, issuer,
//! audience and expiry are always asked for.
//!
//! Absent on purpose: symmetric algorithms and `none`, encrypted tokens (JWE), keys or addresses of keys that
//! the token itself names (`jwk`, `jku`, `x5c`, `x5u`), and the system's clock: the time is an argument.

mod algorithm;
mod cache;
mod compact;
mod error;
mod fetch;
mod file;
mod issuer;
mod jwks;
mod members;
mod parse;
mod rule;
mod slot;
#[cfg(test)]
mod tests;
mod url;
mod verify;

use std::sync::Arc;

use crate::model::Timestamp;

pub use algorithm::Algorithm;
pub use cache::KeyCache;
pub use error::{TokenError, TokenFault};
pub use issuer::{Issuer, Issuers, KeyLocation, KeyOrigin};
pub use jwks::{JwksError, KeySet};

/// The most bytes that a token may have.
pub const MOST_TOKEN_BYTES: usize = 16 << 10;

/// Who a verified token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's name in the access file.
    pub issuer: Arc<str>,
    /// What the first rule that matches makes of it.
    pub account: Mapped,
    /// `exp` of the token. It was accepted for 60 seconds more, as clocks differ.
    pub expires_at: Timestamp,
}

/// What a rule makes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// An account of the access file, by name.
    Account(Arc<str>),
    /// An account that exists nowhere else.
    Teams {
        /// `<issuer's name>:<sub>`, at most 128 bytes; accounts of the access file have no `:`.
        name: Arc<str>,
        /// The teams it belongs to; at least one.
        teams: Arc<[Arc<str>]>,
    },
}

/// Gives the keys of an issuer.
pub trait KeySource {
    /// The keys that are in force now. A set without `kid` is the answer only when the source is sure that
    /// the issuer has no such key, or may not ask it again so soon.
    fn keys(
        &self,
        origin: &Arc<KeyOrigin>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, KeysUnavailable>;
}

/// Why the keys of an issuer cannot be had now; later they may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct KeysUnavailable {
    /// What failed.
    pub reason: String,
}

/// Whether a text is written like a JWT: three parts of base64url digits, the first of which begins a JSON
/// object. Looks at nothing inside, so that a caller only learns which way to check a credential. API keys
/// are never taken for one.
pub fn looks_like_token(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut parts = text.split('.');
    // The signature of an unsecured token is empty; it is to be refused as a token.
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    header.starts_with("eyJ")
        && !claims.is_empty()
        && [header, claims, signature].iter().all(|part| part.bytes().all(is_digit))
}
