//! Keys and secrets that are planted everywhere a caller can put them are found nowhere that a run leaves.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::{key, project};
use crate::harness::{Server, TestProject, git_command};

/// Everything below a directory, with what Git has compressed.
fn remains(project: &TestProject) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![project.dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.starts_with(project.dir().join("secrets")) {
                all.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    for repository in ["config.git", "meta.git"] {
        let objects = git_command(&project.dir().join(repository))
            .args(["cat-file", "--batch", "--batch-all-objects"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(objects.status.success() && objects.stdout.len() > 1_000);
        all.push((repository.to_owned(), objects.stdout));
    }
    all
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Sends a key wherever a caller can put one, and answers what came back.
fn plant(server: &Server, key: &str) -> Vec<String> {
    let bearer = format!("Bearer {key}");
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.{key}", "eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0");
    let token = format!("Bearer {token}");
    let header_sets: Vec<Vec<(&str, &str)>> = vec![
        vec![("Authorization", &bearer)],
        vec![("Authorization", key)],
        vec![("Authorization", ""), ("X-API-Key", key)],
        vec![("Authorization", &token)],
        vec![("Cookie", key)],
    ];
    let mut told = Vec::new();
    let mut note = |answer: crate::harness::Answer| {
        told.push(format!("{:?} {}", answer.headers, answer.text()));
    };
    for headers in &header_sets {
        for (method, target) in [
            ("GET", "/v1/config/payments/db/host"),
            ("GET", "/v1/config/finance"),
            ("GET", "/api/config?recursive=true"),
            ("GET", "/api/status"),
            ("GET", "/api/whoami"),
            ("GET", "/api/accounts"),
            ("GET", "/api/audit"),
            ("GET", "/api/backup?x=y"),
            ("GET", "/metrics"),
            ("GET", "/nowhere"),
            ("PUT", "/api/config/payments/x"),
            ("POST", "/api/batch"),
            ("POST", "/api/accounts"),
            ("BREW", "/api/config"),
        ] {
            let body: &[u8] = if method == "GET" { b"" } else { br#"{"value": [}"# };
            note(server.request(method, target, headers, body));
        }
    }
    told
}

#[test]
fn keys_and_secrets_are_in_no_log_answer_metric_or_file() {
    let project = project();
    let server = project.serve_with(&["--log", "debug", "--log-format", "json"], &[]);
    let issued = server.post("/api/accounts", json!({"name": "issued"})).expect(201).json();
    let issued = issued["key"].as_str().unwrap().to_owned();
    let rotated = server.post("/api/accounts/issued/rotate", json!({})).expect(200).json();
    let unknown = confgit::auth::ApiKey::new([42; 32]).reveal().to_owned();
    let keys = [
        project.key.clone(),
        key("dana"),
        key("old"),
        key("gone"),
        unknown,
        issued,
        rotated["key"].as_str().unwrap().to_owned(),
    ];
    let mut told: Vec<String> = keys.iter().flat_map(|key| plant(&server, key)).collect();
    let secret = server.as_account("svc").get("/v1/config/payments/db/password").expect(200).json();
    assert_eq!(secret, "s3cret-app");
    told.extend(
        [
            "/metrics",
            "/api/status",
            "/api/audit",
            "/api/config/payments/db/password/explain",
            "/api/config/payments/db/password/history",
            "/api/config/payments?recursive=true",
            "/v1/config/payments?format=k8s-configmap&name=x",
            "/api/commits/1?env=base",
        ]
        .map(|target| server.get(target).expect(200).text()),
    );
    let log = server.log.clone();
    server.stop();
    let log = log.lock().unwrap().clone();
    assert!(log.lines().count() > 50, "{log}");
    for planted in keys.iter().map(String::as_str).chain(["s3cret-app", "s3cret-root"]) {
        // Not even the better half of one.
        let part = &planted[..planted.len().min(24)];
        assert!(!log.contains(part), "in the log: {part}");
        // The list of issuers' tokens and cookies are echoed by nobody.
        let answers: Vec<&String> = told.iter().filter(|answer| answer.contains(part)).collect();
        assert!(answers.is_empty(), "{part} in {answers:?}");
    }
    for (name, content) in remains(&project) {
        for planted in keys.iter().map(String::as_str).chain(["s3cret-app", "s3cret-root"]) {
            assert!(!holds(&content, &planted[..planted.len().min(24)]), "{planted} is in {name}");
        }
    }
    assert!(holds(b"is found", "found") && Path::new(&project.dir()).exists());
}
