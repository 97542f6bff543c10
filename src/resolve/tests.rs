//! References and templates, on layers that are written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::testing::layer_of;
use super::*;
use crate::model::{Limits, Path, PathGlob, ResolutionRules, Value};

/// Secrets as a provider has them.
struct Known(BTreeMap<&'static str, &'static str>);

impl Secrets for Known {
    fn secret(&self, name: &str) -> Result<Option<String>, Withheld> {
        Ok(self.0.get(name).map(|value| (*value).to_owned()))
    }
}

fn view(layers: &[(&str, &[(&str, &str)])]) -> View {
    let rules = ResolutionRules {
        as_written: vec![PathGlob::new("/raw/**")],
        process: [("REGION".to_owned(), Some("eu".to_owned())), ("UNSET".to_owned(), None)].into(),
        ..ResolutionRules::default()
    };
    let layers = layers.iter().map(|(name, files)| layer_of(name, files)).collect();
    View::new(layers, Arc::new(rules))
}

/// What a path resolves to, as JSON, or the error.
fn resolved(view: &View, path: &str, secrets: &dyn Secrets) -> String {
    let mut resolver = Resolver::new(view, secrets, &Limits::default());
    let path: Path = path.parse().unwrap();
    let value = match resolver.find(&path) {
        Ok(None) => return "nothing".to_owned(),
        Ok(Some(Found::Entry(found))) => resolver.entry(&path, &found),
        Ok(Some(Found::Object(object))) => resolver.object(&path, &object),
        Err(error) => Err(error),
    };
    value.map_or_else(|error| format!("error: {error}"), |resolved| resolved.value.to_json())
}

#[test]
fn references_become_values() {
    let base: &[(&str, &str)] = &[
        (
            ".confgit/variables.yaml",
            r#"{"HOST":"base.db","PORT":5432,"URL":"http://${HOST}:${PORT}","LIST":[1,"${HOST}"],"ON":true}"#,
        ),
        (
            "app.yaml",
            r#"{"host":"${HOST}","port":"${PORT}","url":"${URL}/x","list":"${LIST}","on":"${ON}","mixed":"${ON}-${PORT}",
                "nested":[{"a":"${HOST}"}],"literal":"$${HOST} $${","region":"${REGION}","unset":"${UNSET:none}",
                "number":"${N:5}","text":"${N:05x}","empty":"${N:}","yes":"${N:true}","colon":"${N:http://x}",
                "ref":"${ref:/app/port}","part":"p=${ref:/app/port}","object":"${ref:/db}","secret":"x-${secret:pw}"}"#,
        ),
        ("db.yaml", r#"{"name":"n","host":"${HOST}"}"#),
        ("raw/a.yaml", r#"{"x":"${HOST}"}"#),
        ("motd.txt", r#""Hello ${HOST}""#),
        ("mail.txt", r#""Hello ${HOST}""#),
        (".confgit/keys/mail.yaml", r#"{"resolve":true,"description":"${NOWHERE}"}"#),
    ];
    let view = view(&[("prod", &[(".confgit/variables.yaml", r#"{"HOST":"prod.db"}"#)]), ("base", base)]);
    let secrets = Known([("pw", "s3cret")].into());
    for (path, expected) in [
        ("/app/host", r#""prod.db""#),
        ("/app/port", "5432"),
        ("/app/url", r#""http://prod.db:5432/x""#),
        ("/app/list", r#"[1,"prod.db"]"#),
        ("/app/on", "true"),
        ("/app/mixed", r#""true-5432""#),
        ("/app/nested", r#"[{"a":"prod.db"}]"#),
        ("/app/literal", r#""${HOST} ${""#),
        ("/app/region", r#""eu""#),
        ("/app/unset", r#""none""#),
        ("/app/number", "5"),
        ("/app/text", r#""05x""#),
        ("/app/empty", r#""""#),
        ("/app/yes", "true"),
        ("/app/colon", r#""http://x""#),
        ("/app/ref", "5432"),
        ("/app/part", r#""p=5432""#),
        ("/app/object", r#"{"host":"prod.db","name":"n"}"#),
        ("/app/secret", r#""x-s3cret""#),
        ("/db", r#"{"host":"prod.db","name":"n"}"#),
        ("/raw/a/x", r#""${HOST}""#),
        ("/motd", r#""Hello ${HOST}""#),
        ("/mail", r#""Hello prod.db""#),
        ("/.confgit/variables/URL", r#""http://prod.db:5432""#),
        ("/.confgit/keys/mail/description", r#""${NOWHERE}""#),
        ("/nowhere", "nothing"),
    ] {
        assert_eq!(resolved(&view, path, &secrets), expected, "{path}");
    }
}

#[test]
fn what_cannot_be_resolved_names_its_way() {
    let base: &[(&str, &str)] = &[
        (".confgit/variables.yaml", r#"{"A":"${B}","B":"${A}","DEEP":"${MISSING}","LIST":[1]}"#),
        (
            "x.yaml",
            r#"{"a":"${A}","self":"${ref:/x/self}","up":"${ref:/x}","deep":"d ${DEEP}","none":"${ref:/n/o}",
                "list":"a ${LIST}","secret":"${secret:no}","open":"${A","odd":"${A B}","with":"${with.p}"}"#,
        ),
    ];
    let view = view(&[("base", base)]);
    let secrets = Known(BTreeMap::new());
    for (path, expected) in [
        (
            "/x/a",
            "the references go round in a circle (/x/a → /.confgit/variables/A → /.confgit/variables/B → /.confgit/variables/A)",
        ),
        ("/x/self", "the references go round in a circle (/x/self → /x/self)"),
        ("/x/up", "the references go round in a circle"),
        (
            "/x/deep",
            "`${MISSING}` names a variable that is not set, and has no default; set it at /.confgit/variables/MISSING, or write `${MISSING:DEFAULT}` (/x/deep → /.confgit/variables/DEEP)",
        ),
        ("/x/none", "`${ref:/n/o}` names a path at which nothing stands"),
        ("/x/list", "`${LIST}` is a list, which cannot be part of a text"),
        ("/x/secret", "`${secret:no}` names a secret that no provider has"),
        ("/x/open", "`${A` has no closing `}`"),
        ("/x/odd", "`${A B}` is no reference"),
    ] {
        let found = resolved(&view, path, &secrets);
        assert!(found.starts_with("error: ") && found.contains(expected), "{path}: {found}");
    }
    assert_eq!(resolved(&view, "/x/with", &secrets), r#""${with.p}""#, "a template read by itself");
}

#[test]
fn templates_are_below_what_extends_them() {
    let base: &[(&str, &str)] = &[
        (
            "templates/common.yaml",
            r#"{"log":{"level":"${ref:/log/level}","service":"${with.name}"},"tags":["common","${with.name}"],"retries":1}"#,
        ),
        (
            "templates/http.yaml",
            r#"{"$extends":"/templates/common","http":{"port":"${with.port}","path":"/${with.name}/$${x}","timeout":5},"retries":2}"#,
        ),
        ("log.yaml", r#"{"level":"info"}"#),
        (
            "services/shop.yaml",
            r#"{"$extends":["/templates/http"],"$with":{"name":"shop","port":8080},"http":{"timeout":9},"own":true}"#,
        ),
        ("services/plain.yaml", r#"{"a":1}"#),
    ];
    let prod: &[(&str, &str)] = &[
        ("log.yaml", r#"{"level":"warn"}"#),
        ("templates/http.yaml", r#"{"http":{"timeout":7,"keep":true}}"#),
        ("services/shop.yaml", r#"{"$with":{"port":9090},"retries":null}"#),
    ];
    let (base, prod) = (view(&[("base", base)]), view(&[("prod", prod), ("base", base)]));
    let secrets = Known(BTreeMap::new());
    assert_eq!(
        resolved(&base, "/services/shop", &secrets),
        r#"{"http":{"path":"/shop/${x}","port":8080,"timeout":9},"log":{"level":"info","service":"shop"},"own":true,"retries":2,"tags":["common","shop"]}"#
    );
    assert_eq!(
        resolved(&prod, "/services/shop", &secrets),
        r#"{"http":{"keep":true,"path":"/shop/${x}","port":9090,"timeout":9},"log":{"level":"warn","service":"shop"},"own":true,"tags":["common","shop"]}"#
    );
    for (path, expected) in [
        ("/services/shop/http/port", "9090"),
        ("/services/shop/log/level", r#""warn""#),
        ("/services/shop/$extends", "nothing"),
        ("/services/shop/$with/name", "nothing"),
        ("/services/shop/retries", "nothing"),
        ("/templates/common/log/service", r#""${with.name}""#),
        ("/services/plain", r#"{"a":1}"#),
    ] {
        assert_eq!(resolved(&prod, path, &secrets), expected, "{path}");
    }
    let mut resolver = Resolver::new(&prod, &secrets, &Limits::default());
    let Ok(Some(Found::Entry(found))) = resolver.find(&"/services/shop/http/port".parse().unwrap()) else {
        panic!("it is derived");
    };
    assert_eq!((&*found.origin, found.own), ("/templates/http", false));
    assert_eq!(&**found.entry.file(), "templates/http.yaml");
}

#[test]
fn templates_that_cannot_be_are_told() {
    let base: &[(&str, &str)] = &[
        ("a.yaml", r#"{"$extends":["/b"],"x":1}"#),
        ("b.yaml", r#"{"$extends":["/a"]}"#),
        ("self.yaml", r#"{"$extends":["/self"],"x":1}"#),
        ("none.yaml", r#"{"$extends":["/nowhere"],"x":1}"#),
        ("value.yaml", r#"{"$extends":["/t/v"],"x":1}"#),
        ("odd.yaml", r#"{"$extends":5,"x":1}"#),
        ("deep.yaml", r#"{"$extends":{"a":1},"x":1}"#),
        ("unfilled.yaml", r#"{"$extends":["/t"]}"#),
        ("t.yaml", r#"{"v":"${with.gone}"}"#),
        ("inner.yaml", r#"{"in":{"$extends":["/inner"]}}"#),
    ];
    let view = view(&[("base", base)]);
    for (path, expected) in [
        ("/a/x", "extends itself"),
        ("/self", "extends itself"),
        ("/inner", "extends itself"),
        ("/none", "names /nowhere, where no object stands"),
        ("/value", "names /t/v, where no object stands"),
        ("/odd", "`$extends` is a list of paths"),
        ("/deep", "`$extends` is a list of paths"),
        ("/unfilled/v", "`${with.gone}` is given by no `$with`"),
    ] {
        let found = resolved(&view, path, &Withheld);
        assert!(found.starts_with("error: ") && found.contains(expected), "{path}: {found}");
    }
}

#[test]
fn secrets_are_named_and_withheld() {
    let base: &[(&str, &str)] = &[
        (".confgit/variables.yaml", r#"{"PW":"${secret:b}"}"#),
        ("x.yaml", r#"{"one":"${secret:a}","two":"${PW}-${ref:/x/one}","region":"${REGION}","none":1}"#),
    ];
    let view = view(&[("base", base)]);
    let mut resolver = Resolver::new(&view, &Withheld, &Limits::default());
    let mut of = |path: &str| {
        let path: Path = path.parse().unwrap();
        let found = resolver.find(&path).unwrap().unwrap();
        let resolved = match &found {
            Found::Entry(found) => resolver.entry(&path, found).unwrap(),
            Found::Object(object) => resolver.object(&path, object).unwrap(),
        };
        (resolved.secrets.into_iter().collect::<Vec<_>>(), resolved.has_process_variable)
    };
    assert_eq!(of("/x/two"), (vec!["a".to_owned(), "b".to_owned()], false));
    assert_eq!(of("/x/one"), (vec!["a".to_owned()], false));
    assert_eq!(of("/x/region"), (Vec::new(), true));
    assert_eq!(of("/x"), (vec!["a".to_owned(), "b".to_owned()], true));
}

/// Each line doubles the one before it: a few would be more than all memory.
#[test]
fn bombs_are_bounded() {
    let mut text = String::from(r#"{"n0":"0123456789""#);
    let mut lists = String::from(r#"{"n0":[0,1,2,3,4,5,6,7,8,9]"#);
    let mut chain = String::from(r#"{"n0":1"#);
    for n in 1..60 {
        text.push_str(&format!(r#","n{n}":"${{ref:/t/n{0}}}${{ref:/t/n{0}}}""#, n - 1));
        lists.push_str(&format!(r#","n{n}":["${{ref:/l/n{0}}}","${{ref:/l/n{0}}}"]"#, n - 1));
    }
    for n in 1..1000 {
        chain.push_str(&format!(r#","n{n}":"${{ref:/c/n{}}}""#, n - 1));
    }
    let files = [format!("{text}}}"), format!("{lists}}}"), format!("{chain}}}")];
    let base: &[(&str, &str)] = &[("t.yaml", &files[0]), ("l.yaml", &files[1]), ("c.yaml", &files[2])];
    let view = view(&[("base", base)]);
    for (path, expected) in [
        ("/t/n59", "is larger than"),
        ("/l/n59", "is larger than"),
        ("/t", "is larger than"),
        ("/c/n999", "lead through more than"),
        ("/c", "lead through more than"),
    ] {
        let found = resolved(&view, path, &Withheld);
        assert!(found.contains(expected), "{path}: {}", &found[..found.len().min(300)]);
    }
    assert!(resolved(&view, "/c/n50", &Withheld) == "1");
}

fn arbitrary_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("$"),
        Just("${"),
        Just("}"),
        Just("$${"),
        Just("x"),
        Just("${A}"),
        Just("${B:d}"),
        Just("${ref:/x/a}"),
        Just("${ref:/x/b}"),
        Just("${ref:/x}"),
        Just("${secret:s}"),
        Just("${with.p}"),
        Just(":"),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever is written: it comes to an end, and leaves no reference but escaped ones and parameters of templates.
    #[test]
    fn resolving_ends_and_leaves_no_reference(texts in prop::collection::vec(arbitrary_text(), 4)) {
        let json = |text: &String| Value::from(text.as_str()).to_json();
        let x = format!(r#"{{"a":{},"b":{}}}"#, json(&texts[0]), json(&texts[1]));
        let variables = format!(r#"{{"A":{},"B":{}}}"#, json(&texts[2]), json(&texts[3]));
        let base: &[(&str, &str)] = &[("x.yaml", &x), (".confgit/variables.yaml", &variables)];
        let view = view(&[("base", base)]);
        let secrets = Known([("s", "S")].into());
        let has_escapes = texts.iter().any(|text| text.contains("$$") || text.contains("${with"));
        for path in ["/x/a", "/x/b", "/x"] {
            let found = resolved(&view, path, &secrets);
            if !found.starts_with("error: ") && !has_escapes {
                prop_assert!(!found.contains("${"), "{path} of {texts:?}: {found}");
            }
            prop_assert_eq!(&found, &resolved(&view, path, &secrets));
        }
    }
}
