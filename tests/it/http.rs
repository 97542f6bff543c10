//! The REST contract, on the real server.

use serde_json::json;

use crate::harness::{Server, TestProject, exchange, wait_for};

const PATH: &str = "/myapp/database/connection_string";

fn example() -> (TestProject, Server) {
    let project = TestProject::example();
    let server = project.serve();
    (project, server)
}

#[test]
fn a_value_goes_all_the_way_and_back() {
    let (project, server) = example();
    let body = json!({"value": "postgres://localhost:5432/mydb", "description": "Primary database connection",
                      "schema": {"type": "string", "format": "uri"}});
    let written = server
        .request("PUT", &format!("/api/config{PATH}"), &[], body.to_string().as_bytes())
        .expect(201)
        .json();
    assert_eq!(
        (&written["path"], &written["version"], &written["env"]),
        (&json!(PATH), &json!(1), &json!("base"))
    );
    let got = server.get(&format!("/api/config{PATH}")).expect(200).json();
    assert_eq!(got["value"], "postgres://localhost:5432/mydb");
    assert_eq!(got["description"], "Primary database connection");
    assert_eq!(got["schema"], json!({"type": "string", "format": "uri"}));
    assert_eq!(
        (&got["updated_by"], &got["origin"], &got["version"]),
        (&json!("admin"), &json!("base"), &json!(1))
    );
    assert_eq!(got["revision"], written["revision"]);

    assert_eq!(server.put(PATH, json!("postgres://newhost:5432/mydb")).expect(200).json()["version"], 2);
    let kept = server.get(&format!("/api/config{PATH}")).json();
    assert_eq!(kept["description"], "Primary database connection", "absent metadata stays");
    let history = server.get(&format!("/api/config{PATH}/history")).expect(200).json();
    let versions: Vec<_> = history.as_array().unwrap().iter().map(|item| item["version"].clone()).collect();
    assert_eq!(versions, [2, 1]);
    let first = server.get(&format!("/api/config{PATH}?version=1")).expect(200).json();
    assert_eq!(first["value"], "postgres://localhost:5432/mydb");
    assert_eq!(first["description"], "Primary database connection");
    let object = server.get("/api/config/myapp/database").expect(200).json();
    assert_eq!(object["children"], json!(["connection_string", "pool_size", "timeout"]));

    let log = project.git(&["log", "--format=%an|%s|%(trailers:key=Account,valueonly)", "-2", "main"]);
    assert_eq!(log.lines().next().unwrap(), format!("admin|set {PATH}|admin"));
    let file = project.git(&["show", "main:myapp/database.yaml"]);
    assert!(
        file.starts_with("# ") && file.contains("connection_string: postgres://newhost:5432/mydb\n"),
        "{file}"
    );
    project.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn bare_values_have_their_type_and_formats() {
    let (_project, server) = example();
    let service = server.get("/v1/config/services/payment-service").expect(200);
    assert_eq!(service.header("content-type"), Some("application/json"));
    assert_eq!(service.json()["max_connections"], 100);
    assert!(service.text().contains("\"needs_review_above\":250.00"), "digits are kept: {}", service.text());
    assert_eq!(server.get("/v1/config/myapp/database/pool_size").text(), "10");
    server.put("/t/text", json!("a \"quoted\" text")).expect(201);
    assert_eq!(server.get("/v1/config/t/text").text(), "\"a \\\"quoted\\\" text\"");
    assert_eq!(server.get("/v1/config/t/text?format=text").text(), "a \"quoted\" text");
    let yaml = server.request("GET", "/v1/config/myapp/database", &[("Accept", "application/yaml")], b"");
    assert_eq!(yaml.text(), "pool_size: 10\ntimeout: 30\n");
    assert_eq!(
        server.get("/v1/config/myapp/database?format=text").expect(200).text(),
        "/pool_size = 10\n/timeout = 30\n"
    );
    server.get("/v1/config/myapp/database?format=xml").expect(400);
    let png = server.get("/v1/config/storefront/favicon.png?format=text");
    assert!(png.body.starts_with(b"\x89PNG"));
    let described = server.get("/api/config/storefront/favicon.png").json();
    assert_eq!(described["encoding"], "base64");
    assert_eq!(server.get("/v1/config/nowhere?default=5").expect(200).text(), "5");
    assert_eq!(server.get("/v1/config/nowhere?default=five").expect(200).text(), "\"five\"");
    assert_eq!(server.get("/api/config/nowhere?default=5").expect(200).json()["origin"], "default");
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?default=5").text(), "10");
}

#[test]
fn environments_fall_back_to_their_parents() {
    let (_project, server) = example();
    server.put("/t/a", json!("base")).expect(201);
    server.put("/env/staging/t/b", json!("staging")).expect(201);
    let read = |target: &str| server.get(target).expect(200).json();
    assert_eq!(read("/api/config/t/a?env=prod")["origin"], "base");
    assert_eq!(read("/api/config/t/b?env=prod")["origin"], "staging");
    assert_eq!(read("/api/config/t?env=prod")["children"], json!(["a", "b"]));
    assert_eq!(read("/v1/config/t?env=prod"), json!({"a": "base", "b": "staging"}));
    assert_eq!(read("/v1/config/t?env=dev"), json!({"a": "base"}));
    // The layer alone, by the path.
    assert_eq!(read("/v1/config/env/staging/t"), json!({"b": "staging"}));
    let absent = server.get("/v1/config/env/staging/t/a").expect(404).json();
    assert!(absent["detail"].as_str().unwrap().contains("its value comes from base"), "{absent}");
    // An override, a tombstone, and both gone again.
    server.put("/env/prod/t/a", json!("prod")).expect(201);
    assert_eq!(read("/v1/config/t/a?env=prod"), "prod");
    server.request("DELETE", "/api/config/t/a?env=prod&hide=true", &[], b"").expect(200);
    server.get("/v1/config/t/a?env=prod").expect(404);
    assert_eq!(read("/v1/config/t?env=prod"), json!({"b": "staging"}));
    server.delete("/env/prod/t/a").expect(200);
    assert_eq!(read("/v1/config/t/a?env=prod"), "base");
    let inherited = server.delete("/env/prod/t/a").expect(404).json();
    assert!(inherited["detail"].as_str().unwrap().contains("base"), "{inherited}");

    server.get("/v1/config/env/prod/t/a?env=dev").expect(400);
    server.get("/v1/config/t/a?env=mars").expect(404);
    server.put("/env/mars/x", json!(1)).expect(201);
    assert_eq!(read("/v1/config/env/mars/x"), 1, "a name that is no environment is a key");
}

#[test]
fn etags_and_preconditions() {
    let (_project, server) = example();
    server.put("/t/k", json!(1)).expect(201);
    let got = server.get("/v1/config/t/k");
    let tag = got.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("\"1.") && tag.len() == 12, "{tag}");
    assert!(got.header("x-confgit-revision").is_some_and(|id| id.len() == 40));
    assert!(got.header("x-confgit-sequence").is_some());
    assert_eq!(
        server.request("GET", "/v1/config/t/k", &[("If-None-Match", &tag)], b"").expect(304).body,
        b""
    );
    let object = server.get("/v1/config/t").header("etag").unwrap().to_owned();
    server
        .request("GET", "/v1/config/t", &[("If-None-Match", &format!("\"x\", W/{object}"))], b"")
        .expect(304);

    let put = |headers: &[(&str, &str)], body: &[u8]| server.request("PUT", "/api/config/t/k", headers, body);
    let stale = put(&[("If-Match", "\"7.00000000\"")], b"{\"value\": 2}").expect(412).json();
    assert_eq!(stale["current"].as_str().unwrap(), tag.trim_matches('"'));
    put(&[("If-Match", &tag)], b"{\"value\": 2}").expect(200);
    put(&[("If-Match", "2")], b"{\"value\": 3}").expect(200);
    put(&[("If-None-Match", "*")], b"{\"value\": 4}").expect(412);
    put(&[("If-Match", "*")], b"{\"value\": 4}").expect(200);
    server.request("PUT", "/api/config/t/new", &[("If-Match", "*")], b"{\"value\": 4}").expect(412);
    server.request("PUT", "/api/config/t/new", &[("If-None-Match", "*")], b"{\"value\": 4}").expect(201);
    server.request("DELETE", "/api/config/t/k", &[("If-Match", "1")], b"").expect(412);
    put(&[("If-Match", "4"), ("If-None-Match", "*")], b"{\"value\": 4}").expect(400);
    // An inherited value's tag is good for its first override.
    let inherited = server.get("/v1/config/t/k?env=prod").header("etag").unwrap().to_owned();
    server
        .request("PUT", "/api/config/t/k?env=prod", &[("If-Match", &inherited)], b"{\"value\": 5}")
        .expect(201);
}

#[test]
fn an_equal_value_is_no_commit() {
    let (project, server) = example();
    server.put("/t/k", json!({"a": 1, "b": [1, 2]})).expect(201);
    let before = project.git(&["rev-parse", "main"]);
    let again = server.put("/t/k/a", json!(1)).expect(200).json();
    assert_eq!(again["version"], 1);
    server.put("/t/k", json!({"b": [1, 2], "a": 1})).expect(200);
    assert_eq!(project.git(&["rev-parse", "main"]), before);
    assert_eq!(
        server.put("/t/k", json!({"b": [1, 2], "a": 1.0})).expect(200).json()["entries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn objects_replace_what_is_below() {
    let (project, server) = example();
    let written = server.put("/t/svc", json!({"a": 1, "b": {"c": 2}, "d": "x"})).expect(201).json();
    assert_eq!(written["entries"].as_array().unwrap().len(), 3);
    assert_eq!(project.git(&["show", "main:t/svc.yaml"]), "a: 1\nb:\n  c: 2\nd: x\n");
    let written = server.put("/t/svc", json!({"a": 1, "b": 7, "e": {}})).expect(200).json();
    let paths: Vec<_> = written["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/t/svc/b", "/t/svc/b/c", "/t/svc/d", "/t/svc/e"]);
    assert_eq!(server.get("/v1/config/t/svc").json(), json!({"a": 1, "b": 7, "e": {}}));
    server.put("/t/svc/a/deeper", json!(1)).expect(409);
    server.delete("/t/svc").expect(200);
    server.get("/v1/config/t/svc").expect(404);
    let gone = server.get("/api/config/t/svc/a?version=2").expect(410).json();
    assert_eq!(gone["type"], "/problems/gone");
    assert_eq!(
        server.put("/t/svc/a", json!(9)).expect(201).json()["version"],
        3,
        "counting goes on after a delete"
    );
}

#[test]
fn text_and_long_strings_get_files_of_their_own() {
    let (project, server) = example();
    let text = "first line\nsecond: line\n";
    server
        .request("PUT", "/api/config/t/motd", &[("Content-Type", "text/plain")], text.as_bytes())
        .expect(201);
    assert_eq!(project.git(&["show", "main:t/motd.txt"]), text);
    assert_eq!(server.get("/v1/config/t/motd?format=text").text(), text);
    let long = "x".repeat(17 << 10);
    server.put("/t/long", json!(long)).expect(201);
    assert_eq!(project.git(&["show", "main:t/long.txt"]), long);
    server.put("/t/motd", json!(5)).expect(200);
    assert_eq!(server.get("/v1/config/t").json()["motd"], 5);
    server.request("PUT", "/api/config/t/x", &[("Content-Type", "text/plain")], b"\xff").expect(400);
    server.request("PUT", "/api/config/t/x", &[("Content-Type", "application/xml")], b"<x/>").expect(415);
}

#[test]
fn batches_are_one_change_set() {
    let (project, server) = example();
    let commits = || project.git(&["rev-list", "--count", "main"]);
    let before = commits();
    let body = json!({"message": "move in", "edits": [
        {"op": "put", "path": "/t/a", "value": 1}, {"op": "put", "path": "/t/b", "value": "x", "if_version": 0},
        {"op": "put", "path": "/t/a", "value": 2, "env": "prod"}, {"op": "delete", "path": "/t/b"},
        {"op": "put", "path": "/t/c", "value": {"d": 1}}]});
    let written = server.post("/api/batch", body).expect(200).json();
    assert_eq!(written["revisions"].as_object().unwrap().len(), 2);
    assert_eq!(commits().trim().parse::<u32>().unwrap(), before.trim().parse::<u32>().unwrap() + 1);
    assert_eq!(server.get("/v1/config/t?env=prod").json(), json!({"a": 2, "c": {"d": 1}}));
    let one = written["sequence"].clone();
    for path in ["/t/a", "/t/a?env=prod", "/t/c/d"] {
        assert_eq!(server.get(&format!("/api/config{path}")).json()["sequence"], one);
    }
    // One edit that fails undoes the others.
    let failing = json!({"edits": [{"op": "put", "path": "/t/z", "value": 1}, {"op": "put", "path": "/t/a", "value": 3, "if_version": 9}]});
    server.post("/api/batch", failing).expect(412);
    server.get("/v1/config/t/z").expect(404);
    for (body, word) in [
        (json!({"edits": []}), "empty"),
        (json!({"edits": [{"op": "put", "path": "/x"}]}), "needs a `value`"),
        (json!({"edits": [{"op": "move", "path": "/x"}]}), "unknown op"),
        (json!({"edit": []}), "unknown field"),
        (json!({"edits": [{"op": "put", "path": "/x/../y", "value": 1}]}), "edit 1"),
    ] {
        let refused = server.post("/api/batch", body).expect(400).json();
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused}");
    }
    let got = server
        .post("/api/batch/get", json!({"paths": ["/t/a", "/t/c", "/nowhere"], "env": "prod"}))
        .expect(200)
        .json();
    assert_eq!(got["entries"][0]["value"], 2);
    assert_eq!(got["entries"][1], json!({"path": "/t/c", "value": {"d": 1}}));
    assert_eq!(got["entries"][2], json!({"path": "/nowhere", "missing": true}));
}

#[test]
fn rollback_and_the_past() {
    let (project, server) = example();
    let sequence = |answer: serde_json::Value| answer["sequence"].as_u64().unwrap();
    let first = server.put("/t/k", json!("one")).expect(201).json();
    server.put("/t/k", json!("two")).expect(200);
    let back = server.post("/api/config/t/k/rollback", json!({"to_version": 1})).expect(200).json();
    assert_eq!(back["version"], 3);
    assert_eq!(server.get("/v1/config/t/k").json(), "one");
    server.post("/api/config/t/k/rollback", json!({"to_version": 9})).expect(404);
    server.post("/api/config/t/k/rollback", json!({"to": 1})).expect(400);
    server.delete("/t/k").expect(200);
    server.post("/api/config/t/k/rollback", json!({"to_version": 4})).expect(410);
    let history = server.get("/api/config/t/k/history?limit=2").expect(200);
    assert_eq!(history.json()[0]["deleted"], true);
    assert_eq!(history.json()[0]["value"], json!(null));
    assert!(history.header("link").unwrap().contains("before=3"));
    let rest = server.get("/api/config/t/k/history?before=3").json();
    assert_eq!(
        rest.as_array().unwrap().iter().map(|v| v["value"].clone()).collect::<Vec<_>>(),
        ["two", "one"]
    );
    assert_eq!(rest[1]["message"], "set /t/k");

    let number = sequence(first.clone());
    let at = |point: &str| server.get(&format!("/api/config/t/k?at={point}"));
    assert_eq!(at(&number.to_string()).expect(200).json()["value"], "one");
    assert_eq!(at(&(number + 1).to_string()).json()["version"], 2);
    at(&(number - 1).to_string()).expect(404);
    assert_eq!(at(first["revision"].as_str().unwrap()).expect(200).json()["value"], "one");
    project.git(&["tag", "-a", "-m", "a release", "v1", first["revision"].as_str().unwrap()]);
    assert_eq!(at("v1").expect(200).json()["value"], "one");
    assert_eq!(server.get(&format!("/v1/config/t?at={}", number + 1)).json(), json!({"k": "two"}));
    for point in ["99999999", "nonsense", "2001-01-01T00:00:00Z", &"ab".repeat(20)] {
        at(point).expect(400);
    }
    assert_eq!(server.get("/api/config/t/k?at=1&version=1").status, 400);
    server.get("/api/config/nowhere/at/all/history").expect(404);
}

#[test]
fn keys_with_odd_names() {
    let (_project, server) = example();
    for (url, path) in [
        ("/t/a%2Fb", "/t/a%2Fb"),
        ("/t/dotted.key", "/t/dotted.key"),
        ("/t/100%25", "/t/100%25"),
        ("/t/%C3%BCmlaut", "/t/ümlaut"),
        ("/t/with%20space", "/t/with space"),
        ("/t/.hidden", "/t/.hidden"),
        ("/t/no", "/t/no"),
        ("/t/%F0%9F%A6%80", "/t/🦀"),
        ("/t/env", "/t/env"),
        ("/t/a.yaml", "/t/a.yaml"),
    ] {
        let written = server.put(url, json!("v")).expect(201).json();
        assert_eq!(written["path"], path, "{url}");
        assert_eq!(server.get(&format!("/v1/config{url}")).expect(200).json(), "v", "{url}");
    }
    server.put("/t/history?literal=true", json!("a key")).expect(201);
    assert_eq!(server.get("/v1/config/t/history").json(), "a key");
    assert_eq!(server.get("/api/config/t/history?literal=true").json()["value"], "a key");
    server.put("/t/history", json!("x")).expect(405);
    server.put("/env/prod/literal?literal=true", json!(1)).expect(201);
    assert_eq!(server.get("/v1/config/env/prod/literal?literal=true").json(), 1);
}

#[test]
fn hostile_paths_and_bodies_are_refused_with_a_place() {
    let (project, server) = example();
    let before = project.git(&["rev-parse", "main"]);
    let deep = "/a".repeat(33);
    let long = format!("/{}", "x".repeat(1100));
    for path in [
        "/a/../b",
        "/a//b",
        "/a/",
        "/a%00b",
        "/a/%0a",
        "/a/%7f",
        "/%2e%2e/b",
        "/a/%zz",
        "/a/%ff",
        &deep,
        &long,
    ] {
        let refused = server.put(path, json!(1)).expect(400).json();
        let is_long = path == deep || path == long;
        let kind = if is_long { "/problems/path-too-long" } else { "/problems/malformed" };
        assert_eq!(refused["type"], kind, "{path}");
        server.get(&format!("/v1/config{path}")).expect(400);
        server.get(&format!("/api/config{path}")).expect(400);
    }
    for (body, word) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "expected"),
        ("{\"value\": 1, \"valeu\": 2}", "unknown field `valeu`"),
        ("{}", "missing field `value`"),
        ("{\"value\": {\"a\": 1, \"a\": 2}}", "duplicate member `a`"),
        ("{\"value\": nul}", "expected"),
        ("{\"value\": 1} x", "trailing"),
        ("{\"value\": null}", "hide=true"),
        ("{\"value\": {\"a\": {\"..\": 1}}}", "not allowed"),
        ("{\"value\": {\"\": 1}}", "empty"),
        ("{\"value\": 1, \"description\": 5}", "invalid type"),
        ("{\"value\": 1, \"schema\": 5}", "JSON Schema"),
        ("{\"value\": {\"a\": 1}, \"owner\": \"x\"}", "belong to an entry"),
        ("{\"value\": \"\\ud800\"}", "hex escape"),
    ] {
        let refused = server.request("PUT", "/api/config/t/k", &[], body.as_bytes()).expect(400).json();
        assert!(refused["detail"].as_str().unwrap().contains(word), "{body}: {refused}");
    }
    server.put("/", json!(1)).expect(405);
    server.put("/.hidden/x", json!(1)).expect(400);
    let below = server.put("/myapp/database/pool_size/x", json!(1)).expect(409).json();
    let place = &below["errors"][0];
    assert_eq!(
        (&place["file"], &place["path"]),
        (&json!("myapp/database.yaml"), &json!("/myapp/database/pool_size"))
    );
    assert!(place["line"].as_u64().is_some(), "{below}");
    server.get("/v1/config/t?evn=prod").expect(400);
    server.get("/v1/config/t?env=prod&env=dev").expect(400);
    for (method, target, allow) in [
        ("POST", "/api/config/t/k", "GET, HEAD, LIST, PUT, PATCH, DELETE"),
        ("PATCH", "/v1/config/t/k", "GET, HEAD"),
        ("GET", "/api/batch", "POST"),
        ("POST", "/api/config/t/k/history", "GET, HEAD"),
    ] {
        assert_eq!(
            server.request(method, target, &[], b"").expect(405).header("allow"),
            Some(allow),
            "{target}"
        );
    }
    server.get("/nowhere").expect(404);
    assert_eq!(project.git(&["rev-parse", "main"]), before, "nothing of this made a commit");
}

#[test]
fn sizes_are_bounded_before_they_are_buffered() {
    let project = TestProject::with_files(&[
        (
            "meta/settings.yaml",
            "environments:\n  base: {branch: main}\nlimits:\n  value_bytes: 1000\n  document_bytes: 4000\n",
        ),
        ("base/a.yaml", "x: 1\n"),
    ]);
    let server = project.serve();
    server.put("/a/x", json!("y".repeat(990))).expect(200);
    let refused = server.put("/a/x", json!("y".repeat(1000))).expect(413).json();
    assert_eq!(refused["errors"][0]["path"], "/a/x");
    for n in 0..3 {
        server.put(&format!("/a/k{n}"), json!("y".repeat(900))).expect(201);
    }
    server.put("/a/k3", json!("y".repeat(900))).expect(413);
    let announced = exchange(
        &server.address,
        "PUT",
        "/api/config/a/x",
        &[
            ("Host", &server.address),
            ("Authorization", &format!("Bearer {}", server.key)),
            ("Content-Length", "99999999999"),
        ],
        b"",
    );
    assert_eq!(announced.unwrap().status, 413, "refused by what it announces");
    let big = vec![b' '; 200_000];
    server.request("PUT", "/api/config/a/x", &[], &big).expect(413);
    server.get("/v1/config/a/x").expect(200);
}

#[test]
fn only_keys_and_only_this_origin() {
    let (_project, server) = example();
    let plain = |headers: &[(&str, &str)]| server.request("GET", "/v1/config/myapp/motd", headers, b"");
    let refused = plain(&[("Authorization", "")]).expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    plain(&[("Authorization", "Bearer cg_wrong")]).expect(401);
    plain(&[("Authorization", "Basic eDp5")]).expect(401);
    plain(&[("Authorization", ""), ("X-API-Key", &server.key)]).expect(200);
    for target in ["/api/config/myapp", "/api/status", "/metrics", "/api/config/myapp/motd/history"] {
        server.request("GET", target, &[("Authorization", "")], b"").expect(401);
    }
    server.request("PUT", "/api/config/t/k", &[("Authorization", "")], b"{\"value\": 1}").expect(401);
    let put = |headers: &[(&str, &str)]| server.request("PUT", "/api/config/t/k", headers, b"{\"value\": 1}");
    put(&[("Origin", "https://evil.example")]).expect(403);
    put(&[("Origin", "null")]).expect(403);
    put(&[("Sec-Fetch-Site", "cross-site")]).expect(403);
    put(&[("Sec-Fetch-Site", "same-site")]).expect(403);
    put(&[("Origin", &format!("http://{}", server.address)), ("Sec-Fetch-Site", "same-origin")]).expect(201);
}

#[test]
fn without_keys_only_loopback_names_are_served() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "admin"], &[]);
    let get = |host: &str| {
        server.request(
            "GET",
            "/v1/config/myapp/database/timeout",
            &[("Authorization", ""), ("Host", host)],
            b"",
        )
    };
    get("localhost:1234").expect(200);
    get(&server.address).expect(200);
    get("evil.example").expect(403);
    get("localhost.evil.example:80").expect(403);
    server.request("PUT", "/api/config/t/k", &[("Authorization", "")], b"{\"value\": 1}").expect(201);
    server
        .request(
            "PUT",
            "/api/config/t/k",
            &[("Authorization", ""), ("Host", "evil.example")],
            b"{\"value\": 2}",
        )
        .expect(403);
    server.request("GET", "/v1/config/t/k", &[("Host", "config.internal")], b"").expect(200);
    drop(server);
    let reader = project.serve_with(&["--anonymous", "reader"], &[]);
    reader.request("GET", "/v1/config/t/k", &[("Authorization", "")], b"").expect(200);
    reader.request("PUT", "/api/config/t/k", &[("Authorization", "")], b"{\"value\": 2}").expect(401);
}

#[test]
fn sixty_four_writers_on_one_key_lose_nothing() {
    let (project, server) = example();
    server.put("/t/counter", json!(0)).expect(201);
    let (server, each) = (&server, 5);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(move || {
                for _ in 0..each {
                    loop {
                        let now = server.get("/api/config/t/counter").json();
                        let next = json!({"value": now["value"].as_u64().unwrap() + 1}).to_string();
                        let version = now["version"].to_string();
                        let put = server.request(
                            "PUT",
                            "/api/config/t/counter",
                            &[("If-Match", &version)],
                            next.as_bytes(),
                        );
                        match put.status {
                            200 => break,
                            412 => {}
                            other => panic!("{other}: {}", put.text()),
                        }
                    }
                }
            });
        }
    });
    let last = server.get("/api/config/t/counter").json();
    assert_eq!((last["value"].as_u64(), last["version"].as_u64()), (Some(320), Some(321)));
    let history = server.get("/api/config/t/counter/history?limit=1000").json();
    for (item, version) in history.as_array().unwrap().iter().zip((1..=321u64).rev()) {
        assert_eq!((item["version"].as_u64(), item["value"].as_u64()), (Some(version), Some(version - 1)));
    }
    assert_eq!(project.git(&["rev-list", "--count", "main", "--", "t.yaml"]).trim(), "321");
}

#[test]
fn status_metrics_and_probes() {
    let (_project, server) = example();
    let status = server.get("/api/status").expect(200).json();
    assert_eq!((&status["writable"], &status["parts"]["history"]), (&json!(true), &json!("ready")));
    assert_eq!(status["environments"].as_array().unwrap().len(), 4);
    assert!(
        status["environments"].as_array().unwrap().iter().all(|env| env["problems"] == json!([])),
        "{status}"
    );
    server.put("/t/k", json!(1)).expect(201);
    let metrics = server.get("/metrics").expect(200).text();
    for line in [
        "confgit_change_sets_total{project=\"project\"} 1\n",
        "confgit_publish_seconds_count{project=\"project\"} 1\n",
        "# EOF\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    server.request("GET", "/healthz", &[("Authorization", "")], b"").expect(200);
    server.request("GET", "/readyz", &[("Authorization", "")], b"").expect(200);
}

#[test]
fn refs_moved_by_others_are_taken_in() {
    let (project, server) = example();
    server.put("/t/k", json!(1)).expect(201);
    let clone = project.temp.path().join("clone");
    project.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
    std::fs::write(clone.join("t.yaml"), "# edited by hand\nk: 2\nfresh: 3\n").unwrap();
    crate::harness::git(&clone, &["commit", "-qam", "by hand"]);
    crate::harness::git(&clone, &["push", "-q"]);
    // The next write finds the branch elsewhere, takes the push in, and stands on it.
    assert_eq!(server.put("/t/other", json!(4)).expect(201).json()["version"], 1);
    wait_for("the push to be seen", || server.get("/v1/config/t/k").text() == "2");
    let pushed = server.get("/api/config/t/k").json();
    assert_eq!((&pushed["version"], &pushed["updated_by"]), (&json!(2), &json!("Tess Ter")));
    assert_eq!(project.git(&["show", "main:t.yaml"]), "# edited by hand\nk: 2\nfresh: 3\nother: 4\n");
    let numbers = server.get("/api/config/t/fresh").json()["sequence"].clone();
    drop(server);
    // A push while nobody serves is taken in at the start.
    crate::harness::git(&clone, &["pull", "-q"]);
    std::fs::write(clone.join("t.yaml"), "k: 5\n").unwrap();
    crate::harness::git(&clone, &["commit", "-qam", "by night"]);
    crate::harness::git(&clone, &["push", "-q"]);
    let server = project.serve();
    assert_eq!(server.get("/api/config/t/k").json()["version"], 3);
    assert_eq!(server.get("/v1/config/t").json(), json!({"k": 5}));
    assert_eq!(server.get("/api/config/t/fresh?version=1").json()["sequence"], numbers);
    server.get("/api/config/t/fresh?version=2").expect(410);
}

#[test]
fn everything_below_a_path_page_by_page() {
    let (_project, server) = example();
    let all = server.get("/api/config?recursive=true&limit=10000").expect(200).json();
    let paths = |page: &serde_json::Value| -> Vec<String> {
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let every = paths(&all);
    assert!(every.len() > 150 && every.is_sorted() && all["next"].is_null());
    assert!(
        !every.iter().any(|path| path.starts_with("/.confgit")),
        "confgit's own files show where they are asked for"
    );
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/api/config?recursive=true&limit=37{after}")).expect(200).json();
        paged.append(&mut paths(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(paged, every);
    let own = server.get("/api/config/.confgit/variables?recursive=true").expect(200).json();
    assert!(!own["entries"].as_array().unwrap().is_empty());
    server.get("/api/config?recursive=true&limit=0").expect(400);
    server.get("/api/config?recursive=true&after=a//b").expect(400);
    server.get("/api/config?recursive=maybe").expect(400);
}

#[test]
fn slow_and_silent_connections_hold_up_nobody() {
    use std::io::Write;
    let (_project, server) = example();
    let mut held = Vec::new();
    for number in 0..200 {
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /v1/config/my").unwrap(),
            _ => {
                let head =
                    format!("PUT /api/config/t/k HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}", server.key);
                let half = format!("{head}\r\nContent-Length: 3000000\r\n\r\n{{");
                stream.write_all(half.as_bytes()).unwrap();
            }
        }
        held.push(stream);
    }
    server.get("/v1/config/myapp/database/timeout").expect(200);
    server.put("/t/k", json!(1)).expect(201);
}

#[test]
fn every_tag_that_a_read_gives_is_good_for_a_write() {
    let (_project, server) = example();
    server.put("/t/k", json!("v")).expect(201);
    server.put("/env/staging/t/own", json!("v")).expect(201);
    let targets = [
        "/v1/config/t/k",
        "/v1/config/t/k?format=yaml",
        "/v1/config/t/k?format=text",
        "/api/config/t/k",
        "/api/config/t/k?format=yaml",
        "/v1/config/t/k?env=prod",
        "/api/config/t/k?env=prod",
        "/api/config/t/own?env=staging",
        "/api/config/env/staging/t/own",
        "/v1/config/t",
        "/v1/config/t?env=prod",
        "/api/config/t?recursive=true",
        "/v1/config/t?literal=false",
    ];
    for target in targets {
        let got = server.get(target).expect(200);
        let tag = got.header("etag").unwrap().to_owned();
        server.request("GET", target, &[("If-None-Match", &tag)], b"").expect(304);
        let path = target.replace("/v1/config", "/api/config");
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let env = query.split('&').find(|pair| pair.starts_with("env=")).unwrap_or("literal=false");
        let put = |tag: &str| {
            server.request(
                "PUT",
                &format!("{path}?{env}"),
                &[("If-Match", tag)],
                b"{\"value\": {\"k\": \"v\"}}",
            )
        };
        put("\"0.00000000\"").expect(412);
        let written = put(&tag);
        assert_ne!(written.status, 412, "{target} {tag}: {}", written.text());
        server.request("PUT", "/api/config/t", &[], b"{\"value\": {\"k\": \"v\"}}").expect(200);
        server.delete("/env/prod/t");
        server.request("PUT", "/api/config/env/staging/t", &[], b"{\"value\": {\"own\": \"v\"}}").expect(200);
    }
    let described = server.get("/api/config/t/k?env=prod").header("etag").unwrap().to_owned();
    server.request("PUT", "/api/config/t/k", &[], b"{\"value\": \"v\", \"owner\": \"us\"}").expect(200);
    server.request("GET", "/api/config/t/k?env=prod", &[("If-None-Match", &described)], b"").expect(200);
    let unreadable =
        b"PUT /api/config/t/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-Match: \"\xe9\"\r\nX-API-Key: ";
    let raw = [unreadable, server.key.as_bytes(), b"\r\nContent-Length: 12\r\n\r\n{\"value\": 1}"].concat();
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    std::io::Write::write_all(&mut stream, &raw).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn paging_follows_segments_and_bounds_hold() {
    let (_project, server) = example();
    for path in ["/p/a/x", "/p/a-b", "/p/a.c", "/p/a+d/y", "/p/b"] {
        server.put(path, json!(1)).expect(201);
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/api/config/p?recursive=true&limit=1{after}")).expect(200).json();
        seen.push(page["entries"][0]["path"].as_str().unwrap().to_owned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('+', "%2B")),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    let everything: Vec<&str> = std::iter::repeat_n("/", 9_000).collect();
    server.post("/api/batch/get", json!({ "paths": everything })).expect(413);
    server.post("/api/batch/get?env=prod", json!({"paths": ["/p"]})).expect(400);
    server
        .post("/api/batch?env=prod", json!({"edits": [{"op": "put", "path": "/x", "value": 1}]}))
        .expect(400);
    server.get("/v1/config/p?recursive=true").expect(400);
    server.get("/v1/config//p/b").expect(400);
    server.request("DELETE", "/api/config/p/b?env=prod&hide=true", &[], b"").expect(200);
    let many: Vec<_> =
        (0..2_000).map(|n| json!({"op": "put", "path": format!("/many/k{n}"), "value": n})).collect();
    let written = server.post("/api/batch", json!({ "edits": many })).expect(200).json();
    assert_eq!(written["entries"].as_array().unwrap().len(), 2_000);
    assert_eq!(server.get("/v1/config/many").json()["k1999"], 1999);
}

/// RFC 9112 section 3.2: who is to say which of two hosts was meant.
#[test]
fn a_request_of_http_1_1_names_one_host() {
    let (_project, server) = example();
    let answer = |version: &str, hosts: &str| {
        let key = &server.key;
        let request = format!(
            "GET /v1/config/myapp/database/pool_size HTTP/{version}\r\n{hosts}Connection: close\r\nX-API-Key: {key}\r\n\r\n"
        );
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer
    };
    assert!(answer("1.1", "Host: x\r\n").starts_with("HTTP/1.1 200"));
    assert!(answer("1.0", "").starts_with("HTTP/1.0 200"));
    for hosts in ["", "Host: x\r\nHost: x\r\n"] {
        let refused = answer("1.1", hosts);
        assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("one Host header"), "{refused}");
    }
}
