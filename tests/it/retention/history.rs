//! Histories that make cutting hard: ages, branches across the cut, tags, problems, writes under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{
    answers, assert_same, assert_sound, fill, objects, oldest, project, set_retention, status, wait_cut,
};
use crate::harness::{Server, git, git_command, wait_for};

/// Ends those who look at it, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn writes_and_reads_go_on_during_a_cut() {
    let project = project("retention: {changes: 300}\n");
    let server = project.serve();
    let (done, project, server) = (AtomicBool::new(false), &project, &server);
    let mut last = [0; 4];
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let done = &done;
                scope.spawn(move || {
                    let mut version = 0u64;
                    while !done.load(Ordering::Relaxed) {
                        version += 1;
                        let path = format!("/live/w{writer}");
                        let answer = server.put(&path, json!(version));
                        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
                        assert_eq!(answer.json()["version"], version);
                        let old = version.saturating_sub(10).max(1);
                        let read = server.get(&format!("/api/config{path}?version={old}")).expect(200).json();
                        assert_eq!(read["value"], old);
                        assert!(matches!(
                            server.get(&format!("/api/config{path}?version=1")).status,
                            200 | 410
                        ));
                    }
                    version
                })
            })
            .collect();
        let ends = Ends(&done);
        // What the cut takes away is gone only later: under load that takes its time.
        wait_for("a first cut", || oldest(server) > 1);
        let first = oldest(server);
        wait_for("a second cut", || oldest(server) > first);
        drop(ends);
        for (last, writer) in last.iter_mut().zip(writers) {
            *last = writer.join().unwrap();
        }
    });
    // What is cut off goes while Git reads it: then it looks again.
    wait_for("Git to find it sound", || {
        let fsck = git_command(&project.config_git()).args(["fsck", "--full", "--strict"]).output().unwrap();
        fsck.status.success()
    });
    for (writer, last) in last.iter().enumerate() {
        let entry = server.get(&format!("/api/config/live/w{writer}")).expect(200).json();
        assert_eq!((&entry["version"], &entry["value"]), (&json!(last), &json!(last)));
    }
    let kept = status(server, "sequence") - oldest(server);
    assert!(kept >= 300, "{kept} change sets are kept");
}

/// A server on a project whose main has these many commits made long ago, each with its date.
fn serve_old(retention: &str, commits: u32) -> (crate::harness::TestProject, Server) {
    let project = project(retention);
    let dir = project.temp.path().join("old");
    git(project.temp.path(), &["init", "-q", "-b", "main", "old"]);
    for n in 0..commits {
        std::fs::write(dir.join("a.yaml"), format!("k0: {n}\n")).unwrap();
        git(&dir, &["add", "-A"]);
        let date = format!("2020-01-{:02}T{:02}:00:00Z", 1 + n / 24, n % 24);
        let mut command = git_command(&dir);
        command.args(["commit", "-qm", "old"]).env("GIT_COMMITTER_DATE", &date).env("GIT_AUTHOR_DATE", &date);
        assert!(command.status().unwrap().success());
    }
    for branch in ["dev", "quiet"] {
        project.git(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    }
    git(&dir, &["push", "-qf", project.config_git().to_str().unwrap(), "main"]);
    project.git(&["update-ref", "-d", "refs/confgit/journal"]);
    let server = project.serve();
    (project, server)
}

#[test]
fn what_is_older_than_asked_goes_and_what_is_newer_stays() {
    let (project, server) = serve_old("retention: {age: 52w}\n", 120);
    assert_eq!(wait_cut(&project, &server, 1), 120);
    assert_sound(&project);
    assert_eq!(project.git(&["rev-list", "--count", "main"]).trim(), "1");
    let entry = server.get("/api/config/a/k0?version=120").expect(200).json();
    assert_eq!((&entry["value"], &entry["sequence"]), (&json!(119), &json!(120)));
    assert!(entry["updated_at"].as_str().unwrap().starts_with("2020-01-05T23:"), "{entry}");
    server.get("/api/config/a/k0?version=119").expect(410);
    server.get("/api/config/a/k0?at=2020-01-03T00:00:00Z").expect(410);
    assert_eq!(server.get("/api/config/a/k0?at=2020-02-01T00:00:00Z").expect(200).json()["value"], 119);
    assert_eq!(server.put("/a/k0", json!("new")).expect(200).json()["version"], 121);
    server.stop();
    // What both bounds are asked for is kept as long as one of them keeps it.
    let (project, server) = serve_old("retention: {age: 52w, changes: 100}\n", 120);
    fill(&server, 0..20);
    assert_eq!(oldest(&server), 1, "no change set ends a commit of the journal before the 120th");
    fill(&server, 20..130);
    let kept = wait_cut(&project, &server, 1);
    assert!((120..=150).contains(&kept), "{kept}");
}

#[test]
fn what_a_branch_passed_through_after_the_cut_is_kept_though_another_begins_later() {
    let project = project("");
    let server = project.serve();
    fill(&server, 0..30);
    let clone = project.temp.path().join("clone");
    project.git(&["clone", "-q", "--no-local", ".", clone.to_str().unwrap()]);
    // dev goes to an early commit of main, and much later on to a late one.
    git(&clone, &["push", "-qf", "origin", "HEAD:dev"]);
    git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/feature", "HEAD~10:refs/tags/early"]);
    server.delete("/nowhere").expect(404);
    fill(&server, 30..140);
    git(&clone, &["fetch", "-q"]);
    git(&clone, &["push", "-q", "origin", "origin/main~10:dev"]);
    server.delete("/nowhere").expect(404);
    fill(&server, 140..220);
    let dropped = project.git(&["for-each-ref", "refs/confgit/kept"]);
    assert_eq!(dropped.lines().count(), 1, "{dropped}");
    let all: Vec<u64> = (0..=status(&server, "sequence")).step_by(7).collect();
    let whole = answers(&server, &all);
    server.stop();
    set_retention(&project, "retention: {changes: 100}\n");
    let server = project.serve();
    let kept = wait_cut(&project, &server, 1);
    assert_sound(&project);
    assert_eq!(project.git(&["for-each-ref", "refs/confgit/kept"]), "", "no change set kept names it");
    // The move of dev is after the cut: each commit that it passed through is still a version of its own.
    let now = answers(&server, &all);
    let dev = |answers: &[(String, u16, serde_json::Value)]| -> Vec<(u64, u64)> {
        let (_, _, history) = answers
            .iter()
            .find(|(target, ..)| target == "/api/config/a/k1/history?limit=1000&env=base")
            .unwrap();
        let numbers = |item: &serde_json::Value| {
            (item["version"].as_u64().unwrap(), item["sequence"].as_u64().unwrap())
        };
        history.as_array().unwrap().iter().map(numbers).collect()
    };
    assert!(dev(&whole).starts_with(&dev(&now)));
    let passed = server.get("/api/config/a/k0/history?limit=1000&env=dev").expect(200).json();
    let passed = passed.as_array().unwrap();
    assert!(passed.iter().filter(|item| item["sequence"].as_u64().unwrap() > kept).count() > 15);
    assert!(passed.iter().all(|item| item["deleted"] == true || !item["value"].is_null()), "{passed:?}");
    for item in passed {
        let version = item["version"].as_u64().unwrap();
        let read = server.get(&format!("/api/config/a/k0?env=dev&version={version}")).expect(200).json();
        assert_eq!(read["value"], item["value"]);
    }
    // Whatever else leads to old commits keeps them alone.
    assert_eq!(project.git(&["rev-list", "--count", "early"]).trim(), "1");
    assert!(server.get("/api/config/a/k0?at=early").expect(410).text().contains("change set"));
    let before = answers(&server, &all);
    server.stop();
    std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
    let server = project.serve();
    assert_same(&before, &answers(&server, &all));
    // A clone from before can still push what it built on a branch that is there.
    git(&clone, &["fetch", "-q"]);
    git(&clone, &["checkout", "-q", "origin/feature"]);
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "more"]);
    git(&clone, &["push", "-q", "origin", "HEAD:feature"]);
    project.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn merges_and_forgotten_heads_do_not_hold_old_history() {
    let project = project("");
    let server = project.serve();
    let clone = project.temp.path().join("clone");
    project.git(&["clone", "-q", "--no-local", ".", clone.to_str().unwrap()]);
    fill(&server, 0..120);
    // A side line from the very beginning is merged late, after where the cut will be.
    git(&clone, &["checkout", "-qb", "side"]);
    std::fs::write(clone.join("side.yaml"), "k: 1\n").unwrap();
    git(&clone, &["add", "-A"]);
    git(&clone, &["commit", "-qm", "on the side"]);
    fill(&server, 120..150);
    git(&clone, &["fetch", "-q"]);
    git(&clone, &["checkout", "-q", "--detach", "origin/main"]);
    git(&clone, &["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    git(&clone, &["push", "-q", "origin", "HEAD:main"]);
    fill(&server, 150..235);
    server.stop();
    set_retention(&project, "retention: {changes: 100}\n");
    let server = project.serve();
    let kept = wait_cut(&project, &server, 1);
    assert_sound(&project);
    // Main from the cut on, the commit on the side and the one it began with, which is on its own.
    let commits: u64 = project.git(&["rev-list", "--count", "main"]).trim().parse().unwrap();
    let on_main = status(&server, "sequence") - kept + 1;
    assert_eq!(commits, on_main + 2);
    assert_eq!(server.get("/v1/config/side/k").expect(200).text(), "1");
    let before = answers(&server, &[kept, kept + 50]);
    server.stop();
    std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
    assert_same(&before, &answers(&project.serve(), &[kept, kept + 50]));
}

#[test]
fn what_a_broken_file_served_before_the_cut_it_serves_afterwards() {
    let project = project("");
    let server = project.serve();
    let clone = project.temp.path().join("clone");
    project.git(&["clone", "-q", "--no-local", ".", clone.to_str().unwrap()]);
    for (content, message) in
        [("k: 1\n", "sound"), ("k: [\n", "broken"), ("k: [\nj: 1\n", "broken"), ("k: 2\n}", "broken")]
    {
        std::fs::write(clone.join("b.yaml"), content).unwrap();
        git(&clone, &["add", "-A"]);
        git(&clone, &["commit", "-qm", message]);
        git(&clone, &["pull", "-q", "--rebase"]);
        git(&clone, &["push", "-q", "origin", "HEAD:main"]);
        fill(&server, 0..15);
    }
    assert_eq!(server.get("/v1/config/b/k").expect(200).text(), "1");
    let wanted = server.get("/api/config/b/k").json();
    fill(&server, 15..230);
    server.stop();
    set_retention(&project, "retention: {changes: 100}\n");
    for round in 0..2 {
        let server = project.serve();
        let kept = wait_cut(&project, &server, 1 + round * 150);
        assert_sound(&project);
        assert_eq!(server.get("/api/config/b/k").expect(200).json(), wanted);
        server.stop();
        for derived in [true, false] {
            if !derived {
                std::fs::remove_dir_all(project.dir().join("derived")).unwrap();
            }
            let server = project.serve();
            assert_eq!(server.get("/api/config/b/k").expect(200).json(), wanted, "round {round}, {derived}");
            assert_eq!(server.get(&format!("/v1/config/b/k?at={kept}")).expect(200).text(), "1");
            fill(&server, 230..330);
        }
    }
}

#[test]
fn an_index_of_an_older_format_is_rebuilt() {
    let project = project("");
    let server = project.serve();
    fill(&server, 0..20);
    let before = answers(&server, &[3, 9, 20]);
    server.stop();
    let file = project.dir().join("derived/history");
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.starts_with(b"confgit history index 2\n"));
    // Format 1 is what the index is without a cut, but for its first line.
    let mut older = whole.clone();
    older[22] = b'1';
    std::fs::write(&file, older).unwrap();
    let server = project.serve();
    assert_same(&before, &answers(&server, &[3, 9, 20]));
    server.stop();
    assert!(std::fs::read(&file).unwrap().starts_with(b"confgit history index 2\n"));
}

#[test]
fn what_only_somebody_else_repacked_goes_as_well() {
    let project = project("");
    let server = project.serve();
    fill(&server, 0..250);
    server.stop();
    project.git(&["repack", "-adq"]);
    project.git(&["commit-graph", "write", "--reachable"]);
    let many = objects(&project.config_git()).len();
    set_retention(&project, "retention: {changes: 100}\n");
    let server = project.serve();
    wait_cut(&project, &server, 1);
    assert_sound(&project);
    assert!(objects(&project.config_git()).len() < many * 6 / 10);
    // The room of what is gone is free: nothing holds the files open.
    server.put("/a/k0", json!("more")).expect(200);
    let maps = format!("/proc/{}/maps", server.child.id());
    let holds = |line: &str| line.contains(".pack") && line.ends_with("(deleted)");
    wait_for("old packs to be let go of", || {
        !std::fs::read_to_string(&maps).unwrap_or_default().lines().any(holds)
    });
}

#[test]
fn where_the_journal_is_made_anew_numbers_begin_anew() {
    let project = project("retention: {changes: 100}\n");
    let server = project.serve();
    fill(&server, 0..230);
    wait_cut(&project, &server, 1);
    server.stop();
    let commits: u64 = project.git(&["rev-list", "--count", "main"]).trim().parse().unwrap();
    project.git(&["update-ref", "-d", "refs/confgit/journal"]);
    let server = project.serve();
    assert_eq!(project.git(&["for-each-ref", "refs/confgit/checkpoint"]), "");
    // Each commit of each of the three branches, where two have one.
    assert_eq!((oldest(&server), status(&server, "sequence")), (1, commits + 2));
    assert_eq!(server.get("/v1/config/a/k4").expect(200).text(), "\"value 229\"");
    server.put("/a/k4", json!("on")).expect(200);
}

#[test]
fn gc_from_outside_during_cuts_does_no_harm() {
    let project = project("retention: {changes: 100}\n");
    let server = project.serve();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (project, server, done) = (&project, &server, &done);
        let ends = Ends(done);
        let collector = scope.spawn(move || {
            let mut runs = 0;
            while !done.load(Ordering::Relaxed) {
                let arguments: &[&str] =
                    if runs % 2 == 0 { &["gc", "-q", "--prune=now"] } else { &["repack", "-adq"] };
                let output = git_command(&project.config_git()).args(arguments).output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "git {arguments:?}: {told}");
                runs += 1;
                // Where it never pauses, a busy machine finds no moment for the cut itself.
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        fill(server, 0..500);
        wait_for("history to be cut", || oldest(server) > 100);
        fill(server, 500..800);
        drop(ends);
        collector.join().unwrap();
    });
    // One that began before the cut may have written down what commits there were; that goes, too.
    let graph = project.config_git().join("objects/info/commit-graph");
    wait_for("the commit-graph to go", || !graph.exists());
    git(&project.config_git(), &["fsck", "--full", "--strict"]);
    let begins = oldest(&server);
    let history = server.get("/api/config/a/k0/history?limit=1000").expect(200).json();
    for item in history.as_array().unwrap() {
        let version = &item["version"];
        let read = server.get(&format!("/api/config/a/k0?version={version}"));
        if read.status == 410 && oldest(&server) > begins {
            // One more cut, since this was listed.
            continue;
        }
        assert_eq!(read.expect(200).json()["value"], item["value"], "version {version}, of {begins} on");
    }
    assert_eq!(server.get("/v1/config/a/k4").expect(200).text(), "\"value 799\"");
}
