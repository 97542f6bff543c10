use crate::model::{Number, Value};

/// What a plain scalar says under the core schema of YAML 1.2.2 (section 10.3.2), but with leading zeros
/// and underscores left to strings, since parsers differ about them. The error is a message.
pub(super) fn resolve(text: &str) -> Result<Value, &'static str> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if !may_be_number(text) => Value::String(text.to_owned()),
        _ => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    })
}

fn may_be_number(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// Whether a plain scalar says exactly this value. It may say no for a value that it does say, but is cheap.
pub(super) fn surely_says(text: &str, value: &Value) -> bool {
    match value {
        Value::Null => matches!(text, "" | "~" | "null" | "Null" | "NULL"),
        Value::Bool(true) => matches!(text, "true" | "True" | "TRUE"),
        Value::Bool(false) => matches!(text, "false" | "False" | "FALSE"),
        // Only a text in JSON's grammar can be equal to one, and such a text is that number.
        Value::Number(number) => number.as_str() == text,
        Value::String(string) => {
            string == text
                && !matches!(text, "" | "~" | "null" | "Null" | "NULL")
                && !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
                && (!may_be_number(text) || number(text) == Ok(None))
        }
        _ => false,
    }
}

/// The number a plain scalar spells, in JSON's grammar and without losing a digit; none for a string.
pub(super) fn number(text: &str) -> Result<Option<Number>, &'static str> {
    if let Some(number) = Number::new(text) {
        return Ok(Some(number));
    }
    let radix = |digits: &str, radix: u32| {
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Ok(None);
        }
        decimal(digits, radix).map(|text| Number::new(&text)).ok_or("a number of more than 256 bits")
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err("an infinite number is no configuration value");
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err("`.nan` is no configuration value");
    }
    Ok(float(text.starts_with('-'), unsigned))
}

/// `.5`, `1.` and `+1` in JSON's grammar.
fn float(negative: bool, unsigned: &str) -> Option<Number> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut fraction = 0;
    let dot = rest.starts_with('.');
    if dot {
        fraction = digits(&rest[1..]);
        rest = &rest[1 + fraction..];
    }
    if whole + fraction == 0 {
        return None;
    }
    let mut json = String::with_capacity(unsigned.len() + 2);
    if negative {
        json.push('-');
    }
    json.push_str(if whole == 0 { "0" } else { &unsigned[..whole] });
    if dot {
        json.push('.');
        json.push_str(if fraction == 0 { "0" } else { &unsigned[whole + 1..whole + 1 + fraction] });
    }
    json.push_str(rest);
    Number::new(&json)
}

/// Digits of another radix as decimal ones; none when they hold more than 256 bits.
pub(in super::super) fn decimal(digits: &str, radix: u32) -> Option<String> {
    // Groups of nine decimal digits, the lowest first.
    let mut groups: Vec<u64> = vec![0];
    for digit in digits.trim_start_matches('0').chars() {
        let mut carry = u64::from(digit.to_digit(radix)?);
        for group in &mut groups {
            let next = *group * u64::from(radix) + carry;
            *group = next % 1_000_000_000;
            carry = next / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry);
        }
        // 2^256 has 78 decimal digits.
        if groups.len() > 9 {
            return None;
        }
    }
    let mut text = groups.pop()?.to_string();
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_schema() {
        for (text, expected) in [
            ("", "null"),
            ("~", "null"),
            ("NULL", "null"),
            ("nULL", "\"nULL\""),
            ("true", "true"),
            ("FALSE", "false"),
            ("no", "\"no\""),
            ("on", "\"on\""),
            ("y", "\"y\""),
            ("0", "0"),
            ("-0", "-0"),
            ("+1", "1"),
            ("12", "12"),
            ("017", "\"017\""),
            ("-017", "\"-017\""),
            ("1_000", "\"1_000\""),
            ("0o17", "15"),
            ("0o18", "\"0o18\""),
            ("0x1F", "31"),
            ("0xffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455"),
            ("0x", "\"0x\""),
            ("0b1", "\"0b1\""),
            ("1.10", "1.10"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("+.5e3", "0.5e3"),
            ("1.", "1.0"),
            ("1.e3", "1.0e3"),
            ("1e3", "1e3"),
            ("1E+03", "1E+03"),
            (".", "\".\""),
            ("-", "\"-\""),
            ("1.2.3", "\"1.2.3\""),
            ("12:30", "\"12:30\""),
            ("2024-01-01", "\"2024-01-01\""),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e", "\"1e\""),
        ] {
            assert_eq!(resolve(text).unwrap().to_json(), expected, "{text}");
        }
        let long = format!("0x{}", "f".repeat(100_000));
        for text in [".inf", "-.INF", "+.Inf", ".nan", ".NaN", &long] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
