use super::escapes::string;
use super::{JsonError, error_at};
use crate::model::{Number, Object, Value};

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 64;

/// Reads one JSON text in one pass, from left to right: what it costs grows with the text alone, however deep
/// that nests.
pub(super) fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    match reader.next_byte() {
        None => Ok(value),
        Some(_) => Err(reader.error("trailing characters")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        let first = self.next_byte();
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match first {
            Some(b'{') => self.object(depth).map(Value::Object),
            Some(b'[') => self.array(depth).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("expected value")),
            None => Err(self.error("EOF while parsing a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, JsonError> {
        self.at += 1;
        let mut members = Object::new();
        loop {
            match self.next_byte() {
                Some(b'"') => {}
                Some(b'}') if members.is_empty() => break,
                Some(b'}') => return Err(self.error("trailing comma")),
                Some(_) => return Err(self.error("key must be a string")),
                None => return Err(self.error("EOF while parsing an object")),
            }
            let name = self.string()?;
            match self.next_byte() {
                Some(b':') => self.at += 1,
                Some(_) => return Err(self.error("expected `:`")),
                None => return Err(self.error("EOF while parsing an object")),
            }
            let value = self.value(depth + 1)?;
            match members.entry(name) {
                indexmap::map::Entry::Vacant(place) => place.insert(value),
                indexmap::map::Entry::Occupied(place) => {
                    return Err(self.error(format!("duplicate member `{}`", place.key())));
                }
            };
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) => return Err(self.error("expected `,` or `}`")),
                None => return Err(self.error("EOF while parsing an object")),
            }
        }
        self.at += 1;
        Ok(members)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.next_byte() {
                Some(b']') if items.is_empty() => break,
                Some(b']') => return Err(self.error("trailing comma")),
                Some(_) => items.push(self.value(depth + 1)?),
                None => return Err(self.error("EOF while parsing a list")),
            }
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) => return Err(self.error("expected `,` or `]`")),
                None => return Err(self.error("EOF while parsing a list")),
            }
        }
        self.at += 1;
        Ok(items)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let (text, end) = string(self.text, self.at + 1)
            .map_err(|(at, message)| error_at(self.text, at, message.to_owned()))?;
        self.at = end;
        Ok(text)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let rest = &self.text[self.at..];
        let part_of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let end = rest.bytes().position(|byte| !part_of_number(byte)).unwrap_or(rest.len());
        let number = Number::new(&rest[..end]).ok_or_else(|| self.error("invalid number"))?;
        self.at += end;
        Ok(number)
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error(format!("expected value, such as `{word}`")));
        }
        self.at += word.len();
        Ok(value)
    }

    /// The next byte that is no white space; reading goes on there.
    fn next_byte(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let white = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += white;
        rest.get(white).copied()
    }

    fn error(&self, message: impl Into<String>) -> JsonError {
        error_at(self.text, self.at, message.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text is judged as `serde_json` judges it, but for what is stricter here (a member that comes twice)
    /// or more patient (a number beyond what a double can hold).
    fn check(text: &str) -> Result<(), TestCaseError> {
        let theirs = serde_json::from_str::<serde_json::Value>(text);
        match (read(text), theirs) {
            (Ok(ours), Ok(theirs)) => {
                let again: serde_json::Value = serde_json::from_str(&ours.to_json()).unwrap();
                prop_assert_eq!(again, theirs, "{:?}", text);
                prop_assert_eq!(read(&ours.to_json()).unwrap(), ours);
            }
            (Err(error), Ok(_)) => prop_assert!(error.message.starts_with("duplicate"), "{text:?}: {error}"),
            (Ok(_), Err(error)) => {
                prop_assert!(error.to_string().contains("out of range"), "{text:?}: {error}")
            }
            (Err(_), Err(_)) => {}
        }
        Ok(())
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_filter("JSON has none", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
            string_text(),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(" ,\n"))),
                prop::collection::vec((string_text(), inner), 0..5).prop_map(|members| {
                    let members = members.into_iter().map(|(name, value)| format!("{name}\t:\r{value}"));
                    format!("{{ {} }}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    fn string_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-c]",
            "\\PC",
            "\\\\[\"\\\\/bfnrt]",
            "\\\\u[0-9a-fA-F]{4}",
            "\\\\u[dD][89abAB][0-9a-f]{2}\\\\u[dD][c-fC-F][0-9a-f]{2}",
        ]
        .prop_map(|piece: String| if piece == "\"" || piece == "\\" { "q".to_owned() } else { piece });
        prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn json_is_read_as_by_serde_json(text in json()) {
            check(&text)?;
        }

        #[test]
        fn broken_json_is_judged_as_by_serde_json(
            text in json(), at in any::<prop::sample::Index>(), with in "|[\\[\\]{},:\"0-9eE.+\\-\\\\ utnl\u{0}-\u{1f}]"
        ) {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            characters.splice(at..=at, with.chars());
            check(&characters.into_iter().collect::<String>())?;
        }

        #[test]
        fn any_text_is_judged_as_by_serde_json(text in "[\\[\\]{},:\"019eE.+\\- \n\\\\ud8c\ntrue]{0,24}") {
            check(&text)?;
        }
    }

    #[test]
    fn what_it_costs_does_not_grow_with_depth() {
        // Each level used to be scanned again: 64 times for this one.
        let wide = format!("\"{}\"", "x".repeat(1 << 20));
        let text = format!("{}{wide}{}", "[".repeat(64), "]".repeat(64));
        let timed = |text: &str| {
            let begun = std::time::Instant::now();
            for _ in 0..4 {
                read(text).unwrap();
            }
            begun.elapsed()
        };
        timed(&text);
        let (flat, deep) = (timed(&wide), timed(&text));
        assert!(deep < flat * 8, "{deep:?} against {flat:?}");
    }

    #[test]
    fn sixty_four_levels() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(64)).is_ok());
        assert!(read(&nested(65)).unwrap_err().message.contains("nested deeper than 64 levels"));
        assert!(read(&"{\"a\":".repeat(100_000)).is_err());
    }
}
