use super::gather::Gather;
use super::{Import, ImportError, Texts, json};
use crate::model::{Object, Path, Value, bytes_of_base64};

const WHAT: &str = "what `etcdctl get --prefix \"\" -w json` prints";

/// Reads what `etcdctl get --prefix "" -w json` prints: `kvs` with base64 `key` and `value`.
///
/// The plain form, in which lines of keys and of values alternate, is taken where it can mean one thing only: its
/// keys begin with a slash and ascend, as etcd gives them, and no value begins with one.
pub fn read_etcd(bytes: &[u8], to: &Path, texts: Texts) -> Result<Import, ImportError> {
    let text = json::text(bytes, WHAT)?;
    if text.starts_with('/') {
        return read_lines(text, to, texts);
    }
    let Value::Object(answer) = json::value(bytes, WHAT)? else {
        return Err(ImportError::shape(format!("this is not {WHAT}: it is no object")));
    };
    if answer.get("more") == Some(&Value::Bool(true)) {
        let message = "etcd says that there is more than this: export again without --limit";
        return Err(ImportError::Refused(message.to_owned()));
    }
    let kvs = match answer.get("kvs") {
        Some(Value::Array(kvs)) => &kvs[..],
        // An empty store has no `kvs`, but always a header.
        None if answer.contains_key("header") => &[],
        _ => return Err(ImportError::shape(format!("there are no `kvs`, so this is not {WHAT}"))),
    };
    let mut gather = Gather::below(to);
    for (index, kv) in kvs.iter().enumerate() {
        let number = index + 1;
        let Value::Object(kv) = kv else {
            return Err(ImportError::shape(format!(
                "item {number} of `kvs` is no object, so this is not {WHAT}"
            )));
        };
        let key = decoded(kv, "key")
            .map_err(|reason| ImportError::shape(format!("item {number} of `kvs`: {reason}")))?;
        match (String::from_utf8(key), decoded(kv, "value")) {
            (Ok(key), Ok(content)) => gather.slashed(&key, content, |text| texts.value(text)),
            (Ok(key), Err(reason)) => gather.fault(&key, reason),
            (Err(error), _) => {
                gather.fault(
                    &String::from_utf8_lossy(error.as_bytes()),
                    "the key is no UTF-8 text, so no path can name it",
                );
            }
        }
    }
    gather.finish()
}

/// A base64 member; etcd leaves out one that is empty.
fn decoded(kv: &Object, name: &str) -> Result<Vec<u8>, String> {
    let encoded = json::member(kv, &[name])?.unwrap_or_default();
    bytes_of_base64(encoded).ok_or_else(|| format!("its {name} is no base64"))
}

fn read_lines(text: &str, to: &Path, texts: Texts) -> Result<Import, ImportError> {
    let lines: Vec<&str> = text.lines().collect();
    let ambiguous = |line: usize, why: &str| {
        let advice = "export with `-w json`, which keeps keys and values apart";
        Err(ImportError::syntax(line, format!("{why}: {advice}")))
    };
    if !lines.len().is_multiple_of(2) {
        return ambiguous(lines.len(), "a key without a value, or a value of several lines");
    }
    let mut gather = Gather::below(to);
    let mut last = "";
    for (index, pair) in lines.chunks_exact(2).enumerate() {
        let (number, key, value) = (2 * index + 1, pair[0], pair[1]);
        if !key.starts_with('/') || key <= last {
            return ambiguous(number, "this may be a key, or the rest of a value");
        }
        if value.starts_with('/') {
            return ambiguous(number + 1, "this may be a value, or a key");
        }
        gather.slashed(key, value.as_bytes().to_vec(), |text| texts.value(text));
        last = key;
    }
    gather.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Result<Vec<String>, String> {
        let import = read_etcd(bytes, &Path::root(), Texts::AsJson).map_err(|error| error.to_string())?;
        Ok(import.values.iter().map(|(path, value)| format!("{path}={}", value.to_json())).collect())
    }

    #[test]
    fn json_and_lines() {
        let json = br#"{"header": {"revision": 5}, "count": 3, "kvs": [
            {"key": "L2FwcC9wb3J0", "create_revision": 2, "value": "ODA4MA=="},
            {"key": "L2FwcC9uYW1l", "value": "eCB5"}, {"key": "L2FwcC9ub25l"}]}"#;
        assert_eq!(shown(json).unwrap(), ["/app/name=\"x y\"", "/app/none=\"\"", "/app/port=8080"]);
        assert_eq!(
            shown(b"/app/name\nx y\n/app/port\n8080\n").unwrap(),
            ["/app/name=\"x y\"", "/app/port=8080"]
        );
        assert_eq!(shown(br#"{"header": {}}"#).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        for (text, reason) in [
            (&b"/a\n1\n/b\n"[..], "line 3: a key without a value"),
            (b"/a\n1\n2\n3\n", "line 3: this may be a key, or the rest"),
            (b"/b\n1\n/a\n2\n", "line 3: this may be a key, or the rest"),
            (b"/a\n/b\n", "line 2: this may be a value, or a key"),
            (b"a\n1\n", "this is not what"),
            (br#"{"kvs": {}}"#, "no `kvs`"),
            (br#"{"kvs": [5]}"#, "item 1 of `kvs` is no object"),
            (br#"{"kvs": [{"key": "?"}]}"#, "item 1 of `kvs`: its key is no base64"),
            (br#"{"kvs": [{"key": "/w=="}]}"#, "the key is no UTF-8"),
            (br#"{"kvs": [], "more": true}"#, "without --limit"),
            (br#"{"kvs": [{"key": "L2FwcC9w"#, "this is not what"),
            (b"[]", "no object"),
        ] {
            let error = shown(text).unwrap_err();
            assert!(error.contains(reason), "{}: {error}", String::from_utf8_lossy(text));
        }
    }
}
