use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn mistakes(section: Value) -> Vec<String> {
    let mistakes = Issuers::parse(&section).err().unwrap_or_default();
    mistakes.iter().map(|mistake| format!("{}: {}", mistake.at.join("."), mistake.message)).collect()
}

#[test]
fn locations_and_files() {
    for (replaced, location, ca_file) in [
        (json!({}), KeyLocation::Discover, None),
        (json!({"keys": "discover"}), KeyLocation::Discover, None),
        (json!({"keys": "https://k/jwks"}), KeyLocation::Url("https://k/jwks".to_owned()), None),
        (json!({"keys": "file:k.json"}), KeyLocation::File("k.json".into()), None),
        (json!({"keys": "file:/etc/k.json"}), KeyLocation::File("/etc/k.json".into()), None),
        (json!({"ca_file": "ca.pem"}), KeyLocation::Discover, Some(PathBuf::from("ca.pem"))),
    ] {
        let issuers = issuers(replaced);
        let issuer = issuers.iter().next().unwrap();
        assert_eq!((issuer.origin().location.clone(), issuer.origin().ca_file.clone()), (location, ca_file));
    }
}

#[test]
fn accounts_that_rules_name() {
    let rules = json!([
        {"claims": {"sub": "a"}, "account": "x"},
        {"claims": {"sub": "b"}, "teams": ["t"]},
        {"claims": {"sub": "c"}, "account": "y"},
    ]);
    let issuers = issuers(json!({"rules": rules}));
    let named: Vec<String> =
        issuers.named_accounts().map(|named| format!("{} {}", named.at.join("."), named.account)).collect();
    assert_eq!(named, ["ci.rules.0.account x", "ci.rules.2.account y"]);
    assert!(Issuers::parse(&json!({})).unwrap().is_empty());
}

#[test]
fn each_mistake() {
    let name = "has to match ^[A-Za-z0-9][A-Za-z0-9._@-]*$";
    let rule = |rule: Value| json!({"rules": [rule]});
    for (replaced, at, message) in [
        (json!({"issuer": null}), "ci", "`issuer` is missing"),
        (json!({"issuer": 7}), "ci.issuer", "expected a text"),
        (json!({"issuer": "http://ci.example.com"}), "ci.issuer", "is not `https://`"),
        (json!({"issuer": "https://ci.example.com?x"}), "ci.issuer", "has a query"),
        (json!({"audience": null}), "ci", "`audience` is missing"),
        (json!({"audience": []}), "ci.audience", "expected a text or a list"),
        (json!({"audience": ""}), "ci.audience", "expected a text or a list"),
        (json!({"audience": ["a", 7]}), "ci.audience", "expected a text or a list"),
        (json!({"algorithms": null}), "ci", "`algorithms` is missing"),
        (json!({"algorithms": ["HS256"]}), "ci.algorithms", "`HS256` has a shared secret"),
        (json!({"algorithms": ["None"]}), "ci.algorithms", "`None` means no signature"),
        (json!({"algorithms": ["ES512"]}), "ci.algorithms", "`ES512` is not known here: use RS256"),
        (json!({"keys": "http://keys.example.com"}), "ci.keys", "is not `https://`"),
        (json!({"keys": "cluster.jwks"}), "ci.keys", "it may also be `discover`"),
        (json!({"keys": "file:"}), "ci.keys", "expected the name of a file"),
        (json!({"keys": "file:../k"}), "ci.keys", "without `..`"),
        (json!({"ca_file": "/a/../b"}), "ci.ca_file", "without `..`"),
        (json!({"keys": "file:k", "ca_file": "ca.pem"}), "ci.ca_file", "leave out `ca_file`"),
        (json!({"issuer": "http://localhost", "ca_file": "ca.pem"}), "ci.ca_file", "leave out `ca_file`"),
        (json!({"jwks": "x"}), "ci.jwks", "unknown member `jwks`: expected `issuer`"),
        (json!({"rules": null}), "ci", "`rules` is missing"),
        (json!({"rules": []}), "ci.rules", "at least one rule"),
        (json!({"rules": ["x"]}), "ci.rules.0", "expected a mapping with `claims`"),
        (rule(json!({"account": "a"})), "ci.rules.0", "`claims` is missing"),
        (rule(json!({"claims": {}, "account": "a"})), "ci.rules.0.claims", "at least one claim"),
        (
            rule(json!({"claims": {"sub": ["a"]}, "account": "a"})),
            "ci.rules.0.claims.sub",
            "expected a text, a number",
        ),
        (
            rule(json!({"claims": {"sub": ""}, "account": "a"})),
            "ci.rules.0.claims.sub",
            "expected a text, a number",
        ),
        (rule(json!({"claims": {"/a~2": "x"}, "account": "a"})), "ci.rules.0.claims./a~2", "JSON pointer"),
        (rule(json!({"claims": {"sub": "a"}})), "ci.rules.0", "either `account` or `teams`"),
        (rule(json!({"claims": {"sub": "a"}, "account": "a", "teams": ["b"]})), "ci.rules.0", "either"),
        (rule(json!({"claims": {"sub": "a"}, "account": "a:b"})), "ci.rules.0.account", name),
        (rule(json!({"claims": {"sub": "a"}, "account": 7})), "ci.rules.0.account", "expected a text"),
        (rule(json!({"claims": {"sub": "a"}, "teams": []})), "ci.rules.0.teams", "expected a text or a list"),
        (rule(json!({"claims": {"sub": "a"}, "teams": ["a b"]})), "ci.rules.0.teams", name),
        (rule(json!({"claims": {"sub": "a"}, "acount": "a"})), "ci.rules.0.acount", "unknown member"),
    ] {
        let mut section = json!({"issuer": "https://ci.example.com", "audience": "confgit", "algorithms": ["RS256"],
            "rules": [{"claims": {"sub": "a"}, "account": "a"}]});
        merge(&mut section, replaced.clone());
        let found = mistakes(json!({"ci": section}));
        assert!(
            found.iter().any(|text| text.starts_with(&format!("{at}: ")) && text.contains(message)),
            "{replaced}: {found:?}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let issuer = |audience: Value| {
        json!({"issuer": "https://a", "audience": audience, "algorithms": ["RS256"],
        "rules": [{"claims": {"sub": "a"}, "account": "a"}]})
    };
    let found = mistakes(json!({
        "-bad": issuer(json!("x")),
        "nothing": 7,
        "two": issuer(json!(["y", "z"])),
        "three": issuer(json!("z")),
        "four": {"issuer": "https://b", "colour": "red", "algorithms": "HS512"},
    }));
    assert_eq!(
        found,
        [
            "-bad: the name of an issuer has to match ^[A-Za-z0-9][A-Za-z0-9._@-]*$",
            "nothing: expected a mapping with `issuer`, `audience`, `algorithms`, `keys`, `ca_file`, `rules`",
            "three.audience: `two` has the same issuer and also the audience `z`: which rules count cannot be told",
            "four.colour: unknown member `colour`: expected `issuer`, `audience`, `algorithms`, `keys`, `ca_file`, `rules`",
            "four: `audience` is missing",
            "four.algorithms: `HS512` has a shared secret: whoever can check a token could also make one",
            "four: `rules` is missing: without one every token is refused",
        ]
    );
    assert_eq!(mistakes(json!([])), [": expected a mapping of names to issuers"]);
    let many: serde_json::Map<String, Value> = (0..65)
        .map(|n| {
            (
                format!("i{n}"),
                json!({"issuer": "https://a", "audience": format!("a{n}"), "algorithms": "RS256",
        "rules": [{"claims": {"sub": "a"}, "account": "a"}]}),
            )
        })
        .collect();
    assert_eq!(mistakes(many.into()), [": more than 64 issuers"]);
}
