use super::gather::Gather;
use super::{Import, ImportError, MOST_SOURCE_BYTES, json};
use crate::document::{self, Format};
use crate::model::{Limits, Object, Path, Value, bytes_of_base64};

const WHAT: &str = "a Kubernetes ConfigMap";

/// How deep lists of lists are looked into.
const MOST_LISTS: usize = 8;

/// Reads ConfigMaps of Kubernetes (core v1) from YAML, with one or several documents, or from JSON; also a `List`.
///
/// A key with the extension of a document or text (`app.yaml`, `motd.txt`) becomes a file, byte for byte, any
/// other key of `data` an entry of text, and what `binaryData` holds a file. They go below `to`; without it, or where there
/// are several maps, below the name of their map. Other kinds are left out; a Secret is refused.
pub fn read_configmaps(bytes: &[u8], to: Option<&Path>) -> Result<Import, ImportError> {
    let text = json::text(bytes, WHAT)?;
    let documents = if text.trim_start().starts_with('{') {
        // YAML in flow style begins so, too.
        match json::value(bytes, WHAT) {
            Ok(value) => vec![value],
            Err(no_json) => stream(text).map_err(|_| no_json)?,
        }
    } else {
        stream(text)?
    };
    let mut found = Found::default();
    for document in documents {
        found.take(document, 0)?;
    }
    if found.maps.is_empty() {
        return Err(ImportError::shape(format!("this is not {WHAT}: nothing in it has the kind ConfigMap")));
    }
    let (root, own) = (Path::root(), to.is_some() && found.maps.len() == 1);
    let mut gather = Gather::below(to.unwrap_or(&root));
    for (name, map) in &found.maps {
        take_map(&mut gather, if own { None } else { Some(name) }, name, map);
    }
    for (name, kind) in &found.others {
        gather.leave_out(name, &format!("it is a {kind}, not a ConfigMap"));
    }
    gather.finish()
}

#[derive(Default)]
struct Found {
    maps: Vec<(String, Object)>,
    others: Vec<(String, String)>,
}

impl Found {
    fn take(&mut self, value: Value, level: usize) -> Result<(), ImportError> {
        let Value::Object(mut object) = value else {
            return Err(ImportError::shape(format!(
                "this is not {WHAT}: it is of the kind {}",
                value.kind()
            )));
        };
        let kind = object.get("kind").and_then(text_of).unwrap_or_default().to_owned();
        let name = match object.get("metadata") {
            Some(Value::Object(metadata)) => {
                metadata.get("name").and_then(text_of).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        match kind.as_str() {
            "List" | "ConfigMapList" if level < MOST_LISTS => match object.shift_remove("items") {
                Some(Value::Array(items)) => items.into_iter().try_for_each(|item| {
                    // The items of a typed list need not repeat their kind.
                    self.take(if kind == "List" { item } else { with_kind(item) }, level + 1)
                }),
                None | Some(Value::Null) => Ok(()),
                Some(_) => Err(ImportError::shape("the `items` of a List are no array")),
            },
            "ConfigMap" if name.is_empty() => Err(ImportError::shape("a ConfigMap has no metadata.name")),
            "ConfigMap" => {
                self.maps.push((name, object));
                Ok(())
            }
            "Secret" | "SecretList" => Err(ImportError::Refused(format!(
                "`{name}` is a Secret: as configuration its values would be readable to everyone who may read the \
                 path, and stay in Git's history; take it out of the source"
            ))),
            // Documents of comments only are common between two `---`.
            "" if object.is_empty() => Ok(()),
            "" => Err(ImportError::shape(format!("this is not {WHAT}: it has no `kind`"))),
            _ => {
                self.others.push((name, kind));
                Ok(())
            }
        }
    }
}

fn with_kind(item: Value) -> Value {
    match item {
        Value::Object(mut object) => {
            object.entry("kind".to_owned()).or_insert_with(|| Value::from("ConfigMap"));
            Value::Object(object)
        }
        other => other,
    }
}

fn take_map(gather: &mut Gather<'_>, below: Option<&str>, name: &str, map: &Object) {
    let segments = |key| below.into_iter().chain([key]).collect::<Vec<&str>>();
    for (key, value) in members(gather, name, map, "data") {
        let shown = format!("{name}/{key}");
        match text_of(value) {
            None => gather
                .fault(&shown, format!("it is of the kind {}, not text: put it in quotes", value.kind())),
            Some(text) if Format::of(key) == Format::Raw => {
                gather.value(&shown, &segments(key), Value::from(text));
            }
            Some(text) => match document::read(Format::of(key), text.as_bytes(), &Limits::default()) {
                Ok(_) => gather.file(&shown, &segments(key), text.as_bytes().to_vec()),
                Err(fault) => gather.fault(&shown, fault.to_string()),
            },
        }
    }
    for (key, value) in members(gather, name, map, "binaryData") {
        let shown = format!("{name}/{key}");
        match text_of(value).map(without_breaks).as_deref().and_then(bytes_of_base64) {
            None => gather.fault(&shown, "it is no base64"),
            Some(content) if std::str::from_utf8(&content).is_ok() => {
                gather.file(&shown, &segments(key), content)
            }
            Some(content) => gather.bytes(&shown, &segments(key), content),
        }
    }
}

/// The members of `data` or `binaryData`.
fn members<'a>(
    gather: &mut Gather<'_>,
    name: &str,
    map: &'a Object,
    member: &str,
) -> Vec<(&'a str, &'a Value)> {
    match map.get(member) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(members)) => members.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        Some(other) => {
            gather.fault(
                &format!("{name}/{member}"),
                format!("it is of the kind {}, not an object", other.kind()),
            );
            Vec::new()
        }
    }
}

/// Base64 in YAML may be folded over several lines.
fn without_breaks(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The documents of a YAML stream. A line that begins with `---` or `...` can be nothing else than a mark: YAML
/// forbids it within a quoted text, and the content of a block is indented (YAML 1.2.2, 9.1.2).
fn stream(text: &str) -> Result<Vec<Value>, ImportError> {
    let limits = Limits { document_bytes: MOST_SOURCE_BYTES, ..Limits::default() };
    let is_mark = |line: &str, mark: &str| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let (mut documents, mut at, mut begun, mut number, mut first) = (Vec::new(), 0, 0, 1, 1);
    let mut add = |from: usize, to: usize, first: usize| -> Result<(), ImportError> {
        let read = document::read(Format::Yaml, &text.as_bytes()[from..to], &limits).map_err(|fault| {
            let line = first + usize::try_from(fault.position.line).unwrap_or(1) - 1;
            ImportError::syntax(line, fault.message)
        })?;
        documents.push(read.into_value());
        Ok(())
    };
    for line in text.split_inclusive('\n') {
        if is_mark(line, "---") || is_mark(line, "...") {
            add(begun, at, first)?;
            // What stands behind `---` on its line belongs to the document; behind `...` there is only a comment.
            begun = if is_mark(line, "---") { at } else { at + line.len() };
            first = if is_mark(line, "---") { number } else { number + 1 };
        }
        at += line.len();
        number += 1;
    }
    add(begun, text.len(), first)?;
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, to: Option<&str>) -> Result<Vec<String>, String> {
        let to = to.map(|to| to.parse::<Path>().unwrap());
        let import = read_configmaps(text.as_bytes(), to.as_ref()).map_err(|error| error.to_string())?;
        let values = import.values.iter().map(|(path, value)| format!("{path}={}", value.to_json()));
        let files = import
            .files
            .iter()
            .map(|file| format!("{}:{:?}", file.name, String::from_utf8_lossy(&file.content)));
        let left_out = import.left_out.iter().map(|left_out| format!("-{}", left_out.name));
        Ok(values.chain(files).chain(left_out).collect())
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  log.level: debug\n  \
        app.yaml: |\n    # why\n    a: 1\n    ---x\nbinaryData:\n  logo.png: /w\n    ==\n";

    #[test]
    fn keys_become_files_and_entries() {
        let map = MAP.replace("    ---x\n", "");
        let own = read(&map, None).unwrap();
        assert_eq!(
            own,
            ["/app/log.level=\"debug\"", "app/app.yaml:\"# why\\na: 1\\n\"", "app/logo.png:\"\u{fffd}\""]
        );
        assert_eq!(read(&map, Some("/to/x")).unwrap()[0], "/to/x/log.level=\"debug\"");
    }

    #[test]
    fn lists_and_streams() {
        let map = |name: &str| format!("{{kind: ConfigMap, metadata: {{name: {name}}}, data: {{k: v}}}}");
        let stream = format!(
            "# hello\n---\n{}\n--- # two\n{}\n...\n---\nkind: Deployment\nmetadata: {{name: d}}\n",
            map("a"),
            map("b")
        );
        assert_eq!(read(&stream, None).unwrap(), ["/a/k=\"v\"", "/b/k=\"v\"", "-d"]);
        assert_eq!(read(&stream, Some("/to")).unwrap(), ["/to/a/k=\"v\"", "/to/b/k=\"v\"", "-d"]);
        let list = r#"{"kind": "List", "items": [{"kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}, "data": {"k": "v"}}]}]}"#;
        assert_eq!(read(list, None).unwrap(), ["/a/k=\"v\""]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let data = |data: &str| format!("kind: ConfigMap\nmetadata: {{name: n}}\n{data}\n");
        let twice = format!("{0}\n---\n{0}", data("data: {k: v}"));
        for (text, reason) in [
            ("kind: Secret\nmetadata: {name: s}\n", "`s` is a Secret"),
            ("{\"kind\": \"List\", \"items\": [{\"kind\": \"Secret\"}]}", "is a Secret"),
            ("a: 1\n", "it has no `kind`"),
            ("", "nothing in it has the kind ConfigMap"),
            ("kind: Pod\n", "nothing in it has the kind ConfigMap"),
            ("- 1\n", "this is not a Kubernetes ConfigMap"),
            ("kind: ConfigMap\n", "no metadata.name"),
            (&data("data: {a: 1}"), "n/a: it is of the kind integer, not text"),
            (&data("data: [a]"), "n/data: it is of the kind array"),
            (&data("data: {a.yaml: 'x: [', b.json: '{'}"), "2 items"),
            (&data("data: {'..': x}"), "1 item"),
            (&data("binaryData: {a: '?'}"), "n/a: it is no base64"),
            (&data("binaryData: {a.yaml: /w==}"), "no UTF-8 text"),
            (&twice, "n/k: it comes twice"),
            ("kind: ConfigMap\nmetadata: {name: a}\n---\na: [\n", "line 4: "),
            (&"{\"kind\":".repeat(50_000), "nested deeper"),
            (&"[".repeat(50_000), "line 1: "),
        ] {
            let error = read(text, None).unwrap_err();
            assert!(error.contains(reason), "{text:.60}: {error}");
        }
    }
}
