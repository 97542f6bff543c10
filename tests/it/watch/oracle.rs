//! Whatever is written, pushed, hidden or brought back: all events of a watch, one after the other, come to what is read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Stream, chained};
use crate::harness::Server;

/// What a reader sees, by path.
fn read(server: &Server, env: &str) -> BTreeMap<String, Value> {
    let page = server.get(&format!("/api/config?recursive=true&limit=10000&env={env}")).expect(200).json();
    let line = |entry: &Value| {
        (
            entry["path"].as_str().unwrap().to_owned(),
            json!([entry["value"], entry["version"], entry["origin"]]),
        )
    };
    page["entries"].as_array().unwrap().iter().map(line).collect()
}

/// What services read, flattened: objects are walked into.
fn resolved(server: &Server, env: &str) -> Value {
    server.get(&format!("/v1/config?env={env}")).expect(200).json()
}

fn set(at: &mut Value, path: &str, value: Option<&Value>) {
    let mut segments: Vec<&str> = path[1..].split('/').collect();
    let name = segments.pop().unwrap();
    let mut object = at;
    for segment in &segments {
        if !object[*segment].is_object() {
            object[*segment] = json!({});
        }
        object = &mut object[*segment];
    }
    match value {
        Some(value) => object[name] = value.clone(),
        None => {
            object.as_object_mut().unwrap().remove(name);
        }
    }
}

fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), without_empty(value)));
            Value::Object(members.filter(|(_, value)| *value != json!({})).collect())
        }
        other => other.clone(),
    }
}

/// Applies a stream to what was there, event by event, and compares it.
fn follow(stream: &mut Stream, seen: &mut BTreeMap<String, Value>, last: u64) {
    for told in stream.until(last) {
        let data = &told.data;
        let path = data["path"].as_str().unwrap().to_owned();
        let old = seen.get(&path).map_or(Value::Null, |line| line[0].clone());
        assert_eq!(old, data["old_value"], "{told:?}");
        match &*told.event {
            "delete" => seen.remove(&path),
            _ => seen.insert(path, json!([data["value"], data["version"], data["origin"]])),
        };
    }
}

#[test]
fn events_come_to_what_is_read() {
    let project = chained();
    let server = project.serve();
    let mut random = fastrand::Rng::with_seed(7);
    let environments = ["base", "staging", "prod"];
    let mut live: Vec<(Stream, BTreeMap<String, Value>)> = environments
        .iter()
        .map(|env| {
            let mut stream = Stream::open(&server, &format!("/api/config?watch=true&env={env}"));
            stream.ready();
            (stream, read(&server, env))
        })
        .collect();
    let begun: Vec<BTreeMap<String, Value>> = live.iter().map(|(_, seen)| seen.clone()).collect();
    let mut services = Stream::open(&server, "/v1/config?watch=true&env=prod");
    services.ready();
    // A password is no value that is told, nor read without its provider.
    server.delete("/app/password").expect(200);
    let mut read_by_services = resolved(&server, "prod");
    set(&mut read_by_services, "/app/password", Some(&json!("gone in a moment")));
    let paths = [
        "/app/host",
        "/app/port",
        "/app/list",
        "/app/url",
        "/t/a",
        "/t/a/b",
        "/t/a/b/c",
        "/t/d",
        "/other/x",
        "/other/y/z",
        "/.confgit/variables/HOST",
        "/app/extra",
    ];
    let values = [
        json!(1),
        json!("two"),
        json!([3]),
        json!([4, 5]),
        json!({"p": 1, "q": {"r": 2}}),
        json!({}),
        json!("${HOST}"),
        json!("${ref:/app/port}"),
        json!(["${HOST}"]),
        json!(true),
    ];
    for _ in 0..250 {
        let path = paths[random.usize(..paths.len())];
        let env = environments[random.usize(..3)];
        let target = format!("{path}?env={env}");
        match random.u32(..10) {
            0..6 => drop(server.put(&target, values[random.usize(..values.len())].clone())),
            6 => drop(server.request("DELETE", &format!("/api/config{target}&hide=true"), &[], b"")),
            7 => {
                let body = json!({"value": values[random.usize(..values.len())], "description": random.u32(..3).to_string()});
                drop(server.request(
                    "PUT",
                    &format!("/api/config{target}"),
                    &[],
                    body.to_string().as_bytes(),
                ));
            }
            _ => drop(server.delete(&target)),
        }
    }
    let mut last = 0;
    for env in environments {
        last = server.put(&format!("/end/of/it?env={env}"), json!(env)).expect(201).json()["sequence"]
            .as_u64()
            .unwrap();
    }
    for ((stream, seen), env) in live.iter_mut().zip(environments) {
        let end = if env == "base" {
            last - 2
        } else if env == "staging" {
            last - 1
        } else {
            last
        };
        follow(stream, seen, end);
        assert_eq!(*seen, read(&server, env), "{env}");
    }
    for told in services.until(last) {
        let (path, value) = (told.data["path"].as_str().unwrap(), told.data.get("value"));
        set(&mut read_by_services, path, value);
    }
    assert_eq!(without_empty(&read_by_services), without_empty(&resolved(&server, "prod")));
    // The same again from Git, after a restart: nothing is in memory.
    server.stop();
    let server = project.serve();
    for (env, mut seen) in environments.into_iter().zip(begun) {
        let mut stream = Stream::open(&server, &format!("/api/config?watch=true&env={env}&since=1"));
        let end = if env == "base" {
            last - 2
        } else if env == "staging" {
            last - 1
        } else {
            last
        };
        follow(&mut stream, &mut seen, end);
        assert_eq!(seen, read(&server, env), "{env} from Git");
    }
}
