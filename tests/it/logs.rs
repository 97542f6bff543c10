//! What a server logs: one event per request, each a line of JSON when asked for, and nothing of what it serves.

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, wait_for};

/// The log's lines so far, each read as JSON.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log.lock().unwrap().clone();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(parse).collect()
}

/// The event of the request with this id, once it is there.
fn event(server: &Server, id: &str) -> Value {
    let find = || lines(server).into_iter().find(|line| line["request_id"] == id);
    wait_for("the event of a request", || find().is_some());
    find().unwrap()
}

#[test]
fn every_line_is_json_and_tells_nothing_of_the_configuration() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "default: base\nenvironments:\n  base: { branch: main }\n"),
        ("base/zebra.yaml", "quagga: okapi-value\n"),
    ]);
    let server = project.serve_with(
        &["--log-format", "json", "--log", "debug"],
        &[("CONFGIT_FAILPOINTS", "pack-written=error@3")],
    );
    let with_id = |method: &str, target: &str, id: &str, body: Value| {
        server.request(method, target, &[("X-Request-Id", id)], body.to_string().as_bytes())
    };
    with_id("GET", "/v1/config/zebra/quagga", "plain", json!(null)).expect(200);
    with_id("PUT", "/api/config/zebra/gazelle", "write", json!({"value": "springbok"})).expect(201);
    with_id("PUT", "/api/config/zebra/gazelle", "again", json!({"value": "blesbok"})).expect(200);
    with_id("PUT", "/api/config/zebra/gazelle", "failed", json!({"value": "bontebok"})).expect(503);
    with_id("GET", "/api/config/zebra/gazelle/history?literal=okapi", "refused", json!(null)).expect(400);
    with_id("GET", "/api/config/zebra/gazelle/history?limit=1", "history", json!(null)).expect(200);
    with_id("GET", "/zebra/nowhere?quagga=okapi", "lost", json!(null)).expect(404);
    with_id("GET", "/healthz", &"x".repeat(129), json!(null)).expect(200);

    let write = event(&server, "write");
    assert_eq!(write["level"], "DEBUG");
    assert_eq!(write["target"], "confgit::request");
    assert_eq!(write["method"], "PUT");
    assert_eq!(write["route"], "/api/config/{*path}");
    assert_eq!(write["class"], "write");
    assert_eq!(write["status"], 201);
    assert_eq!(write["account"], "admin");
    assert!(write["duration_us"].as_u64().unwrap() > 0, "{write}");
    assert_eq!(event(&server, "failed")["level"], "WARN");
    assert_eq!(event(&server, "refused")["status"], 400);
    assert_eq!(event(&server, "history")["class"], "history");
    let lost = event(&server, "lost");
    assert_eq!((lost.get("route"), &lost["class"]), (None, &json!("other")));

    let log = server.log.clone();
    server.stop();
    let log = log.lock().unwrap();
    assert!(!log.contains("\"plain\""), "a plain read has no event: {log}");
    assert!(!log.contains("xxxxxxxxxx"), "an id that is too long is left out: {log}");
    for told in ["zebra", "quagga", "gazelle", "okapi", "springbok", "blesbok", "bontebok", &project.key] {
        assert!(!log.contains(told), "`{told}` is in the log: {log}");
    }
    for message in ["\"listening\"", "\"stopping: "] {
        assert!(log.contains(message), "{message}: {log}");
    }
}

#[test]
fn slow_requests_are_news() {
    let project = TestProject::empty();
    let server = project.serve_with(&["--log-format", "json", "--log-slow-ms", "0"], &[]);
    server.request("PUT", "/api/config/a/k", &[("X-Request-Id", "slow")], b"{\"value\": 1}").expect(201);
    let slow = event(&server, "slow");
    assert_eq!((&slow["level"], &slow["message"]), (&json!("INFO"), &json!("a request was slow")));
}
