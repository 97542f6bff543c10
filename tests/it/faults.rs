//! Disks that fail: writes answer 503 and say why, reads go on, nothing is half-written, and when the cause
//! goes so does the refusal.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use confgit::git::failpoint::Step;
use serde_json::json;

use crate::harness::{Server, TestProject, confgit};

/// Every step before the commit point at which writing can fail.
const BEFORE_COMMIT: [Step; 5] =
    [Step::KeepWritten, Step::RefsLocked, Step::PackWritten, Step::PackRenamed, Step::RefsWritten];

fn assert_clean(project: &TestProject) {
    project.git(&["fsck", "--full", "--strict"]);
    for folder in ["objects/pack", "refs/heads", "refs/confgit"] {
        for entry in std::fs::read_dir(project.config_git().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let leftover = name.ends_with(".lock") || name.starts_with("tmp_") || name.ends_with(".keep");
            assert!(!leftover, "{folder}/{name} was left");
        }
    }
}

#[test]
fn an_error_at_any_step_before_the_commit_point_is_a_503_and_passes() {
    for (step, action) in BEFORE_COMMIT.iter().flat_map(|step| [(step, "error"), (step, "full")]) {
        let project = TestProject::empty();
        let server =
            project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &format!("{}={action}@2", step.name()))]);
        server.put("/a/k", json!(1)).expect(201);
        let head = project.git(&["rev-parse", "main"]);
        let refused = server.put("/a/k", json!(2)).expect(503);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(project.git(&["rev-parse", "main"]), head, "{step:?} {action}");
        let status = server.get("/api/status").json();
        assert!(status["writable"] == json!(false) && status["reason"].is_string(), "{status}");
        assert_eq!(server.get("/v1/config/a/k").text(), "1", "reads go on");
        assert_clean(&project);
        let written = server.put("/a/k", json!(3)).expect(200).json();
        assert_eq!(written["version"], 2, "nothing of the failed write counts");
        assert_eq!(server.get("/api/status").json()["writable"], true);
    }
}

#[test]
fn after_a_failed_flush_only_a_restart_writes_again() {
    {
        let step = Step::AllSynced;
        let project = TestProject::empty();
        let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &format!("{}=error@2", step.name()))]);
        server.put("/a/k", json!(1)).expect(201);
        for _ in 0..2 {
            let refused = server.put("/a/k", json!(2)).expect(503).json();
            assert!(refused["detail"].as_str().unwrap().contains("restart"), "{refused}");
        }
        assert_eq!(server.get("/v1/config/a/k").text(), "1");
        assert_eq!(server.get("/readyz").status, 503);
        drop(server);
        let server = project.serve();
        assert_eq!(server.put("/a/k", json!(3)).expect(200).json()["version"], 2);
        assert_clean(&project);
    }
}

#[test]
fn an_error_after_the_commit_point_is_no_error_for_the_writer() {
    for step in [Step::JournalMoved, Step::BranchMoved, Step::KeepRemoved] {
        let project = TestProject::empty();
        let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", &format!("{}=error@2", step.name()))]);
        server.put("/a/k", json!(1)).expect(201);
        assert_eq!(server.put("/a/k", json!(2)).expect(200).json()["version"], 2, "{step:?}");
        assert_eq!(server.get("/v1/config/a/k").text(), "2");
        assert_eq!(project.git(&["show", "main:a.yaml"]), "k: 2\n");
        assert_eq!(server.put("/a/k", json!(3)).expect(200).json()["version"], 3, "{step:?}");
    }
}

#[test]
fn a_file_too_large_for_the_file_system_is_refused_and_smaller_ones_are_not() {
    let project = TestProject::empty();
    // `ulimit -f` counts in blocks of 512 bytes; the signal that comes with it is ignored across exec.
    let script = format!(
        "trap '' XFSZ; ulimit -f 400; exec {} serve {} --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_confgit"),
        project.dir().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let server = Server::spawn(command, &project.key).unwrap_or_else(|error| panic!("{error}"));
    server.put("/a/k", json!(1)).expect(201);
    server.put("/a/big", json!(incompressible(400_000))).expect(503);
    assert_clean(&project);
    server.put("/a/k", json!(2)).expect(200);
    assert_eq!(server.get("/api/status").json()["writable"], true);
}

/// A file system of a few megabytes in memory, gone when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = SmallDisk { dir };
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        disk
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).arg(self.path()).status();
        let done = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        assert!(
            done,
            "this test mounts a small tmpfs: run as root, or as `unshare -Urm make test` ({status:?})"
        );
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills what is left but for this many bytes.
    fn fill(&self, leave: u64) {
        let free = || {
            let output =
                Command::new("df").args(["--output=avail", "-B1"]).arg(self.path()).output().unwrap();
            String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().trim().parse::<u64>().unwrap()
        };
        std::fs::write(self.path().join("ballast"), vec![7; usize::try_from(free() - leave).unwrap()])
            .unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let disk = SmallDisk::mount(16);
    let dir = disk.path().join("project");
    let output = confgit(&["init", dir.to_str().unwrap(), "-o", "json"]);
    assert!(output.status.success(), "{output:?}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = Server::start(&dir, answer["key"].as_str().unwrap(), &[], &[]).unwrap();
    let git = |arguments: &[&str]| crate::harness::git(&dir.join("config.git"), arguments);
    server.put("/a/k", json!(1)).expect(201);

    disk.fill(100_000);
    server.put("/a/big", json!(incompressible(300_000))).expect(503);
    let status = server.get("/api/status").json();
    assert!(status["reason"].as_str().unwrap().contains("room"), "{status}");
    assert_eq!(server.get("/v1/config/a/k").text(), "1", "reads go on");
    git(&["fsck", "--full", "--strict"]);
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    assert_eq!(server.put("/a/big", json!(incompressible(300_000))).expect(201).json()["version"], 1);

    git(&["fsck", "--full", "--strict"]);
    server.stop();
}

#[test]
fn a_read_only_directory_refuses_writes_until_it_is_not() {
    let project = TestProject::empty();
    // Root may write where nobody may, unless it gives up that power.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override", env!("CARGO_BIN_EXE_confgit"), "serve"]);
    command.arg(project.dir()).args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command, &project.key).unwrap_or_else(|error| panic!("{error}"));
    server.put("/a/k", json!(1)).expect(201);
    let packs = project.config_git().join("objects/pack");
    std::fs::set_permissions(&packs, Permissions::from_mode(0o555)).unwrap();
    server.put("/a/k", json!(2)).expect(503);
    let status = server.get("/api/status").json();
    assert!(status["reason"].as_str().unwrap().contains("cannot be written"), "{status}");
    assert_eq!(server.get("/v1/config/a/k").text(), "1", "reads go on");
    std::fs::set_permissions(&packs, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(server.put("/a/k", json!(3)).expect(200).json()["version"], 2);
    assert_clean(&project);
}

/// A text that no compression makes much smaller, the same each time.
fn incompressible(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let digit = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        char::from(
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(*state >> 58) as usize],
        )
    };
    (0..length).map(|_| digit(&mut state)).collect()
}
