use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::signer::message;
use super::*;

fn outcome(issuers: &Issuers, token: &str, keys: &dyn KeySource) -> String {
    match issuers.verify(token, keys, at(NOW)) {
        Ok(identity) => match identity.account {
            Mapped::Account(account) => format!("account {account}"),
            Mapped::Teams { name, teams } => format!("{name} of {}", teams.join(" ")),
        },
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_algorithm() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new("k", algorithm);
        let issuers = issuers(json!({"algorithms": [algorithm.name()]}));
        let identity =
            issuers.verify(&signer.token(&claims(json!({}))), &Fixed::of(&[&signer]), at(NOW)).unwrap();
        assert_eq!(
            identity,
            Identity {
                issuer: "ci".into(),
                account: Mapped::Account("builder".into()),
                expires_at: at(NOW + 300)
            }
        );
    }
}

/// Each of these is refused before a key is asked for.
#[test]
fn claims_that_are_refused() {
    let signer = Signer::es256("k");
    for (replaced, expected) in [
        (json!({"iss": null}), "the token's `iss` is missing or malformed"),
        (json!({"iss": 7}), "the token's `iss` is missing or malformed"),
        (
            json!({"iss": "https://ci.example.com/"}),
            "the token is of the issuer `https://ci.example.com/`, which is not configured",
        ),
        (json!({"iss": "a\nb"}), "the token is of the issuer `a\\nb`, which is not configured"),
        (json!({"aud": null}), "the token's `aud` is missing or malformed"),
        (json!({"aud": ["confgit", 7]}), "the token's `aud` is missing or malformed"),
        (
            json!({"aud": ["x", "y"]}),
            "the token is meant for the audience `x, y`, but tokens of `ci` have to be for `confgit`",
        ),
        (
            json!({"aud": "Confgit"}),
            "the token is meant for the audience `Confgit`, but tokens of `ci` have to be for `confgit`",
        ),
        (
            json!({"aud": []}),
            "the token is meant for the audience ``, but tokens of `ci` have to be for `confgit`",
        ),
        (json!({"exp": null}), "the token's `exp` is missing or malformed"),
        (json!({"exp": "1700000300"}), "the token's `exp` is missing or malformed"),
        (json!({"exp": 1e300}), "the token's `exp` is missing or malformed"),
        (json!({"exp": -1}), "the token's `exp` is missing or malformed"),
        (json!({"exp": NOW - 60}), "the token expired at 2023-11-14T22:12:20.000Z"),
        (json!({"nbf": NOW + 61}), "the token's `nbf` is in the future: 2023-11-14T22:14:21.000Z"),
        (json!({"iat": NOW + 61}), "the token's `iat` is in the future: 2023-11-14T22:14:21.000Z"),
        (json!({"nbf": "soon"}), "the token's `nbf` is missing or malformed"),
    ] {
        let token = signer.token(&claims(replaced));
        assert_eq!(outcome(&issuers(json!({})), &token, &Untouched), expected);
    }
}

#[test]
fn claims_that_are_accepted() {
    let signer = Signer::es256("k");
    for replaced in [
        json!({"aud": ["other", "confgit"]}),
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": NOW + 60, "iat": NOW + 60}),
        json!({"nbf": null, "iat": null, "sub": "x"}),
    ] {
        let token = signer.token(&claims(replaced));
        assert_eq!(outcome(&issuers(json!({})), &token, &Fixed::of(&[&signer])), "account builder");
    }
}

#[test]
fn headers_that_are_refused() {
    let signer = Signer::es256("k");
    let keys = Fixed::of(&[&signer, &Signer::ed25519("ed"), &Signer::es256("k2")]);
    for (header, expected) in [
        (
            json!({"alg": "ES256", "kid": "k", "crit": ["b64"], "b64": false}),
            "the token's header demands extensions by `crit`, and none is supported",
        ),
        (
            json!({"alg": "ES256", "kid": "k", "crit": null}),
            "the token's header demands extensions by `crit`, and none is supported",
        ),
        (
            json!({"alg": "ES256", "kid": "k", "typ": "logout+jwt"}),
            "the token is malformed: `typ` of its header says that it is for something else",
        ),
        (json!({"alg": "ES256", "kid": 7}), "the token is malformed: `kid` of its header is no text"),
        (json!({"kid": "k"}), "the token is malformed: its header has no `alg`"),
        (
            json!({"alg": "es256", "kid": "k"}),
            "the token is signed with `es256`, but tokens of `ci` have to be signed with ES256, EdDSA",
        ),
        (
            json!({"alg": "ES384", "kid": "k"}),
            "the token is signed with `ES384`, but tokens of `ci` have to be signed with ES256, EdDSA",
        ),
        (
            json!({"alg": "EdDSA", "kid": "k"}),
            "the key of `ci` that the token names is not for EdDSA signatures",
        ),
        (
            json!({"alg": "ES256", "kid": "ed"}),
            "the key of `ci` that the token names is not for ES256 signatures",
        ),
        (json!({"alg": "ES256", "kid": "k2"}), "the token's signature does not fit the key of `ci`"),
        (json!({"alg": "EdDSA"}), "the token's signature does not fit the key of `ci`"),
        (
            json!({"alg": "ES256", "kid": "x\u{1b}[2J"}),
            "the issuer `ci` has no key with the id `x\\u{1b}[2J`",
        ),
        (
            json!({"alg": "ES256"}),
            "the issuer `ci` has 2 keys for ES256 that the token may mean, and exactly one is needed",
        ),
        // A key of the token's own choice counts for nothing.
        (
            json!({"alg": "ES256", "kid": "own", "jwk": signer.jwk(), "jku": "https://evil.example"}),
            "the issuer `ci` has no key with the id `own`",
        ),
    ] {
        let token = signer.token_with(&header, &claims(json!({})));
        assert_eq!(outcome(&issuers(json!({})), &token, &keys), expected, "{header}");
    }
    for typ in ["JWT", "jwt", "JOSE", "at+jwt", "application/at+jwt"] {
        let token = signer.token_with(&json!({"alg": "ES256", "kid": "k", "typ": typ}), &claims(json!({})));
        assert_eq!(outcome(&issuers(json!({})), &token, &keys), "account builder", "{typ}");
    }
}

/// The attacks that JWT is known for: the algorithm of the token's choice.
#[test]
fn algorithms_are_not_confused() {
    let rsa = Signer::rs256("k");
    let only_rsa = issuers(json!({"algorithms": ["RS256"]}));
    let keys = Fixed::of(&[&rsa]);
    let signed_by_hmac = |secret: &[u8]| {
        let message = message(&json!({"alg": "HS256", "kid": "k"}), &claims(json!({})));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let modulus = URL_SAFE_NO_PAD.decode(signer::RSA_N).unwrap();
    for token in [
        signed_by_hmac(&modulus),
        signed_by_hmac(signer::RSA_N.as_bytes()),
        signed_by_hmac(signer::jwks(&[&rsa]).as_bytes()),
        format!("{}.", message(&json!({"alg": "none"}), &claims(json!({})))),
        format!("{}.", message(&json!({"alg": "None", "kid": "k"}), &claims(json!({})))),
        Signer::es256("k").token(&claims(json!({}))),
        // The right key, with a padding that is not pinned.
        Signer::new("k", Algorithm::Ps256).token(&claims(json!({}))),
    ] {
        let said = outcome(&only_rsa, &token, &Untouched);
        assert!(said.contains("have to be signed with RS256"), "{said}");
    }
    // An empty signature is none, whatever the header says.
    let bare = format!("{}.", message(&json!({"alg": "RS256", "kid": "k"}), &claims(json!({}))));
    assert_eq!(outcome(&only_rsa, &bare, &keys), "the token's signature does not fit the key of `ci`");
    assert_eq!(outcome(&only_rsa, &rsa.token(&claims(json!({}))), &keys), "account builder");
}

#[test]
fn texts_that_are_no_token() {
    let signer = Signer::es256("k");
    let token = signer.token(&claims(json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let list = URL_SAFE_NO_PAD.encode("[]");
    let three = "the token is malformed: expected three parts with dots between them";
    let no_header = "the token is malformed: its header is no JSON object in base64url";
    let no_claims = "the token is malformed: its claims are no JSON object in base64url";
    for (text, expected) in [
        (String::new(), three),
        ("cg_abc".to_owned(), three),
        (message.to_owned(), three),
        (format!("{token}.x"), three),
        (format!("{list}.{payload}.{signature}"), no_header),
        (format!("{header}=.{payload}.{signature}"), no_header),
        (format!("{header}.{list}.{signature}"), no_claims),
        (format!("{header}.e30=.{signature}"), no_claims),
        (
            signer.token(&claims(json!({"big": "x".repeat(MOST_TOKEN_BYTES)}))),
            "the token has more than 16384 bytes",
        ),
    ] {
        assert_eq!(outcome(&issuers(json!({})), &text, &Untouched), expected);
    }
    // Claims that were changed after they were signed.
    let other = URL_SAFE_NO_PAD.encode(claims(json!({"sub": "admin"})).to_string());
    let forged = format!("{header}.{other}.{signature}");
    let said = outcome(&issuers(json!({})), &forged, &Fixed::of(&[&signer]));
    assert_eq!(said, "the token's signature does not fit the key of `ci`");
}

#[test]
fn the_first_rule_that_matches_counts() {
    let signer = Signer::ed25519("k");
    let rules = json!([
        {"claims": {"ref": "refs/heads/main", "actor": "ann"}, "account": "one"},
        {"claims": {"ref": "refs/heads/*"}, "account": "two"},
        {"claims": {"ref": "refs/heads/*"}, "account": "three"},
        {"claims": {"ref": "*"}, "teams": ["dev", "ops"]},
    ]);
    let issuers = issuers(json!({"rules": rules}));
    for (replaced, expected) in [
        (json!({"ref": "refs/heads/main", "actor": "ann"}), "account one"),
        (json!({"ref": "refs/heads/main"}), "account two"),
        (json!({"ref": "refs/heads/x", "actor": "ann"}), "account two"),
        (json!({"ref": "refs/tags/v1"}), "ci:job:7 of dev ops"),
        (json!({"ref": ["refs/tags/v1", "refs/heads/x"]}), "account two"),
        (
            json!({}),
            "no rule of `ci` matches the token's claims: rule 1 fails at `ref`, rule 2 fails at `ref`, rule 3 fails at `ref`, rule 4 fails at `ref`",
        ),
        (json!({"ref": "x", "sub": null}), "the token's `sub` is missing or malformed"),
        (json!({"ref": "x", "sub": ""}), "no account name can be made of the token's `sub`: it is empty"),
        (
            json!({"ref": "x", "sub": "a b"}),
            "no account name can be made of the token's `sub`: it has blanks or control characters",
        ),
        (
            json!({"ref": "x", "sub": "a\u{7f}"}),
            "no account name can be made of the token's `sub`: it has blanks or control characters",
        ),
        (
            json!({"ref": "x", "sub": "a\u{a0}b"}),
            "no account name can be made of the token's `sub`: it has blanks or control characters",
        ),
        (
            json!({"ref": "x", "sub": "s".repeat(126)}),
            "no account name can be made of the token's `sub`: with the issuer's name it has more than 127 bytes",
        ),
    ] {
        let token = signer.token(&claims(replaced));
        assert_eq!(outcome(&issuers, &token, &Fixed::of(&[&signer])), expected);
    }
    let longest = signer.token(&claims(json!({"ref": "x", "sub": "s".repeat(125)})));
    assert!(outcome(&issuers, &longest, &Fixed::of(&[&signer])).starts_with("ci:sss"));
}

#[test]
fn issuers_of_one_address_are_told_apart_by_audience() {
    let signer = Signer::es256("k");
    let section = |audience: &str, account: &str| -> Value {
        json!({"issuer": "https://ci.example.com", "audience": audience, "algorithms": "ES256",
            "rules": [{"claims": {"sub": "*"}, "account": account}]})
    };
    let issuers = Issuers::parse(&json!({"a": section("x", "first"), "b": section("y", "second")})).unwrap();
    for (aud, expected) in [
        (json!("x"), "account first"),
        (json!("y"), "account second"),
        (json!(["y", "x"]), "account first"),
        (json!("z"), "the token is meant for the audience `z`, but tokens of `a` have to be for `x, y`"),
    ] {
        let token = signer.token(&claims(json!({"aud": aud})));
        assert_eq!(outcome(&issuers, &token, &Fixed::of(&[&signer])), expected);
    }
}

#[test]
fn faults() {
    for (error, fault) in [
        (TokenError::TooLarge, TokenFault::Bad),
        (TokenError::Expired { at: at(NOW) }, TokenFault::Expired),
        (
            TokenError::KeysUnavailable {
                issuer: "ci".into(),
                cause: KeysUnavailable { reason: "x".to_owned() },
            },
            TokenFault::Temporary,
        ),
    ] {
        assert_eq!(error.fault(), fault, "{error}");
    }
}
