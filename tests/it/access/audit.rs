//! The audit log: what is told, that it cannot be edited or cut unseen, and that it comes with a backup.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{key, project};
use crate::harness::{Server, TestProject, confgit, wait_for};

fn records(server: &Server, query: &str) -> Vec<Value> {
    server.get(&format!("/api/audit{query}")).expect(200).json()["items"].as_array().unwrap().clone()
}

fn verify(project: &TestProject) -> (bool, String) {
    let output = confgit(&["audit", "verify", project.dir().to_str().unwrap()]);
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn segment(project: &TestProject) -> PathBuf {
    project.dir().join("audit/00000000000000000001.jsonl")
}

#[test]
fn what_is_no_commit_is_told_and_stands_among_the_commits() {
    let project = project();
    let server = project.serve();
    let (dana, svc) = (server.as_account("dana"), server.as_account("svc"));
    dana.put("/payments/db/host?env=dev", json!("d2")).expect(200);
    let header = [("X-Request-Id", "req-17")];
    dana.request("DELETE", "/api/config/payments/db/port", &header, b"").expect(403);
    dana.get("/v1/config/finance/ledger").expect(403);
    server.request("GET", "/api/whoami", &[("Authorization", "Bearer cg_nobody")], b"").expect(401);
    server.as_account("old").get("/api/whoami").expect(401);
    for _ in 0..5 {
        svc.get("/v1/config/payments/db/password").expect(200);
    }
    server.get("/api/backup").expect(200);
    server.post("/api/accounts", json!({"name": "eve"})).expect(201);
    wait_for("the refusals to be told", || records(&server, "?what=refused").len() == 2);
    let of = |query: &str| records(&server, query);
    let refused = &of("?what=refused&path=/payments")[0];
    assert_eq!(refused["account"], "dana");
    assert_eq!(
        (&refused["action"], &refused["env"], &refused["request_id"]),
        (&json!("write"), &json!("prod"), &json!("req-17"))
    );
    assert!(refused["rule"].as_str().unwrap().contains("rule 2"), "{refused}");
    assert_eq!(refused["address"], "127.0.0.1");
    assert_eq!(of("?what=refused&account=omar"), Vec::<Value>::new());
    let failed = of("?what=sign-in-failed");
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().any(|one| one["account"] == "old"), "{failed:?}");
    // Repeated reads of one secret are one record; the others are counted.
    let secrets = of("?what=secret-read");
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    assert_eq!((&secrets[0]["account"], &secrets[0]["secret"]), (&json!("svc"), &json!("db-app")));
    // What leaves for other tools is told, and counted where that happens again and again.
    server.get("/v1/config/shared?format=env").expect(200);
    server.get("/v1/config/shared?format=yaml").expect(200);
    wait_for("the exports to be told", || of("?what=exported&path=/shared").len() == 1);
    let exported = of("?what=exported");
    let backups = exported.iter().filter(|one| one["action"] == "backup").count();
    assert_eq!(backups, 1, "{exported:?}");
    server.get("/api/audit?env=").expect(400);
    server.get("/api/audit?env=no%20name").expect(400);
    assert!(server.get("/api/audit?what=refusals").expect(400).text().contains("`what` is one of changed"));
    // One stream, newest first, with the commits.
    let all = of("");
    let times: Vec<&str> = all.iter().map(|item| item["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let whats: Vec<&str> = all.iter().map(|item| item["what"].as_str().unwrap()).collect();
    for what in ["changed", "settings-changed", "refused", "started", "secret-read"] {
        assert!(whats.contains(&what), "{whats:?}");
    }
    let changed = of("?account=dana&what=changed&path=/payments/db/*&env=dev");
    assert_eq!((changed.len(), &changed[0]["paths"]), (1, &json!(["/payments/db/host"])));
    assert_eq!(of("?what=settings-changed&account=admin")[0]["detail"], "create the account eve");
    assert_eq!(of("?until=2020-01-01T00:00:00Z"), Vec::<Value>::new());
    assert_eq!(of("?since=2099-01-01T00:00:00Z"), Vec::<Value>::new());
    // Page by page it is the same.
    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/audit?limit=3{next}")).expect(200).json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&before={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    server.get("/api/audit?before=999.0.0").expect(400);
    server.stop();
    // The counted reads are written when the log closes.
    let text = fs::read_to_string(segment(&project)).unwrap();
    let counted = text.lines().filter(|line| line.contains("secret-read")).nth(1).unwrap();
    assert!(counted.contains("\"count\":4"), "{counted}");
    assert!(!text.contains("s3cret-app"));
    let (sound, said) = verify(&project);
    assert!(sound, "{said}");
}

#[test]
fn one_byte_and_the_tail_are_missed() {
    let project = project();
    let server = project.serve();
    for number in 0..5 {
        server.as_account("dana").get(&format!("/v1/config/finance/{number}")).expect(403);
    }
    let refused = || records(&server, "?what=refused").len() == 5;
    wait_for("the refusals to be told", refused);
    // The journal says what was there by then.
    server.put("/payments/x", json!(1)).expect(201);
    let trailer = project.git(&["log", "-1", "--format=%B", "refs/confgit/journal"]);
    assert!(trailer.contains("\nAudit: 6 sha256:"), "{trailer}");
    let report = server.get("/api/audit/verify").expect(200).json();
    assert_eq!((&report["sound"], &report["anchors"]), (&json!(true), &json!(1)), "{report}");
    server.stop();
    let file = segment(&project);
    let sound = fs::read(&file).unwrap();
    let (is_sound, said) = verify(&project);
    assert!(is_sound && said.contains("7 records are as they were written"), "{said}");
    // Nobody vouches for what is not there.
    let beyond = confgit(&["audit", "verify", project.dir().to_str().unwrap(), "--first", "9"]);
    let said = String::from_utf8(beyond.stdout).unwrap();
    assert!(
        !beyond.status.success() && said.contains("record 9 is not there: the log ends with record 7"),
        "{said}"
    );
    // One byte.
    for at in [10, sound.len() / 2, sound.len() - 3] {
        let mut edited = sound.clone();
        edited[at] ^= 1;
        fs::write(&file, edited).unwrap();
        let (is_sound, said) = verify(&project);
        assert!(!is_sound && said.contains("00000000000000000001.jsonl"), "{at}: {said}");
    }
    // The tail: of the last record, of the last two, and so that only the journal tells.
    let ends: Vec<usize> =
        sound.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let head = project.dir().join("audit/head");
    let kept_head = fs::read(&head).unwrap();
    for end in [sound.len() - 1, ends[ends.len() - 2], ends[2]] {
        fs::write(&file, &sound[..end]).unwrap();
        fs::write(&head, &kept_head).unwrap();
        let (is_sound, said) = verify(&project);
        assert!(!is_sound, "cut at {end}: {said}");
        let last = String::from_utf8(sound[..ends[2]].to_vec()).unwrap();
        let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
        fs::write(&head, format!("3 {}\n", last["hash"].as_str().unwrap())).unwrap();
        if end == ends[2] {
            let (is_sound, said) = verify(&project);
            assert!(
                !is_sound && said.contains("journal") || said.contains('6'),
                "whoever mends the head as well: {said}"
            );
            assert!(!is_sound);
        }
    }
    // Two records that change places.
    let mut swapped: Vec<&[u8]> = sound.split_inclusive(|byte| *byte == b'\n').collect();
    swapped.swap(1, 2);
    fs::write(&file, swapped.concat()).unwrap();
    fs::write(&head, &kept_head).unwrap();
    assert!(!verify(&project).0);
    // A server starts on a log that was cut, says so, and the log says so for ever.
    fs::write(&file, &sound[..ends[2]]).unwrap();
    let server = project.serve();
    let status = server.get("/api/status").expect(200).json();
    assert!(status["audit"]["problem"].is_string(), "{status}");
    assert_eq!(records(&server, "?what=broken").len(), 1);
    let report = server.get("/api/audit/verify").expect(200).json();
    assert_eq!(report["sound"], false);
    server.stop();
    assert!(!verify(&project).0);
}

#[test]
fn a_backup_has_the_log_whole() {
    let project = project();
    let server = project.serve();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let archive = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                server.as_account("dana").get(&format!("/v1/config/finance/{number}")).expect(403);
                server.put("/payments/n", json!(number)).status.to_string();
                number += 1;
            }
        });
        wait_for("some records", || records(&server, "?what=refused").len() > 20);
        let archive = server.get("/api/backup").expect(200).body;
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        archive
    });
    let file = project.temp.path().join("backup.tar");
    fs::write(&file, archive).unwrap();
    let restored = project.temp.path().join("restored");
    let output = confgit(&["restore", file.to_str().unwrap(), restored.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = confgit(&["audit", "verify", restored.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_command_line_shows_the_stream() {
    let project = project();
    let server = project.serve();
    let url = format!("http://{}", server.address);
    let run = |key: &str, arguments: &[&str]| {
        let output = confgit(&[arguments, &["--server", &url, "--token", key]].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    server.as_account("dana").put("/payments/db/port", json!(1)).expect(403);
    wait_for("the refusal", || records(&server, "?what=refused").len() == 1);
    let (code, text) = run(&project.key, &["audit", "--what", "refused", "--since", "1h"]);
    assert!(
        code == 0 && text.starts_with("TIME ") && text.contains("prod shows what changes in base"),
        "{text}"
    );
    let (code, text) = run(&project.key, &["audit", "-n", "2", "-o", "json"]);
    let stream: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, stream["items"].as_array().unwrap().len()), (0, 2));
    let (code, text) = run(&project.key, &["audit", "verify"]);
    assert!(code == 0 && text.contains("records are as they were written"), "{text}");
    assert_eq!(run(&key("omar"), &["audit"]).0, 4);
    assert_eq!(run(&project.key, &["audit", "--since", "yesterday"]).0, 2);
}
