//! `schemas/metrics.md` lists every metric family; a server that has done a bit of everything keeps it true.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Server, TestProject};

/// The families of an exposition, as another implementation reads it.
fn parse(exposition: &str) -> BTreeMap<String, Value> {
    let script = r#"
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    labels = {name for sample in family.samples for name in sample.labels if name != "le"}
    samples = [[s.name, s.labels, s.value] for s in family.samples]
    families[family.name] = {"type": family.type, "unit": family.unit, "labels": sorted(labels), "samples": samples}
json.dump(families, sys.stdout)
"#;
    let python = crate::harness::python();
    let mut command = Command::new(python);
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "needs prometheus-client (`make test` installs it): {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The rows of the tables of families: name to type and sorted labels.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let text = include_str!("../../schemas/metrics.md");
    let mut families = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [family, kind, labels, meaning] = cells[..] else { continue };
        assert!(!meaning.is_empty(), "{line}");
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let mut labels = names(labels);
        labels.sort();
        families.insert(names(family)[0].clone(), (kind.to_owned(), labels));
    }
    families
}

/// The value of a sample with these labels.
fn sample(families: &BTreeMap<String, Value>, name: &str, labels: Value) -> f64 {
    let samples = families.values().flat_map(|family| family["samples"].as_array().unwrap());
    let found = samples.filter(|sample| sample[0] == name && sample[1] == labels);
    let values: Vec<f64> = found.map(|sample| sample[2].as_f64().unwrap()).collect();
    assert_eq!(values.len(), 1, "{name} {labels}: {values:?}");
    values[0]
}

/// A project with one file that does not parse.
fn project() -> TestProject {
    TestProject::with_files(&[
        ("meta/settings.yaml", "default: base\nenvironments:\n  base: { branch: main }\n"),
        ("base/myapp/database.yaml", "host: db\ntimeout: 3\n"),
        ("base/broken.yaml", "a: [1\n"),
    ])
}

/// A bit of everything: reads, history, writes that go through and writes that are refused.
fn drive(server: &Server) {
    server.get("/v1/config/myapp/database/host").expect(200);
    server.request("GET", "/v1/config/myapp/database/host", &[("If-None-Match", "*")], b"").expect(304);
    server.get("/v1/config/myapp/database").expect(200);
    server.get("/v1/config/myapp/database").expect(200);
    server.get("/api/config/myapp?recursive=true").expect(200);
    server.put("/t/k", json!(1)).expect(201);
    server.put("/t/k", json!(2)).expect(200);
    server.post("/api/batch", json!({"edits": [{"op": "put", "path": "/t/o", "value": 1}]})).expect(200);
    server.get("/api/config/t/k/history").expect(200);
    server.get("/v1/config/t/k?version=1").expect(200);
    server.request("PUT", "/api/config/t/k", &[("If-Match", "9")], b"{\"value\": 3}").expect(412);
    server.put("/myapp/database/timeout/x", json!(1)).expect(409);
    server.delete("/t/nothing").expect(404);
    server.get("/nowhere").expect(404);
    server.get("/healthz").expect(200);
}

#[test]
fn the_families_are_those_of_the_list() {
    let project = project();
    let server = project.serve();
    drive(&server);
    let answer = server.get("/metrics").expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let families = parse(&answer.text());
    let shown: BTreeMap<String, (String, Vec<String>)> = families
        .iter()
        .map(|(name, family)| {
            let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
            assert_eq!(family["unit"], unit.unwrap_or_default(), "{name}");
            let labels = family["labels"].as_array().unwrap().iter();
            let labels = labels.map(|label| label.as_str().unwrap().to_owned()).collect();
            (name.clone(), (family["type"].as_str().unwrap().to_owned(), labels))
        })
        .collect();
    assert_eq!(shown, documented());
}

#[test]
fn what_was_done_is_what_is_counted() {
    let project = project();
    let server = project.serve();
    drive(&server);
    let families = parse(&server.get("/metrics").expect(200).text());
    let count = |name: &str, labels: Value| sample(&families, name, labels);
    let requests = |class: &str, status: &str| {
        count("confgit_http_request_seconds_count", json!({"class": class, "status": status}))
    };
    for (class, status, expected) in [
        ("plain-read", "2xx", 1.0),
        ("plain-read", "3xx", 1.0),
        ("list", "2xx", 1.0),
        ("read", "2xx", 3.0),
        ("write", "2xx", 2.0),
        ("write", "4xx", 3.0),
        ("batch", "2xx", 1.0),
        ("history", "2xx", 1.0),
        ("other", "4xx", 1.0),
    ] {
        assert_eq!(requests(class, status), expected, "{class} {status}");
    }
    assert_eq!(count("confgit_http_reads_total", json!({})), 2.0);
    assert_eq!(count("confgit_http_refused_requests_total", json!({})), 4.0);
    // The scrape itself is under way.
    assert_eq!(count("confgit_http_requests_in_flight", json!({})), 1.0);
    assert!(count("confgit_http_connections", json!({})) >= 1.0);
    let of_project = |name: &str| count(name, json!({"project": "project"}));
    for (name, expected) in [
        ("confgit_change_sets_total", 3.0),
        ("confgit_batch_size_count", 3.0),
        ("confgit_write_seconds_count", 3.0),
        ("confgit_queue_seconds_count", 6.0),
        ("confgit_decide_seconds_count", 6.0),
        ("confgit_build_seconds_count", 3.0),
        ("confgit_publish_seconds_count", 3.0),
        ("confgit_index_seconds_count", 3.0),
        ("confgit_waiting_writes", 0.0),
        ("confgit_writable", 1.0),
    ] {
        assert_eq!(of_project(name), expected, "{name}");
    }
    let status = server.get("/api/status").json();
    assert_eq!(of_project("confgit_sequence"), status["sequence"].as_f64().unwrap());
    assert_eq!(of_project("confgit_history_covered"), status["parts"]["history_covered"].as_f64().unwrap());
    assert!(of_project("confgit_packs") >= 3.0);
    for (reason, expected) in [("precondition", 1.0), ("conflict", 1.0), ("not-found", 1.0), ("busy", 0.0)] {
        let labels = json!({"project": "project", "reason": reason});
        assert_eq!(count("confgit_refused_writes_total", labels), expected, "{reason}");
    }
    let in_base = |name: &str| count(name, json!({"project": "project", "env": "base"}));
    assert_eq!((in_base("confgit_entries"), in_base("confgit_files")), (4.0, 3.0));
    for (rule, expected) in [("parse", 1.0), ("shape", 0.0)] {
        let labels = json!({"project": "project", "env": "base", "rule": rule});
        assert_eq!(count("confgit_problems", labels), expected, "{rule}");
    }
    for (cache, name, expected) in [("bodies", "hits", 1.0), ("bodies", "misses", 1.0)] {
        let labels = json!({"project": "project", "cache": cache});
        assert_eq!(count(&format!("confgit_cache_{name}_total"), labels), expected, "{cache} {name}");
    }
    assert_eq!(count("confgit_build_info", json!({"version": env!("CARGO_PKG_VERSION")})), 1.0);
    assert!(count("process_resident_memory_bytes", json!({})) > 1e6);
}
