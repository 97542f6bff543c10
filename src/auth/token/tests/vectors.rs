//! The published examples of RFC 7515, RFC 7520, RFC 6979 and RFC 8037, and what of a JWK set can be used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde_json::{Value, json};

use super::super::jwks::Unselected;
use super::signer::{RSA_N, Signer};
use super::*;

const HEADER_RS256: &str = "eyJhbGciOiJSUzI1NiJ9";
const HEADER_ES256: &str = "eyJhbGciOiJFUzI1NiJ9";
const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
/// RFC 7515 appendix A.2.1.
const SIGNATURE_RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515 appendix A.3.1.
const SIGNATURE_ES256: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 7520 section 4.2.
const MESSAGE_PS384: &str = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
const SIGNATURE_PS384: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
/// RFC 6979 appendix A.2.6, with SHA-384. It is of no JWS: RFC 7520 has none of this algorithm.
const MESSAGE_ES384: &str = "sample";
const SIGNATURE_ES384: &str = "lO27kqXsuKrUc25WxpGRaz-IFAZmzp-nPWTE6pWtEzyBpkgVLkSs-W423R6A-r5Gme9K6xXxeM6h_kDbJgMTjxMOdAoZYkUmIDtjUdCjqU-jKcFFeG5nnnuCxxo4YorI";
/// RFC 8037 appendix A.4.
const MESSAGE_EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const SIGNATURE_EDDSA: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn rsa() -> Value {
    json!({"kty": "RSA", "n": RSA_N, "e": "AQAB"})
}

/// RFC 7520 section 3.3.
fn other_rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB",
        "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"})
}

fn p256() -> Value {
    json!({"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

fn p384() -> Value {
    json!({"kty": "EC", "crv": "P-384", "x": "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT",
        "y": "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg"})
}

fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The number of this many bits, all of them set.
fn ones(bits: usize) -> Value {
    let first = 0xff >> (bits.next_multiple_of(8) - bits);
    json!(URL_SAFE_NO_PAD.encode([vec![first], vec![0xff; bits.div_ceil(8) - 1]].concat()))
}

fn set(keys: Vec<Value>) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

#[test]
fn published_signatures() {
    let rs256 = format!("{HEADER_RS256}.{CLAIMS}");
    let es256 = format!("{HEADER_ES256}.{CLAIMS}");
    for (jwk, message, signature, algorithm) in [
        (rsa(), rs256.as_str(), SIGNATURE_RS256, Algorithm::Rs256),
        (other_rsa(), MESSAGE_PS384, SIGNATURE_PS384, Algorithm::Ps384),
        (p256(), es256.as_str(), SIGNATURE_ES256, Algorithm::Es256),
        (p384(), MESSAGE_ES384, SIGNATURE_ES384, Algorithm::Es384),
        (ed25519(), MESSAGE_EDDSA, SIGNATURE_EDDSA, Algorithm::EdDsa),
    ] {
        let keys = set(vec![jwk]);
        let key = keys.select(None, algorithm).unwrap();
        assert!(key.verifies(message, signature, algorithm), "{algorithm}");
        assert!(!key.verifies(&format!("{message}x"), signature, algorithm), "{algorithm}: another message");
        assert!(
            !key.verifies(message, &format!("A{}", &signature[1..]), algorithm),
            "{algorithm}: another one"
        );
        assert!(!key.verifies(message, &format!("{signature}="), algorithm), "{algorithm}: padding");
        // But for P-384, the last digit has unused bits: only one way to write them is taken.
        let (rest, last) = signature.split_at(signature.len() - 1);
        let next = char::from(last.as_bytes()[0] + 1);
        assert!(!key.verifies(message, &format!("{rest}{next}"), algorithm), "{algorithm}: unused bits");
        for broken in ["", "A", "AAAA", "*"] {
            assert!(!key.verifies(message, broken, algorithm), "{algorithm}: {broken}");
        }
    }
}

#[test]
fn a_key_is_only_for_its_own_algorithms() {
    let key = |jwk: Value, algorithm| set(vec![jwk]).select(None, algorithm).map(|_| ());
    let unknown = Err(Unselected::Unknown);
    for (jwk, algorithm, expected) in [
        (rsa(), Algorithm::Rs512, Ok(())),
        (rsa(), Algorithm::Ps256, Ok(())),
        (rsa(), Algorithm::Es256, unknown),
        (with(rsa(), "alg", json!("RS256")), Algorithm::Rs256, Ok(())),
        (with(rsa(), "alg", json!("RS256")), Algorithm::Ps256, unknown),
        (with(rsa(), "alg", json!("RSA-OAEP")), Algorithm::Rs256, unknown),
        (with(rsa(), "use", json!("enc")), Algorithm::Rs256, unknown),
        (with(rsa(), "use", json!("sig")), Algorithm::Rs256, Ok(())),
        (with(rsa(), "key_ops", json!(["encrypt"])), Algorithm::Rs256, unknown),
        (with(rsa(), "key_ops", json!(["verify"])), Algorithm::Rs256, Ok(())),
        (with(rsa(), "n", json!(&RSA_N[..170])), Algorithm::Rs256, unknown),
        (with(rsa(), "n", ones(2047)), Algorithm::Rs256, unknown),
        (with(rsa(), "n", ones(2048)), Algorithm::Rs256, Ok(())),
        (with(rsa(), "n", ones(8192)), Algorithm::Rs256, Ok(())),
        (with(rsa(), "n", ones(8193)), Algorithm::Rs256, unknown),
        // Even: the last of its 342 digits is `Q`.
        (with(rsa(), "n", json!(format!("{}g", &RSA_N[..341]))), Algorithm::Rs256, unknown),
        (with(rsa(), "n", json!("")), Algorithm::Rs256, unknown),
        (with(rsa(), "e", json!("AAAA")), Algorithm::Rs256, unknown),
        (with(rsa(), "e", json!("Ag")), Algorithm::Rs256, unknown),
        (p256(), Algorithm::Es256, Ok(())),
        (p256(), Algorithm::Es384, unknown),
        (with(p256(), "crv", json!("P-384")), Algorithm::Es384, unknown),
        (with(p256(), "alg", json!("HS256")), Algorithm::Es256, unknown),
        (ed25519(), Algorithm::EdDsa, Ok(())),
        (with(ed25519(), "x", json!("AAAA")), Algorithm::EdDsa, unknown),
        (with(ed25519(), "crv", json!("X25519")), Algorithm::EdDsa, unknown),
        (with(ed25519(), "kid", json!(7)), Algorithm::EdDsa, unknown),
        (json!({"kty": "oct", "k": "AAAA"}), Algorithm::Rs256, unknown),
        (json!("nonsense"), Algorithm::Rs256, unknown),
    ] {
        assert_eq!(key(jwk.clone(), algorithm), expected, "{algorithm} {jwk}");
    }
}

#[test]
fn zeros_before_a_number_change_nothing() {
    let zeros = |number: &str| json!(URL_SAFE_NO_PAD.encode([&[0; 3], bytes(number).as_slice()].concat()));
    let keys = set(vec![with(with(rsa(), "n", zeros(RSA_N)), "e", zeros("AQAB"))]);
    let key = keys.select(None, Algorithm::Rs256).unwrap();
    assert!(key.verifies(&format!("{HEADER_RS256}.{CLAIMS}"), SIGNATURE_RS256, Algorithm::Rs256));
}

/// They are taken, as only a check of a signature tells that they are none.
#[test]
fn keys_that_no_signature_fits() {
    let message = format!("{HEADER_RS256}.{CLAIMS}");
    // With the exponent 1 everybody could sign: a signature would be what is hashed and padded (RFC 8017
    // section 9.2).
    let hash = digest::digest(&digest::SHA256, message.as_bytes());
    let info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let padded = [&[0, 1][..], &[0xff; 202], &[0], info, hash.as_ref()].concat();
    assert_eq!(padded.len(), 256);
    let padded = URL_SAFE_NO_PAD.encode(padded);
    let es256 = format!("{HEADER_ES256}.{CLAIMS}");
    for (jwk, message, signature, algorithm) in [
        (with(rsa(), "e", json!("AQ")), message.as_str(), padded.as_str(), Algorithm::Rs256),
        // Of 41 bits.
        (with(rsa(), "e", json!("AQAAAAAB")), message.as_str(), SIGNATURE_RS256, Algorithm::Rs256),
        (with(rsa(), "n", ones(8192)), message.as_str(), SIGNATURE_RS256, Algorithm::Rs256),
        // Not on the curve.
        (with(p256(), "y", p256()["x"].clone()), es256.as_str(), SIGNATURE_ES256, Algorithm::Es256),
        (with(p384(), "y", p384()["x"].clone()), MESSAGE_ES384, SIGNATURE_ES384, Algorithm::Es384),
        (
            with(ed25519(), "x", json!(URL_SAFE_NO_PAD.encode([0xff; 32]))),
            MESSAGE_EDDSA,
            SIGNATURE_EDDSA,
            Algorithm::EdDsa,
        ),
    ] {
        let keys = set(vec![jwk.clone()]);
        let key = keys.select(None, algorithm).unwrap();
        assert!(!key.verifies(message, signature, algorithm), "{algorithm} {jwk}");
    }
}

#[test]
fn one_key_is_meant() {
    let named = |jwk: Value, kid: &str| with(jwk, "kid", json!(kid));
    let other = Signer::es256("b").jwk();
    let keys =
        set(vec![named(p256(), "a"), other, named(rsa(), "a"), named(ed25519(), "c"), named(ed25519(), "c")]);
    for (kid, algorithm, expected) in [
        (Some("a"), Algorithm::Es256, Ok(())),
        (Some("a"), Algorithm::Rs256, Ok(())),
        (Some("b"), Algorithm::Es256, Ok(())),
        (Some("b"), Algorithm::Rs256, Err(Unselected::Unfit)),
        (Some("x"), Algorithm::Rs256, Err(Unselected::Unknown)),
        (Some("c"), Algorithm::EdDsa, Err(Unselected::Several { count: 2 })),
        (None, Algorithm::Rs256, Ok(())),
        (None, Algorithm::Es256, Err(Unselected::Several { count: 2 })),
        (None, Algorithm::Es384, Err(Unselected::Unknown)),
    ] {
        assert_eq!(keys.select(kid, algorithm).map(|_| ()), expected, "{kid:?} {algorithm}");
    }
}

#[test]
fn what_is_no_set() {
    let many = json!({"keys": vec![ed25519(); 101]}).to_string();
    for (text, message) in [
        ("", "it is no JWK set"),
        ("<html>", "it is no JWK set"),
        ("[]", "it is no JWK set"),
        ("{}", "it is no JWK set"),
        ("{\"keys\": {}}", "it is no JWK set"),
        (many.as_str(), "it has 101 keys"),
    ] {
        let error = KeySet::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(KeySet::parse(b"{\"keys\": []}").unwrap().is_empty());
}
