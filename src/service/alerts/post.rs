use std::time::{Duration, SystemTime};

use ureq::Agent;

use super::queue::Delivery;
use super::sign::signature;
use crate::model::Timestamp;
use crate::resolve::Secrets as _;
use crate::service::core::Core;
use crate::settings::Webhook;

/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts alerts.
pub(super) struct Poster(Agent);

impl Poster {
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // Whom an alert is for, the settings alone say.
            .max_redirects(0)
            .user_agent(concat!("confgit/", env!("CARGO_PKG_VERSION")));
        Poster(Agent::new_with_config(config.build()))
    }

    /// Posts one; the error says why it was not taken, and nothing of the secret.
    pub fn post(&self, core: &Core, webhook: &Webhook, delivery: &Delivery) -> Result<(), String> {
        let settings = core.settings.load();
        let values = settings.secrets.read_all(std::iter::once(&webhook.secret), &core.dir);
        let values = values.map_err(|error| error.to_string())?;
        let secret = values.secret(&webhook.secret).ok().flatten();
        let secret = secret.ok_or_else(|| format!("no provider has the secret `{}`", webhook.secret))?;
        let seconds = Timestamp::from(SystemTime::now()).as_seconds();
        let signed = signature(&secret, &delivery.id, seconds, &delivery.body)
            .ok_or_else(|| format!("the secret `{}` is empty, or no base64 after whsec_", webhook.secret))?;
        let sent = self
            .0
            .post(&webhook.url)
            .header("content-type", "application/json")
            .header("webhook-id", &delivery.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signed)
            .send(delivery.body.as_str());
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }
}
