//! Ways around the rules that somebody thought of: each was a way once, or could have been.

use serde_json::{Value, json};

use super::{As, access_file, detail, project, rules::push_access};
use crate::harness::{Answer, Server, TestProject, wait_for};

const KEPT: &str = "kept-from-dana";

/// The project, with a value among dana's drafts that she may neither read nor write.
fn with_denial(more: &str) -> (TestProject, Server) {
    let project = project();
    let server = project.serve();
    server.put("/drafts/shared", json!({"a": 1, "keep": KEPT})).expect(201);
    let rule = "  - { paths: [\"/drafts/shared/keep\"], teams: [payments], deny: [read, write] }\n";
    push_access(&project, &format!("{}{rule}{more}", access_file()));
    wait_for("the denial", || server.as_account("dana").get("/v1/config/drafts/shared/keep").status == 403);
    (project, server)
}

fn patch(caller: &As<'_>, path: &str, kind: &str, body: Value) -> Answer {
    let kind = [("Content-Type", kind)];
    caller.request("PATCH", &format!("/api/config{path}"), &kind, body.to_string().as_bytes())
}

const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";

#[test]
fn patches_look_at_nothing_that_may_not_be_read() {
    let (_project, server) = with_denial("");
    let dana = server.as_account("dana");
    for operations in [
        json!([{"op": "copy", "from": "/keep", "path": "/stolen"}]),
        json!([{"op": "move", "from": "/keep", "path": "/stolen"}]),
        json!([{"op": "test", "path": "/keep", "value": KEPT}]),
        json!([{"op": "test", "path": "/keep", "value": "guess"}]),
        json!([{"op": "test", "path": "", "value": {"a": 1, "keep": KEPT}}]),
        json!([{"op": "copy", "from": "", "path": "/stolen"}]),
        json!([{"op": "replace", "path": "/keep", "value": KEPT}]),
        json!([{"op": "remove", "path": "/nothing/there"}, {"op": "test", "path": "/keep/deeper", "value": 1}]),
    ] {
        let answer = patch(&dana, "/drafts/shared", OPERATIONS, operations.clone());
        assert_eq!(answer.status, 403, "{operations}: {}", answer.text());
        let edits = json!({"edits": [{"op": "patch", "path": "/drafts/shared", "value": operations}]});
        dana.post("/api/batch", edits.clone()).expect(403);
        let preview = dana.post("/api/preview", edits).expect(200);
        assert!(!preview.text().contains(KEPT), "{}", preview.text());
        assert_eq!(preview.json()["environments"], json!([]), "{}", preview.text());
    }
    let everything = json!([
        {"op": "add", "path": "/keys/drafts", "value": {"x": {"owner": "a"}}},
        {"op": "copy", "from": "/variables/HIDDEN", "path": "/keys/drafts/x/description"},
    ]);
    patch(&dana, "/.confgit", OPERATIONS, everything).expect(403);
    // Neither is it told whether a guess was right, because nothing changed.
    for guess in [KEPT, "guess"] {
        patch(&dana, "/drafts", MERGE, json!({"shared": {"keep": guess}})).expect(403);
        dana.put("/drafts/shared", json!({"a": 1, "keep": guess})).expect(403);
    }
    // What is hers she patches, down to the items of her lists.
    patch(&dana, "/drafts/shared", MERGE, json!({"a": 2, "list": [1, 2]})).expect(200);
    patch(&dana, "/drafts/shared", OPERATIONS, json!([{"op": "add", "path": "/list/0", "value": 0}]))
        .expect(200);
    patch(&dana, "/drafts/shared", OPERATIONS, json!([{"op": "copy", "from": "/a", "path": "/b"}]))
        .expect(200);
    let shared = server.get("/v1/config/drafts/shared").json();
    assert_eq!(shared, json!({"a": 2, "b": 2, "keep": KEPT, "list": [0, 1, 2]}));
}

#[test]
fn schemas_are_no_oracle() {
    let (_project, server) = with_denial("");
    let (dana, omar) = (server.as_account("dana"), server.as_account("omar"));
    dana.put("/drafts/s", json!({"not": {}})).expect(201);
    // A schema that looks at what she may not read: as the document's own, as metadata, as a rule.
    let refused = dana.put("/drafts/shared/$schema", json!("/drafts/s")).expect(403);
    assert!(detail(&refused).contains("a schema would look at it"), "{}", detail(&refused));
    let metadata = json!({"value": 3, "schema": {"not": {}}}).to_string();
    omar.put("/drafts/leak", json!("${ref:/finance/ledger/owner}")).expect(201);
    dana.put("/.confgit/keys/drafts/leak/schema", json!({"type": "integer"})).expect(403);
    dana.request("PUT", "/api/config/drafts/mine", &[], metadata.as_bytes()).expect(422);
    let rule = json!({"paths": ["/drafts/x"], "schema": "/finance/ledger/owner"});
    dana.put("/.confgit/schemas/x", rule).expect(403);
    dana.put("/.confgit/schemas/junk", json!({"paths": [], "schema": {"x": "any data"}})).expect(403);
    dana.put("/.confgit/schemas/junk?env=prod", json!({"paths": [], "schema": {}})).expect(403);
    // Preview tells no more.
    let edits = json!({"edits": [
        {"op": "put", "path": "/drafts/t", "value": "${ref:/finance/ledger/owner}"},
        {"op": "put", "path": "/.confgit/keys/drafts/t/schema", "value": {"type": "integer"}},
    ]});
    let preview = dana.post("/api/preview", edits).expect(200);
    assert!(!preview.text().contains("finance-only"), "{}", preview.text());
    let edits = json!({"edits": [{"op": "put", "path": "/.confgit/schemas/y",
        "value": {"paths": ["/finance/**"], "schema": {"pattern": "^f"}}}]});
    let preview = dana.post("/api/preview", edits).expect(200).json();
    assert_eq!((preview["problems"].as_array().unwrap().len(), &preview["accepted"]), (1, &json!(false)));
    // No message says what a value is.
    let refused =
        omar.put("/.confgit/schemas/z", json!({"paths": ["/drafts/shared"], "schema": {"required": ["q"]}}));
    assert!(!refused.expect(422).text().contains(KEPT));
}

#[test]
fn what_hides_is_asked_for_what_it_hides() {
    let (_project, server) = with_denial("");
    let (dana, sec) = (server.as_account("dana"), server.as_account("sec"));
    for answer in [
        dana.delete("/drafts/shared?env=dev&hide=true"),
        dana.put("/drafts/shared?env=dev", json!(1)),
        dana.put("/drafts?env=dev", json!(1)),
        patch(&dana, "/drafts?env=dev", MERGE, json!({"shared": 1})),
    ] {
        answer.expect(403);
    }
    // Nor is an agreement avoided by hiding what it is about, or by what describes it.
    sec.delete("/payments?env=prod&hide=true").expect(202);
    sec.put("/payments/certs?env=prod", json!(1)).expect(202);
    sec.put("/.confgit/keys/payments/certs/tls.crt/owner?env=prod", json!("me")).expect(202);
    assert!(server.get("/v1/config/payments/certs?env=prod").expect(200).text().contains("PUBLIC"));
}

#[test]
fn templates_give_nobody_what_rules_do_not() {
    let more = "  - { paths: [\"/templates/**\", \"/svc/**\"], accounts: [stray], allow: [read, write] }\n  \
                - { paths: [\"/svc/locked\"], accounts: [stray], deny: [write] }\n";
    let (_project, server) = with_denial(more);
    let (dana, stray, omar) =
        (server.as_account("dana"), server.as_account("stray"), server.as_account("omar"));
    dana.put("/drafts/evil", json!({"keep": "x"})).expect(201);
    dana.put("/drafts/shared/$extends?env=dev", json!(["/drafts/evil"])).expect(403);
    dana.put("/drafts/shared/$with?env=dev", json!({"p": 1})).expect(403);
    omar.put("/templates/t", json!({"locked": 1, "open": 1})).expect(201);
    omar.put("/svc", json!({"$extends": ["/templates/t"], "own": 1})).expect(201);
    let refused = stray.put("/templates/t/locked", json!(2)).expect(403);
    assert!(detail(&refused).contains("govern /svc"), "{}", detail(&refused));
    // Two halves make no reference.
    omar.put("/templates/half", json!({"v": "${with.d}{secret:db-root}"})).expect(201);
    for half in ["$", "${secret:db-r", "x$"] {
        let document = json!({"$extends": ["/templates/half"], "$with": {"d": half}});
        let made = dana.put("/drafts/halves", document);
        if made.status < 300 {
            let read = server.get("/v1/config/drafts/halves");
            assert!(!read.text().contains("s3cret-root") && read.status == 422, "{half}: {}", read.text());
            dana.delete("/drafts/halves").expect(200);
        }
    }
}

#[test]
fn preconditions_messages_and_commits_tell_of_nothing_hidden() {
    let (_project, server) = with_denial(
        "  - { paths: [\"/**\"], accounts: [stray], allow: [read] }\n  \
                                          - { paths: [\"/finance/**\"], accounts: [stray], deny: [read] }\n",
    );
    let (dana, stray) = (server.as_account("dana"), server.as_account("stray"));
    let etag = dana.get("/api/config/drafts/shared").expect(200).header("etag").unwrap().to_owned();
    let merge = |tag: &str| {
        let headers = [("Content-Type", MERGE), ("If-Match", tag)];
        dana.request("PATCH", "/api/config/drafts/shared", &headers, br#"{"a": 5}"#)
    };
    let refused = merge("\"0000\"").expect(412).json();
    let hidden = server.get("/api/config/drafts/shared").header("etag").unwrap().to_owned();
    assert_ne!(refused["current"].as_str().map(|tag| format!("\"{tag}\"")), Some(hidden));
    merge(&etag).expect(200);
    // One batch about what she sees and what she does not.
    let edits = json!({"edits": [
        {"op": "put", "path": "/drafts/b", "value": 1},
        {"op": "put", "path": "/finance/b", "value": 2},
    ]});
    server.post("/api/batch", edits).expect(200);
    server.put("/finance/ledger/owner", json!("o2")).expect(200);
    for caller in [&dana, &stray] {
        for target in [
            "/api/commits",
            "/api/config/drafts/b/history",
            "/api/config/drafts/history",
            "/api/config/drafts/b/explain",
        ] {
            let answer = caller.get(target).expect(200);
            assert!(!answer.text().contains("finance"), "{target}: {}", answer.text());
        }
    }
    assert!(
        stray.get("/api/commits").expect(200).text().contains("push")
            || !stray.get("/api/commits").text().is_empty()
    );
}

#[test]
fn an_explanation_tells_nothing_of_what_stands_above() {
    let (_project, server) =
        with_denial("  - { paths: [\"/app/x/**\"], accounts: [stray], allow: [read] }\n");
    server.put("/app?env=dev", json!("a value above")).expect(201);
    server.put("/app/x/y", json!(1)).expect(201);
    let stray = server.as_account("stray");
    let explained = stray.get("/api/config/app/x/y/explain?env=dev");
    assert!(
        !explained.text().contains("app.yaml") && !explained.text().contains("value-above"),
        "{}",
        explained.text()
    );
}

#[test]
fn who_is_disabled_while_writing_writes_no_more() {
    let (_project, server) = with_denial("");
    let omar = server.as_account("omar");
    let address = server.address.clone();
    let body = json!({"value": 1}).to_string();
    let head = format!(
        "PUT /api/config/late HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        omar.key,
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    std::io::Write::write_all(&mut stream, &body.as_bytes()[..3]).unwrap();
    // The head has arrived, and what the account might do was asked.
    wait_for("the request to be seen", || server.get("/metrics").text().contains("requests_in_flight{} 2"));
    server.post("/api/accounts/omar/disable", Value::Null).expect(200);
    std::io::Write::write_all(&mut stream, &body.as_bytes()[3..]).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    server.get("/api/config/late").expect(404);
}

/// Text files are followed where their metadata says so, whoever asks first.
#[test]
fn what_one_reader_sees_is_not_kept_for_others() {
    let (_project, server) =
        with_denial("  - { paths: [\"/app/owner/**\"], accounts: [stray], allow: [read] }\n");
    let kind = [("Content-Type", "text/plain")];
    server.request("PUT", "/api/config/app/owner/motd", &kind, b"in ${REGION}").expect(201);
    server.put("/.confgit/keys/app/owner/motd/resolve", json!(true)).expect(201);
    let stray = server.as_account("stray");
    assert_eq!(stray.get("/v1/config/app/owner/motd").expect(200).json(), "in eu-1");
    assert_eq!(server.get("/v1/config/app/owner/motd").expect(200).json(), "in eu-1");
    // Whoever may see part of an object gets no more because others asked for it, and the other way round.
    let dana = server.as_account("dana");
    for _ in 0..2 {
        assert_eq!(dana.get("/v1/config/drafts/shared").expect(200).json(), json!({"a": 1}));
        assert_eq!(server.get("/v1/config/drafts/shared").json(), json!({"a": 1, "keep": KEPT}));
    }
}

#[test]
fn many_refusals_fill_no_disk() {
    let (project, server) = with_denial("");
    let dana = server.as_account("dana");
    for number in 0..400 {
        dana.get(&format!("/v1/config/finance/{number}")).expect(403);
    }
    server.stop();
    let log = std::fs::read_to_string(project.dir().join("audit/00000000000000000001.jsonl")).unwrap();
    let records = log.lines().filter(|line| line.contains("\"refused\"")).count();
    // A minute may have ended meanwhile.
    assert!((120..=260).contains(&records), "{records}");
    assert!(log.contains("more was refused within a minute"), "{log}");
}
