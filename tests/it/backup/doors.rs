//! Who may take a backup, what is in it, what is not, and where a restored project may stand.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{back_up, manifest, members, run};
use crate::cli::{On, Ran, command};
use crate::harness::{DEADLINE, TestProject, wait_for};

#[test]
fn only_an_administrator_takes_one_at_a_time() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[]);
    for headers in [&[("Authorization", "")][..], &[("Authorization", "Bearer cg_nobody")]] {
        server.request("GET", "/api/backup", headers, b"").expect(401);
    }
    server.get("/api/backup?env=prod").expect(400);
    server.post("/api/backup", serde_json::json!({})).expect(405);
    let head = server.request("HEAD", "/api/backup", &[], b"").expect(200);
    assert_eq!(head.header("content-type"), Some("application/x-tar"));
    let answer = server.get("/api/backup").expect(200);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let held = File::options().write(true).open(project.dir().join("derived/pinned.lock")).unwrap();
    held.try_lock().unwrap();
    let busy = server.get("/api/backup").expect(429);
    assert!(busy.text().contains("another backup or check"), "{}", busy.text());
    let file = project.temp.path().join("x.tar");
    let stderr = On::Server(&server).run(&["backup", file.to_str().unwrap()]).fails(1);
    assert!(stderr.contains("another backup or check"), "{stderr}");
    let stderr = run(&["fsck", project.dir().to_str().unwrap()]).fails(1);
    assert!(stderr.contains("another backup or check"), "{stderr}");
    drop(held);
    server.get("/api/backup").expect(200);
    assert!(!file.exists() && !project.temp.path().join("x.tar.part").exists());
}

/// hyper once took whole bodies into memory when a client did not read: the archive was written to its end.
#[test]
fn a_client_that_does_not_read_fills_no_memory() {
    let project = TestProject::empty();
    let server = project.serve();
    std::fs::create_dir(project.dir().join("events")).unwrap();
    std::fs::write(project.dir().join("events/log"), vec![b'e'; 24 << 20]).unwrap();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET /api/backup HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        server.address, server.key
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // What lies between both ends takes some megabytes; the rest waits where it is pinned.
    for _ in 0..3_000 {
        server.get("/api/backup").expect(429);
    }
    let read = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    assert!(read > 24 << 20, "{read}");
    server.request("HEAD", "/api/backup", &[], b"").expect(200);
    // One that goes away half-way gives the place back.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut head).unwrap();
    drop(stream);
    wait_for("the place to be free", || !project.dir().join("derived/pinned").exists());
}

#[test]
fn what_exists_nowhere_else_is_in_it_and_nothing_else() {
    let project = TestProject::example();
    let dir = project.dir();
    for (name, content) in [
        ("audit/2026/01.jsonl", "{}\n"),
        ("events/log", "e"),
        ("secrets/key", "s3cr3t"),
        ("notes.txt", "n"),
        ("derived/cache", "c"),
        ("config.git/hooks/post-receive", "#!/bin/sh\n"),
        ("config.git/hooks/update.sample", "#!/bin/sh\n"),
    ] {
        std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        std::fs::write(dir.join(name), content).unwrap();
    }
    symlink("/etc/hostname", dir.join("audit/link")).unwrap();
    // Settings of Git can name commands and hold passwords.
    project.git(&["config", "core.fsmonitor", "/bin/evil"]);
    // What a process that died left behind is swept.
    std::fs::create_dir_all(dir.join("derived/pinned/config.git/objects")).unwrap();
    let file = back_up(&project);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let manifest = manifest(&file);
    assert_eq!(
        manifest["not_included"],
        serde_json::json!(["config.git/config", "config.git/hooks/post-receive", "notes.txt", "secrets"])
    );
    let names: Vec<String> = members(&file).into_iter().map(|(name, _)| name).collect();
    for name in ["audit/2026/01.jsonl", "events/log", "config.git/HEAD"] {
        assert!(names.iter().any(|found| found == name), "{name}");
    }
    for part in ["s3cr3t", "secrets", "hooks", "derived", "lock", "notes", "audit/link"] {
        assert!(!names.iter().any(|name| name.contains(part)), "{part}");
    }
    assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("evil"));
    let elsewhere = project.temp.path().join("elsewhere");
    run(&["restore", file.to_str().unwrap(), elsewhere.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(elsewhere.join("audit/2026/01.jsonl")).unwrap(), "{}\n");
    // The archive is also a project when it is unpacked by hand.
    let plain = project.temp.path().join("plain");
    tar::Archive::new(File::open(&file).unwrap()).unpack(&plain).unwrap();
    run(&["fsck", plain.to_str().unwrap(), "--strict"]).ok();
}

#[test]
fn a_leftover_goes_with_the_next_start() {
    let project = TestProject::empty();
    std::fs::create_dir_all(project.dir().join("derived/pinned/config.git")).unwrap();
    let _server = project.serve();
    assert!(!project.dir().join("derived/pinned").exists());
}

#[test]
fn archives_may_be_packed_or_sent_through_a_pipe() {
    let project = TestProject::example();
    let (dir, packed) = (project.dir(), project.temp.path().join("b.tar.gz"));
    let summary =
        run(&["backup", "--repo", dir.to_str().unwrap(), packed.to_str().unwrap(), "-o", "json"]).json();
    assert_eq!(summary["sequence"], 1);
    assert!(std::fs::read(&packed).unwrap().starts_with(&[0x1f, 0x8b]));
    let piped = command(&[]).args(["backup", "--repo", dir.to_str().unwrap(), "-"]).output().unwrap();
    assert!(piped.status.success());
    for (name, bytes) in [("packed", std::fs::read(&packed).unwrap()), ("piped", piped.stdout)] {
        let place = project.temp.path().join(name);
        if name == "packed" {
            // A directory that is there, such as a mounted volume, stays the same one.
            std::fs::create_dir(&place).unwrap();
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o710)).unwrap();
        }
        let input = project.temp.path().join("input");
        std::fs::write(&input, bytes).unwrap();
        let mut restore = command(&[]);
        restore.args(["restore", "-", place.to_str().unwrap()]).stdin(File::open(&input).unwrap());
        let said = Ran::from(restore.output().unwrap()).ok();
        assert!(said.contains("change set 1 with") && said.contains("confgit serve"), "{said}");
        run(&["get", "--repo", place.to_str().unwrap(), "/myapp/database"]).ok();
        let mode = std::fs::metadata(&place).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode == 0o710, name == "packed");
        let hidden = std::fs::read_dir(&place)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0);
    }
}

#[test]
fn commands_say_what_they_cannot_do() {
    let project = TestProject::empty();
    let (dir, file) = (project.dir(), back_up(&project));
    let (dir, file) = (dir.to_str().unwrap(), file.to_str().unwrap());
    for (arguments, code, says) in [
        (&["restore", file, dir][..], 1, "is not empty"),
        (&["restore", "/nowhere/b.tar", "/tmp/x"], 1, "/nowhere/b.tar"),
        (&["restore", file, "x", "--repo", dir], 2, "no use for --repo"),
        (&["fsck"], 2, "confgit fsck DIR"),
        (&["fsck", dir, "--repo", dir], 2, "given twice"),
        (&["fsck", "/nowhere"], 1, "no confgit project"),
        (&["fsck", dir, "-e", "base"], 2, "no use for --env"),
        (&["backup", "--repo", "/nowhere", "x.tar"], 1, "no confgit project"),
        (&["backup", "--repo", dir, "/nowhere/x.tar"], 1, "/nowhere/x.tar cannot be written"),
    ] {
        let stderr = run(arguments).fails(code);
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    assert!(!std::path::Path::new("x.tar.part").exists());
}

/// Answers one request with these bytes, and hangs up.
fn answer_once(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
    });
    format!("http://{address}")
}

#[test]
fn what_arrives_broken_is_no_backup() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("b.tar");
    std::fs::write(&file, "yesterday's").unwrap();
    for (answer, says) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nmanifest.json"[..], "broke off half-way"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "arrived damaged"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "does not speak"),
    ] {
        let server = answer_once(answer);
        let mut backup = command(&[]);
        backup.args(["--server", &server, "backup", file.to_str().unwrap()]);
        let stderr = Ran::from(backup.output().unwrap()).fails(1);
        assert!(stderr.contains(says), "{says}: {stderr}");
        // The last good one stays, and nothing beside it.
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "yesterday's");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
