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
    refused(&["not permitted", "/other in base: the push changes the file other.yaml"]);
    // Nor in passing: history would show it.
    clone.commit("other.yaml", "x: 2\n");
    clone.commit("other.yaml", "x: 1\n");
    clone.commit("app.yaml", "host: h2\ncerts: {}\n");
    refused(&["/other/x", "a later one undoes that"]);
    // What an environment shows that needs others to agree.
    clone.commit("app.yaml", "host: h1\ncerts: { a: b }\n");
    refused(&["/app/certs in prod", "the agreement of 1", "refs/for/base"]);
    // Nobody but an administrator makes a branch lose commits, or go.
    clone.git(&["reset", "-q", "--hard", "HEAD~1"]);
    clone.commit("app.yaml", "host: back\ncerts: {}\n");
    refused(&["would be lost"]);
    let told = clone.refused(&["origin", "--delete", "main"]);
    assert!(told.contains("would be lost"), "{told}");
    // Not even a file without an entry, nor a commit without a file, where nothing is theirs.
    clone.git(&["reset", "-q", "--hard", &start]);
    clone.git(&["checkout", "-q", "-B", "prod", "origin/prod"]);
    clone.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"]);
    let told = clone.refused(&["origin", "prod"]);
    assert!(told.contains("not permitted"), "{told}");
    clone.git(&["checkout", "-q", "main"]);
    clone.commit("other.yaml", "x: 1 # a remark\n");
    refused(&["the push changes the file other.yaml"]);
    // Nor lines that the server believes.
    clone.write("app.yaml", "host: believed\ncerts: {}\n");
    clone.commit_all(&format!("promote\n\nPromoted-From: prod {start} /\n"));
    refused(&["a line that the server writes"]);
    // Branches of no environment are everybody's who writes something; tags stay where they are.
    clone.push(&["origin", "HEAD:refs/heads/mine"]);
    clone.push(&["origin", "HEAD:refs/tags/t"]);
    let told = clone.refused(&["--force", "origin", "HEAD~1:refs/tags/t"]);
    assert!(told.contains("not permitted"), "{told}");
    let audit = server.get("/api/audit?what=refused&limit=100").expect(200).text();
    assert!(audit.contains("/other/x") && audit.contains("writer"), "{audit}");
    assert_eq!(server.get("/v1/config/app").expect(200).json(), json!({ "certs": {}, "host": "h1" }));
}

#[test]
fn what_came_meanwhile_is_not_the_pushers() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &access::key("writer"));
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.put("/other/x", json!(2)).expect(200);
    let new = clone.commit("app.yaml", "host: late\ncerts: {}\n");
    let pack = super::pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let body = super::body_of(&[(&base, &new, "refs/heads/main")], "report-status side-band-64k", &pack);
    let bearer = format!("Bearer {}", access::key("writer"));
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", "application/x-git-receive-pack-request")];
    let told = server.request("POST", "/config.git/git-receive-pack", &headers, &body).expect(200).text();
    assert!(told.contains("ok refs/heads/main") && told.contains("merged"), "{told}");
    assert_eq!(server.get("/v1/config/other/x").expect(200).json(), json!(2));
    assert_eq!(server.get("/v1/config/app/host").expect(200).json(), json!("late"));
}

#[test]
fn wildcards_do_not_mean_what_is_hidden() {
    let hash = confgit::auth::ApiKey::parse(&access::key("reader")).unwrap().hash().to_string();
    let access = format!(
        "accounts:\n  reader: {{ keys: [{{ hash: \"{hash}\" }}] }}\nrules:\n\
         - {{ paths: [\"/**\"], accounts: [reader], allow: [read] }}\n"
    );
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", super::SETTINGS),
        ("meta/access.yaml", &access),
        ("base/app.yaml", "host: h0\n"),
        ("base/.confgit/variables.yaml", "HIDDEN: value\n"),
    ]);
    let server = project.serve();
    let url = super::url_with(&server, &access::key("reader"), "config.git");
    let output =
        crate::harness::git_command(std::path::Path::new("/")).args(["ls-remote", &url]).output().unwrap();
    assert!(!output.status.success() && super::said(&output).contains("403"), "{}", super::said(&output));
}
