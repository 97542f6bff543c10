//! What fsck finds, and what it does not take for damage.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::run;
use crate::harness::{TestProject, git_command};

/// A project with some history, at rest.
fn project() -> TestProject {
    let project = TestProject::example();
    let server = project.serve();
    for number in 0..12 {
        server.put(&format!("/t/k{}", number % 3), json!(number)).expect(if number < 3 { 201 } else { 200 });
    }
    server.stop();
    project
}

/// The packs with their sizes, smallest first.
fn packs(project: &TestProject) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.config_git().join("objects/pack")).unwrap();
    let mut packs: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .map(|path| (path.metadata().unwrap().len(), path))
        .collect();
    packs.sort();
    packs.into_iter().map(|(_, path)| path).collect()
}

fn flip(file: &Path, at: usize) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}

/// Checks, and answers the exit code and the report.
fn fsck(project: &TestProject, arguments: &[&str]) -> (i32, Value) {
    let ran = run(&[&["fsck", project.dir().to_str().unwrap(), "-o", "json"], arguments].concat());
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr)))
}

/// The check of this name must have this result, with a finding that says this.
#[track_caller]
fn expect(report: &Value, check: &str, result: &str, says: &str) {
    let found = report["checks"].as_array().unwrap().iter().find(|found| found["check"] == check).unwrap();
    assert_eq!(found["result"], result, "{report:#}");
    let findings = found["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["message"].as_str().unwrap().contains(says)),
        "{says}: {report:#}"
    );
}

#[test]
fn a_sound_project_is_sound() {
    let project = project();
    let (code, report) = fsck(&project, &["--strict"]);
    assert_eq!((code, &report["result"], &report["sequence"]), (0, &json!("ok"), &json!(13)), "{report:#}");
    // After `git gc` the objects stand elsewhere; loose ones count as well.
    project.git(&["gc", "--quiet"]);
    project.git(&["tag", "-a", "v1", "-m", "the first", "main"]);
    let (code, report) = fsck(&project, &["--strict"]);
    assert_eq!((code, &report["result"]), (0, &json!("ok")), "{report:#}");
    let printed = run(&["fsck", project.dir().to_str().unwrap()]).ok();
    assert!(
        printed.starts_with("CHECK      RESULT  COVERED\njournal    ok      13 change sets"),
        "{printed}"
    );
}

#[test]
fn every_flipped_byte_of_a_pack_is_found() {
    let project = project();
    let pack = packs(&project).pop().unwrap();
    let whole = std::fs::read(&pack).unwrap();
    for at in [4, 11, 12, 20, whole.len() / 3, whole.len() / 2, whole.len() - 21, whole.len() - 1] {
        flip(&pack, at);
        let (code, report) = fsck(&project, &[]);
        assert_eq!(code, 1, "byte {at}: {report:#}");
        expect(&report, "objects", "damaged", pack.file_stem().unwrap().to_str().unwrap());
        std::fs::write(&pack, &whole).unwrap();
    }
    let idx = pack.with_extension("idx");
    flip(&idx, 1_100);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1, "{report:#}");
    expect(&report, "objects", "damaged", "");
}

#[test]
fn a_flipped_byte_of_a_loose_object_is_found() {
    let project = project();
    project.git(&["tag", "-a", "v1", "-m", "the first", "main"]);
    let id = project.git(&["rev-parse", "v1"]).trim().to_owned();
    let file = project.config_git().join(format!("objects/{}/{}", &id[..2], &id[2..]));
    flip(&file, 20);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "objects", "damaged", &id);
    std::fs::remove_file(file).unwrap();
    expect(&fsck(&project, &[]).1, "objects", "damaged", "refs/tags/v1 leads to it");
}

#[test]
fn a_missing_pack_is_found() {
    let project = project();
    // A small one: that of a single write, whose commit the journal and the branch lead to.
    let pack = packs(&project).remove(1);
    std::fs::remove_file(&pack).unwrap();
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "objects", "damaged", "its file .pack is missing");
    std::fs::remove_file(pack.with_extension("idx")).unwrap();
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "objects", "damaged", "is missing; ");
    // No backup is made of what could not be restored.
    let tip = packs(&project);
    tip.iter().for_each(|pack| std::fs::remove_file(pack).unwrap());
    let file = project.temp.path().join("b.tar");
    run(&["backup", "--repo", project.dir().to_str().unwrap(), file.to_str().unwrap()]).fails(1);
    assert!(!file.exists());
}

#[test]
fn a_journal_that_was_cut_or_replaced_is_found() {
    let project = project();
    let tip = project.git(&["rev-parse", "refs/confgit/journal"]);
    project.git(&["update-ref", "refs/confgit/journal", &format!("{}~2", tip.trim())]);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "history", "damaged", "goes on to change set 13, but the journal ends with 11");
    expect(&report, "refs", "warning", "refs/heads/main is at");
    project.git(&["update-ref", "refs/confgit/journal", "main"]);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "journal", "damaged", "is not one of confgit's");

    // A commit taken out of the middle: what followed it is written anew upon the one before.
    let message = project.git(&["log", "-1", "--format=%B", tip.trim()]);
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let parent = format!("{}~2", tip.trim());
    let made = project.git(&["commit-tree", tree, "-p", &parent, "-m", message.trim()]);
    project.git(&["update-ref", "refs/confgit/journal", made.trim()]);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "journal", "damaged", "should end with sequence 12 and ends with 11");

    // The same with the numbers mended: the branch does not begin where it ended before.
    let renumbered = message.replace("13", "12");
    let made = project.git(&["commit-tree", tree, "-p", &parent, "-m", renumbered.trim()]);
    project.git(&["update-ref", "refs/confgit/journal", made.trim()]);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "journal", "damaged", "but change set 11 leaves it at");
}

#[test]
fn a_branch_moved_from_outside_is_told_and_no_damage() {
    let project = project();
    let here = project.git(&["rev-parse", "main"]);
    project.git(&["update-ref", "refs/heads/main", "main~3"]);
    let (code, report) = fsck(&project, &[]);
    assert_eq!((code, &report["result"]), (0, &json!("warning")), "{report:#}");
    expect(&report, "refs", "warning", &format!("the journal leaves it at {}", here.trim()));
    assert_eq!(fsck(&project, &["--strict"]).0, 1);
    std::fs::write(project.config_git().join("refs/heads/staging"), "torn").unwrap();
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "refs", "damaged", "refs/heads/staging is damaged");
}

#[test]
fn a_damaged_history_index_is_found() {
    let project = project();
    let file = project.dir().join("derived/history");
    let whole = std::fs::read(&file).unwrap();
    flip(&file, whole.len() / 2);
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "history", "damaged", "delete derived/history");
    // Sound in itself, but it tells another story: a version's commit, with the checksum mended.
    let mut bytes = whole.clone();
    let head = project.git(&["rev-parse", "main~1"]);
    let raw: Vec<u8> =
        (0..20).map(|i| u8::from_str_radix(&head.trim()[i * 2..i * 2 + 2], 16).unwrap()).collect();
    for at in 0..bytes.len() - 20 {
        if bytes[at..at + 20] == raw[..] {
            bytes[at] ^= 1;
        }
    }
    mend_checksums(&mut bytes);
    std::fs::write(&file, bytes).unwrap();
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "history", "damaged", "expected version");
    // An index that lags behind, or none, is what a start mends by itself.
    std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let (code, report) = fsck(&project, &["--strict"]);
    assert_eq!(code, 0, "{report:#}");
    expect(&report, "history", "ok", "ends with change set 12");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(fsck(&project, &["--strict"]).0, 0);
}

/// Writes the checksum of every frame anew: length, CRC-32, payload.
fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 24;
    while at + 8 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let crc = crc32fast::hash(&bytes[at + 8..at + 8 + length]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at += 8 + length;
    }
}

#[test]
fn broken_documents_and_settings_are_found() {
    let project = project();
    commit(&project.config_git(), "main", "t/broken.yaml", "a: 1\nb: [\n");
    let (code, report) = fsck(&project, &[]);
    assert_eq!((code, &report["result"]), (0, &json!("warning")), "{report:#}");
    expect(&report, "documents", "warning", "base: t/broken.yaml:");
    assert_eq!(fsck(&project, &["--strict"]).0, 1);
    commit(
        &project.dir().join("meta.git"),
        "main",
        "settings.yaml",
        "default: base\nenvironments:\n  base: {}\n",
    );
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "settings", "damaged", "settings.yaml:3:3: ");
}

#[test]
fn commits_cut_off_on_purpose_are_not_missing() {
    let project = project();
    let boundary = project.git(&["rev-parse", "main~3"]);
    let older = project.git(&["rev-parse", "main~5"]);
    let shallow = project.config_git().join("shallow");
    std::fs::write(&shallow, &boundary).unwrap();
    project.git(&["gc", "--quiet", "--prune=now"]);
    let gone = git_command(&project.config_git()).args(["cat-file", "-e", older.trim()]).output().unwrap();
    assert!(!gone.status.success(), "the older commits are still there");
    let (code, report) = fsck(&project, &["--strict"]);
    assert_eq!(code, 0, "{report:#}");
    expect(&report, "history", "ok", "older commits were cut off");
    let (file, elsewhere) = (super::back_up(&project), project.temp.path().join("elsewhere"));
    run(&["restore", file.to_str().unwrap(), elsewhere.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(elsewhere.join("config.git/shallow")).unwrap(), boundary);
    std::fs::remove_file(shallow).unwrap();
    let (code, report) = fsck(&project, &[]);
    assert_eq!(code, 1);
    expect(&report, "objects", "damaged", &format!("is missing; the commit {} leads to it", boundary.trim()));
}

/// Puts a file on a branch, the way somebody with the repository at hand does.
fn commit(repository: &Path, branch: &str, file: &str, content: &str) {
    let work = tempfile::tempdir().unwrap();
    let place = work.path().join("clone");
    let git = |dir: &Path, arguments: &[&str]| {
        let output = git_command(dir).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(work.path(), &["clone", "--quiet", "--branch", branch, repository.to_str().unwrap(), "clone"]);
    std::fs::create_dir_all(place.join(file).parent().unwrap()).unwrap();
    std::fs::write(place.join(file), content).unwrap();
    git(&place, &["add", "--all"]);
    git(&place, &["commit", "--quiet", "-m", "by hand"]);
    git(&place, &["push", "--quiet", "origin", branch]);
}
