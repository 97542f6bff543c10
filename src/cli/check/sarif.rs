use crate::model::{Object, Rule, Value};
use crate::service::TreeFinding;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The findings as a log of SARIF 2.1.0 (OASIS).
pub fn log(findings: &[TreeFinding]) -> Value {
    let rules = Rule::ALL.iter().map(|rule| object([("id", text(rule.name()))]));
    let driver = object([
        ("name", text("confgit")),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("rules", Value::Array(rules.collect())),
    ]);
    let run = object([
        ("tool", object([("driver", driver)])),
        ("columnKind", text("unicodeCodePoints")),
        ("results", Value::Array(findings.iter().map(result).collect())),
    ]);
    object([("$schema", text(SCHEMA)), ("version", text("2.1.0")), ("runs", Value::Array(vec![run]))])
}

fn result(finding: &TreeFinding) -> Value {
    let diagnostic = &finding.diagnostic;
    let path = diagnostic.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    let env = finding.environment.as_ref().map(|name| format!(" (in {name})")).unwrap_or_default();
    let message = format!("{path}{}{env}", diagnostic.message);
    let mut members = vec![
        ("ruleId", text(diagnostic.rule.name())),
        ("level", text("error")),
        ("message", object([("text", text(&message))])),
    ];
    if let Some(file) = &diagnostic.file {
        let mut place = vec![("artifactLocation", object([("uri", text(&uri(file)))]))];
        if let Some(position) = diagnostic.position {
            let number = |number: u32| Value::from_json(&number.to_string()).unwrap_or(Value::Null);
            let region = [("startLine", number(position.line)), ("startColumn", number(position.column))];
            place.push(("region", object(region)));
        }
        let location = object([("physicalLocation", object(place))]);
        members.push(("locations", Value::Array(vec![location])));
    }
    object(members)
}

/// The name of a file as a relative reference (RFC 3986).
fn uri(file: &str) -> String {
    let mut uri = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Object>())
}
