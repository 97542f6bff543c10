//! kill -9 under load, and death at every single step: whatever was acknowledged is there afterwards, whole,
//! under the same version, sequence and commit.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, exchange, wait_for};

/// What the server said of a write.
#[derive(Debug, Clone)]
struct Acknowledged {
    path: String,
    value: Value,
    answer: Value,
}

/// Writes from 16 threads until told to stop or the server is gone; answers what was acknowledged.
fn load(server: &Server, round: u32, stop: &AtomicBool, seen: &Mutex<Vec<Acknowledged>>) {
    std::thread::scope(|scope| {
        for writer in 0..16 {
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) || !write_one(server, (round, writer, number), seen) {
                        return;
                    }
                }
            });
        }
    });
}

fn write_one(
    server: &Server,
    (round, writer, number): (u32, u32, u32),
    seen: &Mutex<Vec<Acknowledged>>,
) -> bool {
    // Some keys are one writer's own, some are everybody's, some are new, some are long.
    let path = match number % 4 {
        0 => format!("/load/w{writer}/k{}", number % 7),
        1 => format!("/load/shared/k{}", number % 5),
        2 => format!("/load/fresh/r{round}w{writer}n{number}"),
        _ => format!("/load/text/t{writer}"),
    };
    let long = if number % 4 == 3 { "long ".repeat(200) } else { String::new() };
    let value = json!(format!("{long}{round}-{writer}-{number}"));
    let body = json!({ "value": value }).to_string();
    let bearer = format!("Bearer {}", server.key);
    let headers = [("Host", server.address.as_str()), ("Authorization", bearer.as_str())];
    let answer = exchange(&server.address, "PUT", &format!("/api/config{path}"), &headers, body.as_bytes());
    match answer {
        Ok(answer) if matches!(answer.status, 200 | 201) => {
            let answer = answer.json();
            seen.lock().unwrap().push(Acknowledged { path, value, answer });
            true
        }
        _ => false,
    }
}

/// Compares every acknowledged write with what the server says now.
fn compare(project: &TestProject, server: &Server, seen: &[Acknowledged]) {
    for Acknowledged { path, value, answer } in seen {
        let version = answer["version"].as_u64().unwrap();
        let now = server.get(&format!("/api/config{path}?version={version}")).expect(200).json();
        for member in ["version", "sequence", "revision"] {
            assert_eq!(now[member], answer[member], "{member} of {path} version {version}");
        }
        assert_eq!(&now["value"], value, "{path} version {version}");
    }
    for path in ["/load/shared/k0", "/load/w3/k0", "/load/text/t1"] {
        let history = server.get(&format!("/api/config{path}/history?limit=1000"));
        if history.status == 200 {
            let numbers: Vec<u64> =
                history.json().as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()).collect();
            let newest = numbers[0];
            assert!(
                numbers.iter().copied().eq((1..=newest).rev().take(numbers.len())),
                "{path}: {numbers:?}"
            );
        }
    }
    fsck(project);
}

fn fsck(project: &TestProject) {
    let output = crate::harness::git_command(&project.config_git())
        .args(["fsck", "--full", "--strict"])
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let complaints: Vec<&str> = said.lines().filter(|line| !line.starts_with("dangling ")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{complaints:?}");
}

/// Nothing that a dead process began lies about, once what the new one has begun itself is done.
fn assert_swept(project: &TestProject) {
    wait_for("leftovers to be swept", || leftovers(&project.config_git()) == 0);
}

fn leftovers(folder: &Path) -> usize {
    let leftover =
        |name: &str| name.ends_with(".lock") || name.starts_with("tmp_") || name.ends_with(".keep");
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| usize::from(leftover(&entry.file_name().to_string_lossy())) + leftovers(&entry.path()))
        .sum()
}

#[test]
fn whatever_was_acknowledged_survives_kill_9() {
    let rounds: u32 =
        std::env::var("CONFGIT_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let project = TestProject::example();
    let mut all = Vec::new();
    for round in 0..rounds {
        let server = project.serve();
        let (stop, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            scope.spawn(|| load(&server, round, &stop, &seen));
            // A moment that differs from round to round and from run to run.
            let nanos =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
            std::thread::sleep(Duration::from_millis(150 + u64::from(nanos % 500)));
            let pid = server.child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            stop.store(true, Ordering::Relaxed);
        });
        drop(server);
        let mut seen = seen.into_inner().unwrap();
        assert!(!seen.is_empty(), "round {round} wrote nothing");
        let server = project.serve();
        compare(&project, &server, &seen);
        println!("round {round}: {} acknowledged writes are there", seen.len());
        drop(server);
        all.append(&mut seen);
    }
    // The history index is derived: without it, everything has the same numbers.
    std::fs::remove_file(project.dir().join("derived/history")).unwrap();
    let server = project.serve();
    compare(&project, &server, &all[all.len().saturating_sub(500)..]);
    let last = server.get("/api/status").json()["sequence"].as_u64().unwrap();
    assert!(all.iter().all(|ack| ack.answer["sequence"].as_u64().unwrap() <= last));
}

#[test]
fn death_at_any_step_loses_nothing_acknowledged() {
    let project = TestProject::example();
    let mut all = Vec::new();
    for step in confgit::git::failpoint::Step::ALL {
        // Folding and cutting have tests of their own.
        if step >= confgit::git::failpoint::Step::FoldSynced {
            continue;
        }
        let failpoint = format!("{}=abort@3", step.name());
        let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &failpoint)]);
        let seen = Mutex::new(Vec::new());
        let mut number = 0;
        while write_one(&server, (step as u32, 1, number), &seen) {
            number += 1;
            assert!(number < 50, "the server did not die at {}", step.name());
        }
        drop(server);
        let server = project.serve();
        assert_swept(&project);
        // What the journal says has happened, has: nobody takes a branch that lags behind for somebody's wish.
        let journal = project.git(&["log", "-1", "--format=%B", "refs/confgit/journal"]);
        assert!(!journal.contains("Outside"), "{}: {journal}", step.name());
        let head = project.git(&["rev-parse", "main"]);
        // Trailers follow the change sets.
        let (moves, _) = journal.split_once("\n\nAudit: ").unwrap_or((&journal, ""));
        assert!(moves.trim_end().ends_with(head.trim()), "{}: main is at {head}, {journal}", step.name());
        let mut seen = seen.into_inner().unwrap();
        compare(&project, &server, &seen);
        all.append(&mut seen);
        assert!(
            write_one(&server, (step as u32, 2, 0), &Mutex::new(Vec::new())),
            "writes go on after {}",
            step.name()
        );
    }
    assert!(all.len() >= 20);
}

#[test]
fn death_at_any_step_of_a_merge_leaves_proposal_and_branch_agreed() {
    let project = TestProject::example();
    let (mut merged, mut waited) = (0, 0);
    for step in confgit::git::failpoint::Step::ALL {
        if step >= confgit::git::failpoint::Step::FoldSynced {
            continue;
        }
        let server = project.serve();
        let path = format!("/proposed/{}", step.name());
        let edits = json!([{ "op": "put", "path": path, "value": 1 }]);
        let opened = server.post("/api/proposals", json!({ "edits": edits })).expect(201).json();
        let number = opened["number"].as_u64().unwrap();
        server.stop();
        let failpoint = format!("{}=abort@1", step.name());
        let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &failpoint)]);
        let key = format!("Bearer {}", server.key);
        let merge = format!("/api/proposals/{number}/merge");
        // It dies before it answers, or just after.
        let _ = exchange(&server.address, "POST", &merge, &[("Host", "x"), ("Authorization", &key)], b"");
        drop(server);
        let server = project.serve();
        assert_swept(&project);
        let state = server.get(&format!("/api/proposals/{number}")).expect(200).json()["state"].clone();
        let is_there = server.get(&format!("/v1/config{path}")).status == 200;
        assert_eq!(state == "merged", is_there, "{}: {state}", step.name());
        if is_there {
            merged += 1;
        } else {
            waited += 1;
            server.post(&format!("/api/proposals/{number}/merge"), json!({})).expect(200);
        }
        let heads =
            project.git(&["for-each-ref", "--format=%(refname)", &format!("refs/proposals/{number}")]);
        assert_eq!(heads.trim(), format!("refs/proposals/{number}/log"), "{}", step.name());
        server.stop();
    }
    assert!(merged > 0 && waited > 0, "{merged} {waited}");
}
