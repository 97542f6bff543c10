use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::cost::Cost;
use crate::model::Path;
use crate::snapshot::Digest;

/// How large a pattern may become, in bytes.
const MOST_PATTERN_BYTES: usize = 1 << 20;

/// How many problems with one value are told.
const MOST_ERRORS: usize = 50;

/// How many steps the check of one value may take at most: all other writers wait for it.
const MOST_STEPS: u64 = 2_000_000;

/// The longest message, in characters.
const MOST_MESSAGE: usize = 300;

/// A JSON Schema (draft 2020-12), ready to check values. Formats are asserted, and those that are not known are
/// refused; patterns are of the kind that takes linear time; nothing is fetched from anywhere.
pub(super) struct Schema {
    validator: Validator,
    cost: Cost,
}

/// Something that a value is not.
pub(super) struct Violation {
    /// Where in the value: member names and indexes.
    pub at: Vec<String>,
    /// The keyword that is not met.
    pub keyword: String,
    /// What is wrong, without the value.
    pub message: String,
    /// The hash of the value, where it is no object.
    pub value: Option<Digest>,
}

/// Keywords that speak of a value as a whole by what is within it: unknown parts may be why they are not met.
const OF_PARTS: [&str; 9] =
    ["oneOf", "anyOf", "allOf", "not", "if", "const", "enum", "contains", "uniqueItems"];

impl Schema {
    /// Reads a schema; what is wrong with it, where it is none.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let patterns =
            PatternOptions::regex().size_limit(MOST_PATTERN_BYTES).dfa_size_limit(MOST_PATTERN_BYTES);
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .with_pattern_options(patterns)
            .offline();
        let cost = Cost::of(schema)?;
        match options.build(schema) {
            Ok(validator) => Ok(Schema { validator, cost }),
            Err(error) => {
                let at = error.instance_path().to_string();
                let place = if at.is_empty() { String::new() } else { format!(" (at {at})") };
                // Of what stands there nothing is told: who reads this may not be the one who may read that.
                Err(shortened(&format!("{}{place}", error.masked())))
            }
        }
    }

    /// What a value is not. `unknown` are places in it whose values are not known here: only that they are there.
    pub fn violations(&self, value: &Value, unknown: &[Vec<String>]) -> Vec<Violation> {
        if self.cost.of_value(value) > MOST_STEPS {
            let message = "checking this could take too long; make the schema simpler, or give its parts rules of their own";
            return vec![Violation {
                at: Vec::new(),
                keyword: "$ref".to_owned(),
                message: message.to_owned(),
                value: None,
            }];
        }
        // What is wrong is gathered as a whole; mostly nothing is.
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let mut violations = Vec::new();
        for error in self.validator.iter_errors(value) {
            let at: Vec<String> = pointer_segments(&error.instance_path().to_string());
            let keyword = error.kind().keyword().to_owned();
            let is_within = unknown.iter().any(|place| at.starts_with(place));
            let may_be_why = unknown.iter().any(|place| place.starts_with(&at));
            if is_within || (may_be_why && OF_PARTS.contains(&keyword.as_str())) {
                continue;
            }
            let single = Some(error.instance()).filter(|value| !value.is_object());
            let value = single.map(|value| Digest::of(value.to_string().as_bytes()));
            violations.push(Violation {
                at,
                keyword,
                message: shortened(&error.masked().to_string()),
                value,
            });
            if violations.len() == MOST_ERRORS {
                break;
            }
        }
        violations
    }
}

/// RFC 6901.
fn pointer_segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

fn shortened(message: &str) -> String {
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if message.chars().count() <= MOST_MESSAGE {
        return message;
    }
    message.chars().take(MOST_MESSAGE).chain(['…']).collect()
}

/// The path that the place of a violation leads to, from the path of the value; within a list that of the list.
pub(super) fn path_of(base: &Path, mut value: &Value, at: &[String]) -> Path {
    let mut path = base.clone();
    for segment in at {
        match (value, path.child(segment)) {
            (Value::Object(members), Ok(child)) if members.contains_key(segment) => {
                value = &members[segment];
                path = child;
            }
            _ => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_checked_and_what_is_unknown_is_let_be() {
        let schema = json!({
            "type": "object",
            "required": ["host"],
            "properties": {
                "port": {"type": "integer"},
                "url": {"type": "string", "format": "uri"},
                "mode": {"enum": ["a", "b"]},
            },
            "anyOf": [{"properties": {"mode": {"const": "a"}}}, {"required": ["extra"]}],
        });
        let schema =
            Schema::compile(&schema).map_err(|error| panic!("{error}")).unwrap_or_else(|()| unreachable!());
        let told = |value: Value, unknown: &[&[&str]]| -> Vec<String> {
            let unknown: Vec<Vec<String>> =
                unknown.iter().map(|place| place.iter().map(|s| (*s).to_owned()).collect()).collect();
            let violations = schema.violations(&value, &unknown);
            violations.iter().map(|v| format!("/{}: {}", v.at.join("/"), v.keyword)).collect()
        };
        assert_eq!(told(json!({"host": "x", "mode": "a"}), &[]), Vec::<String>::new());
        assert_eq!(
            told(json!({"port": "x", "url": "no", "mode": "a"}), &[]),
            ["/: required", "/port: type", "/url: format"]
        );
        // A secret may be anything, and whatever depends on it as well.
        assert_eq!(
            told(json!({"host": "", "mode": "", "port": ""}), &[&["mode"], &["port"]]),
            Vec::<String>::new()
        );
        assert_eq!(told(json!({"mode": ""}), &[&["mode"]]), ["/: required"]);
    }

    #[test]
    fn hostile_schemas_are_refused_or_harmless() {
        for (schema, expected) in [
            (json!({"type": "strin"}), "(at /type)"),
            (json!({"format": "no-such-format"}), "Unknown format"),
            (json!({"$ref": "https://example.com/x.json"}), "names no part of it"),
            (json!({"$ref": "file:///etc/passwd"}), "names no part of it"),
            (json!({"pattern": "(a{1000}){1000}"}), "is not a \"regex\""),
            (json!({"pattern": "(?=a)b"}), "is not a \"regex\""),
        ] {
            let refused = Schema::compile(&schema).err().unwrap_or_default();
            assert!(refused.contains(expected), "{schema}: {refused}");
        }
        let slow = json!({"pattern": "^(a+)+$"});
        let compiled = Schema::compile(&slow);
        let value = json!(format!("{}b", "a".repeat(100_000)));
        assert!(compiled.is_ok_and(|schema| schema.violations(&value, &[]).len() == 1));
    }

    /// References to references, twice at each step: a value that would be looked at a billion times is not.
    #[test]
    fn what_could_take_for_ever_is_told_instead() {
        let next = json!({"$ref": "#"});
        let schema = json!({
            "anyOf": [{"properties": {"x": next}}, {"properties": {"x": next}}, {"required": ["y"]}],
            "not": {"properties": {"x": {"$ref": "#"}}},
        });
        let mut value = json!(1);
        for _ in 0..40 {
            value = json!({"x": value});
        }
        let violations =
            Schema::compile(&schema).map(|schema| schema.violations(&value, &[])).unwrap_or_default();
        assert!(violations.len() == 1 && violations[0].message.contains("make the schema simpler"));
        for (circle, reason) in [
            (json!({"$ref": "#"}), "refers to itself"),
            (json!({"allOf": [{"$ref": "#"}]}), "refers to itself"),
        ] {
            assert!(Schema::compile(&circle).err().is_some_and(|told| told.contains(reason)), "{circle}");
        }
    }

    /// The deepest value under the highest schema that is taken does not exhaust the stack of a thread.
    #[test]
    fn the_highest_schema_fits_the_stack() {
        let mut chain = json!({"properties": {"x": {"$ref": "#"}}});
        for _ in 0..36 {
            chain = json!({"allOf": [chain]});
        }
        let mut value = json!(1);
        for _ in 0..64 {
            value = json!({"x": value});
        }
        let Ok(schema) = Schema::compile(&chain) else { panic!("it is high, and no higher than is taken") };
        let checking = std::thread::spawn(move || schema.violations(&value, &[]).len());
        assert_eq!(checking.join().ok(), Some(0));
    }
}
