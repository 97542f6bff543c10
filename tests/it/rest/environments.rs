use serde_json::json;

use super::{each, example};
use crate::harness::git;

#[test]
fn an_environment_is_made_while_the_server_runs() {
    let (project, server) = example();
    let list = server.get("/api/environments").expect(200).json();
    assert_eq!(
        (&list["default"], each(&list["environments"], "name")),
        (&json!("base"), vec![json!("base"), json!("dev"), json!("staging"), json!("prod")])
    );
    let made =
        server.post("/api/environments", json!({"name": "eu", "inherits": "prod", "branch": "prod-eu"}));
    let made = made.expect(201).json();
    assert_eq!((&made["env"], &made["sequence"], &made["entries"]), (&json!("eu"), &json!(2), &json!([])));
    let one = server.get("/api/environments/eu").expect(200).json();
    assert_eq!(
        (&one["branch"], &one["inherits"], &one["revision"]),
        (&json!("prod-eu"), &json!("prod"), &made["revision"])
    );
    // It inherits at once, and takes writes of its own.
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=eu").json(), 40);
    server.put("/env/eu/myapp/database/pool_size", json!(41)).expect(201);
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=eu").json(), 41);
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=prod").json(), 40);
    // Its branch begins as an orphan with an empty tree; the settings keep their comments.
    assert_eq!(project.git(&["rev-list", "--count", "prod-eu"]).trim(), "2");
    assert_eq!(project.git(&["ls-tree", "prod-eu~1"]), "");
    let settings = git(&project.dir().join("meta.git"), &["show", "main:settings.yaml"]);
    assert!(
        settings.contains("# what is tested in staging is what prod gets") && settings.contains("eu:"),
        "{settings}"
    );
    git(&project.dir().join("meta.git"), &["fsck", "--strict"]);
    for (body, status, reason) in [
        (json!({"name": "eu"}), 409, "there is an environment `eu` already"),
        (json!({"name": "a b"}), 400, "cannot be the name of an environment"),
        (json!({"name": "x", "inherits": "nowhere"}), 400, "inherits from `nowhere`, which does not exist"),
        (json!({"name": "x", "branch": "main"}), 400, "share the branch `main`"),
        (json!({"name": "x", "branch": "a..b"}), 400, "no name that Git allows"),
        (json!({"name": "x", "color": "red"}), 400, "unknown field `color`"),
    ] {
        let problem = server.post("/api/environments", body.clone()).expect(status).json();
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{body}: {problem}");
    }
    server.get("/api/environments/nowhere").expect(404);
    // It is there after a restart.
    server.stop();
    let server = project.serve();
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=eu").json(), 41);
    assert_eq!(server.get("/api/config/myapp/database/pool_size?env=eu").json()["version"], 1);
}

#[test]
fn an_environment_takes_over_a_branch_that_was_pushed() {
    let (project, server) = example();
    project.git(&["branch", "canary", "dev"]);
    let made =
        server.post("/api/environments", json!({"name": "canary", "inherits": "base"})).expect(201).json();
    assert_eq!(made["revision"].as_str().unwrap(), project.git(&["rev-parse", "dev"]).trim());
    let dev = server.get("/v1/config/myapp/cache?env=dev").json();
    assert_eq!(server.get("/v1/config/myapp/cache?env=canary").json(), dev);
    assert_eq!(server.get("/api/config/env/canary/myapp/motd").expect(200).json()["version"], 1);
}

#[test]
fn an_environment_goes_back_as_a_whole() {
    let (project, server) = example();
    let before = project.git(&["rev-parse", "prod^{tree}"]);
    server.put("/env/prod/myapp/database/pool_size", json!(99)).expect(200);
    server.put("/env/prod/new/thing", json!(1)).expect(201);
    server.delete("/env/prod/storefront/robots").expect(200);
    let back = server.post("/api/environments/prod/rollback", json!({"to": "1", "message": "it broke"}));
    let back = back.expect(200).json();
    assert_eq!(
        each(&back["entries"], "path"),
        ["/myapp/database/pool_size", "/new/thing", "/storefront/robots"]
    );
    assert_eq!(project.git(&["rev-parse", "prod^{tree}"]), before, "the very tree of then");
    assert_eq!(project.git(&["log", "-1", "--format=%s", "prod"]).trim(), "it broke");
    assert_eq!(project.git(&["rev-list", "--count", "prod"]).trim(), "5", "nothing that happened is lost");
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=prod").json(), 40);
    assert_eq!(server.get("/api/config/myapp/database/pool_size?env=prod").json()["version"], 3);
    server.get("/api/config/env/prod/new/thing").expect(404);
    // Once more changes nothing.
    let again = server.post("/api/environments/prod/rollback", json!({"to": "1"})).expect(200).json();
    assert_eq!((&again["entries"], &again["sequence"]), (&json!([]), &back["sequence"]));
    // And forward again, by the id of a commit.
    let forward = project.git(&["rev-parse", "prod~1"]);
    server.post("/api/environments/prod/rollback", json!({"to": forward.trim()})).expect(200);
    assert_eq!(server.get("/v1/config/myapp/database/pool_size?env=prod").json(), 99);
    server.post("/api/environments/prod/rollback", json!({"to": "77"})).expect(400);
    server.post("/api/environments/prod/rollback", json!({"to": "1970-01-01T00:00:00Z"})).expect(400);
    server.post("/api/environments/nowhere/rollback", json!({"to": "1"})).expect(404);
    server.post("/api/environments/prod/rollback", json!({})).expect(400);
    // A restart reads the same.
    let all = server.get("/api/config/?recursive=true&env=prod&limit=10000").json();
    server.stop();
    assert_eq!(project.serve().get("/api/config/?recursive=true&env=prod&limit=10000").json(), all);
    project.git(&["fsck", "--full", "--strict"]);
}

/// Git keeps no branch below another, and says so only when the branch is made: the settings must not know of it then.
#[test]
fn a_branch_that_cannot_be_is_refused_before_anything_is_written() {
    let (project, server) = example();
    let meta = project.dir().join("meta.git");
    let before = git(&meta, &["rev-parse", "main"]);
    for branch in ["prod/sub", "refs/heads/x"] {
        let refused = server.post("/api/environments", json!({"name": "e5", "branch": branch})).expect(409);
        assert!(refused.text().contains(branch), "{}", refused.text());
    }
    assert_eq!(git(&meta, &["rev-parse", "main"]), before);
    server.get("/api/environments/e5").expect(404);
    assert_eq!(server.get("/api/status").json()["writable"], true);
    server.post("/api/environments", json!({"name": "e5", "branch": "e5/main"})).expect(201);
    server.put("/a?env=e5", json!(1)).expect(201);
}

/// What came into the settings file from outside while the server ran is an environment like any other.
#[test]
fn environments_that_others_wrote_are_whole_when_one_is_made() {
    let (project, server) = example();
    let meta = project.dir().join("meta.git");
    let clone = project.temp.path().join("meta");
    git(project.temp.path(), &["clone", "-q", meta.to_str().unwrap(), clone.to_str().unwrap()]);
    let file = clone.join("settings.yaml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let added = settings.replace("  prod:", "  other: { branch: other, inherits: base }\n  prod:");
    assert_ne!(added, settings);
    std::fs::write(&file, added).unwrap();
    git(&clone, &["commit", "-qam", "another"]);
    git(&clone, &["push", "-q", "origin", "HEAD:main"]);
    server.post("/api/environments", json!({"name": "mine"})).expect(201);
    server.put("/a?env=other", json!(1)).expect(201);
    server.put("/a?env=mine", json!(2)).expect(201);
}
