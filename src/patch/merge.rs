use std::collections::HashSet;

use crate::model::{Object, Value};

/// RFC 7396 section 2, but for what a removal empties.
pub(super) fn apply(target: Option<Value>, patch: &Value) -> Option<Value> {
    let Value::Object(patch) = patch else {
        return (*patch != Value::Null).then(|| patch.clone());
    };
    let (mut members, was_object) = match target {
        Some(Value::Object(members)) => (members, true),
        _ => (Object::new(), false),
    };
    let had_members = !members.is_empty();
    let mut gone: HashSet<&String> = HashSet::new();
    for (name, change) in patch {
        if *change == Value::Null {
            gone.insert(name);
            continue;
        }
        let before = members.get(name).cloned();
        match apply(before, change) {
            Some(after) => {
                members.insert(name.clone(), after);
            }
            None => {
                gone.insert(name);
            }
        }
    }
    // At once: each removal alone would move all that come after it.
    if !gone.is_empty() {
        members.retain(|name, _| !gone.contains(name));
    }
    let is_emptied = was_object && had_members && members.is_empty();
    (!is_emptied).then_some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: &str, patch: &str) -> Option<String> {
        let read = |text: &str| Value::from_json(text).unwrap();
        apply(Some(read(target)), &read(patch)).map(|value| value.to_json())
    }

    #[test]
    fn the_examples_of_rfc_7396() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(target, patch).as_deref(), Some(result), "{target} {patch}");
        }
        assert_eq!(merged(r#"{"a":"foo"}"#, "null"), None);
    }

    #[test]
    fn digits_and_order_stay_and_what_is_emptied_goes() {
        assert_eq!(
            merged(r#"{"z":1.10,"a":2}"#, r#"{"n":3,"a":2.0}"#).as_deref(),
            Some(r#"{"z":1.10,"a":2.0,"n":3}"#)
        );
        assert_eq!(
            merged(r#"{"a":{"b":{"c":1}},"d":2}"#, r#"{"a":{"b":{"c":null}}}"#).as_deref(),
            Some(r#"{"d":2}"#)
        );
        assert_eq!(merged(r#"{"a":1}"#, r#"{"a":null}"#), None);
        assert_eq!(
            merged(r#"{"a":{"b":1}}"#, r#"{"a":{"b":null,"c":2}}"#).as_deref(),
            Some(r#"{"a":{"c":2}}"#)
        );
        assert_eq!(apply(None, &Value::from_json(r#"{"a":1}"#).unwrap()).unwrap().to_json(), r#"{"a":1}"#);
    }
}
