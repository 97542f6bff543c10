use ring::hmac;

use super::Forge;

impl Forge {
    /// The header that shows that a message of a webhook comes from who knows the secret:
    /// [GitHub](https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries),
    /// [GitLab](https://docs.gitlab.com/user/project/integrations/webhooks/),
    /// [Gitea](https://docs.gitea.com/usage/webhooks),
    /// [Bitbucket](https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/).
    pub fn proof(self) -> &'static str {
        match self {
            Forge::GitHub => "x-hub-signature-256",
            Forge::GitLab => "x-gitlab-token",
            Forge::Gitea => "x-gitea-signature",
            Forge::Bitbucket => "x-hub-signature",
        }
    }

    /// The header in which a message has a name of its own, where the proof does not depend on the message.
    pub fn id(self) -> Option<&'static str> {
        (self == Forge::GitLab).then_some("x-gitlab-event-uuid")
    }

    /// Whether a message comes from who knows the secret: HMAC-SHA-256 of the body in hexadecimal, or the secret itself;
    /// compared in constant time.
    pub fn is_proven(self, secret: &str, proof: &str, body: &[u8]) -> bool {
        let digits = match self {
            Forge::GitLab => {
                // Compared by what a key of the moment makes of both: in constant time.
                let key = hmac::Key::new(hmac::HMAC_SHA256, body);
                return hmac::verify(&key, proof.as_bytes(), hmac::sign(&key, secret.as_bytes()).as_ref())
                    .is_ok();
            }
            Forge::Gitea => proof,
            Forge::GitHub | Forge::Bitbucket => proof.strip_prefix("sha256=").unwrap_or_default(),
        };
        let Some(tag) = bytes_of(digits) else { return false };
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body, &tag).is_ok()
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_proven() {
        // The example of GitHub's documentation.
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signed = format!("sha256={digits}");
        for forge in [Forge::GitHub, Forge::Bitbucket] {
            assert!(forge.is_proven(secret, &signed, body));
            assert!(!forge.is_proven(secret, digits, body));
            assert!(!forge.is_proven(secret, &signed, b"Hello, World?"));
            assert!(!forge.is_proven("another", &signed, body));
        }
        assert!(Forge::Gitea.is_proven(secret, digits, body));
        assert!(Forge::GitLab.is_proven(secret, secret, body) && !Forge::GitLab.is_proven(secret, "", body));
        for bad in ["", "sha256=", "sha256=zz", &"é".repeat(32), &format!("sha256={}", "+1".repeat(32))] {
            assert!(!Forge::GitHub.is_proven(secret, bad, body), "{bad}");
        }
    }
}
