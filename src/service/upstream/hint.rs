use ring::{digest, hmac};

use crate::resolve::Secrets as _;
use crate::service::core::Core;

/// The forges whose webhooks are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>
    GitHub,
    /// <https://docs.gitlab.com/user/project/integrations/webhooks/>
    GitLab,
    /// <https://docs.gitea.com/usage/webhooks>
    Gitea,
    /// <https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/>
    Bitbucket,
}

/// What becomes of a webhook's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// The upstream is asked.
    Taken,
    /// The same was taken before.
    Known,
    /// It is not signed with the secret.
    Forged,
    /// No webhook is expected.
    Unexpected,
}

impl Forge {
    /// All of them.
    pub const ALL: [Forge; 4] = [Forge::GitHub, Forge::GitLab, Forge::Gitea, Forge::Bitbucket];

    /// Its name in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Forge::GitHub => "github",
            Forge::GitLab => "gitlab",
            Forge::Gitea => "gitea",
            Forge::Bitbucket => "bitbucket",
        }
    }

    /// The header that shows that it knows the secret.
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
    fn is_proven(self, secret: &str, proof: &str, body: &[u8]) -> bool {
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

impl Core {
    /// Takes a message of a forge's webhook for a hint that the upstream has news. Reads a file.
    pub fn hint(&self, forge: Forge, proof: &str, id: Option<&str>, body: &[u8]) -> Hint {
        let settings = self.settings.load();
        let Some(name) = settings.upstream.as_ref().and_then(|upstream| upstream.webhook.as_ref()) else {
            return Hint::Unexpected;
        };
        let values = settings.secrets.read_all(std::iter::once(name), &self.dir);
        let secret = values.ok().and_then(|values| values.secret(name).ok().flatten());
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
            tracing::error!(secret = %name, "a webhook cannot be checked: no provider has the secret, or it is empty");
            return Hint::Unexpected;
        };
        if !forge.is_proven(&secret, proof, body) {
            tracing::warn!(forge = forge.name(), "a webhook was not signed with the secret");
            return Hint::Forged;
        }
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(id.unwrap_or_default().as_bytes());
        context.update(&[0]);
        context.update(body);
        if !self.upstream.is_first(context.finish().as_ref()) {
            return Hint::Known;
        }
        self.upstream.news.add(1);
        Hint::Taken
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
