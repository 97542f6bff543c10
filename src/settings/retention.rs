use super::Parser;
use crate::model::{Object, Value};

/// How much history a project keeps: what either bound keeps stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest change sets are kept.
    pub changes: Option<u64>,
    /// How long a change set is kept, in milliseconds.
    pub age_ms: Option<i64>,
}

/// Fewer are never kept: what is cut off goes at least so many at a time.
const LEAST_CHANGES: u64 = 100;
/// More than any project has.
const MOST_CHANGES: u64 = 1_000_000_000_000;
/// The largest number before a unit of time.
const MOST_UNITS: i64 = 99_999;

const HOUR_MS: i64 = 3_600_000;

impl Parser<'_> {
    pub(super) fn retention(&mut self, root: &Object) -> Option<Retention> {
        let members = match root.get("retention") {
            None | Some(Value::Null) => return None,
            Some(Value::Object(members)) if !members.is_empty() => members,
            Some(_) => {
                self.wrong(
                    &["retention"],
                    "expected `changes`, `age`, or both, such as `{ changes: 100000 }`",
                );
                return None;
            }
        };
        let mut retention = Retention { changes: None, age_ms: None };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("changes", value) => {
                    retention.changes = changes(value);
                    if retention.changes.is_none() {
                        let message =
                            format!("`changes` is a number from {LEAST_CHANGES}: the change sets to keep");
                        self.wrong(&["retention", key], message);
                    }
                }
                ("age", value) => {
                    retention.age_ms = age(value);
                    if retention.age_ms.is_none() {
                        let message = "`age` is a number of hours, days or weeks, such as 12h, 90d or 26w";
                        self.wrong(&["retention", key], message);
                    }
                }
                _ => {
                    let message = format!("unknown member `{key}`: retention has `changes`, `age`, or both");
                    self.wrong(&["retention", key], message);
                }
            }
        }
        Some(retention)
    }
}

fn changes(value: &Value) -> Option<u64> {
    let Value::Number(number) = value else { return None };
    number.as_str().parse().ok().filter(|changes| (LEAST_CHANGES..=MOST_CHANGES).contains(changes))
}

/// The milliseconds of a text such as `90d`.
fn age(value: &Value) -> Option<i64> {
    let Value::String(text) = value else { return None };
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => HOUR_MS,
        "d" => 24 * HOUR_MS,
        "w" => 7 * 24 * HOUR_MS,
        _ => return None,
    };
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = digits.parse().ok().filter(|count| plain && (1..=MOST_UNITS).contains(count))?;
    Some(count * unit)
}

#[cfg(test)]
mod tests {
    use super::super::ProjectSettings;
    use super::*;

    #[test]
    fn ages_and_numbers_are_read() {
        let read = |text: &str| {
            let text = format!("environments:\n  base: {{branch: main}}\n{text}");
            ProjectSettings::parse(text.as_bytes()).map(|settings| settings.retention)
        };
        let kept = |changes, age_ms| Ok(Some(Retention { changes, age_ms }));
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("retention: {changes: 100}"), kept(Some(100), None));
        assert_eq!(read("retention: {age: 90d}"), kept(None, Some(90 * 86_400_000)));
        assert_eq!(read("retention: {age: 2w, changes: 500}"), kept(Some(500), Some(14 * 86_400_000)));
        for bad in ["0d", "-1d", "+1d", "01d", "d", "1y", "1.5d", "100000d", "", "1d "] {
            assert!(read(&format!("retention: {{age: '{bad}'}}")).is_err(), "{bad}");
        }
        for bad in ["99", "-100", "1e3", "'200'", "[]"] {
            assert!(read(&format!("retention: {{changes: {bad}}}")).is_err(), "{bad}");
        }
    }
}
