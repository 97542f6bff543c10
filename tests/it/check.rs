//! `confgit check`: the example passes, and each broken copy of it has the finding that is expected, at its place.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{confgit, python};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/example-repo");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A copy of the example with these files written over.
fn broken(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(EXAMPLE), folder.path());
    for (name, content) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    folder
}

fn check(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = confgit(&[&["check", folder.to_str().unwrap()], arguments].concat());
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_example_is_well() {
    let (code, text) = check(Path::new(EXAMPLE), &[]);
    assert_eq!(
        (code, text.as_str()),
        (0, "54 files with 277 entries in base, dev, staging, prod: all is well\n")
    );
}

#[test]
fn each_mistake_is_found_at_its_place() {
    // (what is broken, env, file, line, column, rule, words)
    type Case<'a> = (&'a [(&'a str, &'a str)], Value, &'a str, Value, &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[("base/a.yaml", "x: [1\ny: 2\n")], json!("base"), "base/a.yaml", json!([2, 2]), "parse", ""),
        (
            &[("dev/t/x.yaml", "host: a\n"), ("dev/t/x/host.txt", "b")],
            json!("dev"),
            "dev/t/x/host.txt",
            json!([1, 1]),
            "double-spelling",
            "is given by",
        ),
        (
            &[("base/t.yaml", "# x\nhost: \"${NOWHERE}\"\n")],
            json!("base"),
            "base/t.yaml",
            json!([2, 1]),
            "reference",
            "`${NOWHERE}` names a variable that is not set",
        ),
        (
            &[("prod/t.yaml", "a: \"${ref:/t/b}\"\nb: \"${ref:/t/a}\"\n")],
            json!("prod"),
            "prod/t.yaml",
            json!([1, 1]),
            "reference",
            "go round in a circle",
        ),
        (
            &[("base/services/new.yaml", "$extends: [/templates/nowhere]\nx: 1\n")],
            json!("base"),
            "",
            json!(null),
            "reference",
            "where no object stands",
        ),
        // An override that only the environment's own view shows to be wrong.
        (
            &[("prod/myapp/database.yaml", "pool_size: 401\n")],
            json!("prod"),
            "prod/myapp/database.yaml",
            json!([1, 1]),
            "schema",
            "value is greater than the maximum of 400 (rule `databases`, keyword `maximum`)",
        ),
        (
            &[("staging/myapp/database.yaml", "pool_size: null\n")],
            json!("staging"),
            "base/myapp/database.yaml",
            json!([1, 1]),
            "schema",
            "\"pool_size\" is a required property",
        ),
        (
            &[("dev/services/payment-service.json", "{\"refunds\": {\"window_days\": 7}}")],
            json!("dev"),
            "dev/services/payment-service.json",
            json!([1, 14]),
            "schema",
            "value is less than the minimum of 14",
        ),
        (
            &[("dev/myapp/logging.yaml", "level: loud\n")],
            json!("dev"),
            "dev/myapp/logging.yaml",
            json!([1, 1]),
            "schema",
            "rule `log-levels`",
        ),
        // A child can neither drop a rule nor weaken its schema.
        (
            &[
                ("prod/.confgit/schemas.yaml", "databases: null\n"),
                ("prod/schemas/database.schema.json", "{}"),
                ("prod/myapp/database.yaml", "pool_size: many\n"),
            ],
            json!("prod"),
            "prod/myapp/database.yaml",
            json!([1, 1]),
            "schema",
            "is not of type \"integer\" (rule `databases`",
        ),
        (
            &[("base/t.yaml", "$schema: /schemas/database.schema\nhost: 5\npool_size: 1\n")],
            json!("base"),
            "base/t.yaml",
            json!([2, 1]),
            "schema",
            "`$schema: /schemas/database.schema`",
        ),
        (
            &[("base/schemas/service.schema.json", "{\"format\": \"no-such\"}")],
            json!("base"),
            "base/.confgit/schemas.yaml",
            json!([7, 1]),
            "schema",
            "Unknown format",
        ),
        (
            &[("base/.confgit/keys/t.yaml", "n: {schema: {type: text}}\n"), ("base/t.yaml", "n: 1\n")],
            json!("base"),
            "base/.confgit/keys/t.yaml",
            json!([1, 5]),
            "schema",
            "is none",
        ),
        (
            &[("meta/settings.yaml", "environments:\n  base: {branch: main}\nmerg: {}\n")],
            json!(null),
            "meta/settings.yaml",
            json!([3, 1]),
            "settings",
            "unknown section `merg`",
        ),
        (
            &[(
                "meta/access.yaml",
                "accounts: {}\nrules:\n  - {paths: [\"/a\"], environments: [pord], teams: [a], allow: [read]}\n",
            )],
            json!(null),
            "meta/access.yaml",
            json!([3, 5]),
            "settings",
            "rule 1 names the environment `pord`",
        ),
    ];
    let mut unmet = Vec::new();
    for (files, env, file, place, rule, words) in cases {
        let folder = broken(files);
        let (code, text) = check(folder.path(), &["-o", "json"]);
        let found: Value = serde_json::from_str(&text).unwrap();
        let errors = found["errors"].as_array().unwrap();
        assert_eq!(code, 4, "{files:?}: {text}");
        let at = |error: &Value| match error.get("line") {
            None => Value::Null,
            Some(line) => json!([line, error["column"]]),
        };
        let is_it = |error: &&Value| {
            error.get("env").cloned().unwrap_or_default() == *env
                && error.get("file").and_then(Value::as_str).unwrap_or_default() == *file
                && at(error) == *place
                && error["rule"] == *rule
                && error["message"].as_str().unwrap().contains(words)
        };
        if !errors.iter().any(|error| is_it(&error)) {
            unmet.push(format!("{files:?}: {text}"));
        }
    }
    assert!(unmet.is_empty(), "{}", unmet.join("\n"));
}

#[test]
fn a_mistake_is_told_once_and_shown_with_its_line() {
    let folder = broken(&[("base/t.yaml", "# one\nhost: \"${NOWHERE}\"\n"), ("base/u.yaml", "x: {\n")]);
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 4);
    assert_eq!(text.matches("error[").count(), 2, "not once for each environment: {text}");
    assert!(
        text.contains(
            "error[reference]: /t/host: `${NOWHERE}` names a variable that is not set, and has no default; set it at \
             /.confgit/variables/NOWHERE, or write `${NOWHERE:DEFAULT}`\n \
             --> base/t.yaml:2:1, in base\n  |\n2 | host: \"${NOWHERE}\"\n  | ^^^^\n"
        ),
        "{text}"
    );
    assert!(text.ends_with(" in base, dev, staging, prod: 2 problems\n"), "{text}");
    // The files of one environment, without a project around them.
    let (code, text) = check(&folder.path().join("base"), &["-o", "json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, found["errors"].as_array().unwrap().len()), (4, 2), "{text}");
    assert_eq!(found["errors"][0]["file"], "u.yaml");
    assert_eq!(confgit(&["check", "/nowhere/at/all"]).status.code(), Some(2));
}

/// What SARIF's own schema does not say is said by who reads it: here only what forges need is looked at.
#[test]
fn sarif_names_files_and_lines() {
    let folder = broken(&[("base/a b.yaml", "x: ${\n")]);
    let (code, text) = check(folder.path(), &["--sarif"]);
    assert_eq!(code, 4);
    let file = folder.path().join("results.sarif");
    std::fs::write(&file, &text).unwrap();
    let program = "import json, sys; log = json.load(open(sys.argv[1])); assert log['version'] == '2.1.0'; \
                   run = log['runs'][0]; rules = {rule['id'] for rule in run['tool']['driver']['rules']}; \
                   assert all(result['ruleId'] in rules for result in run['results']); \
                   print(json.dumps(run['results'][0]['locations'][0]['physicalLocation']))";
    let output = std::process::Command::new(python()).args(["-c", program]).arg(&file).output().unwrap();
    let place: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(place["artifactLocation"]["uri"], "base/a%20b.yaml");
    assert_eq!(place["region"], json!({"startLine": 1, "startColumn": 1}));
}
