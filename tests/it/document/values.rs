//! Random values, with the strings that parsers like to take for something else.

use confgit::model::{Number, Object, Value};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// So many cases, and no file of failures in the tree.
pub fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Strings that one parser or another takes for something else.
#[rustfmt::skip]
const NASTY: &[&str] = &[
    "", "no", "On", "y", "N", "~", "null", "true", "1", "017", "0o17", "0x1F", "0b1", "1_000", "1e3",
    "1.5e3", ".5", "5.", "+1", "-", "--", "---", "...", "12:30", "12:30:45", "190:20:30.15",
    "2024-01-01", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "=", "<<", "?", "? a",
    ": a", "a: b", "a:", "a #b", "#a", "- a", "-a", "&a", "*a", "!a", "!!str a", "|", ">", "%a", "@a",
    "`a", "'a'", "\"a\"", "{a", "a}", "[a", "a]", "a, b", " a", "a ", "\ta", "a\t", "a\tb", "a\nb",
    "a\nb\n", "a\n\nb\n", "\na", "a\n\n", "\n", " \n", "a\n  b\n c", " a\nb", "a \nb", "#a\nb",
    "---\na", "a\r\nb", "\r", "\u{0}", "\u{1}", "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "a\u{2029}b",
    "\u{feff}", "\u{fffe}", "😀", "ü", "\\", "\\n", "'", "\"", "it's", ".inf", "-.INF", ".nan",
    "10.0.0.1", "1.2.3", "a:b", "http://x/?y#z", "${NAME}", "a\n#b\n", "x\n- y", "1:2", "0.", "00",
    "0_0", "1__0", "0x_", "_1", "1e+3", "1.e+3", "é: ü", "\u{200b}", "-1", "- ", "\\ud83d", "0o8", "!",
];

/// Such strings, and ordinary ones.
pub fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(NASTY).prop_map(str::to_owned),
        3 => "[a-z]{1,8}( [a-z]{1,5}){0,3}",
        1 => "[ -~\n]{0,20}",
        1 => any::<String>(),
        1 => "[0-9_.:eE+x-]{1,6}",
    ]
}

pub fn number() -> impl Strategy<Value = Number> {
    let text = prop_oneof![
        (-1_000_000i64..1_000_000).prop_map(|n| n.to_string()),
        prop::sample::select(vec![
            "0",
            "-0",
            "1.10",
            "1e3",
            "1E-5",
            "2.5e+10",
            "-1.5E3",
            "0.1",
            "9223372036854775807",
            "1.0"
        ])
        .prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,5})\\.[0-9]{1,4}",
    ];
    text.prop_map(|text| Number::new(&text).expect("JSON's grammar"))
}

pub fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-e]", 2 => "[a-z]{2,6}(-[a-z]{1,3})?", 1 => string()]
}

pub fn value(with_null: bool) -> BoxedStrategy<Value> {
    let null = if with_null { Value::Null } else { Value::Bool(true) };
    let leaf = prop_oneof![
        1 => Just(null),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => number().prop_map(Value::Number),
        4 => string().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            2 => object(inner).prop_map(Value::Object),
        ]
    })
    .boxed()
}

pub fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
    prop::collection::vec((key(), inner), 0..5).prop_map(|members| members.into_iter().collect())
}

pub fn root(with_null: bool) -> BoxedStrategy<Value> {
    object(value(with_null)).prop_map(Value::Object).boxed()
}

/// Equality up to the spelling of exponents, which YAML 1.1 narrows.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || (a.as_str().contains(['e', 'E']) && a.as_str().parse::<f64>() == b.as_str().parse::<f64>())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

pub fn lookup<'v>(root: &'v Value, keys: &[String]) -> Option<&'v Value> {
    keys.iter().try_fold(root, |at, key| match at {
        Value::Object(members) => members.get(key),
        _ => None,
    })
}
