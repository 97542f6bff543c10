//! What networks do to those who watch: connections that break off, die without a word, or are too slow.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::{Manner, Proxy};
use super::{Stream, chained};
use crate::harness::{Server, TestProject};
use crate::running::Running;

/// The change set of a write, whether the entry was there or not.
fn sequence_of(server: &Server, path: &str, value: Value) -> u64 {
    let answer = server.put(path, value);
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()["sequence"].as_u64().unwrap()
}

/// The change sets of the events that a `confgit watch -o json` printed.
fn told(watch: &Running) -> Vec<u64> {
    let printed = watch.printed();
    let events = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["type"] != "initial")
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect()
}

/// A minute or more: what has to be noticed is that nothing comes.
#[track_caller]
fn wait_long_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn until_open(server: &Server, client: &str) {
    let target = format!("/api/clients?client={client}");
    wait_long_for("the watch to begin", || {
        !server.get(&target).json()["clients"].as_array().unwrap().is_empty()
    });
}

#[test]
fn what_breaks_off_again_and_again_has_no_gap() {
    let project = chained();
    let server = project.serve();
    let proxy = Proxy::to(&server.address, Manner::Passing);
    let arguments = ["watch", "/load", "-o", "json", "--client", "cut"];
    let watch = Running::start_at(&proxy.address, &server.key, &arguments);
    until_open(&server, "cut");
    let mut written = Vec::new();
    for number in 0..160 {
        if number % 20 == 10 {
            proxy.cut();
        }
        written.push(sequence_of(&server, "/load/value", json!(number)));
    }
    let last = written.last().copied();
    wait_long_for("the last change", || told(&watch).last().copied() == last);
    assert_eq!(told(&watch), written);
    assert!(watch.told().contains("trying again"), "{}", watch.told());
}

#[test]
fn one_byte_a_second_is_slow_for_nobody_else() {
    let project = chained();
    let server = project.serve();
    let mut slow = Stream::open(&server, "/api/config/load?watch=true");
    let mut live = Stream::open(&server, "/api/config/load?watch=true");
    slow.ready();
    live.ready();
    let filler = "x".repeat(4_000);
    let mut last = 0;
    for _ in 0..4 {
        for number in 0..100 {
            last = sequence_of(&server, "/load/value", json!(format!("{number} {filler}")));
        }
        // All of it is there for others between one byte and the next.
        assert_eq!(live.until(last).len(), 100);
        slow.sip();
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(slow.until(last).len(), 400);
}

/// Ends neither told nor cut off: a half-open connection, and a proxy that gathers an event stream before it hands it on.
#[test]
fn connections_that_die_without_a_word() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\nclients: { lost_after: 1s }\n"),
        ("base/load.yaml", "value: first\n"),
    ]);
    let server = project.serve();
    let (passing, gathering) =
        (Proxy::to(&server.address, Manner::Passing), Proxy::to(&server.address, Manner::Gathering));
    let watch = |proxy: &Proxy, client: &str| {
        let arguments = ["watch", "/load", "-o", "json", "--client", client];
        Running::start_at(&proxy.address, &server.key, &arguments)
    };
    let (half_open, gathered) = (watch(&passing, "half-open"), watch(&gathering, "gathered"));
    let target = "/api/config/load?watch=true&client=stuck";
    let mut stuck = Stream::connect(&passing.address, &server.key, target, &[]).unwrap();
    stuck.ready();
    until_open(&server, "half-open");
    passing.fall_silent();
    let filler = "x".repeat(4_000);
    let written: Vec<u64> = (0..150)
        .map(|number| sequence_of(&server, "/load/value", json!(format!("{number} {filler}"))))
        .collect();
    // The client goes on over another connection, where the last one broke off.
    wait_long_for("what was missed", || told(&half_open).last() == written.last());
    assert_eq!(told(&half_open), written);
    let says = "it said nothing for 45 s: it is gone, or a proxy in between gathers the stream";
    assert!(half_open.told().contains(says), "{}", half_open.told());
    wait_long_for("the client to say what is wrong", || gathered.told().contains(says));
    // The server lets go of a connection from which nothing is taken, and misses its client.
    let is_lost = || {
        let missed = server.get("/api/clients?state=lost").json()["clients"].as_array().unwrap().clone();
        missed.iter().any(|client| client["id"] == "stuck")
    };
    wait_long_for("the server to miss who takes nothing", is_lost);
}
