use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};

use super::Algorithm;

/// A private key of an issuer, and the one algorithm that it signs with. A key on a curve is new each time.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Ecdsa(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    pub fn new(kid: &str, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Es256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => {
                let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
                Key::EdDsa(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
            }
            Algorithm::Rs256 => Key::Rsa(rsa(), &signature::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Key::Rsa(rsa(), &signature::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Key::Rsa(rsa(), &signature::RSA_PKCS1_SHA512),
            Algorithm::Ps256 => Key::Rsa(rsa(), &signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => Key::Rsa(rsa(), &signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => Key::Rsa(rsa(), &signature::RSA_PSS_SHA512),
        };
        Signer { kid: kid.to_owned(), algorithm, key }
    }

    pub fn es256(kid: &str) -> Self {
        Signer::new(kid, Algorithm::Es256)
    }

    pub fn ed25519(kid: &str) -> Self {
        Signer::new(kid, Algorithm::EdDsa)
    }

    pub fn rs256(kid: &str) -> Self {
        Signer::new(kid, Algorithm::Rs256)
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.key {
            Key::Ecdsa(key) => {
                // An uncompressed point: a byte that says so, and its coordinates.
                let coordinates = &key.public_key().as_ref()[1..];
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Key::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
            Key::Rsa(..) => json!({"kty": "RSA", "n": RSA_N, "e": RSA_E}),
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm.name(), "typ": "JWT", "kid": self.kid}), claims)
    }

    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        let signature = match &self.key {
            Key::Ecdsa(key) => key.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(bytes).as_ref().to_vec(),
            Key::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, bytes, &mut signature).unwrap();
                signature
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn ecdsa(algorithm: &'static signature::EcdsaSigningAlgorithm) -> Key {
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    Key::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap())
}

/// The key of RFC 7515 appendix A.2: `ring` makes none.
fn rsa() -> RsaKeyPair {
    let number = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    RsaKeyPair::from_components(&rsa::KeyPairComponents {
        public_key: rsa::PublicKeyComponents { n: number(RSA_N), e: number(RSA_E) },
        d: number(RSA_D),
        p: number(RSA_P),
        q: number(RSA_Q),
        dP: number(RSA_DP),
        dQ: number(RSA_DQ),
        qInv: number(RSA_QI),
    })
    .unwrap()
}

/// What is signed.
pub fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// A JWK set.
pub fn jwks(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

pub const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_E: &str = "AQAB";
const RSA_D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const RSA_P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const RSA_Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const RSA_DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const RSA_DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const RSA_QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
