//! Confused deputies: nothing that the server does for a caller reveals or moves what the caller may not.

use serde_json::json;

use super::{access_file, detail, project, rules::push_access};
use crate::harness::wait_for;

#[test]
fn references_and_templates_need_what_they_lead_to_for_writer_and_reader() {
    let project = project();
    let server = project.serve();
    let (dana, omar, svc) = (server.as_account("dana"), server.as_account("omar"), server.as_account("svc"));
    for value in [
        json!("${ref:/finance/ledger/owner}"),
        json!("x${ref:/finance/ledger/owner}y"),
        json!(["${ref:/finance}"]),
        json!("${ref:/.confgit/keys/finance/ledger/owner/description}"),
        json!("${secret:db-root}"),
        json!("${HIDDEN}"),
        json!({"$extends": ["/finance/ledger"]}),
        json!({"$extends": "/finance/ledger"}),
    ] {
        let refused = dana.put("/drafts/thief", value.clone()).expect(403);
        assert!(detail(&refused).contains("would be made of it"), "{value}: {}", detail(&refused));
        let edits = json!({"edits": [{"op": "put", "path": "/drafts/thief", "value": value}]});
        dana.post("/api/batch", edits.clone()).expect(403);
        let previewed = dana.post("/api/preview", edits).expect(200);
        assert_eq!(previewed.json()["accepted"], false, "{value}");
        assert!(
            !previewed.text().contains("finance-only") && !previewed.text().contains("var-hidden"),
            "{value}"
        );
    }
    // The same by a patch, and by a file as a whole.
    let patch = json!({"db": "${ref:/finance/ledger/owner}"}).to_string();
    let merge = [("Content-Type", "application/merge-patch+json")];
    dana.request("PATCH", "/api/config/drafts", &merge, patch.as_bytes()).expect(403);
    let file =
        |content: &str| json!({"edits": [{"op": "file", "file": "drafts/f.yaml", "content": content}]});
    dana.post("/api/batch", file("a: ${ref:/finance/ledger/owner}\n")).expect(403);
    dana.post("/api/batch", file("a: 1\n")).expect(200);
    // What may be named is.
    dana.put("/drafts/own", json!("${ref:/payments/db/host} ${REGION} ${secret:db-app}")).expect(201);
    // Somebody who may writes it: the reader who may not is told so, and not the value, whoever asked before.
    omar.put("/payments/leak", json!("${ref:/finance/ledger/owner}")).expect(201);
    assert_eq!(omar.get("/v1/config/payments/leak").expect(200).json(), "finance-only");
    assert_eq!(omar.get("/v1/config/payments").status, 403, "with a secret in it that platform may not read");
    for reader in [&dana, &svc] {
        let refused = reader.get("/v1/config/payments/leak").expect(403);
        assert!(detail(&refused).contains("/payments/leak is made of it"), "{}", detail(&refused));
        for target in [
            "/v1/config/payments",
            "/v1/config/payments?format=env",
            "/api/config/payments/leak?resolve=true",
            "/v1/config/payments/leak?at=6",
        ] {
            let answer = reader.get(target);
            assert!(
                answer.status >= 400 && !answer.text().contains("finance-only"),
                "{target}: {}",
                answer.text()
            );
        }
        let got = reader.post("/api/batch/get", json!({"paths": ["/payments/leak"], "resolve": true}));
        assert!(!got.text().contains("finance-only"), "{}", got.text());
        let explained = reader.get("/api/config/payments/leak/explain").expect(200).text();
        assert!(!explained.contains("finance-only"), "{explained}");
    }
    omar.delete("/payments/leak").expect(200);
    // Secrets by the reader's own right.
    assert_eq!(svc.get("/v1/config/payments/db/password").expect(200).json(), "s3cret-app");
    let refused = dana.get("/v1/config/payments/db/password").expect(403);
    assert!(detail(&refused).contains("read the secret `db-app`"), "{}", detail(&refused));
    // A template that may not be read takes the document with it.
    omar.put("/payments/odd", json!({"$extends": ["/finance/ledger"]})).expect(201);
    for target in
        ["/v1/config/payments/odd", "/v1/config/payments/odd/owner", "/v1/config/payments/odd?format=env"]
    {
        let answer = svc.get(target);
        assert!(
            answer.status >= 400 && !answer.text().contains("finance-only"),
            "{target}: {}",
            answer.text()
        );
    }
    assert_eq!(omar.get("/v1/config/payments/odd/owner").expect(200).json(), "finance-only");
    assert!(svc.get("/v1/config/payments/odd/owner").status >= 400, "though it was read before");
}

#[test]
fn moving_things_moves_nothing_that_may_not_be_seen_or_written() {
    let project = project();
    let server = project.serve();
    let (dana, omar) = (server.as_account("dana"), server.as_account("omar"));
    // Promotion compares everything: who may not read it all is told to name less.
    omar.put("/finance/ledger/account?env=dev", json!("DEV-1")).expect(201);
    let promote = |path: &str| json!({"from": "dev", "to": "prod", "path": path, "dry_run": true});
    for path in ["/", "/finance"] {
        let refused = dana.post("/api/promote", promote(path)).expect(403);
        assert!(!refused.text().contains("DEV-1"), "{}", refused.text());
    }
    let shown = dana.post("/api/promote", promote("/payments")).expect(200);
    assert!(shown.text().contains("dev-db.internal"), "what she may see: {}", shown.text());
    let make = json!({"from": "dev", "to": "prod", "path": "/payments", "take": "theirs"});
    dana.post("/api/promote", make).expect(403);
    // A rollback of everything, or of what is not hers.
    dana.post("/api/environments/dev/rollback", json!({"to": "1"})).expect(403);
    dana.post("/api/config/finance/ledger/owner/rollback", json!({"to_version": 1})).expect(403);
    // Versions of the time when she might have read it, or of another environment.
    for target in [
        "/api/config/finance/ledger/owner?version=1",
        "/v1/config/finance/ledger/owner?at=1",
        "/api/config/env/dev/finance/ledger/account",
        "/api/config/finance/ledger/account?env=dev",
        "/api/config/finance/ledger/diff?from=0",
        "/api/config/finance%2Fledger/owner",
        "/v1/config/finance/ledger/owner?literal=true",
    ] {
        let answer = dana.get(target);
        assert!(matches!(answer.status, 403 | 404), "{target}: {} {}", answer.status, answer.text());
    }
    // An object put over what is partly not hers takes nothing of that away.
    omar.put("/drafts/shared", json!({"a": 1})).expect(201);
    let narrow = format!(
        "{}  - {{ paths: [\"/drafts/shared/keep\"], teams: [payments], deny: [read, write] }}\n",
        access_file()
    );
    push_access(&project, &narrow);
    omar.put("/drafts/shared/keep", json!("kept")).expect(201);
    wait_for("the denial", || dana.get("/v1/config/drafts/shared/keep").status == 403);
    assert_eq!(dana.get("/v1/config/drafts/shared").expect(200).json(), json!({"a": 1}));
    dana.put("/drafts/shared", json!({"a": 2})).expect(403);
    dana.delete("/drafts/shared").expect(403);
    dana.delete("/drafts/shared?hide=true").expect(403);
    let merge = [("Content-Type", "application/merge-patch+json")];
    dana.request("PATCH", "/api/config/drafts", &merge, br#"{"shared": null}"#).expect(403);
    dana.request("PATCH", "/api/config/drafts", &merge, br#"{"shared": {"a": 3}}"#).expect(200);
    assert_eq!(server.get("/v1/config/drafts/shared").json(), json!({"a": 3, "keep": "kept"}));
}

#[test]
fn what_a_write_would_break_elsewhere_is_told_without_its_place() {
    let project = project();
    let server = project.serve();
    let (dana, omar) = (server.as_account("dana"), server.as_account("omar"));
    // Finance refers to a value of payments, and demands that it is a number.
    omar.put("/finance/limits/port", json!("${ref:/drafts/port}")).expect(422);
    dana.put("/drafts/port", json!(1)).expect(201);
    omar.put("/finance/limits/port", json!("${ref:/drafts/port}")).expect(201);
    for answer in [dana.put("/drafts/port", json!("no number")), dana.delete("/drafts/port")] {
        let answer = answer.expect(422);
        assert!(
            !answer.text().contains("finance") && answer.text().contains("may not read"),
            "{}",
            answer.text()
        );
    }
    let edits = json!({"edits": [{"op": "put", "path": "/drafts/port", "value": "no"}]});
    let preview = dana.post("/api/preview", edits).expect(200);
    assert!(!preview.text().contains("finance"), "{}", preview.text());
    assert_eq!(preview.json()["accepted"], false);
}
