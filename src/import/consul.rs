use super::gather::Gather;
use super::{Import, ImportError, Texts, json};
use crate::model::{Object, Path, Value, bytes_of_base64};

const WHAT: &str = "an export of Consul's key-value store";

/// Reads what `consul kv export` prints, or what `GET /v1/kv/?recurse` answers: an array of objects with `key`
/// and base64 `value`, in either spelling.
///
/// ```
/// use confgit::import::{Texts, read_consul};
/// use confgit::model::Path;
/// let export = br#"[{"key": "app/port", "flags": 0, "value": "ODA4MA=="}]"#;
/// let import = read_consul(export, &Path::root(), Texts::AsStrings).unwrap();
/// assert_eq!(import.values[0].0.as_str(), "/app/port");
/// assert_eq!(import.values[0].1.to_json(), "\"8080\"");
/// ```
pub fn read_consul(bytes: &[u8], to: &Path, texts: Texts) -> Result<Import, ImportError> {
    let Value::Array(items) = json::value(bytes, WHAT)? else {
        return Err(ImportError::shape(format!("this is not {WHAT}: it is no array")));
    };
    let mut gather = Gather::below(to);
    for (index, item) in items.iter().enumerate() {
        let Value::Object(item) = item else {
            return Err(ImportError::shape(format!(
                "item {} is no object, so this is not {WHAT}",
                index + 1
            )));
        };
        let key = json::member(item, &["key", "Key"]);
        let Ok(Some(key)) = key else {
            return Err(ImportError::shape(format!("item {} has no key, so this is not {WHAT}", index + 1)));
        };
        match content(item) {
            Ok(content) => gather.slashed(key, content, |text| texts.value(text)),
            Err(reason) => gather.fault(key, reason),
        }
    }
    gather.finish()
}

fn content(item: &Object) -> Result<Vec<u8>, String> {
    let encoded = json::member(item, &["value", "Value"])?.unwrap_or_default();
    bytes_of_base64(encoded).ok_or_else(|| "its value is no base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, texts: Texts) -> Result<Import, ImportError> {
        read_consul(text.as_bytes(), &"/to".parse().unwrap(), texts)
    }

    #[test]
    fn both_spellings_and_what_values_become() {
        let export = r#"[
            {"key": "app/", "flags": 0, "value": ""},
            {"key": "app/json", "flags": 0, "value": "eyJhIjoxfQ=="},
            {"LockIndex": 0, "Key": "app/empty", "Flags": 7, "Value": null},
            {"key": "/app/bin", "flags": 0, "value": "/w=="},
            {"key": "100%2F", "value": "bnVsbA=="}]"#;
        let strings = read(export, Texts::AsStrings).unwrap();
        let shown: Vec<String> =
            strings.values.iter().map(|(path, v)| format!("{path}={}", v.to_json())).collect();
        assert_eq!(shown, ["/to/100%252F=\"null\"", "/to/app/empty=\"\"", "/to/app/json=\"{\\\"a\\\":1}\""]);
        assert_eq!(
            (strings.files[0].name.as_str(), &strings.files[0].content[..]),
            ("to/app/bin", &b"\xff"[..])
        );
        assert_eq!(strings.left_out[0].name, "app/");
        let parsed = read(export, Texts::AsJson).unwrap();
        assert_eq!(parsed.values[2].1.to_json(), r#"{"a":1}"#);
        assert_eq!(parsed.values[0].1.to_json(), "\"null\"", "null is no value");
    }

    #[test]
    fn keys_that_cannot_be_are_all_named() {
        let export = r#"[{"key": "a", "value": ""}, {"key": "a/b", "value": ""}, {"key": "c//d", "value": ""},
            {"key": "../e", "value": ""}, {"key": "f\u0000", "value": ""}, {"key": "g", "value": "%"},
            {"key": "h", "value": 5}, {"key": "i.txt", "value": "/w=="}, {"key": "j", "value": ""},
            {"key": "/j", "value": ""}, {"key": "", "value": ""}]"#;
        let Err(ImportError::Faults { faults }) = read(export, Texts::AsStrings) else { panic!() };
        let names: Vec<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(names, ["c//d", "../e", "f\0", "g", "h", "i.txt", "", "a", "/j"]);
        let text = ImportError::Faults { faults }.to_string();
        assert!(text.starts_with("9 items cannot be imported:\n  c//d: segment 3 is empty"), "{text}");
        assert!(
            text.contains("  f\\0: ") && text.contains("  a: it is a value and a folder at once"),
            "{text}"
        );
    }

    #[test]
    fn what_is_something_else_is_told() {
        for text in ["", "{}", "[1]", "[{}]", "[{\"key\": 5}]", "[", &"[".repeat(100_000), "\u{0}"] {
            let error = read(text, Texts::AsStrings).unwrap_err();
            assert!(error.to_string().contains("export of Consul"), "{text:.20}: {error}");
        }
        assert!(
            read_consul(b"\n\xff", &Path::root(), Texts::AsStrings)
                .unwrap_err()
                .to_string()
                .starts_with("line 2:")
        );
    }
}
