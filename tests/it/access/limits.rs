//! Limits: pace, other origins, what browsers are told, and callers that keep connections and give nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::project;
use crate::harness::{TestProject, git, wait_for};

fn set_pace(project: &TestProject, limits: &str) {
    let clone = tempfile::tempdir_in(project.temp.path()).unwrap();
    git(clone.path(), &["clone", "-q", project.dir().join("meta.git").to_str().unwrap(), "."]);
    let file = clone.path().join("settings.yaml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{settings}{limits}")).unwrap();
    git(clone.path(), &["commit", "-qam", "a pace"]);
    git(clone.path(), &["push", "-q", "origin", "HEAD:main"]);
}

#[test]
fn an_account_that_asks_too_fast_is_told_when_to_ask_again() {
    let project = project();
    let server = project.serve();
    // One a minute on and on: the burst is all there is within a test.
    set_pace(&project, "limits: {requests_per_second: 1, request_burst: 30}\n");
    let omar = server.as_account("omar");
    let mut answers = Vec::new();
    wait_for("the pace", || {
        answers.clear();
        answers.extend((0..60).map(|_| omar.get("/v1/config/finance/ledger/owner")));
        answers.iter().any(|answer| answer.status == 429)
    });
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.json()["type"], "/problems/too-fast");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    // Every way in has the same pace, and other accounts have their own.
    assert_eq!(omar.get("/api/config/finance/ledger").status, 429);
    assert_eq!(omar.put("/finance/x", json!(1)).status, 429);
    server.as_account("svc").get("/v1/config/payments/db/host").expect(200);
    server.get("/api/status").expect(200);
}

#[test]
fn pages_of_other_origins_call_only_where_the_server_was_started_so() {
    let project = project();
    let origin = ("Origin", "https://console.example.com");
    let preflight = [
        origin,
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
        ("Authorization", ""),
    ];
    {
        let server = project.serve();
        let answer = server.request("GET", "/v1/config/finance/ledger/owner", &[origin], b"").expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let refused = server.request("OPTIONS", "/api/config/payments/x", &preflight, b"");
        assert!(refused.status >= 400 && refused.header("access-control-allow-origin").is_none());
        server.request("PUT", "/api/config/payments/x", &[origin], br#"{"value":1}"#).expect(403);
        server.stop();
    }
    let server = project.serve_with(&["--cors-origin", "https://console.example.com"], &[]);
    let answer = server.request("OPTIONS", "/api/config/payments/x", &preflight, b"").expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
    for target in ["/v1/config/finance/ledger/owner", "/api/config/finance", "/nowhere"] {
        let answer = server.request("GET", target, &[origin], b"");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{target}");
        let other = server.request("GET", target, &[("Origin", "https://evil.example")], b"");
        assert_eq!(other.header("access-control-allow-origin"), None, "{target}");
    }
    server.request("PUT", "/api/config/payments/x", &[origin], br#"{"value":1}"#).expect(201);
    let evil = [("Origin", "https://evil.example")];
    server.request("PUT", "/api/config/payments/x", &evil, br#"{"value":2}"#).expect(403);
    // Without a credential nothing is any more open than before.
    server.request("GET", "/v1/config/finance", &[origin, ("Authorization", "")], b"").expect(401);
}

#[test]
fn browsers_are_told_to_make_nothing_else_of_answers() {
    let project = project();
    let server = project.serve();
    for target in [
        "/api/config/finance",
        "/api/status",
        "/nowhere",
        "/docs",
        "/healthz",
        "/metrics",
        "/v1/config/finance",
    ] {
        let answer = server.get(target);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{target}");
        assert!(answer.header("content-security-policy").is_some(), "{target}");
    }
    let plain = server.get("/v1/config/finance/ledger/owner").expect(200);
    assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
}

/// As many connections as the process may have, all idle, and some that send a byte now and then.
#[test]
fn idle_and_slow_callers_are_nobody_elses_matter() {
    let project = project();
    let server = project.serve();
    let most = rlimit().saturating_sub(400).min(10_000);
    let mut idle = Vec::new();
    for _ in 0..most {
        match TcpStream::connect(&server.address) {
            Ok(stream) => idle.push(stream),
            // Whoever runs the tests allows fewer.
            Err(_) => break,
        }
    }
    assert!(idle.len() >= 500, "only {} connections: raise `ulimit -n`", idle.len());
    // Heads and bodies that do not end, and a head that is too large.
    let mut slow: Vec<TcpStream> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let head = match number % 2 {
                0 => "GET /v1/config/finance HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
                _ => format!(
                    "PUT /api/config/payments/x HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 1000\r\n\r\n{{",
                    server.address, server.key
                ),
            };
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for round in 0..20 {
        let begun = Instant::now();
        server.as_account("omar").get("/v1/config/finance/ledger/owner").expect(200);
        server.put("/payments/x", json!(round)).status.to_string();
        assert!(begun.elapsed() < Duration::from_secs(10), "others wait");
        for stream in &mut slow {
            let _ = stream.write_all(b"a");
        }
    }
    let mut huge = TcpStream::connect(&server.address).unwrap();
    huge.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Huge: {}\r\n\r\n", "a".repeat(200_000));
    let _ = huge.write_all(head.as_bytes());
    let mut answer = [0; 12];
    let read = huge.read(&mut answer).unwrap_or(0);
    assert!(read == 0 || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

/// How many files a process may have open.
fn rlimit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

/// Two requests where one was sent, by lengths that contradict each other: RFC 9112 section 6.3.
#[test]
fn requests_are_not_smuggled() {
    let project = project();
    let server = project.serve();
    let smuggled =
        format!("GET /v1/config/finance HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", server.key);
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 40\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length : 4\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "POST /api/batch HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{framing}\r\n0\r\n\r\n{smuggled}",
            server.address,
            super::key("stray")
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("finance-only") && !answer.contains("FIN-0001"), "{framing:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 2").count() == 0, "{framing:?}: {answer}");
    }
}
