use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::json;

use super::{Clone, ZERO, assert_clean, body_of, pack_of, project, send};
use crate::harness::{Server, TestProject, wait_for};

const CAPABILITIES: &str = "report-status side-band-64k";

/// A pack of these entries: type and inflated size, then the stream.
fn pack(count: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat();
    entries.iter().for_each(|entry| pack.extend(entry));
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &pack);
    pack.extend(sum.as_ref());
    pack
}

fn entry(kind: u8, size: u64, stream: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes.extend(stream);
    bytes
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// What comes of a pack that is sent for a new branch.
fn refused(server: &Server, new: &str, pack: &[u8]) -> String {
    let answer = send(server, &body_of(&[(ZERO, new, "refs/heads/hostile")], CAPABILITIES, pack)).expect(200);
    let told = answer.text();
    assert!(told.contains("ng refs/heads/hostile"), "{told}");
    assert!(!told.contains("/project/"), "a place on the server's machine is told: {told}");
    told
}

#[test]
fn packs_that_are_none() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let base = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let new = clone.commit("app.yaml", &format!("host: h1\nport: 1\nfill: {}\n", "x".repeat(5_000)));
    let good = pack_of(&clone.dir, &format!("{new}\n^{base}\n"), &["--thin"]);
    for length in [0, 3, 12, 40, good.len() / 2, good.len() - 1] {
        let told = refused(&server, &new, &good[..length]);
        assert!(told.contains("unpack "), "{length}: {told}");
    }
    for at in (12..good.len()).step_by(97) {
        let mut broken = good.clone();
        broken[at] ^= 0x55;
        refused(&server, &new, &broken);
    }
    assert!(refused(&server, &new, b"PACK\0\0\0\x09\0\0\0\x01").contains("no complete pack"));
    let many = [b"PACK\0\0\0\x02".as_slice(), &u32::MAX.to_be_bytes()].concat();
    assert!(refused(&server, &new, &many).contains("4294967295 objects"));
    // Whole, but of nothing that was asked for; and without what it leads to.
    let empty = pack(0, &[]);
    assert!(refused(&server, &new, &empty).contains("was not sent"));
    let tree_is_missing =
        format!("tree {}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nm\n", "1".repeat(40));
    let commit = entry(1, tree_is_missing.len() as u64, &deflated(tree_is_missing.as_bytes()));
    refused(&server, &new, &pack(1, &[commit]));
    assert_clean(&project);
    assert!(
        send(&server, &body_of(&[(ZERO, &new, "refs/heads/good")], CAPABILITIES, &good))
            .expect(200)
            .text()
            .contains("ok refs/heads/good")
    );
    assert_clean(&project);
}

#[test]
fn bombs_and_names_that_no_tree_may_have() {
    let project = project();
    let server = project.serve();
    let new = "2".repeat(40);
    // A delta that says it makes four gigabytes of nothing.
    let base = entry(3, 4, &deflated(b"base"));
    let sizes = [4, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let delta = deflated(&[&sizes[..], &[0x90, 4]].concat());
    let mut bomb = vec![6 << 4 | 8, base.len() as u8];
    bomb.extend(&delta);
    let told = refused(&server, &new, &pack(2, &[base, bomb]));
    assert!(told.contains("unpack the pack was refused"), "{told}");
    // A few kilobytes that say they are a gigabyte.
    let zeros = entry(3, 1 << 30, &deflated(&vec![0; 1 << 20]));
    let told = refused(&server, &new, &pack(1, &[zeros]));
    assert!(told.contains("unpack the pack was refused"), "{told}");
    let blob = entry(3, 0, &deflated(b""));
    let empty_blob = [
        0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4,
        0x8c, 0x53, 0x91,
    ];
    for name in [".git", ".GIT", "..", "a/b", ".git ", "git~1"] {
        let tree = [b"100644 ", name.as_bytes(), b"\0", &empty_blob].concat();
        let tree = entry(2, tree.len() as u64, &deflated(&tree));
        let told = refused(&server, &new, &pack(2, &[blob.clone(), tree]));
        assert!(told.contains("unpack the pack was refused"), "{name}: {told}");
    }
    assert_clean(&project);
    server.put("/app/host", json!("still here")).expect(200);
}

#[test]
fn requests_that_are_none() {
    let project = project();
    let server = project.serve();
    for body in ["", "0001", "zzzz", "0004", "0010not a command", "0005", "fff0short", "00"] {
        let answer = send(&server, body.as_bytes());
        assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
    }
    // What Git sends to find out whether its password is taken.
    assert_eq!(send(&server, b"0000").expect(200).text(), "");
    let many: Vec<String> = (0..1_001).map(|number| format!("refs/heads/b{number}")).collect();
    let new = project.git(&["rev-parse", "main"]).trim().to_owned();
    let commands: Vec<(&str, &str, &str)> =
        many.iter().map(|name| (ZERO, new.as_str(), name.as_str())).collect();
    let told = send(&server, &body_of(&commands, CAPABILITIES, &pack(0, &[]))).expect(400).text();
    assert!(told.contains("at most 1000 refs"), "{told}");
    let told = send(&server, &body_of(&commands[..1_000], CAPABILITIES, &pack(0, &[]))).expect(200).text();
    assert_eq!(told.matches("ok refs/heads/b").count(), 1_000);
    // A body may be packed.
    let plain = body_of(&[(ZERO, &new, "refs/heads/packed")], CAPABILITIES, &pack(0, &[]));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let gzip = encoder.finish().unwrap();
    let headers = [("Content-Type", "application/x-git-receive-pack-request"), ("Content-Encoding", "gzip")];
    let told = server.request("POST", "/config.git/git-receive-pack", &headers, &gzip).expect(200).text();
    assert!(told.contains("ok refs/heads/packed"), "{told}");
    server.request("POST", "/config.git/git-receive-pack", &headers, &plain).expect(400);
    assert_clean(&project);
}

#[test]
fn clients_that_hang_up_leave_nothing() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let new = clone.commit("app.yaml", &format!("host: h1\nport: 1\nfill: {}\n", "x".repeat(50_000)));
    let pack = pack_of(&clone.dir, &format!("{new}\n"), &["--compression=0"]);
    let body = body_of(&[(ZERO, &new, "refs/heads/gone")], CAPABILITIES, &pack);
    for cut in [0, 2, 60, 130, 145, 160, 1_000, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST /config.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {}\r\n\r\n",
            server.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body[..cut]).unwrap();
    }
    // One that does not wait for its answer is decided all the same.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let whole = body_of(&[(ZERO, &new, "refs/heads/decided")], CAPABILITIES, &pack);
    let head = format!(
        "POST /config.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {}\r\n\r\n",
        server.key,
        whole.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&whole).unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    assert!(String::from_utf8_lossy(&told).contains("ok refs/heads/decided"));
    let left = || {
        let objects = std::fs::read_dir(project.config_git().join("objects")).unwrap().flatten();
        objects.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp_")).count()
    };
    wait_for("what was begun to go", || left() == 0);
    assert!(!project.git(&["for-each-ref"]).contains("gone"));
    assert_clean(&project);
}

/// A `git` that starts something else for a clone, which prints nothing for long: the packing of a large repository.
#[test]
fn what_packs_for_a_client_that_hung_up_ends_with_it() {
    let project = project();
    let bin = project.temp.path().join("bin");
    let started = project.temp.path().join("started");
    std::fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\nsleep 600 &\necho $! > {}\nwait\n", started.display());
    std::fs::write(bin.join("git"), script).unwrap();
    std::fs::set_permissions(bin.join("git"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let server = project.serve_with(&[], &[("PATH", &path)]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /config.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 4\r\n\r\n0000",
        server.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    let pid = || std::fs::read_to_string(&started).ok()?.trim().parse::<u32>().ok();
    wait_for("the packing to begin", || pid().is_some());
    let process = format!("/proc/{}/stat", pid().unwrap());
    /// Ends it, should the test fail.
    struct Sleeper(i32);
    impl Drop for Sleeper {
        fn drop(&mut self) {
            let sleeper = rustix::process::Pid::from_raw(self.0).unwrap();
            let _ = rustix::process::kill_process(sleeper, rustix::process::Signal::KILL);
        }
    }
    let sleeper = Sleeper(i32::try_from(pid().unwrap()).unwrap());
    // What ended and nobody asked about is a zombie.
    let runs = || std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(runs());
    drop(stream);
    wait_for("it to end", || !runs());
    // Its number may be somebody else's.
    std::mem::forget(sleeper);
}

fn serve_failing(project: &TestProject, failpoint: &str) -> Server {
    project.serve_with(&[], &[("CONFGIT_FAILPOINTS", failpoint)])
}

#[test]
fn a_push_outlives_death_at_every_step_or_never_was() {
    let steps = [
        "keep-written",
        "refs-locked",
        "pack-written",
        "refs-written",
        "all-synced",
        "pack-renamed",
        "journal-moved",
        "branch-moved",
        "keep-removed",
        "index-swapped",
    ];
    for step in steps {
        let project = project();
        let mut server = serve_failing(&project, &format!("{step}=abort"));
        let clone = Clone::of(&server, &server.key);
        let new = clone.commit("app.yaml", "host: pushed\nport: 1\n");
        clone.try_git(&["push"]);
        server.child.wait().unwrap();
        drop(server);
        let server = project.serve();
        let host = server.get("/v1/config/app/host").expect(200).json();
        let head = project.git(&["rev-parse", "main"]).trim().to_owned();
        assert_eq!(host == "pushed", head == new, "{step}");
        let is_behind = matches!(step, "journal-moved" | "branch-moved" | "keep-removed" | "index-swapped");
        assert!(!is_behind || host == "pushed", "{step}");
        let address = super::url(&server, "config.git");
        clone.push(&[&address, "main"]);
        assert_eq!(server.get("/v1/config/app/host").expect(200).json(), "pushed", "{step}");
        assert_clean(&project);
    }
}

#[test]
fn kill_9_amid_pushes_loses_nothing_that_was_reported() {
    let project = project();
    let mut reported = Vec::new();
    for round in 0..3 {
        let mut server = project.serve();
        let clone = Clone::of(&server, &server.key);
        let pid = server.child.id().to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(700));
                assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            });
            for number in 0.. {
                let value = format!("r{round}n{number}");
                clone.commit("app.yaml", &format!("host: {value}\nport: 1\n"));
                if !clone.try_git(&["push", "-q"]).status.success() {
                    break;
                }
                reported.push(clone.git(&["rev-parse", "HEAD"]).trim().to_owned());
            }
        });
        server.child.wait().unwrap();
    }
    let server = project.serve();
    let history = project.git(&["rev-list", "main"]);
    for commit in &reported {
        assert!(history.contains(commit), "{commit} was reported and is not there");
    }
    assert!(reported.len() > 3, "{}", reported.len());
    server.put("/app/host", json!("goes on")).expect(200);
    assert_clean(&project);
}

#[test]
fn refs_that_cannot_be_together() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.commit("app.yaml", "host: beside\nport: 1\n");
    let told = clone.refused(&["origin", "main", "main:refs/heads/x", "main:refs/heads/x/y"]);
    assert!(told.contains("refs/heads/x cannot be beside refs/heads/x/y"), "{told}");
    // What can be is there, and writes go on.
    assert_eq!(server.get("/v1/config/app/host").expect(200).json(), "beside");
    server.put("/app/host", json!("on")).expect(200);
    let told = clone.refused(&["origin", "main:refs/heads/main/below"]);
    assert!(told.contains("cannot be beside refs/heads/main"), "{told}");
    let head = project.git(&["rev-parse", "main"]).trim().to_owned();
    let twice = [(ZERO, head.as_str(), "refs/heads/t"), (ZERO, head.as_str(), "refs/heads/t")];
    let told = send(&server, &body_of(&twice, CAPABILITIES, &pack(0, &[]))).expect(400).text();
    assert!(told.contains("named twice"), "{told}");
    server.put("/app/host", json!("and on")).expect(200);
    assert_clean(&project);
}

#[test]
fn a_push_waits_for_a_lock_that_somebody_holds() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.commit("app.yaml", "host: waited\nport: 1\n");
    let lock = project.config_git().join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(2_500));
            std::fs::remove_file(&lock).unwrap();
        });
        clone.push(&[]);
    });
    assert_eq!(server.get("/v1/config/app/host").expect(200).json(), "waited");
    assert_clean(&project);
}

#[test]
fn a_tree_that_names_one_file_a_million_times() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let tree = |entries: &str| {
        let mut child = crate::harness::git_command(&clone.dir);
        let mut child = child
            .arg("mktree")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    clone.write("one.yaml", "a: 1\n");
    let blob = clone.git(&["hash-object", "-w", "one.yaml"]).trim().to_owned();
    let wide =
        |kind: &str, id: &str| (0..1_000).map(|n| format!("{kind} {id}\tn{n:04}\n")).collect::<String>();
    let mut at = tree(&wide("100644 blob", &blob));
    at = tree(&wide("040000 tree", &at));
    for _ in 0..200 {
        at = tree(&format!("040000 tree {at}\t{}\n", "d".repeat(200)));
    }
    let bomb = clone.git(&["commit-tree", "-m", "bomb", "-p", "HEAD", &at]).trim().to_owned();
    let told = clone.refused(&["origin", &format!("{bomb}:main")]);
    assert!(told.contains("push in several steps") || told.contains("nested deeper"), "{told}");
    server.put("/app/host", json!("still here")).expect(200);
    assert_clean(&project);
}
