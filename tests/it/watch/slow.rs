//! Clients that read slowly, or not at all, and the others beside them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Stream, chained};

/// One that does not read falls out of its queue, then out of what the kernel keeps: it finds all of it later.
#[test]
fn who_reads_late_misses_nothing() {
    let project = chained();
    let server = project.serve();
    let mut late = Stream::open(&server, "/api/config/load?watch=true");
    let mut live = Stream::open(&server, "/api/config/load?watch=true");
    late.ready();
    live.ready();
    let mut last = 0;
    let filler = "x".repeat(4_000);
    let begun = Instant::now();
    for number in 0..1_500 {
        let answer = server.put("/load/value", json!(format!("{number} {filler}")));
        last = answer.json()["sequence"].as_u64().unwrap();
    }
    let told = live.until(last);
    assert_eq!(told.len(), 1_500);
    assert!(begun.elapsed() < Duration::from_secs(60));
    let told = late.until(last);
    let numbers: Vec<&str> =
        told.iter().map(|told| told.data["value"].as_str().unwrap().split(' ').next().unwrap()).collect();
    let expected: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The server's end does not wait for those who watch, and tells them to come back.
#[test]
fn a_stop_ends_watches() {
    let project = chained();
    let server = project.serve();
    let mut stream = Stream::open(&server, "/api/config?watch=true");
    stream.ready();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let told = stream.try_next().unwrap().unwrap();
    assert_eq!((&*told.event, &told.data["status"]), ("end", &json!(503)));
    assert!(stream.try_next().unwrap().is_none());
}

/// Something is heard at least every 15 seconds, and what it says lets the client go on from there.
#[test]
fn a_quiet_watch_is_heard_of() {
    let project = chained();
    let server = project.serve();
    let mut stream = Stream::open(&server, "/api/config/app?watch=true");
    stream.ready();
    for number in 0..3 {
        server.put("/other/x", json!(number + 50)).expect(200);
    }
    let begun = Instant::now();
    while stream.last_id != "4" {
        stream.hear();
        assert!(begun.elapsed() < Duration::from_secs(20), "no heartbeat");
    }
}
