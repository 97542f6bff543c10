//! Death at every step of a cut: the next start goes on, and comes to the very same.

use std::process::{Command, Stdio};

use confgit::git::failpoint::Step;
use serde_json::json;

use super::{answers, assert_same, assert_sound, fill, project, set_retention, status, wait_cut};
use crate::harness::{TestProject, wait_for};

const STEPS: [Step; 7] = [
    Step::CutCheckpoint,
    Step::CutShallow,
    Step::CutIndexWritten,
    Step::CutIndexPlaced,
    Step::PruneRenamed,
    Step::PruneUnlinking,
    Step::PruneUnlinked,
];

/// The same project in another place.
fn copy(project: &TestProject) -> TestProject {
    let temp = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(project.dir()).arg(temp.path().join("project")).status();
    assert!(copied.unwrap().success());
    TestProject { temp, key: project.key.clone() }
}

/// Serves until the server dies at a step.
fn die_at(project: &TestProject, step: Step) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.args(["serve", project.dir().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    command.env("CONFGIT_FAILPOINTS", format!("{}=abort", step.name()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut ended = None;
    wait_for(&format!("death at {}", step.name()), || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(!ended.unwrap().success(), "{}", step.name());
}

#[test]
fn death_at_any_step_of_a_cut_changes_nothing_of_its_outcome() {
    let project = project("");
    let server = project.serve();
    server.put("/gone", json!("early")).expect(201);
    server.delete("/gone").expect(200);
    fill(&server, 0..230);
    let sequences: Vec<u64> = (0..=status(&server, "sequence")).step_by(11).collect();
    server.stop();
    set_retention(&project, "retention: {changes: 100}\n");
    let expected = {
        let project = copy(&project);
        let server = project.serve();
        wait_cut(&project, &server, 1);
        answers(&server, &sequences)
    };
    std::thread::scope(|scope| {
        for step in STEPS {
            let (project, expected, sequences) = (copy(&project), &expected, &sequences);
            scope.spawn(move || {
                die_at(&project, step);
                let server = project.serve();
                wait_cut(&project, &server, 1);
                assert_same(expected, &answers(&server, sequences));
                assert_sound(&project);
                server.put("/gone", json!("again")).expect(201);
                assert_eq!(server.get("/api/config/gone").json()["version"], 3, "{}", step.name());
            });
        }
    });
}

#[test]
fn a_cut_that_was_begun_is_finished_though_nothing_asks_for_it_any_more() {
    let project = project("");
    let server = project.serve();
    fill(&server, 0..230);
    server.stop();
    set_retention(&project, "retention: {changes: 100}\n");
    die_at(&project, Step::CutCheckpoint);
    set_retention(&project, "");
    let server = project.serve();
    wait_cut(&project, &server, 1);
    assert_sound(&project);
}

#[test]
fn a_cut_that_fails_leaves_everything() {
    for step in [Step::CutCheckpoint, Step::CutShallow, Step::CutIndexWritten, Step::PruneRenamed] {
        let project = project("");
        let server = project.serve();
        fill(&server, 0..210);
        server.stop();
        set_retention(&project, "retention: {changes: 100}\n");
        let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &format!("{}=error", step.name()))]);
        let failed = || !project.git(&["for-each-ref", "refs/confgit/checkpoint"]).is_empty();
        wait_for("the cut to begin", failed);
        fill(&server, 210..230);
        assert_eq!(server.get("/v1/config/a/k0").expect(200).text(), "\"value 225\"");
        assert_eq!(server.get("/api/status").json()["writable"], true);
        server.stop();
        let server = project.serve();
        wait_cut(&project, &server, 1);
        assert_sound(&project);
        assert_eq!(server.get("/v1/config/a/k0").expect(200).text(), "\"value 225\"");
    }
}
