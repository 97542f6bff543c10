use super::Parser;
use crate::model::{Object, Value};

/// How many a project may have.
const MOST_WEBHOOKS: usize = 16;

/// What may happen that a webhook is told of.
pub const ALERTS: [&str; 5] =
    ["client.lost", "client.found", "client.lagging", "client.caught_up", "upstream.overruled"];

/// Whom alerts are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called here.
    pub name: String,
    /// Where they are posted.
    pub url: String,
    /// The name of the secret that they are signed with.
    pub secret: String,
    /// Which; all when empty.
    pub events: Vec<String>,
}

impl Webhook {
    /// Whether it is to be told of this.
    pub fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event)
    }
}

impl Parser<'_> {
    pub(super) fn webhooks(&mut self, root: &Object) -> Vec<Webhook> {
        let members = match root.get("webhooks") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(
                    &["webhooks"],
                    "expected a name for each, such as `ops: { url: https://…, secret: ops-webhook }`",
                );
                return Vec::new();
            }
        };
        if members.len() > MOST_WEBHOOKS {
            self.wrong(&["webhooks"], format!("there may be {MOST_WEBHOOKS} at most"));
        }
        members.iter().filter_map(|(name, value)| self.webhook(name, value)).collect()
    }

    fn webhook(&mut self, name: &str, value: &Value) -> Option<Webhook> {
        let at = ["webhooks", name];
        let Value::Object(members) = value else {
            self.wrong(&at, "expected `url`, `secret`, and perhaps `events`");
            return None;
        };
        for key in members.keys().filter(|key| !["url", "secret", "events"].contains(&key.as_str())) {
            self.wrong(
                &["webhooks", name, key],
                format!("unknown member `{key}`: a webhook has `url`, `secret` and `events`"),
            );
        }
        let text = |member: &str| match members.get(member) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let url = text("url").filter(|url| is_url(url));
        let Some(url) = url else {
            self.wrong(
                &["webhooks", name, "url"],
                "`url` is where to post to: http:// or https://, without user and password",
            );
            return None;
        };
        let Some(secret) = text("secret") else {
            self.wrong(
                &at,
                "`secret` is the name of the secret that alerts are signed with; `secrets` says where it is",
            );
            return None;
        };
        let events = match members.get("events") {
            None => Vec::new(),
            Some(value) => self.texts(&["webhooks", name, "events"], value, "names of alerts"),
        };
        if let Some(unknown) = events.iter().find(|event| !ALERTS.contains(&event.as_str())) {
            let message = format!("there is no alert `{unknown}`; there are: {}", ALERTS.join(", "));
            self.wrong(&["webhooks", name, "events"], message);
        }
        Some(Webhook { name: name.to_owned(), url, secret, events })
    }
}

pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::super::ProjectSettings;

    #[test]
    fn webhooks_are_read() {
        let read = |text: &str| {
            let text = format!("environments:\n  base: {{branch: main}}\nwebhooks: {text}\n");
            ProjectSettings::parse(text.as_bytes()).map(|settings| settings.webhooks)
        };
        let found = read("{ops: {url: 'https://a.example/x', secret: s, events: [client.lost]}}").unwrap();
        assert!(found[0].wants("client.lost") && !found[0].wants("client.lagging"));
        assert!(read("{ops: {url: 'http://127.0.0.1:1', secret: s}}").unwrap()[0].wants("client.lagging"));
        for bad in [
            "5",
            "{ops: 5}",
            "{ops: {url: 'https://a.example'}}",
            "{ops: {secret: s}}",
            "{ops: {url: 'ftp://a.example', secret: s}}",
            "{ops: {url: 'https://u:p@a.example', secret: s}}",
            "{ops: {url: 'https://', secret: s}}",
            "{ops: {url: 'https://a b', secret: s}}",
            "{ops: {url: 'https://a', secret: s, events: [client.born]}}",
            "{ops: {url: 'https://a', secret: s, retries: 3}}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
