use super::super::testing::{change_in, json};
use super::super::{Change, EditError, Fault, FaultKind, Format, Op, edit, emit, read};
use crate::model::{Limits, Value};

fn parse(text: &str) -> Result<String, Fault> {
    read(Format::Yaml, text.as_bytes(), &Limits::default()).map(|document| document.value().to_json())
}

fn change(text: &str, changes: &[&str]) -> Result<String, EditError> {
    change_in(Format::Yaml, text, changes)
}

#[test]
fn values() {
    for (text, expected) in [
        ("", "{}"),
        ("# only\n\n# comments\n", "{}"),
        ("---\n", "{}"),
        ("\u{feff}a: 1\n", r#"{"a":1}"#),
        ("---\na: 1\n...\n", r#"{"a":1}"#),
        ("%YAML 1.2\n---\na: 1\n", r#"{"a":1}"#),
        ("~", "null"),
        ("a: no\nb: on\nc: y\n", r#"{"a":"no","b":"on","c":"y"}"#),
        ("a:\nb: ~\nc: 'null'\n", r#"{"a":null,"b":null,"c":"null"}"#),
        ("a: 017\nb: 0x1F\nc: .5\nd: 1.10\n", r#"{"a":"017","b":31,"c":0.5,"d":1.10}"#),
        ("1: a\ntrue: b\n1.5: c\n", r#"{"1":"a","true":"b","1.5":"c"}"#),
        ("a: !!str 12\nb: !!int \"3\"\nc: ! 5\nd: !!float 1\n", r#"{"a":"12","b":3,"c":"5","d":1}"#),
        ("a: !<tag:yaml.org,2002:str> 1\n", r#"{"a":"1"}"#),
        ("a: &x {b: 1}\nc: *x\n", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ("a: &x {b: 1, c: 2}\nd:\n  c: 3\n  <<: *x\n", r#"{"a":{"b":1,"c":2},"d":{"c":3,"b":1}}"#),
        (
            "a: &x {b: 1}\ne: &y {b: 2, f: 3}\nd:\n  <<: [*x, *y]\n",
            r#"{"a":{"b":1},"e":{"b":2,"f":3},"d":{"b":1,"f":3}}"#,
        ),
        ("\"<<\": 1\n", r#"{"<<":1}"#),
        ("a: |\n  x\n   y\n\nb: >-\n  x\n  y\n", r#"{"a":"x\n y\n","b":"x y"}"#),
        ("a:\n- 1\n- b: 2\n  c: 3\n- - 4\n", r#"{"a":[1,{"b":2,"c":3},[4]]}"#),
        ("a: [\n  1,\n]\n", r#"{"a":[1]}"#),
        ("a: 1\r\nb: x\r\n", r#"{"a":1,"b":"x"}"#),
        ("- 1\n- 2\n", "[1,2]"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn faults() {
    use FaultKind::{DuplicateKey, Encoding, Limit, Syntax, Unsupported};
    for (text, kind, line, column) in [
        ("a: 1\nb: 2\na: 3\n", DuplicateKey, 3, 1),
        ("a: {b: 1, b: 2}\n", DuplicateKey, 1, 11),
        ("a: &x {}\nb:\n  <<: *x\n  <<: *x\n", DuplicateKey, 4, 3),
        ("a: 1\n---\nb: 2\n", Unsupported, 2, 1),
        ("a: *nope\n", Syntax, 1, 4),
        ("a: &x [*x]\n", Unsupported, 1, 8),
        ("a: .inf\n", Unsupported, 1, 4),
        ("a: [1, .NaN]\n", Unsupported, 1, 8),
        ("a: !secret x\n", Unsupported, 1, 4),
        ("a: !!binary aGk=\n", Unsupported, 1, 4),
        ("a: !!int x\n", Unsupported, 1, 4),
        ("~: 1\n", Unsupported, 1, 1),
        (": 1\n", Unsupported, 1, 1),
        ("? [a]\n: 1\n", Unsupported, 1, 3),
        ("a: &x k\n*x : 1\n", Unsupported, 2, 1),
        ("a:\n\tb: 1\n", Syntax, 2, 2),
        ("a:\n  b: 1\n\tc: 2\n", Syntax, 2, 6),
        ("a: b: c\n", Syntax, 1, 5),
        ("a: 'x\n", Syntax, 1, 4),
        ("é: {a: 1, \"ü\": }}\n", Syntax, 1, 17),
        ("a:\n  <<: 5\n", Unsupported, 2, 7),
    ] {
        let fault = parse(text).unwrap_err();
        assert_eq!(
            (fault.kind, fault.position.line, fault.position.column),
            (kind, line, column),
            "{text}: {fault}"
        );
    }
    let fault = read(Format::Yaml, b"a: 1\nb: \xff\n", &Limits::default()).unwrap_err();
    assert_eq!((fault.kind, fault.position.line, fault.position.column), (Encoding, 2, 4));
    let small = Limits { document_bytes: 3, ..Limits::default() };
    assert_eq!(read(Format::Yaml, b"a: 1", &small).unwrap_err().kind, Limit);
}

#[test]
fn hostile_documents_are_refused_quickly() {
    let started = std::time::Instant::now();
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(4000), "*a, ".repeat(4000));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(4000));
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let deeper = "[".repeat(200_000);
    let block: String = (0..2000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    for text in [&laughs, &wide, &long, &deep, &deeper, &block] {
        assert!(parse(text).is_err());
    }
    let merges: String =
        (1..60).map(|i| format!("m{i}: &m{i}\n  k{i}: 1\n  <<: [*m{}, *m{}]\n", i - 1, i - 1)).collect();
    assert!(parse(&format!("m0: &m0 {{k: 1}}\n{merges}")).is_err());
    let aliases: String = (1..70).map(|i| format!("n{i}: &n{i} [*n{}]\n", i - 1)).collect();
    assert_eq!(parse(&format!("n0: &n0 [1]\n{aliases}")).unwrap_err().kind, FaultKind::Limit);
    assert!(parse(&format!("{}1{}", "[".repeat(64), "]".repeat(64))).is_ok());
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn places() {
    let text = "# x\na:\n  b: &m\n    ü: 1\n  \"c\": {d: 2}\ne: *m\nf:\n  <<: *m\n";
    let document = read(Format::Yaml, text.as_bytes(), &Limits::default()).unwrap();
    for (keys, expected) in [
        (&[][..], Some((1, 1))),
        (&["a"], Some((2, 1))),
        (&["a", "b", "ü"], Some((4, 5))),
        (&["a", "c", "d"], Some((5, 9))),
        (&["e", "ü"], Some((4, 5))),
        (&["f", "ü"], Some((4, 5))),
        (&["a", "x"], None),
        (&["a", "c", "d", "x"], None),
    ] {
        let found = document.position_of(keys).map(|position| (position.line, position.column));
        assert_eq!(found, expected, "{keys:?}");
    }
}

#[test]
fn edits() {
    for (before, changes, after) in [
        // Scalars: only their bytes change, and they keep their quotes where they can.
        ("a: 1 # one\nb: 2\n", &["a=10"][..], "a: 10 # one\nb: 2\n"),
        ("a:   \"x\"   # c\n", &["a=\"y z\""], "a:   \"y z\"   # c\n"),
        ("a: 'x'\n", &["a=\"it's\""], "a: 'it''s'\n"),
        ("a: 'x'\n", &["a=\"two\\nlines\""], "a: \"two\\nlines\"\n"),
        ("a: x\n", &["a=\"no\""], "a: \"no\"\n"),
        ("a: x\n", &["a=\"plain words\""], "a: plain words\n"),
        ("a: \"x\"\n", &["a=5"], "a: 5\n"),
        ("a: x\nb: 1\n", &["a=\"two\\nlines\\n\""], "a: |\n  two\n  lines\nb: 1\n"),
        ("a: | # c\n  old\n  text\n\nb: 1\n", &["a=\"new\\ntext\\n\""], "a: | # c\n  new\n  text\n\nb: 1\n"),
        ("a: >-\n  old\nb: 1\n", &["a=\"short\""], "a: short\nb: 1\n"),
        ("a:\n  \"x\"\nb: 1\n", &["a=\"y\""], "a:\n  \"y\"\nb: 1\n"),
        ("a: multi\n  line # c\nb: 1\n", &["a=2"], "a: 2 # c\nb: 1\n"),
        ("a:\nb: 1\n", &["a=2"], "a: 2\nb: 1\n"),
        ("a: # c\nb: 1\n", &["a=2"], "a: 2 # c\nb: 1\n"),
        ("a: &x 1\n", &["a=2"], "a: &x 2\n"),
        ("a: !!str 1\n", &["a=2"], "a: 2\n"),
        ("a: 1", &["a=2"], "a: 2"),
        ("a: 1\nb: x", &["a=2"], "a: 2\nb: x"),
        ("a: 1\r\nb: 2\r\n", &["c={\"d\":1}", "a=3"], "a: 3\r\nb: 2\r\nc:\r\n  d: 1\r\n"),
        ("a: 1\n", &["a=1e3"], "a: 1.0e+3\n"),
        // New keys.
        ("a: 1\n", &["b=2"], "a: 1\nb: 2\n"),
        ("a: 1", &["b=2"], "a: 1\nb: 2\n"),
        (
            "a:\n    x: 1 # c\n    # inner\n# about b\nb: 2\n",
            &["a/w=2"],
            "a:\n    x: 1 # c\n    w: 2\n    # inner\n# about b\nb: 2\n",
        ),
        ("a: 1\n", &["b/c/d=\"x\""], "a: 1\nb:\n  c:\n    d: x\n"),
        ("a: {}\n", &["a/b=1"], "a:\n  b: 1\n"),
        ("a: {} # c\nz: 1\n", &["a/b=1"], "a: # c\n  b: 1\nz: 1\n"),
        ("a:\nz: 1\n", &["a/b=1"], "a:\n  b: 1\nz: 1\n"),
        ("a: ~ # c\n", &["a/b=[1,{\"c\":[]}]"], "a: # c\n  b:\n    - 1\n    - c: []\n"),
        ("a: {x: 1} # c\n", &["a/b=\"p,q\""], "a: {x: 1, b: \"p,q\"} # c\n"),
        ("a: {x: {}}\n", &["a/x/w=1"], "a: {x: {w: 1}}\n"),
        ("a: {\"x\":[]}\n", &["a/x=\"p q\""], "a: {\"x\": p q}\n"),
        ("a: {x: }\n", &["a/x=1"], "a: {x: 1 }\n"),
        ("a: {x}\n", &["a/x=1"], "a: {x: 1}\n"),
        ("a: {\n  x: 1,\n  y: 2\n}\n", &["a/z=3"], "a: {\n  x: 1,\n  y: 2,\n  z: 3\n}\n"),
        ("", &["a=1"], "a: 1\n"),
        ("# only\n", &["a/b=1"], "# only\n\na:\n  b: 1\n"),
        ("---\n", &["a=1"], "---\na: 1\n"),
        ("\u{feff}a: 1\n", &["b=2"], "\u{feff}a: 1\nb: 2\n"),
        ("\u{feff}\"a\": &x\n", &["a=2"], "\u{feff}\"a\": 2\n"),
        ("\u{feff}# c\na: 1\nb: 2\n", &["a"], "\u{feff}b: 2\n"),
        ("a: |+\n  x\n\n", &["b=1"], "a: |+\n  x\n\nb: 1\n"),
        ("a: 1\n...\n", &["b=1"], "a: 1\nb: 1\n...\n"),
        // Removal.
        ("# top\n\n# about a\n# more\na: 1\n# about b\nb: 2\n", &["a"], "# top\n\n# about b\nb: 2\n"),
        ("a:\n  x: 1\n  # t\nb: 2\n", &["a"], "b: 2\n"),
        ("a:\n  x: 1\nb: 2\n", &["a/x"], "b: 2\n"),
        ("# keep\n\na: 1\n", &["a"], "# keep\n\n"),
        ("a: {x: 1, y: 2}\n", &["a/x"], "a: {y: 2}\n"),
        ("a: {x: 1, y: 2}\n", &["a/y"], "a: {x: 1}\n"),
        ("a: {x: 1}\nb: 1\n", &["a/x"], "b: 1\n"),
        (
            "a: {\n  x: 1, # one\n  # about y\n  y: 2 # two\n}\n",
            &["a/x"],
            "a: {\n  # about y\n  y: 2 # two\n}\n",
        ),
        ("a: |+\n  x\n\nb: 1\n", &["a"], "b: 1\n"),
        ("a: 1\nb: 2", &["b"], "a: 1\n"),
        // Objects are merged into what is there, lists are replaced.
        (
            "a: # c\n  x: 1 # one\n  y: 2 # two\n  z: 3\n",
            &["a={\"w\":0,\"x\":1,\"y\":5}"],
            "a: # c\n  x: 1 # one\n  y: 5 # two\n  w: 0\n",
        ),
        ("a:\n  x: 1\nb: 1\n", &["a={}"], "a: {}\nb: 1\n"),
        ("a: # c\n  x: 1\n", &["a=5"], "a: 5 # c\n"),
        ("a: 5 # c\n", &["a={\"x\":1}"], "a: # c\n  x: 1\n"),
        ("a:\n- 1 # one\n- 2\nb: 1\n", &["a=[1,2]"], "a:\n- 1 # one\n- 2\nb: 1\n"),
        ("a:\n- 1 # one\n- 2\nb: 1\n", &["a=[1,3]"], "a:\n  - 1\n  - 3\nb: 1\n"),
        ("a: [1, 2] # c\nb: 1\n", &["a=[1, \"x\"]"], "a: [1, x] # c\nb: 1\n"),
        ("a:\n  x: 1\n", &["a={\"w\":1}"], "a:\n  w: 1\n"),
        ("a: 1\nb: 2\n", &["a", "b", "c=1"], "c: 1\n"),
        ("a:\n  - x\nb: 1\n", &["a={\"k\":1}"], "a:\n  k: 1\nb: 1\n"),
        ("a: &x\n  k: 1\nb: 1\n", &["a=2"], "a: 2\nb: 1\n"),
        // The whole document.
        ("# c\na: 1\n", &["=[1,2]"], "# c\n- 1\n- 2\n"),
        ("# c\n5 # five\n", &["=6"], "# c\n6 # five\n"),
        ("5 # five\n", &["={\"a\":1}"], "a: 1 # five\n"),
        ("--- 5\n", &["={\"a\":1}"], "--- \na: 1\n"),
        ("# c\n|\n  old\n  text\n", &["=\"x\""], "# c\nx\n"),
        ("# c\n\na: 1\n", &[""], "# c\n\n"),
        ("- 1\n- 2\n", &["={\"a\":1}"], "a: 1\n"),
        ("{a: 1}\n", &["={\"a\":2}"], "{a: 2}\n"),
    ] {
        assert_eq!(change(before, changes).as_deref(), Ok(after), "{before:?} {changes:?}");
    }
}

#[test]
fn refusals() {
    for (text, change_text, line, column) in [
        ("a: &x\n  k: 1\nb: *x\n", "a/k=2", 1, 4),
        ("a: &x\n  k: 1\nb: *x\n", "b/k=2", 3, 4),
        ("a: &x {k: 1}\nb: *x\n", "a/k", 1, 4),
        ("a: {k: &x 1}\nb: *x\n", "a/k", 1, 8),
        ("a: {k: [&x 1]}\nb: *x\n", "a=1", 1, 9),
        ("a: &x {k: 1}\nb:\n  <<: *x\n", "b/k=2", 3, 3),
        ("a: &x {k: 1}\nb:\n  <<: *x\n  j: 1\n", "b/k", 3, 3),
        ("? a\n: 1\n", "a=2", 1, 3),
    ] {
        match change(text, &[change_text]) {
            Err(EditError::NotEditable { position, .. }) => {
                assert_eq!((position.line, position.column), (line, column), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(
        change("a: &x {k: 1}\nb:\n  <<: *x\n", &["b/j=2"]).as_deref(),
        Ok("a: &x {k: 1}\nb:\n  <<: *x\n  j: 2\n")
    );
    assert!(matches!(change("a: 1\n", &["a/b=1"]), Err(EditError::Shape { .. })));
    assert!(matches!(change("a: 1\n", &["b"]), Err(EditError::Absent { .. })));
    assert!(matches!(change("a: [\n", &["b"]), Err(EditError::Unreadable(_))));
    let tight = Limits { document_bytes: 6, ..Limits::default() };
    let keys = ["b".to_owned()];
    let set = Change { keys: &keys, op: Op::Set(json("1")) };
    assert_eq!(
        edit(Format::Yaml, b"a: 1\n", &[set], &tight).unwrap_err(),
        EditError::TooLarge { actual: 10, limit: 6 }
    );
    let bytes = Change { keys: &keys, op: Op::Set(Value::Bytes(vec![1])) };
    assert!(matches!(
        edit(Format::Yaml, b"a: 1\n", &[bytes], &Limits::default()),
        Err(EditError::CannotExpress(_))
    ));
}

#[test]
fn emitted() {
    for (value, expected) in [
        ("{}", ""),
        ("[]", "[]\n"),
        ("\"no\"", "\"no\"\n"),
        (
            r#"{"a":{"b":[1,[2,[]],{"c":null,"d":{}}]},"e":"x\ny\n"}"#,
            "a:\n  b:\n    - 1\n    - - 2\n      - []\n    - c: null\n      d: {}\ne: |\n  x\n  y\n",
        ),
        (
            r#"{"on":1e3,"<<":"1e3","":"a: b","k\n":"- x"}"#,
            "\"on\": 1.0e+3\n\"<<\": \"1e3\"\n\"\": \"a: b\"\n\"k\\n\": \"- x\"\n",
        ),
        (r#"{"a":["x\ny"]}"#, "a:\n  - |-\n    x\n    y\n"),
        (r#"{"a":" x\n y"}"#, "a: \" x\\n y\"\n"),
    ] {
        let bytes = emit(Format::Yaml, &json(value)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
    assert!(emit(Format::Yaml, &Value::Bytes(vec![0])).is_err());
}
