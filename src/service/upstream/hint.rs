use ring::digest;

use crate::forge::Forge;
use crate::resolve::Secrets as _;
use crate::service::core::Core;

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
        self.upstream.pulls.news.add(1);
        Hint::Taken
    }
}
