//! Looking back: what `at=` and `version=` show of pushes, of rewritten branches, and of what was pruned.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, git, git_command};

/// A project, and a clone whose commits are pushed by path.
struct Clone {
    project: TestProject,
    dir: PathBuf,
}

impl Clone {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = TestProject::with_files(files);
        let dir = project.temp.path().join("clone");
        project.git(&["clone", "-q", ".", dir.to_str().unwrap()]);
        Clone { project, dir }
    }

    /// Commits a file (none: removed) at this date (none: now) and answers the commit's id.
    fn commit(&self, file: &str, content: Option<&str>, date: Option<&str>) -> String {
        match content {
            Some(content) => std::fs::write(self.dir.join(file), content).unwrap(),
            None => std::fs::remove_file(self.dir.join(file)).unwrap(),
        }
        git(&self.dir, &["add", "-A"]);
        let mut command = git_command(&self.dir);
        command.args(["commit", "-qm", "by hand"]);
        command.envs(date.map(|date| ("GIT_COMMITTER_DATE", date)));
        assert!(command.status().unwrap().success());
        git(&self.dir, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn push(&self, arguments: &[&str]) {
        git(&self.dir, &[&["push", "-q"], arguments].concat());
    }
}

/// Makes the running server look at the refs: it does so with every write, also one that changes nothing.
fn look(server: &Server) {
    server.delete("/nowhere").expect(404);
}

#[track_caller]
fn assert_entry(server: &Server, path: &str, at: &str, expected: (Value, u64), revision: &str) {
    let answer = server.get(&format!("/api/config{path}?at={at}")).expect(200);
    let entry = answer.json();
    assert_eq!((&entry["value"], &entry["version"]), (&expected.0, &json!(expected.1)), "{path} at {at}");
    assert_eq!(entry["revision"], revision, "{path} at {at}");
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with(&format!("\"{}.", expected.1)), "{tag}");
}

#[test]
fn a_commit_within_a_push_shows_the_versions_of_that_commit() {
    let clone = Clone::new(&[("base/a.yaml", "k: 1\n"), ("base/b.yaml", "z: 1\n")]);
    let first = git(&clone.dir, &["rev-parse", "HEAD"]).trim().to_owned();
    let server = clone.project.serve();
    let c1 = clone.commit("a.yaml", Some("k: 2\n"), None);
    let c2 = clone.commit("a.yaml", Some("k: 3\n"), None);
    let c3 = clone.commit("a.yaml", Some("k: 3\nnew: 1\n"), None);
    let c4 = clone.commit("a.yaml", None, None);
    let c5 = clone.commit("a.yaml", Some("k: 5\n"), None);
    clone.push(&[]);
    look(&server);
    assert_entry(&server, "/a/k", &first, (json!(1), 1), &first);
    assert_entry(&server, "/a/k", &c1, (json!(2), 2), &c1);
    assert_entry(&server, "/a/k", &c2, (json!(3), 3), &c2);
    assert_entry(&server, "/a/k", &c3, (json!(3), 3), &c2);
    assert_entry(&server, "/a/k", &c5, (json!(5), 5), &c5);
    assert_entry(&server, "/b/z", &c1, (json!(1), 1), &first);
    assert_entry(&server, "/a/new", &c3, (json!(1), 1), &c3);
    server.get(&format!("/api/config/a/new?at={c2}")).expect(404);
    server.get(&format!("/api/config/a/k?at={c4}")).expect(404);
    // The version given can be asked for, and is that value.
    assert_eq!(server.get("/api/config/a/k?version=2").json()["value"], 2);
    let revision =
        server.get(&format!("/v1/config/a/k?at={c1}")).header("x-confgit-revision").map(str::to_owned);
    assert_eq!(revision.as_deref().map(|revision| revision.trim_matches('"')), Some(c1.as_str()));
}

#[test]
fn a_commit_that_the_same_push_undoes_is_still_its_own_version() {
    let clone = Clone::new(&[("base/a.yaml", "k: 1\n"), ("base/b.yaml", "z: 1\n")]);
    let server = clone.project.serve();
    let c1 = clone.commit("a.yaml", Some("k: 2\n"), None);
    clone.commit("a.yaml", None, None);
    clone.push(&[]);
    look(&server);
    server.get("/api/config/a/k").expect(404);
    assert_entry(&server, "/a/k", &c1, (json!(2), 2), &c1);
}

#[test]
fn commits_are_found_by_their_date_whatever_their_clock_said() {
    let clone = Clone::new(&[("base/a.yaml", "k: 1\n")]);
    let server = clone.project.serve();
    let late = clone.commit("a.yaml", Some("k: 2\n"), Some("2001-01-01T00:00:00Z"));
    let ahead = clone.commit("a.yaml", Some("k: 3\n"), Some("2090-01-01T00:00:00Z"));
    clone.commit("a.yaml", Some("k: 4\n"), None);
    clone.push(&[]);
    look(&server);
    for n in 0..5 {
        server.put("/b/k", json!(n));
    }
    assert_entry(&server, "/a/k", &late, (json!(2), 2), &late);
    assert_entry(&server, "/a/k", &ahead, (json!(3), 3), &ahead);
    clone.project.git(&["tag", "release", &late]);
    assert_entry(&server, "/a/k", "release", (json!(2), 2), &late);
    // Of what no environment ever held, the answer says so; and of what is no commit.
    let tree = git(&clone.dir, &["rev-parse", "HEAD^{tree}"]);
    let mut stray = git_command(&clone.project.config_git());
    let stray = stray.args(["commit-tree", "-m", "stray", tree.trim()]).output().unwrap();
    let stray = String::from_utf8(stray.stdout).unwrap();
    let told = |id: &str| {
        let problem = server.get(&format!("/v1/config/a/k?at={id}")).expect(400).json();
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert!(told(stray.trim()).starts_with("no change set around its date"), "{}", told(stray.trim()));
    for id in [tree.trim(), "00112233445566778899aabbccddeeff00112233"] {
        assert_eq!(told(id), format!("the commit {id} is not in this project"));
    }
}

/// Takes away what no branch and no journal holds any more, as an operator who wants it gone.
fn prune(project: &TestProject) {
    for name in project.git(&["for-each-ref", "--format=%(refname)", "refs/confgit/kept"]).lines() {
        project.git(&["update-ref", "-d", name]);
    }
    for keep in std::fs::read_dir(project.config_git().join("objects/pack")).unwrap() {
        let keep = keep.unwrap().path();
        if keep.extension().is_some_and(|extension| extension == "keep") {
            std::fs::remove_file(keep).unwrap();
        }
    }
    project.git(&["reflog", "expire", "--expire=now", "--all"]);
    project.git(&["gc", "-q", "--prune=now"]);
}

#[test]
fn what_was_pruned_is_gone_and_the_rest_of_the_history_stays() {
    let clone = Clone::new(&[("base/a.yaml", "k: 1\n")]);
    let server = clone.project.serve();
    server.put("/a/k", json!(2)).expect(200);
    server.delete("/a/k").expect(200);
    git(&clone.dir, &["checkout", "-q", "--orphan", "new"]);
    clone.commit("a.yaml", Some("k: 4\n"), None);
    clone.push(&["-f", "origin", "new:main"]);
    look(&server);
    server.stop();
    prune(&clone.project);
    let server = clone.project.serve();
    let pruned = server.get("/api/config/a/k?version=2").expect(410).json();
    assert_eq!(pruned["detail"], "version 2 of /a/k was pruned from the repository");
    assert_eq!(pruned["type"], "/problems/gone");
    server.get("/v1/config/a/k?version=1").expect(410);
    assert_eq!(server.get("/api/config/a/k?version=4").expect(200).json()["value"], 4);
    let page = server.get("/api/config/a/k/history").expect(200).json();
    let listed: Vec<_> = page
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["version"], &item["value"], &item["deleted"], item["message"].as_str().unwrap()))
        .map(|(version, value, deleted, message)| {
            (version.clone(), value.clone(), deleted.clone(), message.trim())
        })
        .collect();
    let pruned = |version: u64, deleted: Value| (json!(version), Value::Null, deleted, "");
    let newest = (json!(4), json!(4), Value::Null, "by hand");
    assert_eq!(listed, [newest, pruned(3, json!(true)), pruned(2, Value::Null), pruned(1, Value::Null)]);
    let told = server.get("/v1/config/a/k?at=2").expect(400).json();
    assert!(told["detail"].as_str().unwrap().contains("pruned"), "{told}");
}

#[test]
fn of_other_environments_nothing_is_read() {
    let clone = Clone::new(&[
        ("base/a.yaml", "k: 1\n"),
        ("dev/a.yaml", "k: 2\n"),
        ("prod/a.yaml", "p: 3\n"),
        (
            "meta/settings.yaml",
            "default: base\nenvironments:\n  base: {branch: main}\n  dev: {branch: dev, inherits: base}\n  prod: {branch: prod, inherits: base}\n",
        ),
    ]);
    let server = clone.project.serve();
    let sequence = server.put("/a/k", json!(5)).expect(200).json()["sequence"].clone();
    git(&clone.dir, &["checkout", "-q", "--orphan", "new"]);
    clone.commit("a.yaml", Some("k: 4\n"), None);
    clone.push(&["-f", "origin", "new:dev"]);
    look(&server);
    server.stop();
    prune(&clone.project);
    let server = clone.project.serve();
    assert_eq!(server.get("/v1/config/a?env=dev").json(), json!({"k": 4}));
    // The head that dev had then is not there any more; who asks for prod does not need it.
    assert_eq!(
        server.get(&format!("/v1/config/a?env=prod&at={sequence}")).expect(200).json(),
        json!({"k": 5, "p": 3})
    );
    assert_eq!(server.get(&format!("/v1/config/a?at={sequence}")).expect(200).json(), json!({"k": 5}));
    server.get(&format!("/v1/config/a?env=dev&at={sequence}")).expect(400);
    server.get(&format!("/v1/config/a?env=none&at={sequence}")).expect(404);
}
