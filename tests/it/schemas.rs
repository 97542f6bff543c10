//! `schemas/` says what confgit's files and answers are; the example and a real server keep it true.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::TestProject;

/// Asks the validator about many documents at once: each with the name of its schema.
fn validate(documents: &Value) -> Vec<String> {
    let script = r#"
import json, pathlib, sys, yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
schemas = {p.name.split(".")[0]: json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1]).glob("*.schema.json")}
registry = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in schemas.values()])
for name, schema in schemas.items():
    Draft202012Validator.check_schema(schema)
for document in json.load(sys.stdin):
    value = document["value"] if "value" in document else yaml.safe_load(pathlib.Path(document["file"]).read_text())
    validator = Draft202012Validator(schemas[document["schema"]], registry=registry)
    for error in validator.iter_errors(value):
        print(document.get("file", document["schema"]), error.json_path, error.message)
"#;
    let python = crate::harness::python();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
    let mut command = Command::new(python);
    command.args(["-c", script, folder]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(documents.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "needs PyYAML and jsonschema (`make test` installs them): {stderr}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_example_is_as_the_schemas_say() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("example-repo");
    let mut documents = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let inside = name.split_once('/').map_or("", |(_, rest)| rest);
            let schema = match inside {
                "settings.yaml" => "settings",
                "access.yaml" => "access",
                ".confgit/variables.yaml" => "variables",
                ".confgit/schemas.yaml" => "guards",
                _ if inside.starts_with(".confgit/keys/") => "keys",
                _ if name.starts_with("base/flags/") => "flag",
                _ => "",
            };
            if path.is_dir() {
                folders.push(path);
            } else if !schema.is_empty() {
                documents.push(json!({"schema": schema, "file": path}));
            }
        }
    }
    assert!(documents.len() > 8);
    assert_eq!(validate(&json!(documents)), Vec::<String>::new());
}

#[test]
fn answers_are_as_the_schemas_say() {
    let project = TestProject::example();
    let server = project.serve();
    let put =
        json!({"value": "v", "description": "d", "owner": "o", "schema": {"type": "string"}}).to_string();
    let answers = [
        ("written", server.request("PUT", "/api/config/t/k", &[], put.as_bytes()).expect(201)),
        ("written", server.put("/t/o", json!({"a": 1, "b": [true]})).expect(201)),
        ("entry", server.get("/api/config/t/k").expect(200)),
        ("entry", server.get("/api/config/storefront/favicon.png?env=prod").expect(200)),
        ("entry", server.get("/api/config/t").expect(200)),
        ("entry", server.get("/api/config/myapp?recursive=true").expect(200)),
        ("written", server.delete("/t/o").expect(200)),
        ("history", server.get("/api/config/t/o/a/history").expect(200)),
        ("history", server.get("/api/config/t/k/history").expect(200)),
        ("status", server.get("/api/status").expect(200)),
        ("problem", server.get("/api/config/nowhere").expect(404)),
        ("problem", server.put("/myapp/database/timeout/x", json!(1)).expect(409)),
        (
            "problem",
            server.request("PUT", "/api/config/t/k", &[("If-Match", "9")], b"{\"value\": 1}").expect(412),
        ),
    ];
    let backup = project.temp.path().join("backup.tar");
    std::fs::write(&backup, server.get("/api/backup").expect(200).body).unwrap();
    let mut documents = vec![json!({"schema": "backup", "value": crate::backup::manifest(&backup)})];
    documents
        .extend(answers.iter().map(|(schema, answer)| json!({"schema": schema, "value": answer.json()})));
    let mut stream = crate::watch::Stream::open(&server, "/v1/config?watch=true&env=prod&since=0");
    let events = stream.ready();
    assert!(
        events.iter().any(|told| told.event == "delete")
            && events.iter().any(|told| told.data.get("secret_changed").is_some())
    );
    documents.extend(events.iter().map(|told| json!({"schema": "event", "value": told.data})));
    assert_eq!(validate(&json!(documents)), Vec::<String>::new());
    let wrong = [
        ("event", json!({"type": "update", "path": "/a", "origin": "base", "sequence": 1, "env": "base"})),
        ("entry", json!({"path": "no"})),
        ("settings", json!({"environments": {"a": {}}})),
        ("problem", json!([])),
        ("backup", json!({"format": 2})),
    ];
    for (schema, value) in wrong {
        assert!(
            !validate(&json!([{"schema": schema, "value": value}])).is_empty(),
            "{schema} takes anything"
        );
    }
}
