use serde_json::{Value, json};

use super::{each, example};
use crate::harness::{Server, TestProject};

fn promote(server: &Server, more: Value) -> Value {
    ask(server, more, 200)
}

#[track_caller]
fn ask(server: &Server, more: Value, status: u16) -> Value {
    let mut body = json!({"from": "dev", "to": "staging", "path": "/t"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/api/promote", body).expect(status).json()
}

fn shown(server: &Server, target: &str) -> Value {
    server.get(&format!("/v1/config{target}")).expect(200).json()
}

/// What the first layer changed comes over once; what comes over later is what it changed since.
#[test]
fn what_changed_since_the_last_time_comes_over() {
    let (project, server) = example();
    server.put("/t/kept", json!("base")).expect(201);
    server.put("/t/hidden", json!("base")).expect(201);
    for (path, value) in [("/t/new", json!([1, 2])), ("/t/kept", json!("dev")), ("/t/gone/a", json!(1))] {
        server.put(&format!("/env/dev{path}"), value).expect(201);
    }
    server.delete("/env/dev/t/hidden?hide=true").expect(200);
    let text = [("Content-Type", "text/plain")];
    server.request("PUT", "/api/config/env/dev/t/motd", &text, b"Welcome\nto dev\n").expect(201);

    let dry = promote(&server, json!({"dry_run": true}));
    assert_eq!((&dry["changed"], &dry["base"]), (&json!(true), &json!({"kind": "ancestor", "env": "base"})));
    let environments = &dry["preview"]["environments"];
    assert_eq!(each(environments, "env"), ["staging", "prod"], "prod inherits from staging");
    assert_eq!(
        each(&environments[1]["changes"], "path"),
        ["/t/gone/a", "/t/hidden", "/t/kept", "/t/motd", "/t/new"]
    );
    assert_eq!(shown(&server, "/t/kept?env=staging"), "base", "a dry run writes nothing");

    let made = promote(&server, json!({"message": "the release of May"}));
    assert_eq!(made["changed"], true);
    assert_eq!(each(&made["entries"], "path"), ["/t/gone/a", "/t/hidden", "/t/kept", "/t/motd", "/t/new"]);
    assert_eq!(
        shown(&server, "/t?env=staging"),
        json!({"gone": {"a": 1}, "kept": "dev", "motd": "Welcome\nto dev\n", "new": [1, 2]})
    );
    assert_eq!(project.git(&["show", "staging:t/motd.txt"]), "Welcome\nto dev\n", "a text stays a file");
    let message = project.git(&["log", "-1", "--format=%B", "staging"]);
    let head = project.git(&["rev-parse", "dev"]);
    assert!(message.starts_with("the release of May\n\nAccount: "), "{message}");
    assert!(message.contains(&format!("\nPromoted-From: dev {} /t\n", head.trim())), "{message}");
    let commits = server.get("/api/commits?env=staging&limit=1").expect(200).json();
    assert_eq!(commits["commits"][0]["message"], "the release of May", "trailers are not shown");

    let again = promote(&server, json!({}));
    assert_eq!((&again["changed"], &again["sequence"]), (&json!(false), &made["sequence"]));
    assert_eq!(again["base"], json!({"kind": "promotion", "revision": head.trim()}));

    // What staging changed itself since stays; what dev changed since comes over, and what it took away goes.
    server.put("/env/staging/t/new", json!([3])).expect(200);
    server.put("/env/dev/t/kept", json!("dev again")).expect(200);
    server.delete("/env/dev/t/gone").expect(200);
    let made = promote(&server, json!({}));
    assert_eq!(
        made["entries"],
        json!([{"path": "/t/gone/a", "version": 2, "deleted": true}, {"path": "/t/kept", "version": 2}])
    );
    assert_eq!(
        shown(&server, "/t?env=staging"),
        json!({"kept": "dev again", "motd": "Welcome\nto dev\n", "new": [3]})
    );
    // Versions, and what was promoted, are the same after a restart and with a new index.
    server.stop();
    std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
    let server = project.serve();
    server.wait_ready();
    assert_eq!(promote(&server, json!({}))["changed"], false);
    assert_eq!(server.get("/api/config/t/kept?env=staging").expect(200).json()["version"], 2);
}

#[test]
fn what_both_changed_is_shown_side_by_side_and_decided() {
    let (project, server) = example();
    server.put("/t/a", json!(1)).expect(201);
    for (path, value) in [("a", json!(2)), ("b", json!("dev")), ("c", json!(true)), ("d", json!("dev"))] {
        server.put(&format!("/env/dev/t/{path}"), value).expect(201);
    }
    let message = json!({"value": "staging", "message": "as the testers want it"});
    server
        .request(
            "PUT",
            "/api/config/env/staging/t/b",
            &[("Content-Type", "application/json")],
            message.to_string().as_bytes(),
        )
        .expect(201);
    server.put("/env/staging/t/c/deeper", json!(5)).expect(201);
    server.put("/env/staging/t/d", json!("staging")).expect(201);
    let problem = ask(&server, json!({}), 409);
    assert_eq!(
        (&problem["type"], each(&problem["errors"], "path")),
        (&json!("/problems/merge-conflict"), vec![json!("/t/b"), json!("/t/c"), json!("/t/d")])
    );
    let conflict = &problem["conflicts"][0];
    assert_eq!(conflict["base"], json!({"has": "nothing"}));
    for (side, value, author, message) in
        [("ours", "staging", "admin", "as the testers want it"), ("theirs", "dev", "admin", "set /t/b")]
    {
        let side = &conflict[side];
        assert_eq!(
            (&side["value"], &side["author"], &side["message"], &side["version"]),
            (&json!(value), &json!(author), &json!(message), &json!(1)),
            "{side}"
        );
        assert_eq!(project.git(&["cat-file", "-t", side["revision"].as_str().unwrap()]).trim(), "commit");
    }
    assert_eq!(problem["conflicts"][1]["ours"]["has"], "object");
    assert_eq!(
        shown(&server, "/t?env=staging")["a"],
        1,
        "nothing comes over while something is to be decided"
    );

    // One by one: a value, their side in the place of an object; what is left is told.
    let id = |index: usize| problem["conflicts"][index]["id"].clone();
    let mut resolutions = json!({
        "/t/b": {"id": id(0), "value": "agreed"},
        "/t/c": {"id": id(1), "take": "theirs"},
    });
    let left = ask(&server, json!({"resolutions": resolutions}), 409);
    assert_eq!(each(&left["conflicts"], "path"), ["/t/d"]);
    // Decided on what is not there any more, it counts for nothing.
    server.put("/env/staging/t/d", json!("staging, later")).expect(200);
    resolutions["/t/d"] = json!({"id": id(2), "take": "ours"});
    let left = ask(&server, json!({"resolutions": resolutions}), 409);
    assert_eq!(left["conflicts"][0]["ours"]["value"], "staging, later");
    resolutions["/t/d"]["id"] = left["conflicts"][0]["id"].clone();
    let made = promote(&server, json!({"resolutions": resolutions}));
    assert_eq!(
        (shown(&server, "/t?env=staging"), each(&made["conflicts"], "resolved")),
        (json!({"a": 2, "b": "agreed", "c": true, "d": "staging, later"}), vec![json!(true); 3])
    );
    assert_eq!(promote(&server, json!({}))["changed"], false, "nobody has to decide again");
}

#[test]
fn a_side_is_taken_as_a_whole_and_that_is_noted() {
    let (project, server) = example();
    server.put("/env/dev/t/a", json!("dev")).expect(201);
    server.put("/env/staging/t/a", json!("staging")).expect(201);
    // Nothing changes, and yet there is a commit that says what was decided.
    let kept = promote(&server, json!({"take": "ours"}));
    assert_eq!((&kept["changed"], &kept["entries"]), (&json!(true), &json!([])));
    assert_eq!(project.git(&["diff", "--stat", "staging~1", "staging"]), "");
    assert_eq!(shown(&server, "/t/a?env=staging"), "staging");
    assert_eq!(promote(&server, json!({}))["changed"], false);
    server.put("/env/dev/t/a", json!("dev again")).expect(200);
    ask(&server, json!({}), 409);
    promote(&server, json!({"take": "theirs"}));
    assert_eq!(shown(&server, "/t/a?env=staging"), "dev again");
    server.delete("/env/dev/t/a").expect(200);
    server.put("/env/staging/t/a", json!("mine")).expect(200);
    let problem = ask(&server, json!({}), 409);
    assert_eq!(problem["conflicts"][0]["theirs"]["has"], "nothing");
    let gone = promote(&server, json!({"resolutions": {"/t/a": {"delete": true}}}));
    assert_eq!(gone["entries"][0]["deleted"], true);
    server.get("/v1/config/t/a?env=staging").expect(404);
    project.git(&["fsck", "--strict"]);
}

#[test]
fn a_part_is_promoted_by_itself_and_the_rest_later() {
    let (_project, server) = example();
    let entry = json!({"value": 1, "description": "how many", "owner": "team t"}).to_string();
    let kind = [("Content-Type", "application/json")];
    server.request("PUT", "/api/config/env/dev/t/x/a", &kind, entry.as_bytes()).expect(201);
    server.put("/env/dev/t/y/a", json!(1)).expect(201);
    let part = promote(&server, json!({"path": "/t/x"}));
    let came = each(&part["entries"], "path");
    assert!(
        came.contains(&json!("/.confgit/keys/t/x/a/owner")) && !came.contains(&json!("/t/y/a")),
        "{came:?}"
    );
    assert_eq!(server.get("/api/config/t/x/a?env=staging").expect(200).json()["owner"], "team t");
    server.put("/env/dev/t/x/a", json!(2)).expect(200);
    server.put("/env/staging/t/y/a", json!(7)).expect(201);
    // Of the part, what changed since; of the rest, what differs from the common ancestor.
    let problem = ask(&server, json!({}), 409);
    assert_eq!(each(&problem["conflicts"], "path"), ["/t/y/a"]);
    promote(&server, json!({"take": "theirs"}));
    assert_eq!(shown(&server, "/t?env=staging"), json!({"x": {"a": 2}, "y": {"a": 1}}));
    assert_eq!(promote(&server, json!({"path": "/t/x"}))["base"]["kind"], "promotion");
}

#[test]
fn promotions_that_make_no_sense_are_refused() {
    let (_project, server) = example();
    server.put("/env/dev/t/a", json!(1)).expect(201);
    for (more, status, reason) in [
        (json!({"to": "dev"}), 400, "dev cannot be promoted to itself"),
        (json!({"from": "staging", "to": "prod"}), 400, "prod inherits from staging"),
        (json!({"from": "nowhere"}), 404, "no environment `nowhere`"),
        (json!({"to": "nowhere"}), 404, "no environment `nowhere`"),
        (json!({"path": "/a//b"}), 400, "is no path"),
        (json!({"take": "both"}), 400, "`ours` or `theirs`"),
        (json!({"resolutions": {"/t/a": {"take": "ours"}}}), 409, "is in no conflict"),
        (json!({"resolutions": {"/t/a": {}}}), 400, "one of `take`, `value` and `delete`"),
        (json!({"resolutions": {"/t/a": {"take": "ours", "delete": true}}}), 400, "one of `take`"),
        (json!({"resolutions": {"/t/a": {"take": "ours"}, "t/a": {"take": "ours"}}}), 400, "twice"),
        (json!({"force": true}), 400, "unknown field"),
    ] {
        let problem = ask(&server, more.clone(), status);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{more}: {problem}");
    }
    // Nothing to promote is no mistake.
    let nothing = promote(&server, json!({"path": "/nothing/here"}));
    assert_eq!((&nothing["changed"], &nothing["entries"]), (&json!(false), &json!([])));
    // What would make an environment wrong is refused as any other write.
    server.put("/env/dev/checkout/database/pool_size", json!(5)).expect(201);
    server.put("/env/dev/t/ref", json!("${ref:/t/a}")).expect(201);
    server.put("/env/staging/t/a", json!(3)).expect(201);
    server.delete("/env/staging/t/a").expect(200);
    let problem = ask(&server, json!({"path": "/t/ref"}), 422);
    assert_eq!(problem["errors"][0]["rule"], "reference");
}

/// Whatever both sides do, and whichever part is taken: a second promotion changes nothing, and with their side taken
/// the other shows what theirs says.
#[test]
fn promoting_again_changes_nothing() {
    let (_project, server) = example();
    let mut dice = fastrand::Rng::with_seed(20_261_124);
    let paths = ["/t/a", "/t/b", "/t/b/c", "/t/b/d", "/t/e/f", "/t/e/g/h", "/t/e"];
    for round in 0..40 {
        for _ in 0..dice.usize(1..6) {
            let env = ["base", "dev", "dev", "staging"][dice.usize(..4)];
            let path = paths[dice.usize(..paths.len())];
            // A value above or below another, or nothing to take away, is refused, and that is as good.
            match dice.usize(..5) {
                0 => drop(server.delete(&format!("/env/{env}{path}"))),
                1 if env != "base" => drop(server.delete(&format!("/env/{env}{path}?hide=true"))),
                _ => drop(server.put(&format!("/env/{env}{path}"), json!(dice.u8(..4)))),
            }
        }
        let part = ["/t", "/t/b", "/t/e", "/t/a"][dice.usize(..4)];
        let side = if dice.bool() { "ours" } else { "theirs" };
        let before = server.get("/api/config/env/staging/t?recursive=true").json();
        promote(&server, json!({"path": part, "take": side}));
        let again = promote(&server, json!({"path": part}));
        let theirs = server.get("/api/config/env/dev/t?recursive=true").json();
        let context = format!("round {round}, {part}, {side}: before {before}, theirs {theirs}");
        assert_eq!((&again["changed"], &again["entries"]), (&json!(false), &json!([])), "{context}");
        assert!(again.get("conflicts").is_none(), "{context}: {again}");
    }
}

#[test]
fn a_preview_shows_every_environment_and_writes_nothing() {
    let (_project, server) = example();
    let sequence = server.get("/api/status").expect(200).json()["sequence"].clone();
    let preview = |edits: Value| server.post("/api/preview", json!({"edits": edits})).expect(200).json();
    let seen =
        preview(json!([{"op": "put", "path": "/.confgit/variables/SHOP_URL", "value": "https://new"}]));
    assert_eq!(
        (&seen["changed"], &seen["accepted"], &seen["problems"]),
        (&json!(true), &json!(true), &json!([]))
    );
    let environments = &seen["environments"];
    assert_eq!(environments[0]["env"], "base");
    let change = &environments[0]["changes"][0];
    assert_eq!(
        (&change["path"], &change["old_value"], &change["value"]),
        (
            &json!("/.confgit/variables/SHOP_URL"),
            &json!("https://shop.example.internal"),
            &json!("https://new")
        )
    );
    let through = environments[0]["through"].as_array().unwrap();
    assert!(!through.is_empty(), "what names the variable is another too: {seen}");
    for path in through {
        let written = server.get(&format!("/api/config{}", path.as_str().unwrap())).expect(200).json();
        assert!(written.to_string().contains("SHOP_URL"), "{written}");
    }

    // What would be refused is shown with its reasons, at its place.
    let wrong = json!([{"op": "put", "path": "/checkout/database/pool_size", "value": "many"}]);
    let seen = preview(wrong.clone());
    assert_eq!(seen["accepted"], false);
    let refused = server.post("/api/batch", json!({"edits": wrong})).expect(422).json();
    assert_eq!(seen["problems"], refused["errors"]);
    // An override hides the change from its own environment and its heirs.
    let seen = preview(json!([{"op": "put", "path": "/myapp/database/pool_size", "value": 11}]));
    let envs = each(&seen["environments"], "env");
    assert!(envs.contains(&json!("base")) && !envs.contains(&json!("prod")), "prod has its own: {seen}");
    // A value in the place of an object: all that goes is told.
    let seen = preview(json!([
        {"op": "delete", "path": "/search"}, {"op": "put", "path": "/search", "value": "elsewhere"},
    ]));
    let base = &seen["environments"][0];
    assert!(base["entries"].as_u64().unwrap() > 2 && base["changes"][0]["path"] == "/search", "{base}");
    // What cannot be made at all gets the answer of the write.
    server.post("/api/preview", json!({"edits": [{"op": "delete", "path": "/no/such"}]})).expect(404);
    server.post("/api/preview", json!({"edits": []})).expect(400);
    let equal = preview(json!([{"op": "put", "path": "/myapp/database/pool_size", "value": 10}]));
    assert_eq!(server.get("/api/status").expect(200).json()["sequence"], sequence);
    assert!(equal["changed"].is_boolean());
}

#[test]
fn a_preview_needs_no_right_to_write_but_a_promotion_does() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[]);
    let anonymous = |target: &str, body: Value| {
        server.request("POST", target, &[("Authorization", "")], body.to_string().as_bytes()).status
    };
    let edits = json!({"edits": [{"op": "put", "path": "/t/a", "value": 1}]});
    let statuses = [
        anonymous("/api/preview", edits),
        anonymous("/api/promote", json!({"from": "dev", "to": "staging", "dry_run": true})),
        anonymous("/api/promote", json!({"from": "dev", "to": "staging"})),
    ];
    assert_eq!(statuses, [200, 200, 401]);
}

#[test]
fn after_a_rollback_it_comes_over_again_and_pushes_count_at_once() {
    let (project, server) = example();
    server.put("/env/dev/t/a", json!("dev")).expect(201);
    promote(&server, json!({}));
    let sequence = server.get("/api/status").expect(200).json()["sequence"].as_u64().unwrap();
    let back = server.post("/api/environments/staging/rollback", json!({"to": (sequence - 1).to_string()}));
    back.expect(200);
    server.get("/v1/config/t/a?env=staging").expect(404);
    assert_eq!(promote(&server, json!({}))["entries"][0]["path"], "/t/a");
    assert_eq!(shown(&server, "/t/a?env=staging"), "dev");
    // Somebody pushes to the branch that is promoted, by path.
    let clone = tempfile::tempdir().unwrap();
    crate::harness::git(
        clone.path(),
        &["clone", "-q", "-b", "dev", project.config_git().to_str().unwrap(), "c"],
    );
    let work = clone.path().join("c");
    std::fs::write(work.join("t.yaml"), "a: pushed\n").unwrap();
    crate::harness::git(&work, &["add", "t.yaml"]);
    crate::harness::git(&work, &["commit", "-qm", "by hand"]);
    crate::harness::git(&work, &["push", "-q"]);
    assert_eq!(promote(&server, json!({"dry_run": true}))["changed"], true);
    promote(&server, json!({}));
    assert_eq!(shown(&server, "/t/a?env=staging"), "pushed");
}

#[test]
fn what_belongs_to_an_environment_stays_and_files_keep_their_names() {
    let (project, server) = example();
    server.put("/env/dev/.confgit/variables/T_HOST", json!("dev-db")).expect(201);
    let file = json!({"op": "file", "env": "dev", "file": "t/ca.crt", "content": "-----BEGIN\n"});
    server.post("/api/batch", json!({"edits": [file]})).expect(200);
    promote(&server, json!({"path": "/", "take": "ours"}));
    server.get("/api/config/.confgit/variables/T_HOST?env=staging").expect(404);
    assert_eq!(project.git(&["show", "staging:t/ca.crt"]), "-----BEGIN\n");
    let named = promote(&server, json!({"path": "/.confgit/variables/T_HOST"}));
    assert!(each(&named["entries"], "path").contains(&json!("/.confgit/variables/T_HOST")), "{named}");
    // What cannot be seen in the environment cannot be promoted by itself.
    server.put("/env/dev/t/gone/b", json!(1)).expect(201);
    promote(&server, json!({"path": "/t/gone/b"}));
    server.delete("/env/dev/t/gone?hide=true").expect(200);
    let problem = ask(&server, json!({"path": "/t/gone/b"}), 400);
    assert!(problem["detail"].as_str().unwrap().contains("promote /t/gone"), "{problem}");
    // What is decided to stay is not taken away for something else.
    server.put("/env/staging/t/shape", json!("value")).expect(201);
    server.put("/env/dev/t/shape", json!("other")).expect(201);
    server.delete("/env/dev/t/shape").expect(200);
    server.put("/env/dev/t/shape/x", json!(1)).expect(201);
    let problem = ask(&server, json!({"path": "/t/shape"}), 409);
    assert_eq!(each(&problem["conflicts"], "path"), ["/t/shape/x"]);
    assert_eq!(problem["conflicts"][0]["ours"]["at"], "/t/shape");
    promote(&server, json!({"path": "/t/shape", "take": "theirs"}));
    assert_eq!(shown(&server, "/t/shape?env=staging"), json!({"x": 1}));
}

/// A branch that was made anew under the old name: what was promoted from the old one is no beginning, so that nothing
/// is taken away for not being there any more.
#[test]
fn a_branch_made_anew_takes_nothing_away() {
    let (project, server) = example();
    server.put("/env/dev/t/a", json!(1)).expect(201);
    server.put("/env/dev/t/b", json!(1)).expect(201);
    promote(&server, json!({}));
    project.git(&["update-ref", "-d", "refs/heads/dev"]);
    server.put("/env/dev/t/b", json!(2)).expect(201);
    let problem = ask(&server, json!({}), 409);
    assert_eq!(each(&problem["conflicts"], "path"), ["/t/b"], "nobody knows what it was");
    assert_eq!(problem["conflicts"][0]["base"]["has"], "unknown");
    promote(&server, json!({"take": "theirs"}));
    assert_eq!(shown(&server, "/t?env=staging"), json!({"a": 1, "b": 2}));
    assert_eq!(promote(&server, json!({}))["changed"], false);
}

/// Where objects hide their parents' and lists are joined with them, layers are compared and not what shows.
#[test]
fn rules_of_merging_are_minded() {
    let settings = "default: base\nenvironments:\n  base: { branch: main }\n  dev: { branch: dev, inherits: base }\n  \
                    staging: { branch: staging, inherits: base }\nmerge: { /t/alone: replace, /t/list: append }\n";
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", settings),
        ("base/t.yaml", "alone: {x: 0, y: 2}\nlist: [1]\n"),
        ("dev/t.yaml", "alone: {x: 1, y: 2}\nlist: [1]\n"),
    ]);
    let server = project.serve();
    let dev = shown(&server, "/t?env=dev");
    assert_eq!(dev, json!({"alone": {"x": 1, "y": 2}, "list": [1, 1]}));
    promote(&server, json!({}));
    assert_eq!(shown(&server, "/t?env=staging"), dev);
    assert_eq!(promote(&server, json!({}))["changed"], false);
}
