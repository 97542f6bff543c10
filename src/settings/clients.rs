use std::time::Duration;

use super::Parser;
use crate::model::{Object, Value};

/// When a client that watches is missed, or too far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRules {
    /// One with a name that went without a word is lost after so long.
    pub lost_after: Duration,
    /// One that has not been told of a change for so long lags.
    pub lagging_after: Duration,
}

impl Default for ClientRules {
    fn default() -> Self {
        ClientRules { lost_after: Duration::from_secs(60), lagging_after: Duration::from_secs(30) }
    }
}

/// The longest time either may be.
const MOST_SECONDS: u64 = 12 * 3_600;

impl Parser<'_> {
    pub(super) fn clients(&mut self, root: &Object) -> ClientRules {
        let mut rules = ClientRules::default();
        let members = match root.get("clients") {
            None | Some(Value::Null) => return rules,
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(
                    &["clients"],
                    "expected `lost_after`, `lagging_after`, or both, such as `{ lost_after: 60s }`",
                );
                return rules;
            }
        };
        for (key, value) in members {
            let rule = match key.as_str() {
                "lost_after" => &mut rules.lost_after,
                "lagging_after" => &mut rules.lagging_after,
                _ => {
                    let message =
                        format!("unknown member `{key}`: clients have `lost_after` and `lagging_after`");
                    self.wrong(&["clients", key], message);
                    continue;
                }
            };
            match duration(value) {
                Some(duration) => *rule = duration,
                None => {
                    let message = format!(
                        "`{key}` is a number of seconds, minutes or hours, such as 90s, 5m or 1h; at most 12h"
                    );
                    self.wrong(&["clients", key], message);
                }
            }
        }
        rules
    }
}

/// A text such as `90s`.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    let Value::String(text) = value else { return None };
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_plain)?;
    let seconds = count.checked_mul(unit).filter(|seconds| (1..=MOST_SECONDS).contains(seconds))?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::super::ProjectSettings;
    use super::*;

    #[test]
    fn times_are_read() {
        let read = |text: &str| {
            let text = format!("environments:\n  base: {{branch: main}}\n{text}");
            ProjectSettings::parse(text.as_bytes()).map(|settings| settings.clients)
        };
        let rules = |lost, lagging| {
            Ok(ClientRules {
                lost_after: Duration::from_secs(lost),
                lagging_after: Duration::from_secs(lagging),
            })
        };
        assert_eq!(read(""), rules(60, 30));
        assert_eq!(read("clients: {lost_after: 5m}"), rules(300, 30));
        assert_eq!(read("clients: {lost_after: 1h, lagging_after: 1s}"), rules(3_600, 1));
        for bad in ["0s", "-1s", "1d", "s", "", "1.5s", "01s", "13h", "99999999999999999999h", "5"] {
            assert!(read(&format!("clients: {{lost_after: '{bad}'}}")).is_err(), "{bad}");
        }
        for bad in ["clients: 5", "clients: {lost: 5s}", "clients: {lost_after: 5}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
