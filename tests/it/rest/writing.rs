use serde_json::{Value, json};

use super::{each, example, send};

const MERGE: &str = "application/merge-patch+json";
const PATCH: &str = "application/json-patch+json";

#[test]
fn a_merge_patch_changes_lines_and_nothing_else() {
    let (project, server) = example();
    let before = project.git(&["show", "main:services/payment-service.json"]);
    let patch =
        r#"{"max_connections": 120, "provider": {"retries": null, "timeout": 1.50}, "refunds": null}"#;
    let written =
        send(&server, "PATCH", "/api/config/services/payment-service", MERGE, patch).expect(200).json();
    let mut paths = each(&written["entries"], "path");
    paths.sort_by_key(Value::to_string);
    let at = |name: &str| json!(format!("/services/payment-service/{name}"));
    assert_eq!(
        paths,
        [
            at("max_connections"),
            at("provider/retries"),
            at("provider/timeout"),
            at("refunds/needs_review_above"),
            at("refunds/window_days")
        ]
    );
    let after = project.git(&["show", "main:services/payment-service.json"]);
    let kept: Vec<&str> = before.lines().filter(|line| after.lines().any(|other| other == *line)).collect();
    assert!(kept.len() >= 18, "order and layout stay: {after}");
    assert!(after.contains("\"timeout\": 1.50") && !after.contains("refunds"), "{after}");
    assert!(after.find("database_url") < after.find("max_connections"), "{after}");
    // Where nothing is, an object is made; a value is replaced; null takes a value away.
    send(&server, "PATCH", "/api/config/fresh/app", MERGE, r#"{"a": {"b": 1}}"#).expect(201);
    assert_eq!(server.get("/v1/config/fresh/app").json(), json!({"a": {"b": 1}}));
    send(&server, "PATCH", "/api/config/fresh/app/a/b", MERGE, "2").expect(200);
    send(&server, "PATCH", "/api/config/fresh/app/a", MERGE, r#"{"b": null}"#).expect(200);
    server.get("/api/config/fresh").expect(404);
}

#[test]
fn a_json_patch_is_made_whole_or_not_at_all() {
    let (project, server) = example();
    let target = "/api/config/services/payment-service";
    let good = json!([
        {"op": "test", "path": "/max_connections", "value": 100.0},
        {"op": "replace", "path": "/max_connections", "value": 101},
        {"op": "add", "path": "/accepted_methods/1", "value": "wallet"},
        {"op": "move", "from": "/http/port", "path": "/port"},
        {"op": "copy", "from": "/refunds/needs_review_above", "path": "/limit"},
    ]);
    send(&server, "PATCH", target, PATCH, good.to_string()).expect(200);
    let value = server.get("/v1/config/services/payment-service").text();
    assert!(value.contains(r#""accepted_methods":["card","wallet","invoice","voucher"]"#), "{value}");
    assert!(
        value.contains(r#""limit":250.00"#) && value.contains(r#""port":8081"#) && !value.contains("http\""),
        "{value}"
    );
    let head = project.git(&["rev-parse", "main"]);
    for (patch, reason) in [
        (
            json!([{"op": "replace", "path": "/port", "value": 1}, {"op": "test", "path": "/limit", "value": 1}]),
            "operation 2 (test `/limit`): the value there is another",
        ),
        (
            json!([{"op": "remove", "path": "/port"}, {"op": "remove", "path": "/nowhere"}]),
            "operation 2 (remove `/nowhere`): there is no member",
        ),
        (json!([{"op": "add", "path": "/accepted_methods/9", "value": 1}]), "beyond the list"),
        (
            json!([{"op": "add", "path": "/a", "value": 1}, {"op": "jump", "path": "/a"}]),
            "operation 2: unknown op `jump`",
        ),
        (json!({"op": "add"}), "a JSON Patch is a list"),
        (json!([{"op": "add", "path": "/a~2", "value": 1}]), "`~` is written ~0"),
        (json!([{"op": "replace", "path": "", "value": null}]), "null"),
    ] {
        let problem = send(&server, "PATCH", target, PATCH, patch.to_string()).expect(400).json();
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{patch}: {problem}");
    }
    assert_eq!(project.git(&["rev-parse", "main"]), head, "what fails changes nothing");
    send(&server, "PATCH", "/api/config/nowhere", PATCH, "[]").expect(404);
    let inherited = send(&server, "PATCH", "/api/config/myapp/motd?env=prod", PATCH, "[]").expect(404).json();
    assert!(inherited["detail"].as_str().unwrap().contains("its value comes from base"), "{inherited}");
    send(&server, "PATCH", target, "application/json", "{}").expect(415);
    send(&server, "PATCH", target, PATCH, "[").expect(400);
    let stale = [("Content-Type", MERGE), ("If-Match", "\"nothing\"")];
    server.request("PATCH", target, &stale, b"{\"port\": 2}").expect(412);
    // In a batch a list is a JSON Patch, anything else a merge patch.
    let batch = json!({"edits": [
        {"op": "patch", "path": "/myapp/database", "value": {"pool_size": 12}},
        {"op": "patch", "path": "/myapp/database", "value": [{"op": "remove", "path": "/timeout"}]},
    ]});
    server.post("/api/batch", batch).expect(200);
    assert_eq!(server.get("/v1/config/myapp/database").json(), json!({"pool_size": 12}));
    let file = project.git(&["show", "main:myapp/database.yaml"]);
    assert!(file.starts_with("# The connection pool"), "{file}");
}

#[test]
fn documents_and_bytes_are_put_as_they_are() {
    let (project, server) = example();
    send(&server, "PUT", "/api/config/t/y", "application/yaml", "a: 1.10\nb: [x, no]\nc:\n  d: null-ish\n")
        .expect(201);
    assert_eq!(server.get("/v1/config/t/y").text(), r#"{"a":1.10,"b":["x","no"],"c":{"d":"null-ish"}}"#);
    send(&server, "PUT", "/api/config/t/t", "application/toml", "port = 5432\n[db]\nhost = \"h\"\n")
        .expect(201);
    assert_eq!(server.get("/v1/config/t/t").json(), json!({"port": 5432, "db": {"host": "h"}}));
    send(&server, "PUT", "/api/config/t/y/a", "application/yaml; charset=utf-8", "[1, 2]").expect(200);
    let bytes: Vec<u8> = (0..=255).collect();
    send(&server, "PUT", "/api/config/t/logo.png", "application/octet-stream", &bytes).expect(201);
    let entry = server.get("/api/config/t/logo.png").expect(200).json();
    assert_eq!(entry["encoding"], "base64");
    assert_eq!(server.get("/v1/config/t/logo.png?format=text").body, bytes);
    let mut show = crate::harness::git_command(&project.config_git());
    assert_eq!(show.args(["show", "main:t/logo.png"]).output().unwrap().stdout, bytes);
    let envelope = json!({"value": "AAH/", "encoding": "base64"}).to_string();
    server.request("PUT", "/api/config/t/logo.png", &[], envelope.as_bytes()).expect(200);
    assert_eq!(server.get("/v1/config/t/logo.png?format=text").body, [0, 1, 255]);
    assert_eq!(server.get("/v1/config/t/logo.png?version=1&format=text").body, bytes);
    server.request("PUT", "/api/config/t/old.bin", &[], envelope.as_bytes()).expect(201);
    // Bytes where a document's value was, and the other way round.
    send(&server, "PUT", "/api/config/t/y/a", "application/octet-stream", [0xff]).expect(200);
    assert_eq!(server.get("/api/config/t/y/a").json()["encoding"], "base64");
    server.put("/t/y/a", json!(5)).expect(200);
    assert_eq!(server.get("/v1/config/t/y").json()["a"], 5);
    for (kind, body, status, reason) in [
        ("application/yaml", "a: [1", 400, "line 1"),
        ("application/yaml", " \n", 400, "the document is empty"),
        ("application/toml", "a = \n", 400, "line 1"),
        ("application/yaml", "a: 1\na: 2\n", 400, "line 2"),
        ("application/xml", "<a/>", 415, "`application/xml` is not taken here"),
    ] {
        let problem = send(&server, "PUT", "/api/config/t/bad", kind, body).expect(status).json();
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{kind} {body:?}: {problem}");
    }
    let no_base64 = json!({"value": "%%%", "encoding": "base64"}).to_string();
    server.request("PUT", "/api/config/t/bad", &[], no_base64.as_bytes()).expect(400);
    let document =
        send(&server, "PUT", "/api/config/t/x.yaml", "application/octet-stream", [0xff]).expect(400);
    assert!(document.text().contains("bytes need a file"), "{}", document.text());
    project.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn every_write_can_say_why() {
    let (project, server) = example();
    let subject = || project.git(&["log", "-1", "--format=%s", "main"]).trim().to_owned();
    send(&server, "PUT", "/api/config/t/a?message=from%20text", "text/plain", "x").expect(201);
    assert_eq!(subject(), "from text");
    send(&server, "PATCH", "/api/config/t?message=from%20patch", MERGE, "{\"b\": 1}").expect(200);
    assert_eq!(subject(), "from patch");
    server.request("DELETE", "/api/config/t/a?message=gone%20now", &[], b"").expect(200);
    assert_eq!(subject(), "gone now");
    let both = json!({"value": 1, "message": "a"}).to_string();
    server.request("PUT", "/api/config/t/a?message=b", &[], both.as_bytes()).expect(400);
}

/// Ten thousand deletes in one large document were once made one by one, each reading the document anew, and
/// all other writers waited for minutes.
#[test]
fn many_deletes_are_made_together() {
    let (project, server) = example();
    let value: serde_json::Map<String, Value> =
        (0..4_000).map(|n| (format!("key-{n:04}"), json!(n))).collect();
    server.put("/large/document", Value::Object(value)).expect(201);
    let described = json!({"value": 1, "description": "goes as well"}).to_string();
    server.request("PUT", "/api/config/large/document/key-0001", &[], described.as_bytes()).expect(200);
    let deletes: Vec<Value> =
        (0..3_990).map(|n| json!({"op": "delete", "path": format!("/large/document/key-{n:04}")})).collect();
    let gone = server.post("/api/batch", json!({"edits": deletes})).expect(200).json();
    assert_eq!(gone["entries"].as_array().unwrap().len(), 3_990);
    assert_eq!(server.get("/v1/config/large/document").json().as_object().unwrap().len(), 10);
    server.get("/api/config/.confgit/keys/large").expect(404);
    let missing = json!({"edits": [
        {"op": "delete", "path": "/large/document/key-3991"},
        {"op": "delete", "path": "/large/document/key-0001"},
    ]});
    server.post("/api/batch", missing).expect(404);
    assert_eq!(server.get("/v1/config/large/document").json().as_object().unwrap().len(), 10);
    // The last ones take the file along.
    let rest: Vec<Value> = (3_990..4_000)
        .map(|n| json!({"op": "delete", "path": format!("/large/document/key-{n:04}")}))
        .collect();
    server.post("/api/batch", json!({"edits": rest})).expect(200);
    assert!(!project.git(&["ls-tree", "-r", "--name-only", "main"]).contains("large"));
}

/// What described an entry goes with it, however it goes: a later entry of the same path is another.
#[test]
fn metadata_goes_with_the_entry_that_is_overwritten() {
    let (project, server) = example();
    let described = json!({"value": 1, "description": "old", "schema": {"type": "integer"}}).to_string();
    let overwrites = [
        ("PUT", "/api/config/r", r#"{"value": {"b": 2}}"#, "application/json"),
        ("PUT", "/api/config/r", r#"{"value": 9}"#, "application/json"),
        ("PATCH", "/api/config/r", "5", "application/merge-patch+json"),
        ("PUT", "/api/config/r/a", r#"{"value": {"x": 1}}"#, "application/json"),
        (
            "PATCH",
            "/api/config/r",
            r#"[{"op":"replace","path":"","value":{"b":1}}]"#,
            "application/json-patch+json",
        ),
    ];
    for (method, target, body, kind) in overwrites {
        server.request("PUT", "/api/config/r/a", &[], described.as_bytes()).expect(201);
        assert_eq!(server.get("/api/config/r/a").json()["description"], "old");
        send(&server, method, target, kind, body).expect(200);
        let files = project.git(&["ls-tree", "-r", "--name-only", "main"]);
        assert!(!files.contains(".confgit/keys/r"), "{method} {target} {body}: {files}");
        server.delete("/r").expect(200);
        server.put("/r/a", json!("text")).expect(201);
        assert_eq!(server.get("/api/config/r/a").json().get("description"), None);
        server.delete("/r").expect(200);
    }
}

/// An empty object in a document of its own is no entry: such a write was acknowledged, and nothing stood there.
#[test]
fn an_empty_object_is_an_entry_wherever_it_is_put() {
    let (project, server) = example();
    server.put("/fresh/app", json!({})).expect(201);
    assert_eq!(server.get("/v1/config/fresh/app").expect(200).json(), json!({}));
    send(&server, "PATCH", "/api/config/fresh/other", MERGE, r#"{"gone": null}"#).expect(201);
    assert_eq!(server.get("/api/config/fresh/other").json()["value"], json!({}));
    assert_eq!(project.git(&["show", "main:fresh.yaml"]), "app: {}\nother: {}\n");
    // The document of a subtree goes, and the one above it is made.
    let written = server.put("/myapp/cache", json!({})).expect(200).json();
    assert_eq!((&written["path"], &written["version"]), (&json!("/myapp/cache"), &json!(1)));
    assert_eq!(project.git(&["show", "main:myapp.yaml"]), "cache: {}\n");
    // A value whose document is its own becomes one too; right below the root there is none above.
    server.put("/alone", json!(5)).expect(201);
    let head = project.git(&["rev-parse", "main"]);
    for path in ["/alone", "/lonely"] {
        let refused = server.put(path, json!({})).expect(400).text();
        assert!(refused.contains("has no document to stand in"), "{refused}");
    }
    assert_eq!(project.git(&["rev-parse", "main"]), head);
}

#[test]
fn an_answer_lists_what_changed_and_only_that() {
    let (_project, server) = example();
    let batch = |edits: Value| server.post("/api/batch", json!({ "edits": edits })).expect(200).json();
    let put = |path: &str, value: Value| json!({"op": "put", "path": path, "value": value});
    let item = |path: &str, version: u64| json!({"path": path, "version": version, "env": "base"});
    let gone =
        |path: &str, version: u64| json!({"path": path, "version": version, "deleted": true, "env": "base"});
    let made = batch(json!([put("/t/a", json!({"b": 1, "c": 2})), put("/t/d", json!(1))]));
    assert_eq!(made["entries"], json!([item("/t/a/b", 1), item("/t/a/c", 1), item("/t/d", 1)]));
    let half = batch(json!([put("/t/a/b", json!(1)), put("/t/d", json!(2)), put("/t/d", json!(3))]));
    assert_eq!(half["entries"], json!([item("/t/d", 2)]), "what changed, each once");
    let none = batch(json!([put("/t/d", json!(3))]));
    assert_eq!((&none["entries"], &none["sequence"]), (&json!([]), &half["sequence"]));
    // An object gives way to a value, and a value to an object.
    let value = batch(json!([put("/t/a", json!(7))]));
    assert_eq!(value["entries"], json!([item("/t/a", 1), gone("/t/a/b", 2), gone("/t/a/c", 2)]));
    let patch = json!([{"op": "replace", "path": "", "value": {"b": 1}}]).to_string();
    let object = send(&server, "PATCH", "/api/config/t/a", PATCH, patch).expect(200).json();
    assert_eq!(object["entries"][0], json!({"path": "/t/a", "version": 2, "deleted": true}));
    assert_eq!(object["entries"][1], json!({"path": "/t/a/b", "version": 3}));
    let patch = json!([{"op": "replace", "path": "", "value": 8}]).to_string();
    let entry = send(&server, "PATCH", "/api/config/t/a", PATCH, patch).expect(200).json();
    assert_eq!((&entry["version"], &entry["entries"]), (&json!(3), &Value::Null));
    // Equal once more: the version stays, the moment is that of now.
    server.put("/t/z", json!(1)).expect(201);
    let again = server.put("/t/d", json!(3)).expect(200).json();
    assert_eq!((again["version"].clone(), again["sequence"].clone()), (json!(2), json!(7)));
}

#[test]
fn refusals_say_what_stands_there() {
    let (_project, server) = example();
    let precondition = |header: (&str, &str), path: &str| {
        server.request("PUT", &format!("/api/config{path}"), &[header], br#"{"value": 1}"#).expect(412).text()
    };
    let exists = precondition(("If-None-Match", "*"), "/myapp/database/pool_size");
    assert!(exists.contains("/myapp/database/pool_size exists already, in version 1"), "{exists}");
    let stale = precondition(("If-Match", "9"), "/myapp/database/pool_size");
    assert!(stale.contains("it is now in version 1, its entity tag 1."), "{stale}");
    assert!(precondition(("If-Match", "9"), "/t/none").contains("it does not exist"));
    let zeros = "0".repeat(40);
    let nowhere = server.get(&format!("/api/config/myapp?at={zeros}")).expect(400).text();
    assert!(nowhere.contains("the commit 0000"), "{nowhere}");
    let object = server.get("/api/config/myapp?version=1").expect(404).text();
    assert!(object.contains("is an object in base, and only entries have versions"), "{object}");
    server.request("PUT", "/api/config/env/prod/myapp/database/port", &[], br#"{"value": 1}"#).expect(201);
    let patch = json!([{"op": "replace", "path": "/pool_size_of_base", "value": 1}]).to_string();
    let inherited =
        send(&server, "PATCH", "/api/config/env/prod/myapp/database", PATCH, patch).expect(400).text();
    assert!(inherited.contains("what prod itself holds, not what it inherits"), "{inherited}");
    let unknown = server.get("/api/whoami?x=1").expect(400).text();
    assert!(unknown.contains("unknown parameter `x`; this takes none"), "{unknown}");
}
