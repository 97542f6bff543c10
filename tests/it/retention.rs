//! Retention: what is old goes, and of what stays nothing changes; whatever ends the server on the way.

#[cfg(feature = "failpoints")]
mod death;
mod history;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, git, git_command, wait_for};

const ENVIRONMENTS: &str = "default: base
environments:
  base: {branch: main}
  dev: {branch: dev, inherits: base}
  quiet: {branch: quiet, inherits: base}
";

/// A project whose settings go on with this line.
fn project(retention: &str) -> TestProject {
    TestProject::with_files(&[
        ("base/a.yaml", "k0: first\n"),
        ("base/early.yaml", "k: 1\n"),
        ("dev/a.yaml", "k0: dev\n"),
        ("quiet/q.yaml", "k: still\n"),
        ("meta/settings.yaml", &format!("{ENVIRONMENTS}{retention}")),
    ])
}

/// Changes the settings; the next start reads them.
fn set_retention(project: &TestProject, retention: &str) {
    let dir = tempfile::tempdir().unwrap();
    let meta = project.dir().join("meta.git");
    git(dir.path(), &["clone", "-q", meta.to_str().unwrap(), "meta"]);
    let clone = dir.path().join("meta");
    std::fs::write(clone.join("settings.yaml"), format!("{ENVIRONMENTS}{retention}")).unwrap();
    git(&clone, &["commit", "-qam", "retention"]);
    git(&clone, &["push", "-q"]);
}

/// Writes five paths in turn so many times.
fn fill(server: &Server, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let answer = server.put(&format!("/a/k{}", n % 5), json!(format!("value {n}")));
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    }
}

fn status(server: &Server, member: &str) -> u64 {
    server.get("/api/status").expect(200).json()[member].as_u64().unwrap()
}

fn oldest(server: &Server) -> u64 {
    status(server, "oldest_sequence")
}

/// Waits until everything that a cut later than `before` takes away is gone; answers what is the oldest now.
fn wait_cut(project: &TestProject, server: &Server, before: u64) -> u64 {
    wait_for("history to be cut", || {
        let checkpoint = git_command(&project.config_git())
            .args(["rev-parse", "-q", "--verify", "refs/confgit/checkpoint"])
            .output()
            .unwrap();
        let noted = std::fs::read(project.dir().join("derived/pruned")).unwrap_or_default();
        oldest(server) > before && !noted.is_empty() && noted == checkpoint.stdout
    });
    oldest(server)
}

/// Everything the API says of these paths, and of what there was after some change sets.
fn answers(server: &Server, sequences: &[u64]) -> Vec<(String, u16, Value)> {
    let mut targets = Vec::new();
    for (env, path) in [
        ("base", "/a/k0"),
        ("base", "/a/k1"),
        ("base", "/a/k4"),
        ("base", "/early/k"),
        ("base", "/gone"),
        ("dev", "/a/k0"),
        ("quiet", "/q/k"),
    ] {
        let history = format!("/api/config{path}/history?limit=1000&env={env}");
        let listed = server.get(&history).json();
        let newest = listed[0]["version"].as_u64().unwrap_or(0);
        targets.push(history);
        targets.push(format!("/api/config{path}?env={env}"));
        targets.extend((0..=newest + 1).map(|n| format!("/api/config{path}?env={env}&version={n}")));
    }
    for at in sequences {
        for env in ["base", "dev", "quiet"] {
            targets.push(format!("/api/config/?recursive=true&env={env}&at={at}"));
        }
    }
    let ask = |target: String| {
        let answer = server.get(&target);
        (target, answer.status, answer.json())
    };
    targets.into_iter().map(ask).collect()
}

#[track_caller]
fn assert_same(before: &[(String, u16, Value)], after: &[(String, u16, Value)]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

/// What Git itself finds right, and no object is there that nothing leads to.
fn assert_sound(project: &TestProject) {
    let dir = project.config_git();
    let said = git(&dir, &["fsck", "--full", "--strict", "--no-progress"]);
    assert_eq!(said, "", "git fsck");
    assert_eq!(objects(&dir), reachable(&dir), "objects that nothing leads to");
}

/// The objects there are, whatever leads to them.
fn objects(dir: &Path) -> Vec<String> {
    let all = git(dir, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered"]);
    sorted(all.lines())
}

fn reachable(dir: &Path) -> Vec<String> {
    let all = git(dir, &["rev-list", "--objects", "--no-object-names", "--all"]);
    sorted(all.lines())
}

fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn what_is_old_goes_and_numbers_go_on() {
    let project = project("");
    let server = project.serve();
    server.put("/gone", json!("early")).expect(201);
    server.delete("/gone").expect(200);
    fill(&server, 0..60);
    let clone = project.temp.path().join("whole");
    project.git(&["clone", "-q", "--no-local", ".", clone.to_str().unwrap()]);
    let old = server.get("/api/config/a/k1?at=20").expect(200).json();
    fill(&server, 60..250);
    let recent = project.temp.path().join("recent");
    project.git(&["clone", "-q", "--no-local", ".", recent.to_str().unwrap()]);
    let covered = status(&server, "sequence");
    let sequences: Vec<u64> = (0..=covered).step_by(17).chain([covered]).collect();
    let whole = answers(&server, &sequences);
    assert_eq!(oldest(&server), 1);
    server.stop();
    let many = objects(&project.config_git()).len();
    let heads = project.git(&["for-each-ref", "refs/heads"]);

    set_retention(&project, "retention: {changes: 100}\n");
    let server = project.serve();
    let oldest_kept = wait_cut(&project, &server, 1);
    assert_eq!(oldest_kept, covered - 100);
    // Nothing has another id, and Git sees a sound repository of which little is left.
    assert_eq!(project.git(&["for-each-ref", "refs/heads"]), heads);
    assert_sound(&project);
    let few = objects(&project.config_git()).len();
    assert!(few < many * 6 / 10, "{few} objects of {many} are left");
    assert_eq!(project.git(&["rev-list", "--count", "main"]).trim(), "101");

    // What is kept says what it said; the version current at the beginning is kept, older ones are gone.
    let now = answers(&server, &sequences);
    let mut oldest_version = std::collections::HashMap::new();
    for (target, status, body) in &now {
        if let Some((path, _)) = target.split_once("/history") {
            let items = body.as_array().unwrap();
            let env = target.rsplit_once("env=").unwrap().1;
            let first = items.last().and_then(|item| item["version"].as_u64()).unwrap_or(u64::MAX);
            oldest_version.insert(format!("{path}?env={env}"), first);
            let (_, _, was) = whole.iter().find(|(other, ..)| other == target).unwrap();
            for (item, was) in items.iter().zip(was.as_array().unwrap()) {
                // The message of a commit that is gone is gone with it.
                let mut was = was.clone();
                if item["message"] == "" {
                    was["message"] = json!("");
                }
                assert_eq!(*item, was, "{target}");
            }
            continue;
        }
        let (_, was_status, was) = whole.iter().find(|(other, ..)| other == target).unwrap();
        let number = |name: &str| {
            target.split_once(&format!("{name}=")).and_then(|(_, number)| number.parse::<u64>().ok())
        };
        let is_gone = match (number("&version"), number("&at")) {
            (Some(version), _) => {
                let (path, _) = target.split_once("&version").unwrap();
                (1..oldest_version[path]).contains(&version)
            }
            (_, Some(at)) => at < oldest_kept,
            _ => false,
        };
        if is_gone {
            assert_eq!((*status, &body["type"]), (410, &json!("/problems/gone")), "{target}: {body}");
        } else {
            assert_eq!((status, body), (was_status, was), "{target}");
        }
    }
    let reason = server.get("/api/config/a/k1?at=20").expect(410).json();
    assert!(reason["detail"].as_str().unwrap().contains(&format!("change set {oldest_kept}")), "{reason}");
    for at in [old["revision"].as_str().unwrap(), old["updated_at"].as_str().unwrap()] {
        let reason = server.get(&format!("/api/config/a/k1?at={at}")).expect(410).json();
        assert!(reason["detail"].as_str().unwrap().contains(&oldest_kept.to_string()), "{reason}");
    }
    server.get("/api/config/a/k1?at=2001-01-01T00:00:00Z").expect(410);
    server.post("/api/config/a/k1/rollback", json!({"to_version": 1})).expect(410);

    // Pages lead to the oldest version that is kept, and no further.
    let mut target = Some("/api/config/a/k1/history?limit=7".to_owned());
    let mut versions = Vec::new();
    while let Some(page) = target {
        let answer = server.get(&page).expect(200);
        versions
            .extend(answer.json().as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()));
        let next = answer.header("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
        target = next.map(|(next, _)| next.to_owned());
    }
    let (first, last) = (oldest_version["/api/config/a/k1?env=base"], versions[0]);
    assert!(first > 1 && versions.iter().copied().eq((first..=last).rev()), "{versions:?}");

    // A clone has no more than that. One from before goes on, and where it lacks what is gone, says so.
    let shallow = project.temp.path().join("shallow");
    project.git(&["clone", "-q", "--no-local", ".", shallow.to_str().unwrap()]);
    assert_eq!(git(&shallow, &["rev-parse", "--is-shallow-repository"]).trim(), "true");
    assert_eq!(git(&shallow, &["rev-list", "--count", "HEAD"]).trim(), "101");
    git(&shallow, &["fsck", "--full", "--strict"]);
    let pulled = git_command(&clone).args(["pull", "-q", "--ff-only"]).output().unwrap();
    assert!(String::from_utf8_lossy(&pulled.stderr).contains("shallow roots"), "{pulled:?}");
    git(&clone, &["fetch", "-q", "--update-shallow"]);
    git(&clone, &["reset", "-q", "--hard", "origin/main"]);
    assert_eq!(git(&clone, &["rev-list", "--count", "HEAD"]).trim(), "101");
    git(&recent, &["pull", "-q", "--ff-only"]);
    let clone = recent;
    std::fs::write(clone.join("pushed.yaml"), "k: 1\n").unwrap();
    git(&clone, &["add", "-A"]);
    git(&clone, &["commit", "-qm", "from an old clone"]);
    git(&clone, &["push", "-q", "origin", "HEAD:main"]);

    // Numbers go on: also of what was deleted before.
    let written = server.put("/gone", json!("again")).expect(201).json();
    assert_eq!((&written["version"], &written["sequence"]), (&json!(3), &json!(covered + 2)));
    assert_eq!(server.get("/api/config/pushed/k").expect(200).json()["version"], 1);
    assert_eq!(server.get("/api/config/gone?version=1").status, 410);
    let sequences: Vec<u64> = (0..=covered + 2).step_by(13).collect();
    let before = answers(&server, &sequences);
    server.stop();
    let server = project.serve();
    assert_same(&before, &answers(&server, &sequences));
    server.stop();
    std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
    let server = project.serve();
    assert_same(&before, &answers(&server, &sequences));

    // A second cut after the first, while the server runs.
    fill(&server, 250..370);
    let second = wait_cut(&project, &server, oldest_kept);
    assert!(second >= oldest_kept + 100, "{second} after {oldest_kept}");
    assert_sound(&project);
    assert_eq!(server.get("/api/config/gone").expect(200).json()["version"], 3);
    assert_eq!(server.get("/api/config/early/k").expect(200).json()["sequence"], 1);
    assert_eq!(server.get("/v1/config/q/k?env=quiet").expect(200).text(), "\"still\"");
    let sequences: Vec<u64> = (0..=status(&server, "sequence")).step_by(13).collect();
    let before = answers(&server, &sequences);
    server.stop();

    // Switched off, nothing more goes, and nothing comes back.
    set_retention(&project, "");
    std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
    let server = project.serve();
    assert_same(&before, &answers(&server, &sequences));
    fill(&server, 370..600);
    assert_eq!(oldest(&server), second);
    // `git gc` finds nothing amiss.
    project.git(&["gc", "-q", "--prune=now"]);
    server.put("/a/k0", json!("after gc")).expect(200);
    git(&project.config_git(), &["fsck", "--full", "--strict"]);
}

#[test]
fn listings_end_where_history_begins_and_a_served_project_is_sound() {
    let project = project("retention: {changes: 100}\n");
    let server = project.serve();
    fill(&server, 0..300);
    wait_cut(&project, &server, 1);
    server.stop();
    set_retention(&project, "");
    let server = project.serve();
    let oldest = oldest(&server);
    let mut commits = Vec::new();
    let mut target = "/api/commits?limit=30&env=base".to_owned();
    loop {
        let page = server.get(&target).expect(200);
        commits.extend(
            page.json()["commits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|commit| commit["sequence"].as_u64().unwrap()),
        );
        let Some(link) = page.header("link") else { break };
        target = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(commits.last(), Some(&(oldest + 1)));
    assert!(commits.is_sorted_by(|newer, older| newer > older));
    let all = server.get("/api/commits?limit=1000").expect(200).json();
    assert_eq!(all["commits"].as_array().unwrap().last().unwrap()["sequence"], oldest + 1);
    server.get(&format!("/api/commits/{}", oldest - 1)).expect(410);
    server.get(&format!("/api/diff?from={}", oldest - 1)).expect(410);
    let changes = server.get(&format!("/api/diff?from={oldest}")).expect(200).json();
    assert_eq!(changes["changes"].as_array().unwrap().len(), 5);
    let checked =
        Command::new(env!("CARGO_BIN_EXE_confgit")).arg("fsck").arg(project.dir()).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
