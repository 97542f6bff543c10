//! Backup, restore and fsck: what was acknowledged before a backup began is in it, whatever goes on meanwhile.

mod damage;
mod doors;
mod hostile;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::cli::{Ran, command};
use crate::harness::{DEADLINE, Server, TestProject, git, wait_for};

/// What the server said of a write.
#[derive(Clone)]
struct Acknowledged {
    path: String,
    value: String,
    answer: Value,
}

/// A backup, and what had been acknowledged before it was asked for.
struct Taken {
    file: PathBuf,
    before: Vec<Acknowledged>,
}

/// Runs the binary on the files of this machine.
fn run(arguments: &[&str]) -> Ran {
    Ran::from(command(&[]).args(arguments).output().unwrap())
}

/// Makes a backup of a project's directory.
fn back_up(project: &TestProject) -> PathBuf {
    let file = project.temp.path().join("backup.tar");
    run(&["backup", "--repo", project.dir().to_str().unwrap(), file.to_str().unwrap()]).ok();
    file
}

/// The members of an archive: name and content.
fn members(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(file).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    });
    entries.collect()
}

/// The manifest of an archive.
pub fn manifest(file: &Path) -> Value {
    let members = members(file);
    assert_eq!(members[0].0, "manifest.json");
    serde_json::from_slice(&members[0].1).unwrap()
}

fn write_until(server: &Server, writer: u32, stop: &AtomicBool, seen: &Mutex<Vec<Acknowledged>>) {
    for number in 0u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let path = match number % 3 {
            0 => format!("/load/w{writer}/k{}", number % 7),
            1 => format!("/load/shared/k{}", number % 5),
            _ => format!("/load/fresh/w{writer}n{number}"),
        };
        let value = format!("{writer}-{number}");
        let answer = server.put(&path, json!(value));
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        seen.lock().unwrap().push(Acknowledged { path, value, answer: answer.json() });
    }
}

fn packs(project: &TestProject) -> usize {
    let names = std::fs::read_dir(project.config_git().join("objects/pack")).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "pack")).count()
}

/// Takes one backup after the other, by each of the three doors in turn, until packs were folded away meanwhile.
fn take_backups(project: &TestProject, server: &Server, seen: &Mutex<Vec<Acknowledged>>) -> Vec<Taken> {
    let begun = Instant::now();
    let (mut taken, mut most_packs, mut folded) = (Vec::new(), 0, false);
    let address = format!("http://{}", server.address);
    while !folded || taken.len() < 6 {
        assert!(begun.elapsed() < DEADLINE, "nothing was folded");
        let before = seen.lock().unwrap().clone();
        let file = project.temp.path().join(format!("{}.tar", taken.len()));
        let name = file.to_str().unwrap();
        match taken.len() % 3 {
            0 => std::fs::write(&file, server.get("/api/backup").expect(200).body).unwrap(),
            1 => {
                let variables = [("CONFGIT_SERVER", address.as_str()), ("CONFGIT_TOKEN", &server.key)];
                Ran::from(command(&variables).args(["backup", name]).output().unwrap()).ok();
            }
            _ => drop(run(&["backup", "--repo", project.dir().to_str().unwrap(), name]).ok()),
        }
        taken.push(Taken { file, before });
        let packs = packs(project);
        folded |= packs + 16 < most_packs;
        most_packs = most_packs.max(packs);
    }
    taken
}

/// Restores a backup elsewhere, and compares everything it promises.
fn compare(project: &TestProject, original: &Server, taken: &Taken) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("restored");
    let restored =
        run(&["restore", taken.file.to_str().unwrap(), dir.to_str().unwrap(), "-o", "json"]).json();
    let sequence = restored["sequence"].as_u64().unwrap();
    assert_eq!(restored["report"]["result"], "ok", "{restored}");
    let newest = taken.before.iter().map(|ack| ack.answer["sequence"].as_u64().unwrap()).max();
    assert!(Some(sequence) >= newest, "{sequence} is before {newest:?}");
    for repository in ["config.git", "meta.git"] {
        git(&dir.join(repository), &["fsck", "--full", "--strict", "--no-dangling"]);
    }
    let server = Server::start(&dir, &project.key, &[], &[]).unwrap();
    assert_eq!(
        server.get("/api/status").json()["sequence"],
        sequence,
        "nothing was taken for a move by others"
    );
    for ack in &taken.before[taken.before.len().saturating_sub(100)..] {
        let version = &ack.answer["version"];
        let entry = server.get(&format!("/api/config{}?version={version}", ack.path)).expect(200).json();
        assert_eq!(entry["value"], ack.value, "{}", ack.path);
        for member in ["version", "sequence", "revision"] {
            assert_eq!(entry[member], ack.answer[member], "{member} of {}", ack.path);
        }
    }
    for path in ["/load/shared/k1", "/load/w3/k6", "/myapp/database/pool_size"] {
        let list = |server: &Server| {
            let answer = server.get(&format!("/api/config{path}/history?limit=1000")).json();
            let items: Vec<Value> = answer.as_array().cloned().unwrap_or_default();
            items.into_iter().filter(|item| item["sequence"].as_u64() <= Some(sequence)).collect::<Vec<_>>()
        };
        assert_eq!(list(&server), list(original), "{path}");
    }
    let written = server.put("/load/shared/k1", json!("afterwards")).expect(200).json();
    assert_eq!(written["sequence"], sequence + 1);
    server.stop();
    let checked = run(&["fsck", dir.to_str().unwrap(), "-o", "json", "--strict"]).json();
    assert_eq!(checked["checks"][4]["covered"], format!("{} change sets", sequence + 1), "{checked}");
}

#[test]
fn a_backup_under_load_holds_all_that_was_acknowledged() {
    let project = TestProject::example();
    let server = project.serve();
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let taken = std::thread::scope(|scope| {
        for writer in 0..8 {
            let (server, stop, seen) = (&server, &stop, &seen);
            scope.spawn(move || write_until(server, writer, stop, seen));
        }
        wait_for("some writes", || seen.lock().unwrap().len() > 100);
        let taken =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take_backups(&project, &server, &seen)));
        // Checked beside the server, too, while it writes.
        let checked = run(&["fsck", project.dir().to_str().unwrap(), "-o", "json"]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(checked.json()["result"], "ok");
        taken.unwrap()
    });
    // By each door, and both before and after packs went away.
    let last = taken.len() - 1;
    for index in [0, 1, 2, last] {
        compare(&project, &server, &taken[index]);
    }
    assert!(!project.dir().join("derived/pinned").exists(), "a private place is left behind");
}
