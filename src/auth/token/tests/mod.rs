mod cache;
mod parse;
mod server;
mod signer;
mod vectors;
mod verify;
mod workloads;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use signer::Signer;

/// The time of most tests, in seconds.
const NOW: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Keys that are always there.
struct Fixed(Arc<KeySet>);

impl Fixed {
    fn of(signers: &[&Signer]) -> Self {
        Fixed(Arc::new(KeySet::parse(signer::jwks(signers).as_bytes()).unwrap()))
    }
}

impl KeySource for Fixed {
    fn keys(
        &self,
        _: &Arc<KeyOrigin>,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        Ok(self.0.clone())
    }
}

/// Keys that nobody may ask for.
struct Untouched;

impl KeySource for Untouched {
    fn keys(
        &self,
        _: &Arc<KeyOrigin>,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        panic!("a token that is refused anyway must not cost a fetch")
    }
}

/// One issuer `ci`, with some members of its section replaced.
fn issuers(replaced: Value) -> Issuers {
    let mut section = json!({
        "issuer": "https://ci.example.com",
        "audience": "confgit",
        "algorithms": ["ES256", "EdDSA"],
        "rules": [{"claims": {"sub": "*"}, "account": "builder"}],
    });
    merge(&mut section, replaced);
    Issuers::parse(&json!({"ci": section})).unwrap()
}

/// Claims that [`issuers`] takes, with some replaced; `null` removes one.
fn claims(replaced: Value) -> Value {
    let mut claims = json!({
        "iss": "https://ci.example.com", "aud": "confgit", "sub": "job:7", "exp": NOW + 300, "iat": NOW, "nbf": NOW,
    });
    merge(&mut claims, replaced);
    claims
}

fn merge(object: &mut Value, replaced: Value) {
    let (Value::Object(object), Value::Object(replaced)) = (object, replaced) else { panic!("objects") };
    for (key, value) in replaced {
        match value {
            Value::Null => object.shift_remove(&key),
            value => object.insert(key, value),
        };
    }
}

#[test]
fn tokens_and_other_credentials() {
    let token = Signer::es256("k").token(&claims(json!({})));
    for (text, is_token) in [
        (token.as_str(), true),
        ("eyJhbGciOiJub25lIn0.e30.", true),
        ("cg_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIjK", false),
        ("eyJ.a", false),
        ("eyJ.a.b.c", false),
        ("eyJ..b", false),
        ("eyJhbGciOiJub25lIn0.e3 0.x", false),
        ("eyJhbGciOiJub25lIn0.e30=.x", false),
        ("a.b.c", false),
        ("", false),
    ] {
        assert_eq!(looks_like_token(text), is_token, "{text}");
    }
}
