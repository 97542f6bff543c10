//! Reads that wait for another answer.

use std::time::{Duration, Instant};

use serde_json::json;

use super::chained;

#[test]
fn a_read_waits_until_its_answer_is_another() {
    let project = chained();
    let server = project.serve();
    for target in [
        "/v1/config/app/url",
        "/v1/config/app/host",
        "/api/config/app/host",
        "/api/config/app?recursive=true",
    ] {
        let separator = if target.contains('?') { '&' } else { '?' };
        let waiting = format!("{target}{separator}wait=20s");
        let tag = server.get(target).expect(200).header("etag").unwrap().to_owned();
        let headers = [("If-None-Match", &*tag)];
        let begun = Instant::now();
        let none = server.request("GET", &format!("{target}{separator}wait=300ms"), &headers, b"");
        assert!(
            none.status == 304 && begun.elapsed() >= Duration::from_millis(300),
            "{target}: {}",
            none.status
        );
        let answer = std::thread::scope(|scope| {
            let read = scope.spawn(|| server.request("GET", &waiting, &headers, b""));
            server.put("/other/x", json!(begun.elapsed().as_nanos() as u64)).expect(200);
            server.put("/.confgit/variables/HOST", json!(tag)).expect(200);
            server.put("/app/host", json!(tag)).expect(200);
            read.join().unwrap()
        });
        assert_eq!(answer.status, 200, "{target}");
        assert_ne!(answer.header("etag"), Some(&*tag), "{target}");
        assert!(begun.elapsed() < Duration::from_secs(15));
        // Somebody who has another answer is told at once.
        server.request("GET", &waiting, &headers, b"").expect(200);
    }
}

#[test]
fn what_cannot_be_waited_for() {
    let project = chained();
    let server = project.serve();
    let tagged = [("If-None-Match", "\"x\"")];
    for (target, status, kind) in [
        ("/v1/config/app/host?wait=30", 200, ""),
        ("/v1/config/nothing?wait=30s", 404, "not-found"),
        ("/v1/config/app/host?wait=301s", 400, "malformed"),
        ("/v1/config/app/host?wait=-1s", 400, "malformed"),
        ("/v1/config/app/host?wait=1d", 400, "malformed"),
        ("/v1/config/app/host?wait=", 400, "malformed"),
        ("/v1/config/app/host?wait=99999999999999999999s", 400, "malformed"),
        ("/v1/config/app/host?wait=1s&at=1", 400, "contradiction"),
        ("/api/config/app/host?wait=1s&version=1", 400, "contradiction"),
    ] {
        let answer = server.request("GET", target, &tagged, b"");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        if status != 200 {
            assert_eq!(answer.json()["type"], format!("/problems/{kind}"), "{target}");
        }
    }
    server.get("/v1/config/app/host?wait=1s").expect(400);
}
