//! What environments show while layers change: grown edit by edit it is what a server that reads everything anew shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, git, wait_for};

const ENVIRONMENTS: [&str; 4] = ["base", "dev", "staging", "prod"];

/// What every environment shows: as it is written, and as services read it.
fn everything(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    for env in ENVIRONMENTS {
        all.push(server.get(&format!("/api/config/t?recursive=true&limit=1000&env={env}")).json());
        let resolved = server.get(&format!("/v1/config/t?env={env}"));
        all.push(json!([resolved.status, resolved.json()]));
        for path in ["/t/a", "/t/b", "/t/c/d", "/t/list"] {
            let one = server.get(&format!("/v1/config{path}?env={env}"));
            all.push(json!([path, one.status, one.json()]));
        }
    }
    all
}

/// Whatever is edited on whichever layer, references, templates and joined lists among it.
#[test]
fn a_view_grown_edit_by_edit_is_the_one_read_anew() {
    let settings = "default: base\nenvironments:\n  base: { branch: main }\n  dev: { branch: dev, inherits: base }\n  \
                    staging: { branch: staging, inherits: base }\n  prod: { branch: prod, inherits: staging }\n\
                    merge: { /t/list: append }\n";
    let project = TestProject::with_files(&[("meta/settings.yaml", settings), ("base/x.yaml", "y: 1\n")]);
    let mut server = project.serve();
    let mut dice = fastrand::Rng::with_seed(7);
    let paths =
        ["/t/a", "/t/b", "/t/c", "/t/c/d", "/t/c/e/f", "/t/list", "/.confgit/variables/V", "/templates/t/x"];
    let mut edits = 0;
    for round in 0..6 {
        for _ in 0..40 {
            let env = ENVIRONMENTS[dice.usize(..4)];
            let path = paths[dice.usize(..paths.len())];
            let value = match dice.usize(..9) {
                0 => json!("${V:none}"),
                1 => json!("<${ref:/t/b}>"),
                2 => json!({"$extends": ["/templates/t"], "d": dice.u8(..9)}),
                3 => json!([dice.u8(..9), "${V:none}"]),
                4 => json!({"d": dice.u8(..9), "e": {"f": "${ref:/t/a}"}}),
                _ => json!(dice.u8(..9)),
            };
            // What would break an environment, or is not there, is refused, and that is as good.
            let answer = match dice.usize(..6) {
                0 => server.delete(&format!("/env/{env}{path}")),
                1 => server.delete(&format!("/env/{env}{path}?hide=true")),
                _ => server.put(&format!("/env/{env}{path}"), value),
            };
            edits += usize::from(answer.status < 300);
            assert!(answer.status < 500, "{}", answer.text());
        }
        let grown = everything(&server);
        server.stop();
        std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
        server = project.serve();
        assert_eq!(everything(&server), grown, "round {round}");
    }
    assert!(edits > 80, "most edits are made: {edits}");
}

/// Two write the base as fast as they can while a third overrides one of its values: its own environment never shows
/// anything else, and the others end with the last of the base.
#[test]
fn base_changes_that_race_an_override_lose_nothing() {
    let project = TestProject::example();
    let server = Arc::new(project.serve());
    server.put("/t/a", json!("base 0")).expect(201);
    server.put("/env/prod/t/a", json!("prod 0")).expect(201);
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = [("", "base"), ("", "base too"), ("/env/prod", "prod")]
        .into_iter()
        .map(|(env, name)| {
            let server = server.clone();
            std::thread::spawn(move || {
                for count in 1..=60 {
                    server.put(&format!("{env}/t/a"), json!(format!("{name} {count}"))).expect(200);
                }
            })
        })
        .collect();
    let reader = {
        let (server, is_over) = (server.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut seen = 0;
            while !is_over.load(Ordering::Acquire) {
                let value = server.get("/v1/config/t/a?env=prod").expect(200).json();
                let count =
                    value.as_str().unwrap().strip_prefix("prod ").unwrap_or_else(|| panic!("{value}"));
                let count: u32 = count.parse().unwrap();
                assert!(count >= seen, "{count} after {seen}");
                seen = count;
            }
            seen
        })
    };
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    is_over.store(true, Ordering::Release);
    reader.join().unwrap();
    assert_eq!(server.get("/v1/config/t/a?env=prod").json(), "prod 60");
    let last = project.git(&["show", "main:t.yaml"]);
    for env in ["base", "dev", "staging"] {
        let shown = server.get(&format!("/v1/config/t/a?env={env}")).json();
        assert_eq!(last.trim(), format!("a: {}", shown.as_str().unwrap()), "{env}");
    }
    assert_eq!(server.get("/api/config/t/a").json()["version"], 121);
    assert_eq!(server.get("/api/config/t/a?env=prod").json()["version"], 61);
}

/// Somebody deletes an environment's branch in the repository: its heirs go on with what is left, the deletion is a
/// change set like any other, and the next write makes the branch anew.
#[test]
fn a_branch_deleted_under_the_server_leaves_its_heirs_what_they_inherit() {
    let project = TestProject::example();
    let server = project.serve();
    server.put("/t/a", json!("base")).expect(201);
    server.put("/env/staging/t/a", json!("staging")).expect(201);
    assert_eq!(server.get("/v1/config/t/a?env=prod").json(), "staging");
    project.git(&["update-ref", "-d", "refs/heads/staging"]);
    // The next write to it takes it in, and one that is refused does as well.
    server.delete("/env/staging/t/a").expect(404);
    assert_eq!(server.get("/v1/config/t/a?env=prod").json(), "base");
    assert_eq!(server.get("/v1/config/t/a?env=staging").json(), "base");
    let staging = server.get("/api/environments/staging").expect(200).json();
    assert_eq!((&staging["revision"], &staging["entries"]), (&Value::Null, &json!(0)));
    let history = server.get("/api/config/t/a/history?env=staging").expect(200).json();
    assert_eq!((&history[0]["version"], &history[0]["deleted"]), (&json!(2), &json!(true)));
    server.put("/env/staging/t/a", json!("again")).expect(201);
    assert_eq!(server.get("/v1/config/t/a?env=prod").json(), "again");
    assert_eq!(server.get("/api/config/t/a?env=staging").json()["version"], 3);
    // The same while nobody serves. (A start makes a branch that the journal's last commit made and that is not there.)
    server.put("/env/staging/t/a", json!("once more")).expect(200);
    server.stop();
    project.git(&["update-ref", "-d", "refs/heads/staging"]);
    let server = project.serve();
    wait_for("the deletion to be seen", || server.get("/v1/config/t/a?env=prod").json() == "base");
    git(&project.config_git(), &["fsck", "--strict"]);
}
