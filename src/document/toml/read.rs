use toml_edit::{Array, Item, Table, TableLike};

use super::super::place::fault_at;
use super::super::yaml::decimal;
use super::super::{Fault, FaultKind};
use crate::model::{Number, Object, Value};

/// How deep arrays and tables may nest; the same as for JSON.
const MAX_DEPTH: usize = 64;

/// The parsed document, with the spans of all keys and values.
pub(super) fn parse(text: &str) -> Result<toml_edit::Document<&str>, Fault> {
    toml_edit::Document::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().trim().to_owned();
        fault_at(text.as_bytes(), offset, FaultKind::Syntax, message)
    })
}

/// What a text says. Dates and times are strings, since configuration values have no such kind.
pub(in super::super) fn read(text: &str) -> Result<Value, Fault> {
    Reader { text }.table(parse(text)?.as_table(), 0)
}

/// Where the key stands that these keys lead to.
pub(in super::super) fn find(text: &str, keys: &[impl AsRef<str>]) -> Option<usize> {
    let document = parse(text).ok()?;
    let mut at: &dyn TableLike = document.as_table();
    let mut offset = None;
    for (i, key) in keys.iter().enumerate() {
        let (key, item) = at.get_key_value(key.as_ref())?;
        // A table named only by longer headers has no key of its own to show.
        offset = key.span().or(item.span()).map(|span| span.start).or(offset);
        match item.as_table_like() {
            Some(table) => at = table,
            None if i + 1 == keys.len() => {}
            None => return None,
        }
    }
    Some(offset.unwrap_or(0))
}

/// Builds values out of toml_edit's items.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
}

impl Reader<'_> {
    fn table(&self, table: &Table, depth: usize) -> Result<Value, Fault> {
        let mut members = Object::with_capacity(table.len());
        for (name, item) in table.iter() {
            members.insert(name.to_owned(), self.item(item, depth + 1)?);
        }
        Ok(Value::Object(members))
    }

    /// What an item says.
    pub(super) fn item(&self, item: &Item, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(self.fault(item.span(), FaultKind::Limit, message));
        }
        match item {
            Item::None => Ok(Value::Null),
            Item::Value(value) => self.value(value, depth),
            Item::Table(table) => self.table(table, depth),
            Item::ArrayOfTables(tables) => tables
                .iter()
                .map(|table| self.table(table, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
        }
    }

    fn value(&self, value: &toml_edit::Value, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(self.fault(value.span(), FaultKind::Limit, message));
        }
        Ok(match value {
            toml_edit::Value::String(text) => Value::String(text.value().clone()),
            toml_edit::Value::Boolean(yes) => Value::Bool(*yes.value()),
            toml_edit::Value::Datetime(time) => Value::String(time.value().to_string()),
            toml_edit::Value::Integer(_) | toml_edit::Value::Float(_) => {
                let span = value.span();
                let digits = span.clone().and_then(|span| self.text.get(span)).unwrap_or_default();
                match number(digits) {
                    Some(number) => Value::Number(number),
                    None => {
                        let message = format!("`{digits}` is no configuration value");
                        return Err(self.fault(span, FaultKind::Unsupported, message));
                    }
                }
            }
            toml_edit::Value::Array(items) => self.array(items, depth)?,
            toml_edit::Value::InlineTable(table) => {
                let mut members = Object::with_capacity(table.len());
                for (name, member) in table.iter() {
                    members.insert(name.to_owned(), self.value(member, depth + 1)?);
                }
                Value::Object(members)
            }
        })
    }

    fn array(&self, items: &Array, depth: usize) -> Result<Value, Fault> {
        items.iter().map(|item| self.value(item, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
    }

    fn fault(
        &self,
        span: Option<std::ops::Range<usize>>,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> Fault {
        fault_at(self.text.as_bytes(), span.map_or(0, |span| span.start), kind, message)
    }
}

/// A TOML number in JSON's grammar, every digit kept; none for infinities and `nan`.
fn number(digits: &str) -> Option<Number> {
    let plain = digits.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return decimal(digits, radix).and_then(|text| Number::new(&text));
        }
    }
    Number::new(plain.strip_prefix('+').unwrap_or(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, json) in [
            ("", "{}"),
            ("# only a comment\n", "{}"),
            (
                "a = 1_000\nb = 0xFF\nc = 1.10\nd = +5\ne = 1e06\nf = 0b101",
                r#"{"a":1000,"b":255,"c":1.10,"d":5,"e":1e06,"f":5}"#,
            ),
            ("t = 1979-05-27T07:32:00Z\nd = 1979-05-27", r#"{"t":"1979-05-27T07:32:00Z","d":"1979-05-27"}"#),
            (
                "[a.b]\nc = [1, { d = 'x' }]\n[[e]]\nf = 1\n[[e]]\n",
                r#"{"a":{"b":{"c":[1,{"d":"x"}]}},"e":[{"f":1},{}]}"#,
            ),
            ("a.b.c = true\n", r#"{"a":{"b":{"c":true}}}"#),
        ] {
            assert_eq!(read(text).unwrap().to_json(), json, "{text}");
        }
    }

    #[test]
    fn faults_have_places() {
        for (text, line, column) in
            [("a = 1\na = 2\n", 2, 1), ("a = nan", 1, 5), ("\nb = -inf", 2, 5), ("a = ", 1, 5)]
        {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.position.line, fault.position.column), (line, column), "{text}: {fault}");
        }
        for text in [format!("a = {}", "[".repeat(100_000)), format!("{}a = 1", "a.".repeat(100_000))] {
            assert!(read(&text).is_err());
        }
    }

    #[test]
    fn keys_have_places() {
        let text = "a = 1\n[b.c]\nd.e = { f = 2 }\n";
        for (keys, offset) in
            [(&["a"][..], 0), (&["b", "c"], 9), (&["b", "c", "d", "e"], 14), (&["b", "c", "d", "e", "f"], 20)]
        {
            assert_eq!(find(text, keys), Some(offset), "{keys:?}");
        }
        assert_eq!(find(text, &["a", "x"]), None);
        assert_eq!(find(text, &["x"]), None);
    }
}
