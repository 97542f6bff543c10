use std::fmt;

use ring::signature::{self, RsaParameters, VerificationAlgorithm};

/// A signature algorithm that may be pinned for an issuer (RFC 7518 section 3.1, RFC 8037). There are only
/// those with a public key, so that no published key can ever be taken for a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// EdDSA with Ed25519.
    EdDsa,
}

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// How `ring` checks an algorithm's signatures.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    Rsa(&'static RsaParameters),
    /// ECDSA or EdDSA. An ECDSA signature is its two numbers one after the other, as JWS has it, and not DER.
    Curve(&'static dyn VerificationAlgorithm),
}

/// Why a name is no algorithm that may be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AlgorithmError {
    #[error("has a shared secret: whoever can check a token could also make one")]
    Symmetric,
    #[error("means no signature at all: anybody could make such a token")]
    Unsigned,
    #[error("is not known here: use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA")]
    Unknown,
}

impl Algorithm {
    pub(super) const ALL: [Algorithm; 9] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ];

    pub(super) fn parse(name: &str) -> Result<Self, AlgorithmError> {
        if let Some(known) = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name) {
            return Ok(known);
        }
        match name {
            "HS256" | "HS384" | "HS512" => Err(AlgorithmError::Symmetric),
            _ if name.eq_ignore_ascii_case("none") => Err(AlgorithmError::Unsigned),
            _ => Err(AlgorithmError::Unknown),
        }
    }

    /// Its name in a token's header; names differ by case (RFC 7515 section 4.1.1).
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    pub(super) fn key_kind(self) -> KeyKind {
        match self {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => KeyKind::Rsa,
            Algorithm::Es256 => KeyKind::P256,
            Algorithm::Es384 => KeyKind::P384,
            Algorithm::EdDsa => KeyKind::Ed25519,
        }
    }

    pub(super) fn scheme(self) -> Scheme {
        match self {
            Algorithm::Rs256 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => Scheme::Curve(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => Scheme::Curve(&signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDsa => Scheme::Curve(&signature::ED25519),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
