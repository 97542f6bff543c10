use serde_json::json;

use super::Clone;
use crate::access;
use crate::harness::TestProject;

/// Somebody who reads all and writes a part.
fn project() -> TestProject {
    let hash = confgit::auth::ApiKey::parse(&access::key("writer")).unwrap().hash().to_string();
    let access = format!(
        "accounts:\n  writer: {{ keys: [{{ hash: \"{hash}\" }}] }}\nrules:\n\
         - {{ paths: [\"/**\", \"/.confgit/**\"], accounts: [writer], allow: [read] }}\n\
         - {{ paths: [\"/app/**\"], environments: [base], accounts: [writer], allow: [write] }}\n\
         - {{ paths: [\"/app/certs/**\"], environments: [prod], approvals: {{ count: 1 }} }}\n"
    );
    TestProject::with_files(&[
        ("meta/settings.yaml", super::SETTINGS),
        ("meta/access.yaml", &access),
        ("base/app.yaml", "host: h0\ncerts: {}\n"),
        ("base/other.yaml", "x: 1\n"),
        ("prod/app.yaml", "port: 2\n"),
    ])
}

#[test]
fn what_a_push_changes_has_to_be_the_pushers() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &access::key("writer"));
    clone.commit("app.yaml", "host: h1\ncerts: {}\n");
    clone.push(&[]);
    let commit = server.get("/api/commits?limit=1").expect(200).text();
    assert!(commit.contains("writer"), "{commit}");
    let start = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let refused = |expected: &[&str]| {
        let told = clone.refused(&["--force"]);
        for expected in expected {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        clone.git(&["reset", "-q", "--hard", &start]);
    };
    clone.commit("other.yaml", "x: 2\n");
    refused(&["not permitted", "/other/x"]);
    // Nor in passing: history would show it.
    clone.commit("other.yaml", "x: 2\n");
    clone.commit("other.yaml", "x: 1\n");
    clone.commit("app.yaml", "host: h2\ncerts: {}\n");
    refused(&["/other/x", "a later one undoes that"]);
    // What an environment shows that needs others to agree.
    clone.commit("app.yaml", "host: h1\ncerts: { a: b }\n");
    refused(&["/app/certs in prod", "needs the agreement of 1"]);
    // Nobody but an administrator makes a branch lose commits, or go.
    clone.git(&["reset", "-q", "--hard", "HEAD~1"]);
    clone.commit("app.yaml", "host: back\ncerts: {}\n");
    refused(&["would be lost"]);
    let told = clone.refused(&["origin", "--delete", "main"]);
    assert!(told.contains("would be lost"), "{told}");
    // Branches of no environment are everybody's who writes something; tags stay where they are.
    clone.push(&["origin", "HEAD:refs/heads/mine"]);
    clone.push(&["origin", "HEAD:refs/tags/t"]);
    let told = clone.refused(&["--force", "origin", "HEAD~1:refs/tags/t"]);
    assert!(told.contains("not permitted"), "{told}");
    let audit = server.get("/api/audit?what=refused&limit=100").expect(200).text();
    assert!(audit.contains("/other/x") && audit.contains("writer"), "{audit}");
    assert_eq!(server.get("/v1/config/app").expect(200).json(), json!({ "certs": {}, "host": "h1" }));
}
