//! Accounts and keys: made, listed, disabled, rotated without a request that fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{key, project};
use crate::harness::{confgit, wait_for};

#[test]
fn accounts_come_and_go_while_the_server_runs() {
    let project = project();
    let server = project.serve();
    let made = server
        .post(
            "/api/accounts",
            json!({"name": "ci", "kind": "service", "teams": ["platform"], "description": "CI"}),
        )
        .expect(201)
        .json();
    let ci = super::As { server: &server, key: made["key"].as_str().unwrap().to_owned() };
    ci.get("/v1/config/finance/ledger/owner").expect(200);
    server.post("/api/accounts", json!({"name": "ci"})).expect(409);
    server.post("/api/accounts", json!({"name": "c i"})).expect(400);
    server.post("/api/accounts", json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"})).expect(400);
    let list = server.get("/api/accounts").expect(200);
    let account =
        list.json()["accounts"].as_array().unwrap().iter().find(|one| one["name"] == "ci").unwrap().clone();
    assert_eq!((&account["kind"], &account["teams"]), (&json!("service"), &json!(["platform"])));
    assert_eq!(account["keys"][0]["id"], made["id"]);
    assert!(account["keys"][0]["last_used_at"].is_string(), "{account}");
    assert!(!list.text().contains("cg_") && !list.text().contains("sha256"), "{}", list.text());
    server.post("/api/accounts/ci/disable", Value::Null).expect(200);
    assert_eq!(
        ci.get("/v1/config/finance/ledger/owner").expect(401).json()["detail"],
        "the account `ci` is disabled"
    );
    server.post("/api/accounts/ci/enable", Value::Null).expect(200);
    ci.get("/v1/config/finance/ledger/owner").expect(200);
    let rotated = server.post("/api/accounts/ci/rotate", json!({"grace_seconds": 0})).expect(200).json();
    let detail = ci.get("/v1/config/finance/ledger/owner").expect(401).json()["detail"].clone();
    assert!(detail.as_str().unwrap().contains("the key expired at"), "{detail}");
    super::As { server: &server, key: rotated["key"].as_str().unwrap().to_owned() }
        .get("/api/whoami")
        .expect(200);
    server.post("/api/accounts/nobody/rotate", json!({})).expect(404);
    // Nobody shuts everybody out.
    server.post("/api/accounts/admin/disable", Value::Null).expect(409);
    // All of it is commits of the settings.
    let log = crate::harness::git(&project.dir().join("meta.git"), &["log", "--format=%s", "main"]);
    for subject in
        ["create the account ci", "disable the account ci", "enable the account ci", "rotate the key of ci"]
    {
        assert!(log.contains(subject), "{log}");
    }
}

#[test]
fn a_key_is_rotated_under_load_without_a_failed_request() {
    let project = project();
    let server = project.serve();
    let made =
        server.post("/api/accounts", json!({"name": "busy", "teams": ["platform"]})).expect(201).json();
    let current = std::sync::Mutex::new(made["key"].as_str().unwrap().to_owned());
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        // The service learns of its new key some time after it was made.
                        let key = current.lock().unwrap().clone();
                        let caller = super::As { server: &server, key };
                        for _ in 0..5 {
                            let answer = caller.get("/v1/config/finance/ledger/owner");
                            asked.fetch_add(1, Ordering::Relaxed);
                            if answer.status != 200 {
                                failures.push(answer.text());
                            }
                        }
                    }
                    failures
                })
            })
            .collect();
        for _ in 0..5 {
            let seen = asked.load(Ordering::Relaxed);
            let rotated =
                server.post("/api/accounts/busy/rotate", json!({"grace_seconds": 60})).expect(200).json();
            wait_for("requests with the old key", || asked.load(Ordering::Relaxed) > seen + 40);
            *current.lock().unwrap() = rotated["key"].as_str().unwrap().to_owned();
        }
        is_over.store(true, Ordering::Relaxed);
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(failures, Vec::<String>::new());
    assert!(asked.into_inner() > 200);
}

#[test]
fn the_command_line_makes_lists_and_rotates() {
    let project = project();
    let dir = project.dir();
    let local = |arguments: &[&str]| {
        let output = confgit(&[arguments, &["--repo", dir.to_str().unwrap()]].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = local(&["account", "create", "ann", "--team", "payments", "--expires", "90d"]);
    assert!(
        code == 0 && text.contains("ann was made. This is shown once:") && text.contains("It ends at "),
        "{text}"
    );
    let shown = text.lines().find_map(|line| line.trim().strip_prefix("cg_")).unwrap();
    assert_eq!(shown.len(), 48);
    let (code, text) = local(&["account", "list"]);
    assert!(
        code == 0 && text.starts_with("ACCOUNT ") && text.contains("not known") && !text.contains(shown),
        "{text}"
    );
    assert!(text.contains("gone (disabled)") && text.contains("expired"), "{text}");
    let (code, text) = local(&["account", "rotate", "ann", "-o", "json"]);
    let issued: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && issued["others_end_at"].is_string(), "{text}");
    // It lasts as long as the one before it.
    let lasts = issued["expires_at"].as_str().unwrap().parse::<confgit::model::Timestamp>().unwrap();
    let days = (lasts.as_millis() - confgit::model::Timestamp::from(std::time::SystemTime::now()).as_millis())
        as f64
        / 86_400_000.0;
    assert!((89.9..=90.0).contains(&days), "{text}");
    assert_eq!(local(&["account", "create", "ann"]).0, 5);
    assert_eq!(local(&["account", "rotate", "nobody"]).0, 3);
    assert_eq!(local(&["account", "disable", "ann"]).0, 0);
    let (code, text) = local(&["access", "explain", "dana", "write", "/payments/x", "--env", "prod"]);
    assert!(
        code == 0 && text.starts_with("dana may not write /payments/x in prod: no rule speaks of it"),
        "{text}"
    );
    let (code, text) = local(&["access", "explain", "dana", "write", "/payments/x", "--env", "dev"]);
    assert!(
        code == 0
            && text.contains("rule 2 allows it")
            && text.contains("\n2     allow  /payments/**  base dev"),
        "{text}"
    );
    // A server tells the same, and refuses those who may not ask.
    let server = project.serve();
    let url = format!("http://{}", server.address);
    let remote = |key: &str, arguments: &[&str]| {
        let output = confgit(&[arguments, &["--server", &url, "--token", key]].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(remote(&project.key, &["account", "list"]).0, 0);
    let (code, text) = remote(&key("dana"), &["account", "list"]);
    assert!(code == 4 && text.contains("may not administer the project"), "{text}");
    let (code, text) = remote(&key("dana"), &["set", "/payments/db/host", "x", "--env", "prod"]);
    assert!(
        code == 4 && text.contains("may not write /payments/db/host in prod: no rule allows it"),
        "{text}"
    );
}

#[test]
fn when_keys_were_used_is_known_after_a_restart() {
    let project = project();
    let used = |server: &crate::harness::Server| {
        let list = server.get("/api/accounts").expect(200).json();
        let accounts = list["accounts"].as_array().unwrap().clone();
        accounts.iter().find(|one| one["name"] == "omar").unwrap()["keys"][0]["last_used_at"].clone()
    };
    let server = project.serve();
    assert!(used(&server).is_null());
    server.as_account("omar").get("/api/whoami").expect(200);
    let first = used(&server);
    assert!(first.is_string());
    server.stop();
    let server = project.serve();
    assert_eq!(used(&server), first);
    server.stop();
    std::fs::write(project.dir().join("derived/last-uses.json"), "nonsense").unwrap();
    assert!(used(&project.serve()).is_null());
}
