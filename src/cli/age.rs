use std::time::SystemTime;

use crate::model::Timestamp;

/// The present moment.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// How long ago a moment was, in its largest unit; the future is `now`, since clocks differ.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = (now.as_millis() - then.as_millis()).div_euclid(1000);
    let (amount, unit) = match seconds {
        ..1 => return "now".to_owned(),
        1..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "m"),
        3_600..86_400 => (seconds / 3_600, "h"),
        86_400..1_209_600 => (seconds / 86_400, "d"),
        1_209_600..31_536_000 => (seconds / 604_800, "w"),
        _ => (seconds / 31_536_000, "y"),
    };
    format!("{amount}{unit} ago")
}

/// The same of a time as the API writes it; what is no time is shown as it is.
pub fn age_of(now: Timestamp, text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |then| age(now, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [
            (-5, "now"),
            (0, "now"),
            (59, "59s ago"),
            (60, "1m ago"),
            (3 * 60 + 59, "3m ago"),
            (7_200, "2h ago"),
            (86_400, "1d ago"),
            (13 * 86_400, "13d ago"),
            (14 * 86_400, "2w ago"),
            (364 * 86_400, "52w ago"),
            (800 * 86_400, "2y ago"),
        ] {
            let then = Timestamp::from_millis(1_700_000_000_000);
            assert_eq!(age(Timestamp::from_millis(then.as_millis() + seconds * 1000), then), text);
        }
        assert_eq!(age_of(now(), "yesterday"), "yesterday");
    }
}
