use crate::model::Timestamp;

/// The longest duration.
const MOST_DAYS: i64 = 36_500;

/// Reads a number of seconds, minutes, hours, days or weeks, in milliseconds: `90d`.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no duration: a number with s, m, h, d or w, such as 90d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    // A hundred years are as good as any longer time.
    let most = MOST_DAYS * 86_400_000 / unit;
    digits
        .parse::<i64>()
        .ok()
        .filter(|number| *number <= most)
        .map(|number| number * unit)
        .ok_or_else(|| format!("`{text}` is too long: at most {MOST_DAYS}d"))
}

/// Reads a time, or how long ago one was.
pub fn time_or_ago(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = duration_ms(text).map_err(|_| {
        format!(
            "`{text}` is neither a time such as 2026-01-31T12:00:00Z nor how long ago one was, such as 24h"
        )
    })?;
    Ok(Timestamp::from_millis(now.as_millis() - ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("90d", Some(90 * 86_400_000)),
            ("1w", Some(604_800_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("", None),
            ("5", None),
            ("d", None),
            ("-1d", None),
            ("1y", None),
            ("99999999999w", None),
        ] {
            assert_eq!(duration_ms(text).ok(), expected, "{text}");
        }
        assert_eq!(duration_ms("400000d").unwrap_err(), "`400000d` is too long: at most 36500d");
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(time_or_ago("1s", now), Ok(Timestamp::from_millis(1_799_999_999_000)));
        assert_eq!(time_or_ago(&now.to_string(), now), Ok(now));
        assert!(time_or_ago("yesterday", now).is_err());
    }
}
