use serde_json::{Value, json};

use super::{Clone, assert_clean, body_of, pack_of, project, send};
use crate::harness::Server;

const CAPABILITIES: &str = "report-status-v2 side-band-64k";

/// Pushes as a client does that saw the branch at its own parent, whatever came since.
fn push_late(server: &Server, clone: &Clone, base: &str, capabilities: &str) -> String {
    let new = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let body = body_of(&[(base, &new, "refs/heads/main")], capabilities, &pack);
    send(server, &body).expect(200).text()
}

fn app(server: &Server) -> Value {
    server.get("/v1/config/app").expect(200).json()
}

#[test]
fn a_branch_that_moved_on_is_merged_by_entry() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.put("/app/host", json!("theirs")).expect(200);
    server.put("/app/more", json!({ "a": 1 })).expect(201);
    clone.write("app.yaml", "host: h0 # the host\nport: 5\nextra: [1]\n");
    clone.write("web/new.yaml", "x: y # as it was pushed\n");
    clone.write("notes.md", "no configuration\n");
    let pushed = clone.commit_all("mine");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    // What the client does not have yet it is not told to note.
    assert!(told.contains("ok refs/heads/main") && !told.contains("option new-oid"), "{told}");
    assert!(told.contains("it had moved on and was merged, entry by entry"), "{told}");
    assert_eq!(app(&server), json!({ "extra": [1], "host": "theirs", "more": { "a": 1 }, "port": 5 }));
    // The server's own is the first parent, and what was pushed is there with its id.
    let parents = project.git(&["log", "-1", "--format=%P", "main"]);
    assert_eq!(parents.split_whitespace().nth(1), Some(pushed.as_str()));
    assert_eq!(project.git(&["show", "main:web/new.yaml"]), "x: y # as it was pushed\n");
    assert_eq!(project.git(&["show", "main:notes.md"]), "no configuration\n");
    assert!(project.git(&["show", "main:app.yaml"]).contains("host: theirs # the host"));
    assert_eq!(server.get("/api/config/app/port").expect(200).json()["version"], 2);
    assert_eq!(server.get("/api/config/app/host").expect(200).json()["version"], 2);
    // A fetch brings the clone there.
    clone.git(&["pull", "-q", "--ff-only"]);
    drop(server);
    let server = project.serve();
    assert_eq!(server.get("/api/config/app/port").expect(200).json()["version"], 2);
    assert_clean(&project);
}

#[test]
fn what_both_changed_is_a_conflict() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let reset = || clone.git(&["reset", "-q", "--hard", &base]);
    server.put("/app/host", json!("theirs")).expect(200);
    clone.commit("app.yaml", "host: mine\nport: 1\n");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main conflicts"), "{told}");
    assert!(
        told.contains("/app/host: both sides changed it (here by admin in change set 2) [merge]"),
        "{told}"
    );
    // The same on both sides is none, nor is it what is asked to be left alone.
    reset();
    clone.commit("app.yaml", "host: theirs # the host\nport: 1\n");
    let told = push_late(&server, &clone, &base, "report-status");
    assert!(told.contains("ok refs/heads/main"), "{told}");
    // What would not be valid together is refused, though each alone is.
    reset();
    server.put("/web", json!("a value")).expect(200);
    clone.commit("web/deep/x.yaml", "a: 1\n");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main"), "{told}");
    assert_eq!(server.get("/v1/config/web").expect(200).json(), json!("a value"));
    assert_clean(&project);
}

#[test]
fn who_asks_for_no_merge_gets_none() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.put("/app/host", json!("theirs")).expect(200);
    let new = clone.commit("web/new.yaml", "x: y\n");
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let options = [b"000cno-merge0000".as_slice(), &pack].concat();
    let body =
        body_of(&[(&base, &new, "refs/heads/main")], "report-status push-options side-band-64k", &options);
    let told = send(&server, &body).expect(200).text();
    assert!(told.contains("ng refs/heads/main fetch first") && told.contains("no-merge asks"), "{told}");
    // A branch that is gone is not made again by who did not see that.
    clone.push(&["origin", "--delete", "prod"]);
    let prod = clone.git(&["rev-parse", "origin/main"]).trim().to_owned();
    let stale =
        send(&server, &body_of(&[(&prod, &new, "refs/heads/prod")], CAPABILITIES, &pack)).expect(200).text();
    assert!(stale.contains("ng refs/heads/prod fetch first"), "{stale}");
    // Links and modes are not merged here.
    clone.git(&["reset", "-q", "--hard", &base]);
    clone.write("run.sh", "true\n");
    clone.git(&["add", "-A"]);
    clone.git(&["update-index", "--chmod=+x", "run.sh"]);
    clone.git(&["commit", "-qm", "a program"]);
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    assert!(told.contains("no plain one"), "{told}");
}

#[test]
fn what_is_hidden_meanwhile_is_hidden() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.git(&["checkout", "-q", "prod"]);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.request("PUT", "/api/config/app/host?env=prod", &[], br#"{"value": "of prod"}"#).expect(201);
    let new = clone.commit("web/site.yaml", "title: null\n");
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let told =
        send(&server, &body_of(&[(&base, &new, "refs/heads/prod")], CAPABILITIES, &pack)).expect(200).text();
    assert!(told.contains("ok refs/heads/prod"), "{told}");
    let shown = server.get("/v1/config/?env=prod").expect(200).json();
    assert_eq!(shown["web"], Value::Null, "{shown}");
    assert_eq!(shown["app"]["host"], "of prod");
}

#[test]
fn pushes_race_writers_and_nothing_is_lost() {
    const WRITERS: usize = 64;
    const PUSHERS: usize = 3;
    const ROUNDS: usize = 6;
    let project = project();
    let server = project.serve();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let server = &server;
            scope.spawn(move || {
                for round in 0..ROUNDS * 2 {
                    let status = server.put(&format!("/api{writer}/n"), json!(round)).status;
                    assert!(matches!(status, 200 | 201), "{status}");
                }
            });
        }
        for pusher in 0..PUSHERS {
            let server = &server;
            scope.spawn(move || {
                let clone = Clone::of(server, &server.key);
                for round in 0..ROUNDS {
                    clone.commit(&format!("git{pusher}.yaml"), &format!("n: {round}\n"));
                    // What moved on between the two requests of a push is merged; before that, Git itself says so.
                    while !clone.try_git(&["push", "-q"]).status.success() {
                        clone.git(&["pull", "-q", "--no-rebase", "--no-edit"]);
                    }
                    clone.git(&["pull", "-q", "--no-rebase", "--no-edit"]);
                }
            });
        }
    });
    for writer in 0..WRITERS {
        let entry = server.get(&format!("/api/config/api{writer}/n")).expect(200).json();
        assert_eq!((&entry["value"], &entry["version"]), (&json!(ROUNDS * 2 - 1), &json!(ROUNDS * 2)));
    }
    for pusher in 0..PUSHERS {
        let entry = server.get(&format!("/api/config/git{pusher}/n")).expect(200).json();
        assert_eq!((&entry["value"], &entry["version"]), (&json!(ROUNDS - 1), &json!(ROUNDS)));
    }
    assert_clean(&project);
}
