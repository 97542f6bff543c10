use super::Patch;
use crate::model::Value;

fn patched(target: &str, patch: &str) -> Result<Option<String>, String> {
    let read = |text: &str| Value::from_json(text).unwrap();
    let patch = Patch::operations(&read(patch)).map_err(|error| error.to_string())?;
    let after = patch.apply(Some(read(target))).map_err(|error| error.to_string())?;
    Ok(after.map(|value| value.to_json()))
}

#[test]
fn the_examples_of_rfc_6902() {
    for (target, patch, result) in [
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        (
            r#"{"foo":["bar","qux","baz"]}"#,
            r#"[{"op":"remove","path":"/foo/1"}]"#,
            r#"{"foo":["bar","baz"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1.0e0}]"#, r#"{"a":1}"#),
        (
            r#"{"a":1}"#,
            r#"[{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/a"}]"#,
            r#"{"b":1}"#,
        ),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"replace","path":"/a","value":{}}]"#, r#"{"a":{}}"#),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
        (r#"{"a":{"b":1},"c":2}"#, r#"[{"op":"remove","path":"/a/b"}]"#, r#"{"c":2}"#),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, r#"{"b":1}"#),
        // A member is renamed: its object is empty for a moment.
        (
            r#"{"a":{"b":1},"x":2}"#,
            r#"[{"op":"move","from":"/a/b","path":"/a/c"}]"#,
            r#"{"a":{"c":1},"x":2}"#,
        ),
        (
            r#"{"a":{"b":1},"x":2}"#,
            r#"[{"op":"remove","path":"/a/b"},{"op":"add","path":"/a/c","value":1}]"#,
            r#"{"a":{"c":1},"x":2}"#,
        ),
        (
            r#"{"a":{"b":{"c":1}},"x":2}"#,
            r#"[{"op":"remove","path":"/a/b/c"},{"op":"add","path":"/x","value":3}]"#,
            r#"{"x":3}"#,
        ),
        (
            r#"{"a":{"b":1},"x":2}"#,
            r#"[{"op":"remove","path":"/a/b"},{"op":"replace","path":"/a","value":{}}]"#,
            r#"{"a":{},"x":2}"#,
        ),
        (r#"{"a":[{"b":1}]}"#, r#"[{"op":"remove","path":"/a/0/b"}]"#, r#"{"a":[{}]}"#),
    ] {
        assert_eq!(patched(target, patch).unwrap().as_deref(), Some(result), "{target} {patch}");
    }
    assert_eq!(patched("1", r#"[{"op":"remove","path":""}]"#).unwrap(), None);
}

#[test]
fn what_does_not_fit_names_the_operation() {
    for (target, patch, message) in [
        (
            r#"{"baz":"qux"}"#,
            r#"[{"op":"test","path":"/baz","value":"bar"}]"#,
            "operation 1 (test `/baz`): the value there is another",
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#,
            "operation 1 (add `/baz/bat`): there is no member `baz`",
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/2","value":1}]"#,
            "the index 2 is beyond the list, which has 1 items",
        ),
        (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/-"}]"#, "the index - is beyond the list"),
        (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/00"}]"#, "`00` is no index of a list"),
        (
            r#"{"a":1}"#,
            r#"[{"op":"remove","path":"/a/b"}]"#,
            "`b` is looked for in a value of type integer, which has no members",
        ),
        ("{}", r#"[{"op":"replace","path":"/a","value":1}]"#, "there is no member `a`"),
        ("{}", r#"[{"op":"spam","path":"/a"}]"#, "operation 1: unknown op `spam`"),
        ("{}", r#"[{"op":"add","path":"/a"}]"#, "operation 1: `value` is missing"),
        (
            "{}",
            r#"[{"op":"add","path":"a","value":1}]"#,
            "operation 1: `path`: a JSON Pointer is empty or begins with `/`",
        ),
        ("{}", r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, "a value cannot be moved into itself"),
        ("{}", r#"{"op":"add"}"#, "a JSON Patch is a list of operations"),
        ("{}", "[1]", "operation 1: expected an object"),
    ] {
        let error = patched(target, patch).unwrap_err();
        assert!(error.contains(message), "{patch}: {error}");
    }
    assert!(Patch::Operations(Vec::new()).apply(None).unwrap().is_none());
}

#[test]
fn copies_of_copies_and_deep_values_end() {
    let copy = r#"{"op":"copy","from":"","path":"/b"}"#;
    let list = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let copies = format!("[{}]", vec![list; 60].join(","));
    let error = patched(r#"{"a":["some text"]}"#, &copies).unwrap_err();
    assert!(error.contains("the copies of this patch take more than"), "{error}");
    let deeper = format!("[{}]", vec![copy; 70].join(","));
    let error = patched(r#"{"a":1}"#, &deeper).unwrap_err();
    assert!(error.contains("nested deeper than 64 levels") || error.contains("copies"), "{error}");
    let path = "/0".repeat(64);
    let error = patched("[]", &format!(r#"[{{"op":"add","path":"{path}","value":[]}}]"#)).unwrap_err();
    assert!(error.contains("nested deeper than 64 levels"), "{error}");
}

#[test]
fn removals_in_a_large_object_are_bounded() {
    let members: Vec<String> = (0..20_000).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let removals: Vec<String> = (0..5_000).map(|n| format!(r#"{{"op":"remove","path":"/k{n}"}}"#)).collect();
    let target = format!("{{{}}}", members.join(","));
    let refused = patched(&target, &format!("[{}]", removals.join(","))).unwrap_err();
    assert!(refused.contains("too many members"), "{refused}");
    assert!(patched(&target, &format!("[{}]", removals[..1_000].join(","))).is_ok());
    let nulls: Vec<String> = (0..20_000).map(|n| format!(r#""k{n}":null"#)).collect();
    let merge = Patch::Merge(Value::from_json(&format!("{{{}}}", nulls[..19_999].join(","))).unwrap());
    let left = merge.apply(Some(Value::from_json(&target).unwrap())).unwrap().unwrap();
    assert_eq!(left.to_json(), r#"{"k19999":19999}"#);
}
