use std::fmt;

use indexmap::IndexMap;

/// The members of an object, in the order they were written. Equality does not look at the order.
pub type Object = IndexMap<String, Value>;

/// A configuration value: what JSON can say, with every digit of its numbers, and raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`: in a layer a tombstone, inside arrays a value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its decimal text.
    Number(Number),
    /// Text.
    String(String),
    /// Bytes that are no UTF-8 text; JSON shows them as base64 (RFC 4648 section 4).
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// Members by name.
    Object(Object),
}

/// A number in JSON's grammar (RFC 8259 section 6), kept as written: `1.10` stays `1.10`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// The number with this text; none when it is not of JSON's grammar.
    ///
    /// ```
    /// use confgit::model::Number;
    /// assert!(Number::new("-1.10e+3").is_some());
    /// assert!(Number::new("01").is_none() && Number::new(".5").is_none() && Number::new("0x1").is_none());
    /// ```
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return None;
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = if at <= bytes.len() { digits(at) } else { 0 };
            if exponent == 0 {
                return None;
            }
            at += exponent;
        }
        (at == bytes.len()).then(|| Number(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two numbers are of the same amount, however they are written.
    ///
    /// ```
    /// use confgit::model::Number;
    /// let same = |a, b| Number::new(a).unwrap().is_same_amount(&Number::new(b).unwrap());
    /// assert!(same("1.0", "10e-1") && same("-0", "0") && same("1e400", "10E399"));
    /// assert!(!same("1", "1.0000000000000000000001"));
    /// ```
    pub fn is_same_amount(&self, other: &Number) -> bool {
        self.parts() == other.parts()
    }

    /// Sign, digits without zeros at either end, and the power of ten of the first digit.
    fn parts(&self) -> (bool, String, i128) {
        let (is_negative, rest) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, &*self.0),
        };
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // An exponent of more digits than this belongs to a number that nobody means.
        let exponent: i128 = exponent.parse().unwrap_or(i128::MAX / 4);
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        let power = exponent.saturating_add(whole.len() as i128) - (digits.len() - significant.len()) as i128;
        match significant.trim_end_matches('0') {
            "" => (false, String::new(), 0),
            digits => (is_negative, digits.to_owned(), power),
        }
    }

    /// Whether the text has neither a fraction nor an exponent.
    pub fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'e', 'E'])
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Number(number.to_string().into())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number(number.to_string().into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl Value {
    /// Whether a string is read as itself where it stands on a line without quotes: it fits there, and is no JSON.
    pub fn is_plain_text(text: &str) -> bool {
        !text.is_empty()
            && text.trim() == text
            && !text.contains(char::is_control)
            && Value::from_json(text).is_err()
    }

    /// What kind of value this is, in JSON Schema's words (and `bytes`).
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_integer() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// The value as compact JSON.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_grammar() {
        for good in ["0", "-0", "10", "1.10", "1e5", "1E-5", "-1.5e+10", "123456789012345678901234567890"] {
            assert!(Number::new(good).is_some(), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1_000", "NaN", "0x10", "1 "] {
            assert!(Number::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn member_order_does_not_matter_for_equality() {
        let read = |text| Value::from_json(text).unwrap();
        assert_eq!(read(r#"{"a":1,"b":2}"#), read(r#"{"b":2,"a":1}"#));
        assert_ne!(read("1.0"), read("1"));
    }
}
