use super::scalar::resolve;
use crate::model::Value;

/// Whether a string may stand without quotes, so that parsers of YAML 1.2 and of 1.1 (which take `no`,
/// `1_000`, `12:30` and dates for something else) read back exactly this string.
pub(super) fn is_plain(text: &str, in_flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    if "-?:,[]{}#&*!|>'\"%@`=<".contains(first) && !is_dash_word(text) {
        return false;
    }
    if text.starts_with(' ') || text.ends_with([' ', ':']) || text.starts_with("...") {
        return false;
    }
    if !text.chars().all(is_plain_char) || text.contains(": ") || text.contains(" #") {
        return false;
    }
    // Parsers of 1.1 split `a:b` and end scalars at `?` inside braces.
    if in_flow && text.contains([',', '[', ']', '{', '}', ':', '?']) {
        return false;
    }
    matches!(resolve(text), Ok(Value::String(_))) && !is_other_in_1_1(text)
}

/// `-x` is a string, `- x` an item, `---` a document.
fn is_dash_word(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn is_plain_char(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\u{a1}'..='\u{d7ff}' => !matches!(c, '\u{2028}' | '\u{2029}'),
        '\u{e000}'..='\u{fffd}' => c != '\u{feff}',
        '\u{10000}'.. => true,
        _ => false,
    }
}

/// Whether a parser of YAML 1.1 (<https://yaml.org/type/>) might take the text for anything but a string.
/// Rather too often than too rarely: the price is a pair of quotes.
fn is_other_in_1_1(text: &str) -> bool {
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "~" | "=" | "<<"
    );
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let unsigned = body.strip_prefix('.').unwrap_or(body);
    if word || matches!(unsigned.to_ascii_lowercase().as_str(), "inf" | "nan") {
        return true;
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let lower = body.to_ascii_lowercase();
    let radix = ["0x", "0b", "0o"].iter().any(|prefix| lower.starts_with(prefix));
    let numeric =
        body.chars().all(|c| c.is_ascii_digit() || "_.:eE+-".contains(c)) && body.matches('.').count() <= 1;
    radix || numeric || is_timestamp_like(text)
}

/// `2001-12-14t21:59:43.10-05:00` and its kin: four digits, a dash, a digit.
fn is_timestamp_like(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 5
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        for text in [
            "db.example.com",
            "10.0.0.1",
            "1.2.3",
            "a:b",
            "http://x/y?z#f",
            "-Xmx512m",
            "hello world",
            "é",
            "a, b",
            "it's",
            "v1_000",
            "5s",
            "x=y",
        ] {
            assert!(is_plain(text, false), "{text:?} needs no quotes");
        }
        for text in [
            "",
            "no",
            "On",
            "y",
            "1_000",
            "12:30",
            "1e3",
            "017",
            "2024-01-01",
            "2001-12-14 21:59:43 +1",
            "=",
            "<<",
            "~",
            "null",
            " a",
            "a ",
            "a\tb",
            "a\nb",
            "\u{2028}",
            "\u{85}",
            "\u{feff}",
            "\u{7f}",
            "- a",
            "-",
            "---",
            "...",
            "? a",
            ": a",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "'a",
            "\"a",
            "{a",
            "[a",
            "0x1F",
            "0b1",
            "0o7",
            ".5",
            "5.",
            "+1",
            "1:2:3.4",
            ".inf",
            "-.INF",
            ".nan",
            "true",
            "685_230.15",
            "190:20:30",
            "\u{fffe}",
        ] {
            assert!(!is_plain(text, false), "{text:?} needs quotes");
        }
        for text in ["a,b", "a:b", "a?b", "a]", "{"] {
            assert!(!is_plain(text, true), "{text:?} needs quotes in braces");
        }
    }
}
