//! What is an event for whom, and what it says.

use serde_json::{Value, json};

use super::{Stream, Told, chained};
use crate::harness::Server;

fn put(server: &Server, path: &str, value: Value) -> u64 {
    let answer = server.put(path, value);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()["sequence"].as_u64().unwrap()
}

/// Paths with what happened there.
fn brief(told: &[Told]) -> Vec<String> {
    let line = |told: &Told| {
        let text = |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
        let data = &told.data;
        format!(
            "{} {} {}>{}",
            told.event,
            data["path"].as_str().unwrap(),
            text(&data["old_value"]),
            text(&data["value"])
        )
    };
    told.iter().map(line).collect()
}

#[test]
fn a_watch_tells_what_changes_in_its_view() {
    let project = chained();
    let server = project.serve();
    let mut prod = Stream::open(&server, "/api/config/app?watch=true&env=prod");
    let mut staging = Stream::open(&server, "/api/config?watch=true&env=staging");
    let mut layer = Stream::open(&server, "/api/config/env/prod/app?watch=true");
    assert!(prod.head.contains("content-type: text/event-stream"), "{}", prod.head);
    assert!(prod.head.contains("x-accel-buffering: no") && prod.head.contains("no-store"), "{}", prod.head);
    for stream in [&mut prod, &mut staging, &mut layer] {
        assert_eq!(stream.ready(), []);
        assert_eq!(stream.last_id, "1");
    }
    // What prod overrides is no event for prod; the tombstone and the delete of it are.
    put(&server, "/app/port", json!(2));
    put(&server, "/app/host", json!("h1"));
    put(&server, "/app/list?env=staging", json!([2]));
    server.request("DELETE", "/api/config/app/host?env=prod&hide=true", &[], b"").expect(200);
    server.delete("/app/host?env=prod").expect(200);
    server.delete("/app/port?env=prod").expect(200);
    let end = put(&server, "/app/end?env=prod", json!({"deep": true}));
    let told = prod.until(end);
    assert_eq!(
        brief(&told),
        [
            r#"update /app/host "h0">"h1""#,
            "update /app/list [1]>[1,2]",
            r#"delete /app/host "h1">-"#,
            r#"update /app/host ->"h1""#,
            "update /app/port 9>2",
            "update /app/end/deep ->true",
        ]
    );
    let host = &told[0].data;
    for (member, expected) in [
        ("type", json!("update")),
        ("origin", json!("base")),
        ("env", json!("prod")),
        ("version", json!(2)),
        ("old_version", json!(1)),
        ("sequence", json!(3)),
        ("updated_by", json!("admin")),
    ] {
        assert_eq!(host[member], expected, "{member}");
    }
    assert_eq!(told[0].id, "3");
    let commit = server.get("/api/commits?env=base&limit=1").json()["commits"][0]["revision"].clone();
    assert_eq!(host["revision"], commit);
    assert!(host["updated_at"].as_str().unwrap().ends_with('Z'));
    let told = staging.until(4);
    assert_eq!(
        brief(&told),
        ["update /app/port 1>2", r#"update /app/host "h0">"h1""#, "update /app/list [1]>[1,2]"]
    );
    let told = layer.until(end);
    assert_eq!(brief(&told), ["delete /app/port 9>-", "update /app/end/deep ->true"]);
}

#[test]
fn services_are_told_what_they_read() {
    let project = chained();
    let server = project.serve_with(&[], &[("CONFGIT_SECRET_PW", "hush-hush")]);
    let mut prod = Stream::open(&server, "/v1/config/app?watch=true&env=prod");
    prod.ready();
    // Only a variable, then only what a reference names.
    put(&server, "/.confgit/variables/HOST", json!("two"));
    put(&server, "/app/port?env=prod", json!(10));
    // Neither what others read, nor what comes to the same.
    put(&server, "/other/x", json!(2));
    put(&server, "/app/url?env=prod", json!("http://two:${ref:/app/port}"));
    let secret = put(&server, "/app/password?env=prod", json!("x-${secret:pw}"));
    let told = prod.until(secret);
    assert_eq!(
        brief(&told),
        [
            r#"update /app/url "http://one:9">"http://two:9""#,
            "update /app/port 9>10",
            r#"update /app/url "http://two:9">"http://two:10""#,
            "update /app/password ->-",
        ]
    );
    let told = &told[3].data;
    assert_eq!(told["secret_changed"], true);
    assert!(told.get("value").is_none() && told.get("old_value").is_none());
    assert!(!told.to_string().contains("hush"), "{told}");
}

#[test]
fn a_change_set_is_told_as_one_and_several_prefixes_in_one_stream() {
    let project = chained();
    let server = project.serve();
    let mut both = Stream::open(&server, "/api/config?watch=true&prefix=/app/host&prefix=/other");
    both.ready();
    put(&server, "/app/port", json!(7));
    let edits = json!({"edits": [
        {"op": "put", "path": "/other/x", "value": 2},
        {"op": "put", "path": "/app/port", "value": 8},
        {"op": "put", "path": "/app/host", "value": "h2"},
        {"op": "put", "path": "/other/y", "value": 3},
    ]});
    let sequence = server.post("/api/batch", edits).expect(200).json()["sequence"].as_u64().unwrap();
    let told = both.until(sequence);
    assert_eq!(brief(&told), [r#"update /app/host "h0">"h2""#, "update /other/x 1>2", "update /other/y ->3"]);
    // Only the last has the number: who breaks off before it is told all of them again.
    let ids: Vec<&str> = told.iter().map(|told| &*told.id).collect();
    assert_eq!(ids, ["", "", "3"]);
    server.get("/api/config/app?watch=true&prefix=/other").expect(400);
    server.get("/api/config/app?watch=true&prefix=other").expect(400);
    for target in [
        "?since=1",
        "?prefix=/a",
        "?initial=true",
        "?watch=true&recursive=true",
        "?watch=true&since=1&initial=true",
    ] {
        let answer = server.get(&format!("/api/config/app{target}"));
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (400, &json!("/problems/contradiction")),
            "{target}"
        );
    }
}

#[test]
fn present_values_come_first_where_they_are_wanted() {
    let project = chained();
    let server = project.serve_with(&[], &[("CONFGIT_SECRET_PW", "hush-hush")]);
    let mut stream = Stream::open(&server, "/v1/config?watch=true&env=prod&initial=true");
    let told = stream.ready();
    assert_eq!(
        brief(&told),
        [
            r#"initial /app/host ->"h0""#,
            "initial /app/list ->[1]",
            "initial /app/password ->-",
            "initial /app/port ->9",
            r#"initial /app/url ->"http://one:9""#,
            "initial /other/x ->1",
        ]
    );
    assert_eq!(told[3].data["version"], 1);
    // Nothing is missed between the values and what comes after them.
    let mut streams: Vec<Stream> = Vec::new();
    for number in 0..20 {
        put(&server, "/other/x", json!(100 + number));
        streams.push(Stream::open(&server, "/v1/config/other?watch=true&initial=true"));
    }
    let last = put(&server, "/other/x", json!("last"));
    for mut stream in streams {
        let first = stream.next();
        assert_eq!(first.event, "initial");
        let told = stream.until(last);
        let mut value = first.data["value"].clone();
        for told in told {
            assert_eq!(told.data["old_value"], value);
            value = told.data["value"].clone();
        }
        assert_eq!(value, "last");
    }
    // Many pages of them.
    let many: Vec<Value> =
        (0..1_300).map(|n| json!({"op": "put", "path": format!("/many/k{n:04}"), "value": n})).collect();
    server.post("/api/batch", json!({ "edits": many })).expect(200);
    let mut stream = Stream::open(&server, "/api/config/many?watch=true&initial=true");
    let paths: Vec<Value> = stream.ready().into_iter().map(|told| told.data["value"].clone()).collect();
    assert_eq!(paths, (0..1_300).map(|n| json!(n)).collect::<Vec<_>>());
}

#[test]
fn metadata_is_a_new_version_for_who_reads_as_written() {
    let project = chained();
    let server = project.serve();
    let mut written = Stream::open(&server, "/api/config/other?watch=true");
    let mut read = Stream::open(&server, "/v1/config/other?watch=true");
    written.ready();
    read.ready();
    let body = br#"{"value": 1, "description": "an x"}"#;
    server.request("PUT", "/api/config/other/x", &[], body).expect(200);
    let last = put(&server, "/other/x", json!(2));
    let told = written.until(last);
    assert_eq!(brief(&told), ["update /other/x 1>1", "update /other/x 1>2"]);
    assert_eq!((&told[0].data["version"], &told[0].data["old_version"]), (&json!(2), &json!(1)));
    assert_eq!(brief(&read.until(last)), ["update /other/x 1>2"]);
}

/// What hides, and what is hidden, all the way down.
#[test]
fn a_value_that_becomes_an_object_and_back() {
    let project = chained();
    let server = project.serve();
    let mut prod = Stream::open(&server, "/api/config?watch=true&env=prod");
    let mut below = Stream::open(&server, "/api/config/app/tree/leaf?watch=true&env=prod");
    prod.ready();
    below.ready();
    put(&server, "/app/tree", json!({"leaf": 1, "twig": {"a": 2}}));
    put(&server, "/app/tree?env=prod", json!("felled"));
    server.delete("/app/tree?env=prod").expect(200);
    let last = put(&server, "/app/end", json!(0));
    assert_eq!(
        brief(&prod.until(last)),
        [
            "update /app/tree/leaf ->1",
            "update /app/tree/twig/a ->2",
            r#"update /app/tree ->"felled""#,
            "delete /app/tree/leaf 1>-",
            "delete /app/tree/twig/a 2>-",
            r#"delete /app/tree "felled">-"#,
            "update /app/tree/leaf ->1",
            "update /app/tree/twig/a ->2",
            "update /app/end ->0",
        ]
    );
    let told: Vec<String> = (0..3).flat_map(|_| brief(&[below.next()])).collect();
    assert_eq!(told, ["update /app/tree/leaf ->1", "delete /app/tree/leaf 1>-", "update /app/tree/leaf ->1"]);
}
