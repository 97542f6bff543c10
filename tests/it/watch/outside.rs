//! Branches that somebody moved by path, and settings.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Stream, chained};
use crate::harness::{TestProject, git};

/// A clone of the configuration with one branch checked out.
fn clone(project: &TestProject, branch: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["clone", "-q", "-b", branch, project.config_git().to_str().unwrap(), "."]);
    folder
}

fn commit(tree: &std::path::Path, file: &str, content: &str) {
    std::fs::write(tree.join(file), content).unwrap();
    git(tree, &["add", "-A"]);
    git(tree, &["commit", "-q", "-m", "by hand"]);
}

#[test]
fn a_push_by_path_reaches_watchers_and_readers_at_once() {
    let project = chained();
    let server = project.serve();
    let mut stream = Stream::open(&server, "/v1/config?watch=true&env=prod");
    stream.ready();
    let tree = clone(&project, "main");
    // Three commits, pushed as one: the net of them, in the order of paths.
    commit(tree.path(), "other.yaml", "x: 2\n");
    commit(tree.path(), "other.yaml", "x: 3\ny: 4\n");
    commit(tree.path(), "app.yaml", "host: pushed\n");
    let begun = Instant::now();
    git(tree.path(), &["push", "-q", "origin", "HEAD:main"]);
    let told = stream.until(2);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let brief: Vec<String> = told
        .iter()
        .map(|told| format!("{} {} {}", told.event, told.data["path"].as_str().unwrap(), told.data["value"]))
        .collect();
    assert_eq!(
        brief,
        [
            "update /app/host \"pushed\"",
            "delete /app/list null",
            "delete /app/password null",
            "delete /app/url null",
            "update /other/x 3",
            "update /other/y 4",
        ]
    );
    assert_eq!(told[0].data["updated_by"], "Tess Ter");
    assert_eq!(told[4].data["version"], 3);
    // Readers saw it before any watcher heard of it.
    assert_eq!(server.get("/v1/config/other/x?env=prod").json(), 3);
    // Packed refs, and a history that is another.
    project.git(&["pack-refs", "--all"]);
    git(tree.path(), &["checkout", "-q", "--orphan", "anew"]);
    commit(tree.path(), "other.yaml", "x: 5\n");
    git(tree.path(), &["push", "-q", "-f", "origin", "HEAD:main"]);
    let told = stream.until(3);
    assert!(told.iter().any(|told| told.data["path"] == "/other/x" && told.data["value"] == 5), "{told:?}");
    // An API write goes on from there.
    let sequence = server.put("/other/x", json!(6)).expect(200).json()["sequence"].clone();
    assert_eq!((stream.next().data["old_value"].clone(), sequence), (json!(5), json!(4)));
}

/// A file that does not parse goes on serving what it last said: that is no event.
#[test]
fn what_does_not_parse_is_no_event() {
    let project = chained();
    let server = project.serve();
    let mut stream = Stream::open(&server, "/api/config?watch=true");
    stream.ready();
    let tree = clone(&project, "main");
    commit(tree.path(), "other.yaml", "x: [\n");
    git(tree.path(), &["push", "-q", "origin", "HEAD:main"]);
    crate::harness::wait_for("the push to be taken in", || server.get("/api/status").json()["sequence"] == 2);
    commit(tree.path(), "other.yaml", "x: 7\n");
    git(tree.path(), &["push", "-q", "origin", "HEAD:main"]);
    let told = stream.next();
    assert_eq!((&told.data["old_value"], &told.data["value"], &*told.id), (&json!(1), &json!(7), "3"));
    // Going on from before it, too.
    let mut again = Stream::open_with(&server, "/api/config?watch=true", &[("Last-Event-ID", "1")]);
    assert_eq!(again.next().data["value"], 7);
}

#[test]
fn other_settings_are_a_change_of_what_they_change() {
    let project = chained();
    let server = project.serve();
    let mut stream = Stream::open(&server, "/api/config?watch=true&env=prod");
    stream.ready();
    server.put("/app/list?env=prod", json!([3])).expect(201);
    assert_eq!(stream.next().data["value"], json!([1, 3]));
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["clone", "-q", project.dir().join("meta.git").to_str().unwrap(), "."]);
    let settings = std::fs::read_to_string(folder.path().join("settings.yaml")).unwrap();
    commit(folder.path(), "settings.yaml", &settings.replace("  /app/list: append\n", "  /none: append\n"));
    git(folder.path(), &["push", "-q", "origin", "HEAD:main"]);
    let told = stream.next();
    assert_eq!((&told.data["path"], &told.data["value"], &*told.id), (&json!("/app/list"), &json!([3]), "3"));
    // An environment that is taken away ends its watches, and says so.
    let without: String =
        settings.lines().filter(|line| !line.contains("prod:")).map(|line| format!("{line}\n")).collect();
    commit(folder.path(), "settings.yaml", &without);
    git(folder.path(), &["push", "-q", "origin", "HEAD:main"]);
    let told = std::iter::from_fn(|| stream.try_next().unwrap()).last().unwrap();
    assert_eq!(told.event, "end");
    assert!(told.data["detail"].as_str().unwrap().contains("not there any more"), "{told:?}");
}
