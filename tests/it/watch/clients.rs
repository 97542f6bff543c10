//! Who watches, how far behind each is, and who is missed.

use serde_json::{Value, json};

use super::{Stream, chained};
use crate::access::{key, project};
use crate::harness::{Server, TestProject, wait_for};

fn clients(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/clients{query}")).expect(200).json();
    answer["clients"].as_array().unwrap().clone()
}

#[test]
fn clients_are_listed_and_acknowledge() {
    let project = chained();
    let server = project.serve();
    let agent = [("User-Agent", "payments/1.2 (rust)"), ("X-Confgit-Client", "pay-1")];
    let mut named = Stream::open_with(&server, "/v1/config/app?watch=true&env=prod", &agent);
    let mut nameless = Stream::open(&server, "/api/config?watch=true&prefix=/app&prefix=/other");
    named.ready();
    nameless.ready();
    let all = clients(&server, "");
    assert_eq!(all.len(), 2);
    let first = &all[0];
    for (member, expected) in [
        ("id", json!("pay-1")),
        ("account", json!("admin")),
        ("state", json!("connected")),
        ("watching", json!(["/app"])),
        ("view", json!("resolved")),
        ("env", json!("prod")),
        ("sequence", json!(1)),
        ("lag_ms", json!(0)),
        ("transport", json!("sse")),
        ("sdk", json!("payments/1.2 (rust)")),
    ] {
        assert_eq!(first[member], expected, "{member}");
    }
    assert!(first["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    assert!(first["connected_at"].as_str().unwrap().ends_with('Z') && first.get("acknowledged").is_none());
    assert_eq!((&all[1]["id"], &all[1]["watching"]), (&json!("#2"), &json!(["/app", "/other"])));
    assert_eq!(clients(&server, "?env=prod").len(), 1);
    assert_eq!(clients(&server, "?client=pay-1").len(), 1);
    assert_eq!(clients(&server, "?limit=1&after=1")[0]["id"], "#2");
    // From the change to the word that it is followed.
    let last = server.put("/app/host", json!("h1")).expect(200).json()["sequence"].as_u64().unwrap();
    named.until(last);
    let acknowledge =
        |sequence: u64| server.post("/api/clients/pay-1/acknowledge", json!({ "sequence": sequence }));
    acknowledge(1).expect(200);
    let lag = clients(&server, "?client=pay-1")[0]["lag_ms"].as_u64().unwrap();
    assert!(lag > 0, "it was told and does not follow yet");
    assert_eq!(acknowledge(last).expect(200).json(), json!({"id": "pay-1", "sequence": last}));
    let now = &clients(&server, "?client=pay-1")[0];
    assert_eq!(
        (&now["acknowledged"], &now["lag_ms"], &now["sequence"]),
        (&json!(last), &json!(0), &json!(last))
    );
    acknowledge(99).expect(400);
    server.post("/api/clients/pay-9/acknowledge", json!({"sequence": 1})).expect(404);
    let metrics = server.get("/metrics").text();
    for line in [
        "confgit_watchers{project=\"project\"} 2.0",
        "confgit_propagation_sent_seconds_count{project=\"project\"} 2",
        "confgit_propagation_acknowledged_seconds_count{project=\"project\"} 1",
        "confgit_propagation_seen_seconds_count{project=\"project\"} 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}");
    }
    for name in ["", "a b", "a/b", "é", &"x".repeat(129)] {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        server.get(&format!("/api/config?watch=true&client={name}")).expect(400);
    }
}

#[test]
fn who_went_without_a_word_is_missed() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\nclients: { lost_after: 1s }\n"),
        ("base/app.yaml", "a: 1\n"),
    ]);
    let server = project.serve();
    let open = |name: &str| {
        let mut stream = Stream::open(&server, &format!("/api/config?watch=true&client={name}"));
        stream.ready();
        stream
    };
    let (lost, polite, back) = (open("lost"), open("polite"), open("back"));
    server.request("DELETE", "/api/clients/polite", &[], b"").expect(204);
    [lost, polite, back].into_iter().for_each(Stream::cut);
    let _back = open("back");
    wait_for("one to be missed", || !clients(&server, "?state=lost").is_empty());
    wait_for("all to be gone", || clients(&server, "").len() == 1);
    let missed = clients(&server, "?state=lost");
    let ids: Vec<&Value> = missed.iter().map(|client| &client["id"]).collect();
    assert_eq!(ids, ["lost"], "{missed:?}");
    assert!(missed[0]["left_at"].as_str().unwrap().ends_with('Z') && missed[0]["state"] == "lost");
    assert!(server.get("/metrics").text().contains("confgit_clients_lost{project=\"project\"} "));
    server.request("DELETE", "/api/clients/lost", &[], b"").expect(204);
    assert!(!clients(&server, "?state=lost").iter().any(|client| client["id"] == "lost"));
}

/// A client is bound to its account, and shown to those who may read some of what it watches.
#[test]
fn clients_are_their_accounts() {
    let project = project();
    let server = project.serve();
    let open = |account: &str, target: &str| {
        let mut stream = Stream::connect(&server.address, &key(account), target, &[]).unwrap();
        stream.ready();
        stream
    };
    let _dana = open("dana", "/api/config/payments?watch=true&client=app-1");
    let _omar = open("omar", "/api/config/finance?watch=true&client=app-1");
    let dana = server.as_account("dana");
    let seen = dana.get("/api/clients").expect(200).json()["clients"].clone();
    assert_eq!(seen.as_array().unwrap().len(), 1, "what watches finance is no business of hers: {seen}");
    assert!(seen[0]["account"] == "dana" && seen[0].get("address").is_some());
    let of_omar = server.as_account("omar").get("/api/clients").expect(200).json()["clients"].clone();
    assert_eq!(of_omar.as_array().unwrap().len(), 2);
    // The same name of another account is another client.
    dana.post("/api/clients/app-1/acknowledge", json!({"sequence": 1})).expect(200);
    let all = clients(&server, "");
    let acknowledged: Vec<&Value> =
        all.iter().filter(|client| client.get("acknowledged").is_some()).collect();
    assert!(acknowledged.len() == 1 && acknowledged[0]["account"] == "dana", "{all:?}");
    server.as_account("stray").post("/api/clients/app-1/acknowledge", json!({"sequence": 1})).expect(404);
}
