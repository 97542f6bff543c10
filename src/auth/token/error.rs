use std::sync::Arc;

use super::{Algorithm, KeysUnavailable, MOST_TOKEN_BYTES};
use crate::model::Timestamp;

/// The most characters of a token's text that a message repeats.
const SHOWN_CHARACTERS: usize = 120;

/// Why a token is not accepted. Messages name issuers, audiences, key ids and times, and no other claim's
/// value. What comes from the token is escaped and shortened, as until the signature is checked anybody may
/// have written it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More bytes than a token may have.
    #[error("the token has more than {MOST_TOKEN_BYTES} bytes")]
    TooLarge,
    /// No JWT, or one of a shape that is not taken.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// A claim is missing, or not of its type.
    #[error("the token's `{claim}` is missing or malformed")]
    Claim {
        /// The claim.
        claim: &'static str,
    },
    /// The header demands extensions; none is known here (RFC 7515 section 4.1.11).
    #[error("the token's header demands extensions by `crit`, and none is supported")]
    CriticalHeader,
    /// `iss` is no configured issuer.
    #[error("the token is of the issuer `{issuer}`, which is not configured")]
    UnknownIssuer {
        /// `iss`, shortened.
        issuer: String,
    },
    /// `aud` holds none of the issuer's audiences.
    #[error(
        "the token is meant for the audience `{found}`, but tokens of `{issuer}` have to be for `{expected}`"
    )]
    WrongAudience {
        /// The issuer's name.
        issuer: Arc<str>,
        /// `aud`, shortened.
        found: String,
        /// What the access file asks for.
        expected: String,
    },
    /// The header's `alg` is not pinned for the issuer.
    #[error("the token is signed with `{found}`, but tokens of `{issuer}` have to be signed with {expected}")]
    WrongAlgorithm {
        /// The issuer's name.
        issuer: Arc<str>,
        /// `alg`, shortened.
        found: String,
        /// What the access file asks for.
        expected: String,
    },
    /// `exp` has passed, by more than clocks may differ.
    #[error("the token expired at {at}")]
    Expired {
        /// `exp`.
        at: Timestamp,
    },
    /// `nbf` or `iat` is in the future, by more than clocks may differ.
    #[error("the token's `{claim}` is in the future: {at}")]
    NotYetValid {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// Its value.
        at: Timestamp,
    },
    /// The issuer has no key of the header's `kid`.
    #[error("the issuer `{issuer}` has no key with the id `{kid}`")]
    NoSuchKey {
        /// The issuer's name.
        issuer: Arc<str>,
        /// `kid`, shortened.
        kid: String,
    },
    /// The key is of another type, or meant for something else.
    #[error("the key of `{issuer}` that the token names is not for {algorithm} signatures")]
    UnfitKey {
        /// The issuer's name.
        issuer: Arc<str>,
        /// The header's `alg`.
        algorithm: Algorithm,
    },
    /// Which key is meant cannot be told.
    #[error(
        "the issuer `{issuer}` has {count} keys for {algorithm} that the token may mean, and exactly one is needed"
    )]
    NotOneKey {
        /// The issuer's name.
        issuer: Arc<str>,
        /// The header's `alg`.
        algorithm: Algorithm,
        /// How many fit.
        count: usize,
    },
    /// The signature is not of this key and this token.
    #[error("the token's signature does not fit the key of `{issuer}`")]
    WrongSignature {
        /// The issuer's name.
        issuer: Arc<str>,
    },
    /// The token is genuine, and no rule is for it.
    #[error("no rule of `{issuer}` matches the token's claims{}", missed(failed))]
    NoRule {
        /// The issuer's name.
        issuer: Arc<str>,
        /// For each rule the claim that it failed at, as the access file names it.
        failed: Vec<String>,
    },
    /// No account name can be made of `sub`.
    #[error("no account name can be made of the token's `sub`: {reason}")]
    UnusableSubject {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The issuer's keys cannot be had now.
    #[error("the keys of `{issuer}` are not available now: {cause}")]
    KeysUnavailable {
        /// The issuer's name.
        issuer: Arc<str>,
        /// Why.
        cause: KeysUnavailable,
    },
}

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Nothing: this token is never accepted.
    Bad,
    /// Get a new token.
    Expired,
    /// Try again later with the same token.
    Temporary,
}

impl TokenError {
    /// What a caller can do about it.
    pub fn fault(&self) -> TokenFault {
        match self {
            TokenError::Expired { .. } => TokenFault::Expired,
            TokenError::KeysUnavailable { .. } => TokenFault::Temporary,
            TokenError::TooLarge
            | TokenError::Malformed(_)
            | TokenError::Claim { .. }
            | TokenError::CriticalHeader
            | TokenError::UnknownIssuer { .. }
            | TokenError::WrongAudience { .. }
            | TokenError::WrongAlgorithm { .. }
            | TokenError::NotYetValid { .. }
            | TokenError::NoSuchKey { .. }
            | TokenError::UnfitKey { .. }
            | TokenError::NotOneKey { .. }
            | TokenError::WrongSignature { .. }
            | TokenError::NoRule { .. }
            | TokenError::UnusableSubject { .. } => TokenFault::Bad,
        }
    }
}

/// A text of the token, fit for a message or a log line.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

fn missed(failed: &[String]) -> String {
    let each =
        failed.iter().enumerate().map(|(index, claim)| format!("rule {} fails at `{claim}`", index + 1));
    let each: Vec<String> = each.collect();
    if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) }
}
