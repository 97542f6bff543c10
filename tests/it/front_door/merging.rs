use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Clone, assert_clean, body_of, pack_of, project, send};
use crate::harness::{Server, wait_for};

const CAPABILITIES: &str = "report-status-v2 side-band-64k";

/// Pushes as a client does that saw the branch at its own parent, whatever came since.
fn push_late(server: &Server, clone: &Clone, base: &str, capabilities: &str) -> String {
    let new = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let body = body_of(&[(base, &new, "refs/heads/main")], capabilities, &pack);
    send(server, &body).expect(200).text()
}

fn app(server: &Server) -> Value {
    server.get("/v1/config/app").expect(200).json()
}

#[test]
fn a_branch_that_moved_on_is_merged_by_entry() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.put("/app/host", json!("theirs")).expect(200);
    server.put("/app/more", json!({ "a": 1 })).expect(201);
    clone.write("app.yaml", "host: h0 # the host\nport: 5\nextra: [1]\n");
    clone.write("web/new.yaml", "x: y # as it was pushed\n");
    clone.write("notes.md", "no configuration\n");
    let pushed = clone.commit_all("mine");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    // What the client does not have yet it is not told to note.
    assert!(told.contains("ok refs/heads/main") && !told.contains("option new-oid"), "{told}");
    assert!(told.contains("it had moved on and was merged, entry by entry"), "{told}");
    assert_eq!(app(&server), json!({ "extra": [1], "host": "theirs", "more": { "a": 1 }, "port": 5 }));
    // The server's own is the first parent, and what was pushed is there with its id.
    let parents = project.git(&["log", "-1", "--format=%P", "main"]);
    assert_eq!(parents.split_whitespace().nth(1), Some(pushed.as_str()));
    assert_eq!(project.git(&["show", "main:web/new.yaml"]), "x: y # as it was pushed\n");
    assert_eq!(project.git(&["show", "main:notes.md"]), "no configuration\n");
    assert!(project.git(&["show", "main:app.yaml"]).contains("host: theirs # the host"));
    assert_eq!(server.get("/api/config/app/port").expect(200).json()["version"], 2);
    assert_eq!(server.get("/api/config/app/host").expect(200).json()["version"], 2);
    // A fetch brings the clone there.
    clone.git(&["pull", "-q", "--ff-only"]);
    drop(server);
    let server = project.serve();
    assert_eq!(server.get("/api/config/app/port").expect(200).json()["version"], 2);
    assert_clean(&project);
}

#[test]
fn what_both_changed_is_a_conflict() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let reset = || clone.git(&["reset", "-q", "--hard", &base]);
    server.put("/app/host", json!("theirs")).expect(200);
    clone.commit("app.yaml", "host: mine\nport: 1\n");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main conflicts"), "{told}");
    assert!(
        told.contains("/app/host: both sides changed it (here by admin in change set 2) [merge]"),
        "{told}"
    );
    // The same on both sides is none, nor is it what is asked to be left alone.
    reset();
    clone.commit("app.yaml", "host: theirs # the host\nport: 1\n");
    let told = push_late(&server, &clone, &base, "report-status");
    assert!(told.contains("ok refs/heads/main"), "{told}");
    // What would not be valid together is refused, though each alone is.
    reset();
    server.put("/web", json!("a value")).expect(200);
    clone.commit("web/deep/x.yaml", "a: 1\n");
    let told = push_late(&server, &clone, &base, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main"), "{told}");
    assert_eq!(server.get("/v1/config/web").expect(200).json(), json!("a value"));
    assert_clean(&project);
}

/// Of a file that could not be read it is not known who changed what since: both sides' mending is for somebody to decide.
#[test]
fn what_could_not_be_read_before_is_a_conflict() {
    let project = project();
    let server = project.serve();
    let clone = Clone::with(project.config_git().to_str().unwrap(), &[]);
    let broken = clone.commit("app.yaml", "host: [\nport: 1\n");
    clone.push(&["-q"]);
    wait_for("it to be told", || server.get("/api/status").expect(200).text().contains("app.yaml"));
    let mended = Clone::of(&server, &server.key);
    mended.commit("app.yaml", "host: of one\nport: 1\n");
    mended.push(&["-q"]);
    clone.commit("app.yaml", "host: of another\nport: 1\n");
    let told = push_late(&server, &clone, &broken, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main conflicts") && told.contains("/app/host"), "{told}");
    clone.git(&["reset", "-q", "--hard", &broken]);
    clone.commit("app.yaml", "host: [ still\nport: 1\n");
    let told = push_late(&server, &clone, &broken, CAPABILITIES);
    assert!(told.contains("ng refs/heads/main not valid"), "{told}");
    assert_eq!(app(&server)["host"], "of one");
    // What cannot be read here is not taken away in passing.
    clone.git(&["fetch", "-q"]);
    clone.git(&["reset", "-q", "--hard", "origin/main"]);
    let sound = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    clone.commit("app.yaml", "host: [\nport: 1\n");
    clone.push(&["-q"]);
    wait_for("it to be told", || server.get("/api/status").expect(200).text().contains("app.yaml"));
    clone.git(&["reset", "-q", "--hard", &sound]);
    clone.git(&["rm", "-q", "app.yaml"]);
    clone.commit_all("away");
    let told = push_late(&server, &clone, &sound, CAPABILITIES);
    assert!(told.contains("app.yaml: both sides changed the file, which holds no entries"), "{told}");
}

#[test]
fn who_asks_for_no_merge_gets_none() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.put("/app/host", json!("theirs")).expect(200);
    let new = clone.commit("web/new.yaml", "x: y\n");
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let options = [b"000cno-merge0000".as_slice(), &pack].concat();
    let body =
        body_of(&[(&base, &new, "refs/heads/main")], "report-status push-options side-band-64k", &options);
    let told = send(&server, &body).expect(200).text();
    assert!(told.contains("ng refs/heads/main fetch first") && told.contains("no-merge asks"), "{told}");
    // A branch that is gone is not made again by who did not see that.
    clone.push(&["origin", "--delete", "prod"]);
    let prod = clone.git(&["rev-parse", "origin/main"]).trim().to_owned();
    let stale =
        send(&server, &body_of(&[(&prod, &new, "refs/heads/prod")], CAPABILITIES, &pack)).expect(200).text();
    assert!(stale.contains("ng refs/heads/prod fetch first"), "{stale}");
}

/// What a side does to files: their contents, none where one goes; `+x` before a name makes it executable.
type Edits = &'static [(&'static str, Option<&'static str>)];

fn make(clone: &Clone, edits: Edits) -> String {
    for (file, content) in edits {
        let name = file.trim_start_matches("+x ");
        match content {
            Some(content) => clone.write(name, content),
            None => {
                clone.git(&["rm", "-q", name]);
            }
        }
        if name != *file {
            clone.git(&["add", name]);
            clone.git(&["update-index", "--chmod=+x", name]);
        }
    }
    // Modes are in the index alone.
    clone.git(&["config", "core.fileMode", "false"]);
    clone.commit_all("edits")
}

/// How a merge is to end: what `/db` is then and files as they are, or the paths that are named.
enum End {
    Merged(Value, &'static [(&'static str, &'static str)]),
    Conflicts(&'static [&'static str]),
    Invalid(&'static str),
}

/// Files come, go, move and change their kind on either side: what counts is what becomes of each entry.
#[test]
fn files_that_come_and_go_are_merged_by_entry() {
    use End::{Conflicts, Invalid, Merged};
    const BASE: Edits = &[
        ("db.yaml", Some("# about\nhost: h\nport: 1\n")),
        ("notes.yaml", Some("# nothing yet\n")),
        ("motd", Some("hello\n")),
        ("dir/a", Some("a\n")),
        ("dir/b", Some("b\n")),
        ("hi.txt", Some("hello")),
        (".editorconfig", Some("root\n")),
    ];
    let cases: &[(&str, Edits, Edits, End)] = &[
        (
            "they take the file away, and an entry of it is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("db.yaml", None)],
            Conflicts(&["/db/port: both sides changed it (here by admin"]),
        ),
        (
            "they take the file away, and an entry was added here",
            &[("db.yaml", Some("# about\nhost: h\nport: 1\nmine: 3\n"))],
            &[("db.yaml", None)],
            Merged(json!({ "mine": 3 }), &[("db.yaml", "mine: 3\n")]),
        ),
        (
            "it was taken away here, and they changed an entry",
            &[("db.yaml", None)],
            &[("db.yaml", Some("# about\nhost: theirs\nport: 1\n"))],
            Conflicts(&["/db/host: both sides changed it (here it was taken away)"]),
        ),
        (
            "it was taken away here, and they added an entry",
            &[("db.yaml", None)],
            &[("db.yaml", Some("# about\nhost: h\nport: 1\nnew: 4 # theirs\n"))],
            Merged(json!({ "new": 4 }), &[("db.yaml", "new: 4 # theirs\n")]),
        ),
        (
            "it was taken away here, and they changed a comment",
            &[("db.yaml", None)],
            &[("db.yaml", Some("# about it\nhost: h\nport: 1\n"))],
            Merged(Value::Null, &[]),
        ),
        (
            "it is another file here, and they changed an entry",
            &[("db.yaml", None), ("db.toml", Some("host = \"h\" # moved\nport = 1\n"))],
            &[("db.yaml", Some("# about\nhost: theirs\nport: 1\n"))],
            Merged(
                json!({ "host": "theirs", "port": 1 }),
                &[("db.toml", "host = \"theirs\" # moved\nport = 1\n")],
            ),
        ),
        (
            "it is another file here, and they took it away",
            &[("db.yaml", None), ("db.toml", Some("host = \"h\"\nport = 1\nmine = 1\n"))],
            &[("db.yaml", None)],
            Merged(json!({ "mine": 1 }), &[("db.toml", "mine = 1\n")]),
        ),
        (
            "they made several files of it, and an entry is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("db.yaml", None), ("db/host.txt", Some("h")), ("db/port.yaml", Some("1 # split\n"))],
            Merged(
                json!({ "host": "h", "port": 2 }),
                &[("db/host.txt", "h"), ("db/port.yaml", "2 # split\n")],
            ),
        ),
        (
            "they moved an entry and changed it, and another is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("db.yaml", Some("# about\nport: 1\n")), ("db/host.txt", Some("theirs"))],
            Merged(
                json!({ "host": "theirs", "port": 2 }),
                &[("db.yaml", "port: 2\n"), ("db/host.txt", "theirs")],
            ),
        ),
        (
            "both added the same at different places",
            &[("db/new.yaml", Some("5\n"))],
            &[("db.yaml", Some("# about\nhost: h\nport: 1\nnew: 5\n"))],
            Merged(
                json!({ "host": "h", "new": 5, "port": 1 }),
                &[("db.yaml", "# about\nhost: h\nport: 1\nnew: 5\n")],
            ),
        ),
        (
            "they bring a program, and make one of a file that is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("+x run.sh", Some("true\n")), ("+x db.yaml", Some("# about\nhost: h\nport: 1\n"))],
            Merged(
                json!({ "host": "h", "port": 2 }),
                &[("+x run.sh", "true\n"), ("+x db.yaml", "# about\nhost: h\nport: 2\n")],
            ),
        ),
        (
            "what they split is executable, and an entry is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("db.yaml", None), ("db/host.txt", Some("h")), ("+x db/port.yaml", Some("1\n"))],
            Merged(json!({ "host": "h", "port": 2 }), &[("db/host.txt", "h"), ("+x db/port.yaml", "2\n")]),
        ),
        (
            "a file of comments was taken away here, and they wrote an entry into it",
            &[("notes.yaml", None)],
            &[("notes.yaml", Some("# nothing yet\nx: 1\n"))],
            Merged(json!({ "host": "h", "port": 1 }), &[("notes.yaml", "# nothing yet\nx: 1\n")]),
        ),
        (
            "they made a folder of a file, and something else is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("motd", None), ("motd/text.yaml", Some("hi\n"))],
            Merged(
                json!({ "host": "h", "port": 2 }),
                &[("db.yaml", "# about\nhost: h\nport: 2\n"), ("motd/text.yaml", "hi\n")],
            ),
        ),
        (
            "a file has another name here, and they made a folder of it",
            &[("hi.txt", None), ("hi", Some("hello"))],
            &[("hi.txt", None), ("hi/text.yaml", Some("a: 1\n"))],
            Merged(json!({ "host": "h", "port": 1 }), &[("hi/text.yaml", "a: 1\n")]),
        ),
        (
            "they made a file of a folder, and something else is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("dir/a", None), ("dir/b", None), ("dir", Some("a file\n"))],
            Merged(
                json!({ "host": "h", "port": 2 }),
                &[("db.yaml", "# about\nhost: h\nport: 2\n"), ("dir", "a file\n")],
            ),
        ),
        (
            "they made a file of a folder, and there is more in it here",
            &[("dir/c", Some("c"))],
            &[("dir/a", None), ("dir/b", None), ("dir", Some("a file\n"))],
            Conflicts(&["/dir: it cannot be beside /dir/c", "/dir/c: it cannot be beside /dir"]),
        ),
        (
            "there is a value here, and they wrote something below it",
            &[("db.yaml", Some("# about\nhost: h\nport: 1\ndeep: 5\n"))],
            &[("db/deep.yaml", Some("x: 1\n"))],
            Conflicts(&[
                "/db/deep: it cannot be beside /db/deep/x",
                "/db/deep/x: it cannot be beside /db/deep",
            ]),
        ),
        (
            "what they pushed cannot be read, and the file is another here",
            &[("db.yaml", Some("# about\nhost: h\nport: 2\n"))],
            &[("db.yaml", Some("host: [\n"))],
            Invalid("db.yaml:"),
        ),
        (
            "a file without entries is executable here, and has other content there",
            &[("+x .editorconfig", Some("root\n"))],
            &[(".editorconfig", Some("theirs\n"))],
            Merged(json!({ "host": "h", "port": 1 }), &[("+x .editorconfig", "theirs\n")]),
        ),
        (
            "both changed what holds no entries",
            &[(".editorconfig", Some("mine\n"))],
            &[(".editorconfig", Some("theirs\n"))],
            Conflicts(&[".editorconfig: both sides changed the file, which holds no entries"]),
        ),
    ];
    let project = project();
    let server = project.serve();
    for (what, ours, theirs, end) in cases {
        let clone = Clone::of(&server, &server.key);
        make(&clone, BASE);
        clone.push(&["-q", "-f", "origin", "main"]);
        let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
        make(&clone, ours);
        clone.push(&["-q", "origin", "main"]);
        clone.git(&["reset", "-q", "--hard", &base]);
        make(&clone, theirs);
        let told = push_late(&server, &clone, &base, CAPABILITIES);
        match end {
            Conflicts(named) => {
                assert!(told.contains("ng refs/heads/main conflicts"), "{what}: {told}");
                assert_eq!(told.matches("[merge]").count(), named.len(), "{what}: {told}");
                assert!(named.iter().all(|name| told.contains(&format!("  {name}"))), "{what}: {told}");
            }
            Invalid(place) => {
                assert!(
                    told.contains("ng refs/heads/main not valid") && told.contains(place),
                    "{what}: {told}"
                );
            }
            Merged(shown, files) => {
                assert!(told.contains("ok refs/heads/main"), "{what}: {told}");
                let answer = server.get("/v1/config/db");
                let db = if answer.status == 404 { Value::Null } else { answer.expect(200).json() };
                assert_eq!(db, *shown, "{what}");
                for (file, content) in *files {
                    let name = file.trim_start_matches("+x ");
                    assert_eq!(project.git(&["show", &format!("main:{name}")]), *content, "{what}: {file}");
                    let mode = if name == *file { "100644" } else { "100755" };
                    assert!(project.git(&["ls-tree", "main", name]).starts_with(mode), "{what}: {file}");
                }
                // Of what the case is about, nothing else is left.
                let about = |file: &str| file.trim_start_matches("+x ").to_owned();
                let touched = ours.iter().chain(*theirs).map(|(file, _)| about(file));
                let expected: BTreeSet<String> = files.iter().map(|(file, _)| about(file)).collect();
                let listed = project.git(&["ls-tree", "-r", "--name-only", "main"]);
                let listed: BTreeSet<&str> = listed.lines().collect();
                for file in touched {
                    assert_eq!(
                        listed.contains(&*file),
                        expected.contains(&file),
                        "{what}: {file} in {listed:?}"
                    );
                }
            }
        }
        // The next case begins where this one did.
        clone.git(&["fetch", "-q"]);
        clone.git(&["reset", "-q", "--hard", "origin/main"]);
        let made = [
            "db",
            "db.yaml",
            "db.toml",
            "notes.yaml",
            "motd",
            "dir",
            "hi",
            "hi.txt",
            "run.sh",
            ".editorconfig",
        ];
        clone.git(&[&["rm", "-q", "-r", "--ignore-unmatch"], &made[..]].concat());
        clone.git(&["commit", "-q", "--allow-empty", "-m", "away"]);
        clone.push(&["-q", "origin", "main"]);
    }
    assert_clean(&project);
}

#[test]
fn what_is_hidden_meanwhile_is_hidden() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.git(&["checkout", "-q", "prod"]);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    server.request("PUT", "/api/config/app/host?env=prod", &[], br#"{"value": "of prod"}"#).expect(201);
    let new = clone.commit("web/site.yaml", "title: null\n");
    let pack = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    let told =
        send(&server, &body_of(&[(&base, &new, "refs/heads/prod")], CAPABILITIES, &pack)).expect(200).text();
    assert!(told.contains("ok refs/heads/prod"), "{told}");
    let shown = server.get("/v1/config/?env=prod").expect(200).json();
    assert_eq!(shown["web"], Value::Null, "{shown}");
    assert_eq!(shown["app"]["host"], "of prod");
}

#[test]
fn pushes_race_writers_and_nothing_is_lost() {
    const WRITERS: usize = 64;
    const PUSHERS: usize = 3;
    const ROUNDS: usize = 6;
    let project = project();
    let server = project.serve();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let server = &server;
            scope.spawn(move || {
                for round in 0..ROUNDS * 2 {
                    let status = server.put(&format!("/api{writer}/n"), json!(round)).status;
                    assert!(matches!(status, 200 | 201), "{status}");
                }
            });
        }
        for pusher in 0..PUSHERS {
            let server = &server;
            scope.spawn(move || {
                let clone = Clone::of(server, &server.key);
                for round in 0..ROUNDS {
                    clone.commit(&format!("git{pusher}.yaml"), &format!("n: {round}\n"));
                    // What moved on between the two requests of a push is merged; before that, Git itself says so.
                    while !clone.try_git(&["push", "-q"]).status.success() {
                        clone.git(&["pull", "-q", "--no-rebase", "--no-edit"]);
                    }
                    clone.git(&["pull", "-q", "--no-rebase", "--no-edit"]);
                }
            });
        }
    });
    for writer in 0..WRITERS {
        let entry = server.get(&format!("/api/config/api{writer}/n")).expect(200).json();
        assert_eq!((&entry["value"], &entry["version"]), (&json!(ROUNDS * 2 - 1), &json!(ROUNDS * 2)));
    }
    for pusher in 0..PUSHERS {
        let entry = server.get(&format!("/api/config/git{pusher}/n")).expect(200).json();
        assert_eq!((&entry["value"], &entry["version"]), (&json!(ROUNDS - 1), &json!(ROUNDS)));
    }
    assert_clean(&project);
}
