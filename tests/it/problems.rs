//! Commits that are wrong: they are served as far as they can be, told, and never refused a write that did
//! not cause them. What a running server shows and what one started afterwards shows is the same.

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, git, wait_for};

struct Pushed {
    project: TestProject,
    clone: std::path::PathBuf,
}

impl Pushed {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = TestProject::with_files(files);
        let clone = project.temp.path().join("clone");
        project.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
        Pushed { project, clone }
    }

    /// Commits these files (none: removed) and moves the branch by path, as somebody with a shell would.
    fn push(&self, files: &[(&str, Option<&str>)]) {
        for (name, content) in files {
            let file = self.clone.join(name);
            match content {
                Some(content) => {
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    std::fs::write(file, content).unwrap();
                }
                None => std::fs::remove_file(file).unwrap(),
            }
        }
        git(&self.clone, &["add", "-A"]);
        git(&self.clone, &["commit", "-qm", "by hand"]);
        git(&self.clone, &["pull", "-q", "--rebase"]);
        git(&self.clone, &["push", "-q"]);
    }

    /// A server that has taken in what was pushed.
    fn serve(&self) -> Server {
        self.project.serve()
    }
}

/// Makes the running server look at the refs: it does so with its next write.
fn nudge(server: &Server, number: u32) {
    server.put("/nudge/k", json!(number)).expect(if number == 0 { 201 } else { 200 });
}

fn problems(server: &Server) -> Vec<Value> {
    server.get("/api/status").json()["environments"][0]["problems"].as_array().unwrap().clone()
}

/// The tree as answers show it, without the nudges.
fn shown(server: &Server) -> (Value, Vec<Value>) {
    let mut tree = server.get("/v1/config").expect(200).json();
    tree.as_object_mut().unwrap().remove("nudge");
    (tree, problems(server))
}

/// Asserts what a running server shows, and that one started on the same commits shows the same.
#[track_caller]
fn assert_shown(pushed: &Pushed, server: Server, expected: &Value) -> Server {
    let running = shown(&server);
    assert_eq!(&running.0, expected);
    server.stop();
    let started = pushed.serve();
    assert_eq!(shown(&started), running, "from nothing, the same");
    started
}

#[test]
fn a_file_that_does_not_parse_keeps_its_last_good_entries() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\ny: 2\n"), ("base/b.yaml", "z: 3\n")]);
    let server = pushed.serve();
    nudge(&server, 0);
    pushed.push(&[("a.yaml", Some("x: 10\ny: [\n")), ("b.yaml", Some("z: 4\n"))]);
    nudge(&server, 1);
    let server = assert_shown(&pushed, server, &json!({"a": {"x": 1, "y": 2}, "b": {"z": 4}}));
    let told = problems(&server);
    assert_eq!((&told[0]["file"], &told[0]["rule"]), (&json!("a.yaml"), &json!("parse")));
    assert!(told[0]["line"].as_u64().is_some_and(|line| line >= 2), "{told:?}");
    // Elsewhere writes go on; in the broken file they say why not, with the place.
    server.put("/b/z", json!(5)).expect(200);
    let refused = server.put("/a/x", json!(5)).expect(409).json();
    assert_eq!(refused["errors"][0]["file"], "a.yaml");
    pushed.push(&[("a.yaml", Some("x: 11\n"))]);
    nudge(&server, 2);
    let server = assert_shown(&pushed, server, &json!({"a": {"x": 11}, "b": {"z": 5}}));
    assert_eq!(server.get("/api/config/a/x").json()["version"], 2);
    server.get("/api/config/a/y?version=2").expect(410);
}

#[test]
fn a_path_spelled_twice_keeps_its_last_single_value() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\ny: 2\n")]);
    let server = pushed.serve();
    nudge(&server, 0);
    pushed.push(&[("a/x.txt", Some("second")), ("a.yaml", Some("x: 7\ny: 3\n"))]);
    nudge(&server, 1);
    let server = assert_shown(&pushed, server, &json!({"a": {"x": 1, "y": 3}}));
    let told = problems(&server);
    assert_eq!((&told[0]["rule"], &told[0]["path"]), (&json!("double-spelling"), &json!("/a/x")));
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains("a.yaml") && message.contains("a/x.txt"), "{message}");
    // While it is contested, neither side's change counts.
    pushed.push(&[("a.yaml", Some("x: 8\ny: 4\n"))]);
    nudge(&server, 2);
    let server = assert_shown(&pushed, server, &json!({"a": {"x": 1, "y": 4}}));
    // One side gives up: the other's value stands.
    pushed.push(&[("a.yaml", Some("y: 4\n"))]);
    nudge(&server, 3);
    let server = assert_shown(&pushed, server, &json!({"a": {"x": "second", "y": 4}}));
    assert_eq!(problems(&server), Vec::<Value>::new());
    assert_eq!(server.get("/api/config/a/x").json()["version"], 2);
}

#[test]
fn moving_and_reformatting_make_no_version() {
    let pushed =
        Pushed::new(&[("base/a.yaml", "x: 1\nb:\n  c: text\n  d: [1, 2]\n"), ("base/m.txt", "hello\n")]);
    let server = pushed.serve();
    nudge(&server, 0);
    pushed.push(&[
        ("a.yaml", None),
        ("a.json", Some("{\"b\": {\"d\": [1,2]},\n \"x\": 1}")),
        ("a/b.toml", Some("# moved\nc = 'text'\n")),
    ]);
    nudge(&server, 1);
    let server = assert_shown(
        &pushed,
        server,
        &json!({"a": {"x": 1, "b": {"c": "text", "d": [1, 2]}}, "m": "hello\n"}),
    );
    for path in ["/a/x", "/a/b/c", "/a/b/d", "/m"] {
        let entry = server.get(&format!("/api/config{path}")).json();
        assert_eq!((&entry["version"], &entry["sequence"]), (&json!(1), &json!(1)), "{path}");
    }
    // Metadata is part of what a version is about.
    let body = json!({"value": 1, "owner": "us"}).to_string();
    let written = server.request("PUT", "/api/config/a/x", &[], body.as_bytes()).expect(200).json();
    assert_eq!(written["version"], 2);
    assert_eq!(server.get("/api/config/a/x?version=1").json()["owner"], Value::Null);
    let removed =
        server.request("PUT", "/api/config/a/x", &[], b"{\"value\": 1, \"owner\": null}").expect(200).json();
    assert_eq!(removed["version"], 3);
}

#[test]
fn rewritten_history_counts_once_and_pushes_commit_by_commit() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\n")]);
    let server = pushed.serve();
    nudge(&server, 0);
    git(&pushed.clone, &["pull", "-q"]);
    for value in 2..=5 {
        std::fs::write(pushed.clone.join("a.yaml"), format!("x: {value}\n")).unwrap();
        git(&pushed.clone, &["commit", "-qam", &format!("to {value}")]);
    }
    let middle = git(&pushed.clone, &["rev-parse", "HEAD~2"]);
    git(&pushed.clone, &["push", "-q"]);
    nudge(&server, 1);
    let versions = server.get("/api/config/a/x/history").json();
    let listed: Vec<(u64, u64)> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["version"].as_u64().unwrap(), v["value"].as_u64().unwrap()))
        .collect();
    assert_eq!(listed, [(5, 5), (4, 4), (3, 3), (2, 2), (1, 1)]);
    assert_eq!(
        server.get(&format!("/v1/config/a/x?at={}", middle.trim())).text(),
        "3",
        "a commit within a push"
    );
    // A rewritten branch: the move counts once.
    git(&pushed.clone, &["fetch", "-q"]);
    git(&pushed.clone, &["checkout", "-q", "--orphan", "new"]);
    std::fs::write(pushed.clone.join("a.yaml"), "x: 9\n").unwrap();
    git(&pushed.clone, &["commit", "-qam", "a new beginning"]);
    git(&pushed.clone, &["push", "-qf", "origin", "new:main"]);
    server.put("/b/k", json!(1)).expect(201);
    wait_for("the new beginning", || server.get("/v1/config/a/x").text() == "9");
    assert_eq!(server.get("/api/config/a/x").json()["version"], 6);
    assert_eq!(server.get("/api/config/a/x?version=4").json()["value"], 4, "what was is still there");
    let numbers = server.get("/api/config/a/x/history").json();
    server.stop();
    std::fs::remove_file(pushed.project.dir().join("derived/history")).unwrap();
    let server = pushed.serve();
    assert_eq!(server.get("/api/config/a/x/history").json(), numbers, "rebuilt, with equal numbers");
}

#[test]
fn a_repository_without_a_journal_gets_one() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\n")]);
    for value in 2..=4 {
        pushed.push(&[("a.yaml", Some(&format!("x: {value}\n")))]);
    }
    pushed.project.git(&["update-ref", "-d", "refs/confgit/journal"]);
    let server = pushed.serve();
    let entry = server.get("/api/config/a/x").json();
    assert_eq!(
        (&entry["version"], &entry["sequence"], &entry["updated_by"]),
        (&json!(4), &json!(4), &json!("Tess Ter"))
    );
    assert_eq!(pushed.project.git(&["log", "--format=%s", "refs/confgit/journal"]).lines().count(), 1);
    assert_eq!(server.put("/a/x", json!(5)).expect(200).json()["sequence"], 5);
}

#[test]
fn what_is_no_configuration_is_left_alone() {
    let pushed = Pushed::new(&[
        ("base/a.yaml", "x: 1\n"),
        ("base/.hidden/b.yaml", "y: [\n"),
        ("base/.gitignore", "*.o\n"),
        ("base/odd.yaml", "\"\": 1\nok: 2\n"),
    ]);
    std::os::unix::fs::symlink("a.yaml", pushed.clone.join("link.yaml")).unwrap();
    pushed.push(&[]);
    let server = pushed.serve();
    assert_eq!(server.get("/v1/config").json(), json!({"a": {"x": 1}, "odd": {"ok": 2}}));
    let told = problems(&server);
    assert_eq!((told.len(), &told[0]["rule"]), (1, &json!("key")), "{told:?}");
    server.put("/link/y", json!(1)).expect(409);
}

#[test]
fn a_write_never_takes_the_place_of_another_file() {
    let pushed = Pushed::new(&[
        ("base/a.yaml", "x: 1\n"),
        ("base/b.txt/c.yaml", "y: 1\n"),
        ("base/.confgit/keys/m.yaml/n.yaml", "k: {owner: me}\n"),
    ]);
    std::os::unix::fs::symlink("a.yaml", pushed.clone.join("link")).unwrap();
    pushed.push(&[]);
    let server = pushed.serve();
    for path in ["/a.yaml/b/c", "/link/b/c"] {
        let refused = server.put(path, json!(1)).expect(409).json();
        assert!(refused["detail"].as_str().unwrap().contains("is no folder"), "{refused}");
    }
    let folder =
        server.request("PUT", "/api/config/b", &[("Content-Type", "text/plain")], b"text").expect(409).json();
    assert!(folder["detail"].as_str().unwrap().contains("is a folder"), "{folder}");
    // What Git lets no file be called stays a key, or is refused alone.
    server.put("/git~1./x", json!(1)).expect(400);
    server.put("/a/.git", json!(1)).expect(201);
    assert_eq!(server.get("/v1/config/a").json(), json!({"x": 1, ".git": 1}));
    server.stop();
    let server = pushed.serve();
    assert_eq!(server.get("/v1/config/a").json(), json!({"x": 1, ".git": 1}));
    pushed.project.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn an_answer_that_nothing_changes_is_given_on_the_newest_head() {
    let pushed = Pushed::new(&[("base/t.yaml", "k: 1\n")]);
    let server = pushed.serve();
    pushed.push(&[("t.yaml", Some("k: 2\n"))]);
    assert_eq!(
        server.put("/t/k", json!(1)).expect(200).json()["version"],
        3,
        "1 is not what is there any more"
    );
    git(&pushed.clone, &["pull", "-q", "--rebase"]);
    pushed.push(&[("t.yaml", Some("k: 5\n"))]);
    let stale =
        server.request("PUT", "/api/config/t/k", &[("If-Match", "3")], b"{\"value\": 9}").expect(412).json();
    assert!(stale["current"].as_str().unwrap().starts_with("4."), "{stale}");
    pushed.push(&[("t.yaml", Some("k: 5\nnew: 1\n"))]);
    server.delete("/t/new").expect(200);
}

#[test]
fn heads_that_branches_left_are_kept_for_history() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\n")]);
    let server = pushed.serve();
    server.put("/a/x", json!(2)).expect(200);
    git(&pushed.clone, &["checkout", "-q", "--orphan", "new"]);
    std::fs::write(pushed.clone.join("a.yaml"), "x: 9\n").unwrap();
    git(&pushed.clone, &["commit", "-qam", "a new beginning"]);
    git(&pushed.clone, &["push", "-qf", "origin", "new:main"]);
    server.put("/b/k", json!(1)).expect(201);
    let numbers = server.get("/api/config/a/x/history").json();
    server.stop();
    pushed.project.git(&["reflog", "expire", "--expire=now", "--all"]);
    pushed.project.git(&["gc", "-q", "--prune=now"]);
    std::fs::remove_file(pushed.project.dir().join("derived/history")).unwrap();
    let server = pushed.serve();
    assert_eq!(
        server.get("/api/config/a/x/history").json(),
        numbers,
        "rebuilt after a gc, with equal numbers"
    );
    server.put("/b/k", json!(2)).expect(200);
}

#[test]
fn a_reset_while_nobody_serves_is_somebodys_wish() {
    let pushed = Pushed::new(&[("base/a.yaml", "x: 1\n")]);
    let server = pushed.serve();
    server.put("/a/x", json!(2)).expect(200);
    let good = pushed.project.git(&["rev-parse", "main"]);
    git(&pushed.clone, &["pull", "-q"]);
    pushed.push(&[("a.yaml", Some("x: bad\n"))]);
    nudge_refused(&server);
    assert_eq!(server.get("/v1/config/a/x").json(), "bad");
    server.stop();
    pushed.project.git(&["update-ref", "refs/heads/main", good.trim()]);
    let server = pushed.serve();
    assert_eq!(server.get("/v1/config/a/x").text(), "2");
}

/// Makes the running server look at the refs without a commit of its own.
fn nudge_refused(server: &Server) {
    server.delete("/nowhere").expect(404);
}

/// What was pushed by path is taken as it is; what is wrong with it for readers is told, until it is mended.
#[test]
fn what_environments_show_wrongly_is_told_until_it_is_mended() {
    let project = TestProject::example();
    let server = project.serve();
    let problems = |server: &Server| {
        let status = server.get("/api/status").expect(200).json();
        let environments = status["environments"].as_array().unwrap().clone();
        let all: Vec<Value> =
            environments.iter().flat_map(|one| one["problems"].as_array().unwrap().clone()).collect();
        (status["checked_sequence"].as_u64(), all)
    };
    wait_for("the first check", || problems(&server).0 == Some(1));
    assert_eq!(problems(&server).1, Vec::<Value>::new(), "the example is well");

    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["clone", "-q", "-b", "main", project.config_git().to_str().unwrap(), "c"]);
    let work = clone.path().join("c");
    let file = work.join("checkout/database.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("pool_size: 20", "pool_size: many\nextra: ${NO_SUCH}")).unwrap();
    git(&work, &["commit", "-qam", "a mistake"]);
    git(&work, &["push", "-q"]);
    // Any write takes it in.
    server.put("/t/a", json!(1)).expect(201);
    wait_for("the problems to be told", || problems(&server).1.len() == 2);
    let (_, told) = problems(&server);
    for (problem, rule, line, path) in [
        (&told[0], "reference", 8, "/checkout/database/extra"),
        (&told[1], "schema", 7, "/checkout/database/pool_size"),
    ] {
        assert_eq!(
            (&problem["rule"], &problem["line"], &problem["path"], &problem["env"], &problem["file"]),
            (&json!(rule), &json!(line), &json!(path), &json!("base"), &json!("checkout/database.yaml")),
            "{told:?}"
        );
    }
    let metrics = server.get("/metrics").expect(200).text();
    let counted =
        metrics.lines().filter(|line| line.starts_with("confgit_problems{") && line.ends_with("} 1.0"));
    assert_eq!(counted.count(), 2, "{metrics}");
    let listed = server.get("/api/environments/base").expect(200).json();
    assert_eq!(listed["problems"], 2);
    // It keeps nobody from writing elsewhere, and once it is mended it is told no more.
    server.put("/t/a", json!(2)).expect(200);
    server.put("/checkout/database/pool_size", json!(21)).expect(200);
    server.delete("/checkout/database/extra").expect(200);
    wait_for("the problems to be gone", || problems(&server).1.is_empty());
    server.stop();
    // Without a server the command line looks by itself.
    let status =
        crate::harness::confgit(&["--repo", project.dir().to_str().unwrap(), "status", "-o", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status["checked_sequence"].is_u64(), "{status}");
}
