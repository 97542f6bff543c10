//! What is written says the same to our reader and to others.

use std::io::Write as _;
use std::process::{Command, Stdio};

use confgit::document::{Format, emit, read};
use confgit::model::{Limits, Value};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::values::{config, root, same, string, value};

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_written_reads_the_same(value in value(true), table in root(false)) {
        for (format, value) in [(Format::Yaml, &value), (Format::Json, &value), (Format::Toml, &table)] {
            let bytes = emit(format, value).expect("can be expressed");
            let again = read(format, &bytes, &Limits::default());
            let again = again.unwrap_or_else(|fault| panic!("{fault}\n{}", String::from_utf8_lossy(&bytes)));
            prop_assert!(same(value, again.value()), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn another_yaml_reader_agrees(value in value(true)) {
        let text = String::from_utf8(emit(Format::Yaml, &value).expect("can be expressed")).expect("text");
        let theirs: serde_yaml::Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let is_empty_document = text.is_empty();
        prop_assert!(is_empty_document || agrees(&value, &theirs), "{text}\n{theirs:?}");
    }
}

fn agrees(ours: &Value, theirs: &serde_yaml::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_yaml::Value::Null) => true,
        (Value::Bool(ours), serde_yaml::Value::Bool(theirs)) => ours == theirs,
        (Value::Number(ours), serde_yaml::Value::Number(theirs)) => {
            ours.as_str() == theirs.to_string() || ours.as_str().parse::<f64>().ok() == theirs.as_f64()
        }
        (Value::String(ours), serde_yaml::Value::String(theirs)) => ours == theirs,
        (Value::Array(ours), serde_yaml::Value::Sequence(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agrees(ours, theirs))
        }
        (Value::Object(ours), serde_yaml::Value::Mapping(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(name, ours)| theirs.get(name.as_str()).is_some_and(|theirs| agrees(ours, theirs)))
        }
        _ => false,
    }
}

/// PyYAML reads YAML 1.1: the parser that most scripts use, and the one that takes most strings for
/// something else.
#[test]
fn pyyaml_agrees() {
    const SCRIPT: &str = "
import json, sys
try:
    import yaml
except ImportError:
    sys.exit('no PyYAML')
out = []
for text in json.load(sys.stdin):
    try:
        out.append(['ok', yaml.safe_load(text)])
    except Exception as error:
        out.append(['error', str(error)])
json.dump(out, sys.stdout, default=lambda other: 'not JSON: ' + repr(other), allow_nan=False)
";
    let mut runner = TestRunner::deterministic();
    let (whole, alone) = (value(true), string().prop_map(Value::String));
    let mut values: Vec<Value> =
        (0..600).map(|_| whole.new_tree(&mut runner).expect("a value").current()).collect();
    values.extend((0..600).map(|_| alone.new_tree(&mut runner).expect("a string").current()));
    // As a member, an item and inside braces a string has other dangers than alone.
    let strings: Vec<Value> = values[600..].to_vec();
    values.extend(
        strings.iter().map(|text| Value::Object([("k".to_owned(), text.clone())].into_iter().collect())),
    );
    values.push(Value::Array(strings));
    let texts: Vec<String> = values
        .iter()
        .map(|value| String::from_utf8(emit(Format::Yaml, value).expect("can be expressed")).expect("text"))
        .collect();

    let python = crate::harness::python();
    let install = format!("this test needs PyYAML: `{python} -m pip install PyYAML`, or run `make test`");
    let mut child = Command::new(&python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: {install}"));
    let input = Value::Array(texts.iter().map(|text| Value::from(text.as_str())).collect()).to_json();
    let mut stdin = child.stdin.take().expect("a pipe");
    // A Python without PyYAML stops reading; its exit says so.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "{install}");
    let answers = Value::from_json(std::str::from_utf8(&output.stdout).expect("text")).expect("JSON");
    let Value::Array(answers) = answers else { panic!("no list") };
    assert_eq!(answers.len(), values.len());
    for ((value, text), answer) in values.iter().zip(&texts).zip(answers) {
        let Value::Array(answer) = answer else { panic!("no pair") };
        let is_empty_document = text.is_empty();
        assert!(
            is_empty_document || (answer[0] == Value::from("ok") && numerically_same(value, &answer[1])),
            "{text}\nours: {}\nPyYAML: {answer:?}",
            value.to_json()
        );
    }
}

fn numerically_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_str().parse::<f64>() == b.as_str().parse::<f64>()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| numerically_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| numerically_same(a, b)))
        }
        _ => a == b,
    }
}
