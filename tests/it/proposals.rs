//! Proposals: a write that others have to agree to, from the API and from a push, until it is merged.

use serde_json::{Value, json};

use crate::access::{self, As, detail};
use crate::front_door::{self, Clone};
use crate::harness::{Server, TestProject, wait_for};

const CERT: &str = "/payments/certs/tls.crt";

/// A write of the certificate in production by somebody who may write it, and may not do so alone.
fn write_cert(omar: &As<'_>, value: &str) -> Value {
    let answer = omar.put(&format!("{CERT}?env=prod"), json!(value)).expect(202);
    let made = answer.json();
    assert_eq!(answer.header("location"), Some(&*format!("/api/proposals/{}", made["proposal"])));
    made
}

fn cert(server: &Server) -> String {
    let value = server.as_account("omar").get(&format!("/v1/config{CERT}?env=prod")).expect(200).json();
    value.as_str().unwrap().to_owned()
}

fn act(who: &As<'_>, number: u64, act: &str, body: Value) -> crate::harness::Answer {
    who.post(&format!("/api/proposals/{number}/{act}"), body)
}

fn details(who: &As<'_>, number: u64) -> Value {
    who.get(&format!("/api/proposals/{number}")).expect(200).json()
}

#[test]
fn a_write_that_others_have_to_agree_to_becomes_a_proposal() {
    let project = access::project();
    let server = project.serve();
    let [omar, sec, stray] = ["omar", "sec", "stray"].map(|name| server.as_account(name));
    let before = cert(&server);
    let made = write_cert(&omar, "NEW");
    assert_eq!((made["proposal"].as_u64(), cert(&server)), (Some(1), before.clone()), "nothing changed yet");
    // Who may not read what it changes neither sees it in the list nor asks for it.
    let listed = |who: &As<'_>| who.get("/api/proposals").expect(200).json()["proposals"].clone();
    assert_eq!(listed(&stray), json!([]));
    stray.get("/api/proposals/1").expect(403);
    act(&stray, 1, "comment", json!({"text": "hm"})).expect(403);
    assert_eq!(listed(&sec)[0]["title"], json!(format!("set {CERT}")));
    // What it would come to, and whose agreement it needs.
    let seen = details(&omar, 1);
    assert_eq!(seen["environments"][0]["env"], "prod");
    assert_eq!(seen["environments"][0]["changes"][0]["path"], CERT);
    assert_eq!(
        (&seen["requirements"][0]["teams"], &seen["can_merge"]),
        (&json!(["security"]), &json!(false))
    );
    let refused = act(&omar, 1, "merge", json!({})).expect(409);
    assert!(detail(&refused).contains("nobody did"), "{}", detail(&refused));
    act(&omar, 1, "approve", json!({})).expect(403);
    act(&sec, 1, "approve", json!({"version": 2})).expect(409);
    act(&sec, 1, "approve", json!({"version": 1, "text": "looked at the chain"})).expect(200);
    act(&sec, 1, "approve", json!({})).expect(409);
    // Other commits are agreed to anew.
    let edit =
        json!({"edits": [{"op": "put", "path": CERT, "env": "prod", "value": "NEWER"}], "text": "typo"});
    let edited = act(&omar, 1, "edit", edit).expect(200).json();
    assert_eq!((&edited["version"], &edited["approved_by"]), (&json!(2), &json!([])));
    act(&omar, 1, "merge", json!({})).expect(409);
    act(&sec, 1, "approve", json!({"version": 2})).expect(200);
    assert_eq!(details(&omar, 1)["can_merge"], true);
    let merged = act(&omar, 1, "merge", json!({})).expect(200).json();
    assert_eq!((&merged["state"], cert(&server)), (&json!("merged"), "NEWER".to_owned()));
    let message = project.git(&["log", "-1", "--format=%B", "prod"]);
    for line in ["Proposal: 1", "Proposed-By: omar", "Approved-By: sec", "Account: omar"] {
        assert!(message.contains(line), "{line}: {message}");
    }
    act(&omar, 1, "merge", json!({})).expect(409);
    act(&sec, 1, "comment", json!({"text": "in force by now"})).expect(200);
    let told: Vec<Value> = details(&omar, 1)["events"].as_array().unwrap().to_vec();
    let told: Vec<&str> = told.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(told, ["opened", "approved", "updated", "approved", "merged", "commented"]);
    // Nothing waits any more, and no ref of it but the log is left.
    assert_eq!(listed(&sec), json!([]));
    let refs = project.git(&["for-each-ref", "--format=%(refname)", "refs/proposals"]);
    assert_eq!(refs.trim(), "refs/proposals/1/log");
    project.git(&["fsck", "--strict"]);
}

#[test]
fn proposals_are_kept_in_git_and_survive_a_restart() {
    let project = access::project();
    let server = project.serve();
    write_cert(&server.as_account("omar"), "ONE");
    write_cert(&server.as_account("omar"), "TWO");
    act(&server.as_account("sec"), 1, "approve", json!({})).expect(200);
    act(&server.as_account("omar"), 2, "close", json!({"text": "not so"})).expect(200);
    // A head that is gone, and one that was left, are brought to what the log says.
    server.stop();
    project.git(&["update-ref", "refs/proposals/2/heads/prod", "refs/proposals/1/heads/prod"]);
    project.git(&["update-ref", "refs/proposals/1/heads/prod", "refs/heads/prod"]);
    let server = project.serve();
    let sec = server.as_account("sec");
    assert_eq!(details(&sec, 1)["approved_by"], json!(["sec"]));
    assert_eq!(details(&sec, 2)["state"], "closed");
    let refs = project.git(&["for-each-ref", "--format=%(refname)", "refs/proposals"]);
    assert_eq!(refs.lines().count(), 3, "{refs}");
    // Numbers go on.
    assert_eq!(write_cert(&server.as_account("omar"), "THREE")["proposal"], 3);
    act(&server.as_account("omar"), 1, "merge", json!({})).expect(200);
    assert_eq!(cert(&server), "ONE");
    // What both changed since is in the way of the other.
    act(&sec, 3, "approve", json!({})).expect(200);
    let seen = details(&sec, 3);
    assert_eq!((&seen["conflicts"][0]["path"], &seen["can_merge"]), (&json!(CERT), &json!(false)));
    let refused = act(&server.as_account("omar"), 3, "merge", json!({})).expect(409).json();
    assert_eq!(
        (&refused["type"], &refused["errors"][0]["path"]),
        (&json!("/problems/merge-conflict"), &json!(CERT))
    );
}

#[test]
fn what_both_changed_is_decided_in_the_proposal() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/app.yaml", "# the app\na: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"),
    ]);
    let server = project.serve();
    let edits: Vec<Value> = ["a", "b", "c", "d"]
        .map(|name| json!({ "op": "put", "path": format!("/app/{name}"), "value": 2 }))
        .into();
    let opened = server.post("/api/proposals", json!({ "title": "two", "edits": edits })).expect(201).json();
    let first = opened["heads"][0]["revision"].as_str().unwrap().to_owned();
    for name in ["a", "b", "c", "d"] {
        server.put(&format!("/app/{name}"), json!(3)).expect(200);
    }
    server.put("/app/e", json!(3)).expect(200);
    let details = || server.get("/api/proposals/1").expect(200).json();
    let resolve = |body: Value| server.post("/api/proposals/1/resolve", body);
    let seen = details();
    assert_eq!(seen["conflicts"].as_array().unwrap().len(), 4);
    let conflict = &seen["conflicts"][0];
    let values = ["base", "ours", "theirs"].map(|side| conflict[side]["value"].clone());
    assert_eq!((values, &conflict["ours"]["updated_by"]), ([json!(1), json!(3), json!(2)], &json!("admin")));
    // What is not decided, decided of nothing, or of something that was another then, is refused by its path.
    resolve(json!({})).expect(400);
    server.post("/api/proposals/1/comment", json!({ "text": "x", "take": "ours" })).expect(400);
    let left =
        resolve(json!({ "resolutions": { "base": { "/app/a": { "take": "ours" } } } })).expect(409).json();
    assert_eq!(left["errors"].as_array().unwrap().len(), 3, "{left}");
    let unknown = json!({ "take": "ours", "resolutions": { "base": { "/app/e": { "take": "ours" } } } });
    assert!(resolve(unknown).expect(409).text().contains("no conflict to decide"));
    let stale =
        json!({ "take": "ours", "resolutions": { "base": { "/app/a": { "id": "0", "take": "theirs" } } } });
    assert!(resolve(stale).expect(409).text().contains("others by now"));
    let misspelt = json!({ "take": "ours", "resolutions": { "bace": { "/app/a": { "take": "theirs" } } } });
    assert!(resolve(misspelt).expect(409).text().contains("changes nothing of `bace`"));
    assert_eq!(details()["version"], 1);
    let decided = json!({ "take": "theirs", "version": 1, "text": "as we said", "resolutions": { "base": {
        "/app/a": { "id": conflict["id"], "take": "ours" }, "/app/b": { "value": 4 }, "/app/c": { "delete": true },
    } } });
    let resolved = resolve(decided).expect(200).json();
    assert_eq!(resolved["version"], 2);
    let seen = details();
    assert_eq!((&seen["conflicts"], &seen["can_merge"]), (&json!([]), &json!(true)), "{seen}");
    // The branch stays where it was until it is merged.
    assert_eq!(
        server.get("/v1/config/app").expect(200).json(),
        json!({ "a": 3, "b": 3, "c": 3, "d": 3, "e": 3 })
    );
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/app").expect(200).json(), json!({ "a": 3, "b": 4, "d": 2, "e": 3 }));
    assert!(project.git(&["show", "main:app.yaml"]).starts_with("# the app\n"));
    // Nothing that was proposed is lost.
    project.git(&["merge-base", "--is-ancestor", &first, "main"]);
    // A value here, and what the proposal has below it: one goes, the other comes.
    let below = ["/deep/x", "/deep/y"].map(|path| json!({ "op": "put", "path": path, "value": 1 }));
    server.post("/api/proposals", json!({ "title": "below", "edits": below })).expect(201);
    server.put("/deep", json!("a value")).expect(201);
    let told = server.get("/api/proposals/2").expect(200).json();
    let at: Vec<&Value> = told["conflicts"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(at, ["/deep", "/deep/x", "/deep/y"]);
    let decided = json!({ "base": {
        "/deep": { "delete": true }, "/deep/x": { "take": "theirs" }, "/deep/y": { "take": "theirs" },
    } });
    server.post("/api/proposals/2/resolve", json!({ "resolutions": decided })).expect(200);
    server.post("/api/proposals/2/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/deep").expect(200).json(), json!({ "x": 1, "y": 1 }));
    // Where nothing is left of it, there is nothing to propose.
    let again = json!({ "edits": [{ "op": "put", "path": "/app/a", "value": 9 }] });
    server.post("/api/proposals", again).expect(201);
    server.put("/app/a", json!(10)).expect(200);
    server.post("/api/proposals/3/resolve", json!({ "take": "ours" })).expect(422);
    server.post("/api/proposals/3/resolve", json!({ "take": "theirs" })).expect(200);
    server.post("/api/proposals/3/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/app/a").expect(200).json(), json!(9));
}

/// What both changed may be much: the first of it is told, and how much more there is.
#[test]
fn conflicts_are_told_within_bounds() {
    let project =
        TestProject::with_files(&[("meta/settings.yaml", "environments:\n  base: { branch: main }\n")]);
    let server = project.serve();
    let values = |fill: &str| -> Vec<Value> {
        let value = fill.repeat(900_000);
        (0..12).map(|n| json!({ "op": "put", "path": format!("/big/v{n:02}"), "value": value })).collect()
    };
    server.post("/api/batch", json!({ "edits": values("a") })).expect(200);
    server.post("/api/proposals", json!({ "title": "much", "edits": values("b") })).expect(201);
    server.post("/api/batch", json!({ "edits": values("c") })).expect(200);
    let seen = server.get("/api/proposals/1").expect(200).json();
    // Three values each, of 16 MiB at most.
    assert_eq!((seen["conflicts"].as_array().unwrap().len(), &seen["more_conflicts"]), (6, &json!(6)));
    assert_eq!(seen["can_merge"], json!(false));
    server.post("/api/proposals/1/resolve", json!({ "take": "theirs" })).expect(200);
    let seen = server.get("/api/proposals/1").expect(200).json();
    assert_eq!((&seen["conflicts"], &seen["more_conflicts"]), (&json!([]), &json!(0)));
}

/// Of files, too: what becomes of their entries is decided one by one, and which side's counts of those without entries.
#[test]
fn files_that_both_changed_are_decided_in_the_proposal() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/db.yaml", "host: h\nport: 1\n"),
        ("base/.editorconfig", "root\n"),
    ]);
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    clone.git(&["rm", "-q", "db.yaml"]);
    clone.commit(".editorconfig", "proposed\n");
    clone.push(&["-q", "origin", "HEAD:refs/for/base"]);
    clone.git(&["reset", "-q", "--hard", &base]);
    clone.commit(".editorconfig", "meanwhile\n");
    clone.push(&["-q", "origin", "main"]);
    server.put("/db/port", json!(2)).expect(200);
    let details = || server.get("/api/proposals/1").expect(200).json();
    let seen = details();
    assert_eq!(seen["conflicts"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(
        (&seen["conflicts"][0]["path"], &seen["conflicts"][0]["theirs"]["has"]),
        (&json!("/db/port"), &json!("nothing"))
    );
    assert!(seen["problems"].to_string().contains(".editorconfig"), "{seen}");
    assert_eq!(seen["can_merge"], json!(false));
    let resolve = |body: Value| server.post("/api/proposals/1/resolve", body);
    let kept = json!({ "base": { "/db/port": { "take": "ours" } } });
    let left = resolve(json!({ "resolutions": kept })).expect(409).json();
    assert!(left["errors"][0]["message"].as_str().unwrap().contains("`take` a side for it"), "{left}");
    resolve(json!({ "take": "theirs", "resolutions": kept })).expect(200);
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/db").expect(200).json(), json!({ "port": 2 }));
    assert_eq!(project.git(&["show", "main:.editorconfig"]), "proposed\n");
}

/// A file where the other side has a folder, neither of which holds entries: the side that counts has the room.
#[test]
fn files_in_each_others_way_are_decided_by_side() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/db.yaml", "host: h\nport: 1\n"),
    ]);
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    for port in [2, 3] {
        clone.git(&["checkout", "-q", "--detach", &base]);
        clone.write(".d/a", "proposed\n");
        clone.write("db.yaml", &format!("host: h\nport: {port}\n"));
        clone.commit_all("a folder");
        clone.push(&["-q", "origin", "HEAD:refs/for/base"]);
    }
    clone.git(&["checkout", "-q", "main"]);
    clone.commit(".d", "a file\n");
    clone.push(&["-q", "origin", "main"]);
    let problems = server.get("/api/proposals/1").expect(200).json()["problems"].to_string();
    assert!(problems.contains("it cannot be beside `.d/a`"), "{problems}");
    server.post("/api/proposals/1/merge", json!({})).expect(409);
    server.post("/api/proposals/1/resolve", json!({ "take": "ours" })).expect(200);
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/db/port").expect(200).json(), json!(2));
    assert_eq!(project.git(&["show", "main:.d"]), "a file\n");
    server.post("/api/proposals/2/resolve", json!({ "take": "theirs" })).expect(200);
    server.post("/api/proposals/2/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/db/port").expect(200).json(), json!(3));
    assert_eq!(project.git(&["show", "main:.d/a"]), "proposed\n");
    project.git(&["fsck", "--strict"]);
}

/// A change of nothing but files without entries takes somebody who may write, too, and is not shown to everybody.
#[test]
fn files_without_entries_are_no_way_around_rights() {
    let project = access::project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.commit(".editorconfig", "proposed\n");
    clone.push(&["-q", "origin", "HEAD:refs/for/base"]);
    let (omar, sec, stray) =
        (server.as_account("omar"), server.as_account("sec"), server.as_account("stray"));
    // Comments of a file that a reader may not see.
    clone.git(&["checkout", "-q", "origin/main"]);
    let ledger = clone.read("finance/ledger.yaml");
    clone.commit("finance/ledger.yaml", &format!("# a comment\n{ledger}"));
    clone.push(&["-q", "origin", "HEAD:refs/for/base"]);
    stray.get("/api/proposals/2").expect(403);
    act(&sec, 2, "merge", json!({})).expect(403);
    omar.get("/api/proposals/2").expect(200);
    act(&omar, 2, "close", json!({})).expect(200);
    for nobody in [&omar, &sec, &stray] {
        assert_eq!(nobody.get("/api/proposals").expect(200).json()["proposals"], json!([]));
        nobody.get("/api/proposals/1").expect(403);
        act(nobody, 1, "merge", json!({})).expect(403);
        act(nobody, 1, "resolve", json!({ "take": "theirs" })).expect(403);
    }
    assert_eq!(server.get("/api/proposals/1").expect(200).json()["can_merge"], json!(true));
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(project.git(&["show", "main:.editorconfig"]), "proposed\n");
}

#[test]
fn what_is_pushed_to_refs_for_is_a_proposal() {
    let project = access::project();
    let server = project.serve();
    let clone = Clone::of(&server, &access::key("omar"));
    clone.git(&["checkout", "-q", "-B", "prod", "origin/prod"]);
    clone.commit("payments/certs/tls.crt", "PUSHED\n");
    let told = clone.refused(&["origin", "HEAD:prod"]);
    assert!(told.contains("refs/for/prod"), "{told}");
    let told = clone.push(&["origin", "HEAD:refs/for/prod", "-o", "title=A certificate"]);
    assert!(told.contains("proposal 1, version 1"), "{told}");
    let sec = server.as_account("sec");
    assert_eq!(details(&sec, 1)["title"], "A certificate");
    act(&sec, 1, "approve", json!({})).expect(200);
    clone.commit("payments/certs/tls.crt", "PUSHED AGAIN\n");
    let told = clone.push(&["origin", "HEAD:refs/for/prod", "-o", "proposal=1"]);
    assert!(told.contains("proposal 1, version 2"), "{told}");
    assert_eq!(details(&sec, 1)["approved_by"], json!([]));
    for (target, expected) in [
        ("HEAD:refs/for/moon", "there is no environment `moon`"),
        ("HEAD:refs/proposals/1/heads/prod", "is not for pushing"),
    ] {
        let told = clone.refused(&["origin", target]);
        assert!(told.contains(expected), "{expected}: {told}");
    }
    // What is not valid is refused as a push is.
    clone.git(&["checkout", "-q", "-B", "bad", "origin/prod"]);
    clone.commit("payments/bad.yaml", "a: 1\na: 2\n");
    let told = clone.refused(&["origin", "HEAD:refs/for/prod"]);
    assert!(told.contains("payments/bad.yaml:2"), "{told}");
    act(&sec, 1, "approve", json!({})).expect(200);
    // The branch moves on meanwhile: it is merged by entry.
    server.as_account("omar").put("/payments/db/host?env=prod", json!("other")).expect(200);
    act(&server.as_account("omar"), 1, "merge", json!({})).expect(200);
    assert_eq!(cert(&server), "PUSHED AGAIN\n");
    let host = server.as_account("omar").get("/v1/config/payments/db/host?env=prod").expect(200).text();
    assert_eq!(host, "\"other\"");
    project.git(&["fsck", "--strict"]);
}

#[test]
fn a_merge_is_made_at_its_time_once_it_is_agreed_to() {
    let project = access::project();
    let server = project.serve();
    let [omar, sec] = ["omar", "sec"].map(|name| server.as_account(name));
    let body = |value: &str| {
        json!({
            "title": "later",
            "at": "2026-01-01T00:00:00Z",
            "edits": [{"op": "put", "path": CERT, "env": "prod", "value": value}],
        })
    };
    omar.post("/api/proposals", body("EARLY")).expect(201);
    // Its time has come, and nobody agreed: it says so and waits for somebody.
    wait_for("the proposal is not due any more", || details(&omar, 1)["due"].is_null());
    let seen = details(&omar, 1);
    let last = seen["events"].as_array().unwrap().last().unwrap();
    assert!(last["text"].as_str().unwrap().contains("could not be merged"), "{last}");
    act(&sec, 1, "approve", json!({})).expect(200);
    act(&omar, 1, "schedule", json!({"at": "2026-01-01T00:00:00Z"})).expect(200);
    wait_for("it is merged", || details(&omar, 1)["state"] == "merged");
    assert_eq!(cert(&server), "EARLY");
    for (body, status) in [
        (json!({"edits": []}), 400),
        (json!({"title": "x"}), 400),
        (json!({"at": "soon", "edits": [{"op": "delete", "path": CERT}]}), 400),
        (body("EARLY"), 422),
    ] {
        omar.post("/api/proposals", body).expect(status);
    }
    for (target, body, status) in [
        ("/api/proposals/9/approve", json!({}), 404),
        ("/api/proposals/1/dance", json!({}), 404),
        ("/api/proposals/1/schedule", json!({}), 400),
        ("/api/proposals/1/comment", json!({"text": ""}), 400),
        ("/api/proposals/1/merge", json!({"text": "x"}), 400),
    ] {
        sec.post(target, body).expect(status);
    }
}

#[test]
fn the_command_line_opens_shows_agrees_and_merges() {
    let project = access::project();
    let server = project.serve();
    let url = format!("http://{}", server.address);
    let run = |who: &str, arguments: &[&str]| {
        let key = access::key(who);
        let credentials = ["--server", url.as_str(), "--token", key.as_str()];
        let output = crate::harness::confgit(&[arguments, &credentials[..]].concat());
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said)
    };
    let told = |who: &str, arguments: &[&str], code: i32, expected: &[&str]| {
        let (status, said) = run(who, arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{arguments:?}: {expected}: {said}");
        }
    };
    told("omar", &["set", CERT, "NEW", "--env", "prod"], 0, &["proposal 1 was made of it"]);
    let pair = format!("{CERT}=OTHER");
    let open = ["proposal", "open", "--env", "prod", &pair, "--title", "Another"];
    told("omar", &open, 0, &["proposal 2: open (version 1)"]);
    told("sec", &["proposal", "list"], 0, &["PROPOSAL", "Another", "omar"]);
    told(
        "sec",
        &["proposal", "show", "2"],
        0,
        &["Another", CERT, "rule 9 asks 1 of security", "nobody did yet", "opened"],
    );
    told("omar", &["proposal", "merge", "2"], 5, &["nobody did"]);
    told(
        "sec",
        &["proposal", "approve", "2", "--version", "1", "--comment", "fine"],
        0,
        &["approved by sec"],
    );
    told("omar", &["proposal", "merge", "2"], 0, &["proposal 2: merged"]);
    let both = ["conflict: prod /payments/certs/tls.crt", "  ours    ", "  theirs  ", "by omar"];
    told("sec", &["proposal", "show", "1"], 0, &both);
    told("omar", &["proposal", "resolve", "1"], 2, &["--take"]);
    told("svc", &["proposal", "resolve", "1", "--take", "ours"], 4, &["write"]);
    told(
        "omar",
        &["proposal", "resolve", "1", "--theirs", CERT, "--version", "9"],
        5,
        &["version 9 was meant"],
    );
    told("omar", &["proposal", "resolve", "1", "--theirs", CERT], 0, &["proposal 1: open (version"]);
    told(
        "omar",
        &["proposal", "edit", "1", &format!("{CERT}=EDITED"), "--env", "prod"],
        0,
        &["proposal 1: open (version"],
    );
    told("sec", &["proposal", "show", "1"], 0, &["EDITED"]);
    told("omar", &["proposal", "close", "1", "--comment", "done"], 0, &["closed"]);
    told("sec", &["proposal", "list"], 0, &["there are none"]);
    told(
        "omar",
        &["access", "explain", "omar", "write", CERT, "--env", "prod"],
        0,
        &["omar may write", "others have to agree first: 1 of security to what changes in prod (rule 9)"],
    );
    // What else writes says so, too.
    let made = "others have to agree first: proposal";
    told("omar", &["env", "rollback", "prod", "1"], 0, &[made]);
    let cert = CERT.trim_end_matches("/tls.crt");
    told("omar", &["set", "/payments/certs/tls.crt", "DEV", "--env", "dev"], 0, &["DEV"]);
    told("omar", &["promote", "dev", "prod", cert, "--theirs"], 0, &[made]);
    told("sec", &["proposal", "show", "9"], 3, &["there is no proposal 9"]);
    told("stray", &["proposal", "show", "1"], 4, &["proposal 1 changes it"]);
}

#[test]
fn what_a_proposal_makes_of_the_rules_holds_for_it_alone() {
    let project = front_door::project();
    let server = project.serve();
    let edits = json!([{ "op": "delete", "path": "/.confgit/schemas/ports" }]);
    server.post("/api/proposals", json!({ "title": "no schema", "edits": edits })).expect(201);
    // What was looked up of the branches is forgotten with what fails.
    server.post("/api/proposals/1/resolve", json!({ "take": "ours", "version": 9 })).expect(409);
    let misspelt = json!({ "resolutions": { "prd": { "/a": { "take": "ours" } } } });
    server.post("/api/proposals/1/resolve", misspelt).expect(409);
    let edit = json!({ "edits": [{ "op": "put", "path": "/app/port", "value": 70_000 }] });
    server.post("/api/proposals/1/edit", edit).expect(200);
    let refused = server.put("/app/port", json!(70_000)).expect(422);
    assert!(refused.text().contains("65535"), "{}", refused.text());
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    server.put("/app/port", json!(80_000)).expect(200);
}
