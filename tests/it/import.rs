//! Configuration comes in from elsewhere: as whole files in a batch, and by `confgit import`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use crate::cli::{On, on_both};
use crate::harness::TestProject;

#[test]
fn files_of_a_batch_are_kept_byte_for_byte() {
    let project = TestProject::with_files(&[("base/old.yaml", "a: 1\n")]);
    let server = project.serve();
    let text = "# why\nb:   1\na: [1,\n  2]\n";
    let edits = json!([
        {"op": "file", "file": "t/db.yaml", "content": text},
        {"op": "file", "file": "t/db/logo.png", "content": "/w==", "encoding": "base64"},
        {"op": "file", "file": "old.yaml", "content": null},
        {"op": "file", "file": "never.yaml", "content": null},
        {"op": "put", "path": "/t/db/c", "value": 3},
    ]);
    let written = server.post("/api/batch", json!({"edits": edits, "message": "move"})).expect(200).json();
    let paths: Vec<&str> =
        written["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/t/db/a", "/t/db/b", "/t/db/c", "/t/db/logo.png", "/old/a"]);
    assert_eq!(project.git(&["show", "main:t/db.yaml"]), format!("{text}c: 3\n"));
    assert_eq!(project.git(&["ls-tree", "-r", "--name-only", "main"]), "t/db.yaml\nt/db/logo.png\n");
    assert_eq!(server.get("/api/config/t/db/logo.png").json()["encoding"], "base64");
    // The same once more changes nothing.
    let head = project.git(&["rev-parse", "main"]);
    let again = json!({"edits": [{"op": "file", "file": "t/db.yaml", "content": format!("{text}c: 3\n")}]});
    let unchanged = server.post("/api/batch", again).expect(200).json();
    assert_eq!(
        (unchanged["entries"].clone(), unchanged["sequence"].clone()),
        (json!([]), written["sequence"].clone())
    );
    // A comment alone is a commit, but no version of anything.
    let comment =
        json!({"edits": [{"op": "file", "file": "t/db.yaml", "content": format!("{text}c: 3 # x\n")}]});
    let commented = server.post("/api/batch", comment).expect(200).json();
    assert_eq!(commented["entries"], json!([]));
    assert_ne!(project.git(&["rev-parse", "main"]), head);
    assert_eq!(server.get("/api/config/t/db/c").json()["version"], 1);
}

#[test]
fn files_that_cannot_be_are_refused_and_nothing_is_written() {
    let project = TestProject::with_files(&[("base/a.yaml", "a: 1\n"), ("base/raw", "x")]);
    let server = project.serve();
    let head = project.git(&["rev-parse", "main"]);
    let file = |name: &str, content: &str| json!({"op": "file", "file": name, "content": content});
    for (edits, status, words) in [
        (json!([file("../x.yaml", "")]), 400, "edit 1: `../x.yaml`: `..` cannot be the name"),
        (json!([file("x/.git/config", "")]), 400, "`.git` cannot be the name"),
        (json!([file(".env", "")]), 400, "names that start with a dot"),
        (json!([file("/x.yaml", "")]), 400, "it is not the name of a file"),
        (json!([{"op": "file", "file": "x.yaml"}]), 400, "needs `content`"),
        (json!([{"op": "file", "content": ""}]), 400, "needs the name of the `file`"),
        (json!([{"op": "file", "file": "x", "path": "/x", "content": ""}]), 400, "no `path`, `value`"),
        (json!([{"op": "file", "file": "x", "content": "?", "encoding": "base64"}]), 400, "is no base64"),
        (json!([{"op": "file", "file": "x", "content": "", "encoding": "utf-8"}]), 400, "unknown encoding"),
        (json!([{"op": "put", "path": "/x", "value": 1, "file": "x"}]), 400, "belong to the op `file`"),
        (json!([file("b.yaml", "a: ["), file("c.json", "{"), file("d.yaml", "d: 1")]), 422, ""),
        (json!([file("a.json", "{\"a\": 2}")]), 409, "a.yaml"),
        (json!([file("raw/x.yaml", "x: 1")]), 409, "is no folder"),
        (json!([file("n.yaml", "x: 1"), file("n.yaml/y.txt", "y")]), 409, "is no folder"),
        (json!([file("big.txt", &"x".repeat(1 << 20))]), 413, "more than the limit"),
    ] {
        let refused = server.post("/api/batch", json!({ "edits": edits })).expect(status).text();
        assert!(refused.contains(words), "{words}: {refused}");
        assert_eq!(project.git(&["rev-parse", "main"]), head, "{words}");
    }
    let both = json!({"edits": [file("b.yaml", "a: ["), file("c.json", "{")]});
    let errors = server.post("/api/batch", both).expect(422).json()["errors"].clone();
    assert_eq!((errors[0]["file"].as_str(), errors[1]["file"].as_str()), (Some("b.yaml"), Some("c.json")));
}

/// Writes files below a folder.
fn write(folder: &Path, files: &[(&str, &[u8])]) {
    for (name, content) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
}

#[test]
fn a_folder_comes_in_as_one_commit_as_it_is() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("legacy");
        write(
            &folder,
            &[
                ("db.yaml", b"# the database\nport:   5432\n"),
                ("web/site.toml", b"# t\na = 1\n"),
                ("logo.png", b"\x89PNG\xff"),
                (".env", b"A=1"),
                (".git/config", b"x"),
                ("a\nb.txt", b"x"),
            ],
        );
        std::os::unix::fs::symlink("db.yaml", folder.join("link.yaml")).unwrap();
        let source = folder.to_str().unwrap();
        let dry = on.run(&["import", source, "--to", "/in/x", "-e", "prod", "--dry-run"]);
        assert!(dry.stdout.ends_with("would write 3 files to prod; nothing was written\n"), "{}", dry.stdout);
        assert!(dry.stdout.starts_with("in/x/db.yaml  (28 bytes)\n"), "{}", dry.stdout);
        let ran = on.run(&["import", source, "--to", "/in/x", "-e", "prod"]);
        for told in
            [".env: it is hidden", ".git: it is hidden", "link.yaml: it is a symbolic link", "a\\nb.txt: "]
        {
            assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
        }
        assert_eq!(ran.ok(), "imported 3 files to prod: 3 entries  (sequence 2)\n");
        assert_eq!(on.run(&["get", "/in/x/db/port", "-e", "prod"]).ok(), "5432\n");
        let history = on.run(&["history", "/in/x/db/port", "-e", "prod", "-o", "json"]).json();
        assert_eq!(history[0]["message"], "import legacy");
        let again = on.run(&["import", source, "--to", "/in/x", "-e", "prod", "-o", "json"]).json();
        assert_eq!((again["entries"].clone(), again["files"].as_u64()), (json!([]), Some(3)));
        write(&folder, &[("bad.yaml", b"a: ["), ("worse.json", b"{")]);
        let refused = on.run(&["import", source]).fails(4);
        assert!(refused.contains("bad.yaml:1:") && refused.contains("worse.json:1:"), "{refused}");
        write(&folder, &[("bad.yaml", &vec![b'x'; 5 << 20])]);
        let refused = on.run(&["import", source]).fails(4);
        assert!(refused.contains("bad.yaml: it has 5242880 bytes"), "{refused}");
        let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/example-repo");
        assert!(on.run(&["import", tree]).fails(4).contains("confgit init DIR --from"));
    });
}

#[test]
fn a_folder_keeps_its_bytes_in_git() {
    let project = TestProject::empty();
    let temp = tempfile::tempdir().unwrap();
    let text = "# the database\nport:   5432   # tcp\n\n\nhost: 'a'\n";
    write(temp.path(), &[("db.yaml", text.as_bytes())]);
    On::Server(&project.serve()).run(&["import", temp.path().to_str().unwrap()]).ok();
    assert_eq!(project.git(&["show", "main:db.yaml"]), text);
    assert_eq!(project.git(&["rev-list", "--count", "main"]), "2\n");
}

#[test]
fn other_tools_exports_become_paths() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let env = "export DB_HOST='db 1' # c\nDB_PORT=5432\nKEY=\"a\\nb\"\n";
        let map = "kind: ConfigMap\nmetadata: {name: app}\ndata:\n  log.level: debug\n  app.yaml: |\n    # c\n    a: 1\n";
        let consul =
            r#"[{"key":"c/port","flags":0,"value":"ODA="},{"key":"c/o","flags":0,"value":"eyJhIjoxfQ=="}]"#;
        let etcd = r#"{"header":{},"kvs":[{"key":"L2UveA==","value":"MQ=="}]}"#;
        write(
            temp.path(),
            &[
                ("shop.env", env.as_bytes()),
                ("map.yaml", map.as_bytes()),
                ("c.json", consul.as_bytes()),
                ("e.json", etcd.as_bytes()),
            ],
        );
        let file = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
        on.run(&["import", &file("shop.env"), "--split", "_", "--lowercase"]).ok();
        assert_eq!(
            on.run(&["get", "/shop", "--format", "json"]).json(),
            json!({"db": {"host": "db 1", "port": "5432"}, "key": "a\nb"})
        );
        on.run(&["import", &file("map.yaml")]).ok();
        assert_eq!(
            on.run(&["get", "/app", "--format", "json"]).json(),
            json!({"app": {"a": 1}, "log.level": "debug"})
        );
        on.run(&["import", &file("c.json"), "--parse", "json"]).ok();
        assert_eq!(on.run(&["get", "/c", "--format", "json"]).json(), json!({"o": {"a": 1}, "port": 80}));
        let said = on.run_with_input(&["import", "-", "--to", "/etcd"], etcd.as_bytes()).ok();
        assert!(said.starts_with("imported 1 value to base: 1 entry"), "{said}");
        assert_eq!(on.run(&["get", "/etcd/e/x"]).ok(), "1\n");
        for (arguments, input, code, words) in [
            (&["import", "-", "--format", "env"][..], "A=1", 2, "--to /myapp"),
            (&["import", "-"], "A=1", 2, "say --format"),
            (&["import", "-", "--split", "_"], consul, 2, "for .env files"),
            (&["import", "/nowhere"], "", 1, "/nowhere cannot be read"),
            (&["import", "-"], "kind: Secret\nmetadata: {name: s}\n", 4, "is a Secret"),
            (
                &["import", "-"],
                r#"[{"key":"a","value":""},{"key":"a/b","value":""}]"#,
                4,
                "a: it is a value and a folder",
            ),
            (&["import", "-"], "[]", 1, "nothing to import"),
        ] {
            let error = on.run_with_input(arguments, input.as_bytes()).fails(code);
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    });
}

#[test]
fn archives_are_read_and_dangerous_ones_refused() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let archive = temp.path().join("x.tar.gz");
        let packed = |paths: &[&str]| {
            let file = fs::File::create(&archive).unwrap();
            let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            let mut builder = tar::Builder::new(gzip);
            for path in paths {
                let mut header = tar::Header::new_ustar();
                // The builder itself refuses what climbs out.
                header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
                header.set_size(5);
                header.set_cksum();
                builder.append(&header, &b"a: 1\n"[..]).unwrap();
            }
            builder.into_inner().unwrap().finish().unwrap().flush().unwrap();
        };
        packed(&["./x/a.yaml", "x/b.yaml"]);
        assert!(on.run(&["import", archive.to_str().unwrap()]).ok().starts_with("imported 2 files"));
        packed(&["x/c.yaml", "../../etc/passwd"]);
        let refused = on.run(&["import", archive.to_str().unwrap()]).fails(4);
        assert!(refused.contains("../../etc/passwd: it climbs out"), "{refused}");
        on.run(&["get", "/x/c"]).fails(3);
    });
}

#[test]
fn a_wrong_key_is_told_however_much_is_sent() {
    let project = TestProject::empty();
    let server = project.serve();
    let temp = tempfile::tempdir().unwrap();
    let many: Vec<String> = (0..8).map(|n| format!("{n}.txt")).collect();
    let content = vec![b'x'; 1_000_000];
    write(temp.path(), &many.iter().map(|name| (name.as_str(), &content[..])).collect::<Vec<_>>());
    let mut command = On::Server(&server).command();
    command.env("CONFGIT_TOKEN", project.key.to_uppercase().replace("CG_", "cg_"));
    let ran: crate::cli::Ran =
        command.args(["import", temp.path().to_str().unwrap()]).output().unwrap().into();
    assert!(ran.fails(4).contains("CONFGIT_TOKEN"));
}

#[test]
fn a_batch_is_bounded() {
    let project = TestProject::empty();
    let server = project.serve();
    let edits = |count: usize, path: &str| {
        let edit = json!({"op": "put", "path": path, "value": 1});
        json!({ "edits": vec![edit; count] })
    };
    let refused = server.post("/api/batch", edits(200_001, "/a")).expect(400).text();
    assert!(refused.contains("the limit is 200000"), "{refused}");
    let refused = server.post("/api/batch", edits(10_001, "/a")).expect(400).text();
    assert!(refused.contains("one after the other"), "{refused}");
    let longer = ((64_u64 << 20) + 1).to_string();
    server.request("POST", "/api/batch", &[("Content-Length", &longer)], b"").expect(413);
}
