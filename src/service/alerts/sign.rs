use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret begins with that is written as base64.
const PREFIX: &str = "whsec_";

/// The signature of a message as Standard Webhooks has it (specification 1.0, symmetric): `v1,` and the base64 of
/// HMAC-SHA-256 over id, time and body, parted by dots.
///
/// A secret with the prefix `whsec_` is base64; any other is taken as it is. An empty one signs nothing.
pub(super) fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return None;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn messages_are_signed_as_the_specification_says() {
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_ne!(signature("plain", "a", 1, "b"), signature("plain", "a", 2, "b"));
        for secret in ["", "whsec_", "whsec_%%%"] {
            assert_eq!(signature(secret, "a", 1, "b"), None, "{secret}");
        }
    }
}
