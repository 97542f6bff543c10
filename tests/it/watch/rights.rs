//! Who may watch what, and for how long.

use serde_json::json;

use super::Stream;
use crate::access::{key, project};
use crate::harness::git;

#[test]
fn who_may_not_read_is_told_nothing() {
    let project = project();
    let server = project.serve();
    for (account, target, status) in [
        ("dana", "/api/config/finance?watch=true", 403),
        ("dana", "/v1/config/finance/ledger/owner?watch=true", 403),
        ("stray", "/api/config/payments?watch=true", 403),
        ("gone", "/api/config?watch=true", 401),
    ] {
        let stream = Stream::connect(&server.address, &key(account), target, &[]).unwrap();
        assert_eq!(stream.status, status, "{account} {target}");
    }
    let mut dana =
        Stream::connect(&server.address, &key("dana"), "/api/config?watch=true&initial=true", &[]).unwrap();
    let initial = dana.ready();
    assert!(
        !initial.is_empty() && initial.iter().all(|told| !told.data.to_string().contains("finance")),
        "{initial:?}"
    );
    let edits = json!({"edits": [
        {"op": "put", "path": "/finance/ledger/owner", "value": "hidden-value"},
        {"op": "put", "path": "/payments/db/host", "value": "seen"},
    ]});
    server.post("/api/batch", edits).expect(200);
    server.put("/finance/ledger/other", json!("hidden-value")).expect(201);
    let last =
        server.put("/payments/db/host", json!("last")).expect(200).json()["sequence"].as_u64().unwrap();
    let told = dana.until(last);
    let paths: Vec<_> = told.iter().map(|told| told.data["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/payments/db/host", "/payments/db/host"]);
    assert!(!told[0].id.is_empty(), "the only event of its change set that is seen");
}

#[test]
fn a_watch_ends_with_the_right_to_it() {
    let project = project();
    let server = project.serve();
    let mut dana =
        Stream::connect(&server.address, &key("dana"), "/api/config/payments?watch=true", &[]).unwrap();
    let mut omar =
        Stream::connect(&server.address, &key("omar"), "/api/config/payments?watch=true", &[]).unwrap();
    dana.ready();
    omar.ready();
    server.post("/api/accounts/dana/disable", json!({})).expect(200);
    let last =
        server.put("/payments/db/host", json!("after")).expect(200).json()["sequence"].as_u64().unwrap();
    let told = dana.try_next().unwrap().unwrap();
    assert_eq!((&*told.event, &told.data["status"]), ("end", &json!(401)));
    assert!(dana.try_next().unwrap().is_none());
    omar.until(last);
    // Rules and teams, too.
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["clone", "-q", project.dir().join("meta.git").to_str().unwrap(), "."]);
    let file = folder.path().join("access.yaml");
    let rules = std::fs::read_to_string(&file).unwrap();
    let without = rules.replacen("omar: { teams: [platform], ", "omar: { ", 1);
    assert_ne!(without, rules);
    std::fs::write(&file, without).unwrap();
    git(folder.path(), &["commit", "-q", "-a", "-m", "omar leaves the team"]);
    git(folder.path(), &["push", "-q", "origin", "HEAD:main"]);
    let told = omar.try_next().unwrap().unwrap();
    assert_eq!((&*told.event, &told.data["status"]), ("end", &json!(403)));
    let again =
        Stream::connect(&server.address, &key("omar"), "/api/config/payments?watch=true", &[]).unwrap();
    assert_eq!(again.status, 403);
}

/// What a template gives is told to who may read the template alone.
#[test]
fn values_of_templates_are_told_to_who_may_read_those() {
    let project = project();
    let server = project.serve();
    let target = "/v1/config/payments?watch=true&initial=true";
    let of_template = |account: &str| {
        let mut stream = Stream::connect(&server.address, &key(account), target, &[]).unwrap();
        let initial = stream.ready();
        let origins: Vec<_> =
            initial.iter().map(|told| told.data["origin"].as_str().unwrap().to_owned()).collect();
        (stream, origins.iter().filter(|origin| origin.starts_with("/templates")).count())
    };
    assert_eq!(server.as_account("sec").get("/v1/config/payments/api").status, 403);
    let ((mut sec, hidden), (mut svc, shown)) = (of_template("sec"), of_template("svc"));
    assert!(hidden == 0 && shown > 0, "{hidden} {shown}");
    let name =
        server.get("/v1/config/templates/service").json().as_object().unwrap().keys().next().unwrap().clone();
    server.put(&format!("/templates/service/{name}"), json!("of-a-template")).expect(200);
    let last = server.put("/payments/db/port", json!(1)).expect(200).json()["sequence"].as_u64().unwrap();
    assert!(sec.until(last).iter().all(|told| !told.data.to_string().contains("of-a-template")));
    assert!(svc.until(last).iter().any(|told| told.data.to_string().contains("of-a-template")));
}
