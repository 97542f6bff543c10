use std::path::{Path, PathBuf};
use std::process::Command;

use confgit::git::failpoint::{Step, arm, disarm};
use confgit::git::{PublishError, Repository, WorkTree, fold, fold_finish, journal};
use confgit::model::Sequence;

use super::{Writer, document, eager, fsck, git, packs, put};

/// Steps before the commit point, and those after it.
fn publishing() -> (Vec<Step>, Vec<Step>) {
    let steps = Step::ALL.into_iter().filter(|step| *step < Step::IndexSwapped);
    steps.partition(|step| *step < Step::JournalMoved)
}

#[test]
fn a_failure_before_the_commit_point_leaves_nothing_and_can_be_tried_again() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "0")]]).unwrap();
    for step in publishing().0 {
        for action in ["error", "full"] {
            let before = writer.files();
            arm(&format!("{}={action}", step.name()));
            let error = writer.batch(&[vec![put("a.yaml", step.name())]]).unwrap_err();
            disarm();
            match (action, step) {
                ("full", _) => assert!(matches!(error, PublishError::Full(_)), "{step:?}: {error}"),
                (_, Step::AllSynced) => assert!(matches!(error, PublishError::SyncFailed(_)), "{error}"),
                _ => assert!(matches!(error, PublishError::Io(_)), "{step:?}: {error}"),
            }
            assert_eq!(writer.files(), before, "{step:?}");
            fsck(writer.dir());
            writer.batch(&[vec![put("a.yaml", &format!("{action} {}", step.name()))]]).unwrap();
        }
    }
    assert_eq!(git(writer.dir(), &["rev-list", "--count", "main"]), writer.sequence.to_string());
}

#[test]
fn a_failure_after_the_commit_point_is_said_to_be_durable() {
    for step in publishing().1 {
        let mut writer = Writer::new();
        writer.batch(&[vec![put("a.yaml", "0")]]).unwrap();
        arm(&format!("{}=error", step.name()));
        let error = writer.batch(&[vec![put("a.yaml", "1")]]).unwrap_err();
        disarm();
        assert!(matches!(error, PublishError::AfterCommitPoint(_)), "{step:?}: {error}");
        recover(writer.dir(), 2);
    }
}

/// What the caller does on start: sweep, then bring the branch to what the journal says.
fn recover(dir: &Path, sequence: u64) {
    let repository = Repository::open(dir).unwrap();
    repository.sweep().unwrap();
    let tip = repository.find_ref(journal::REF).unwrap().id().unwrap();
    let reader = repository.reader();
    let all = journal::read(&reader, tip, Sequence(0)).unwrap();
    assert_eq!(all.len() as u64, sequence);
    let head = all.last().unwrap().moves[0].new;
    if repository.find_ref("refs/heads/main").unwrap().id() != head {
        confgit::git::restore_ref(&repository, "refs/heads/main", head).unwrap();
    }
    assert_eq!(git(dir, &["rev-list", "--count", "main"]), sequence.to_string());
    fsck(dir);
    let left: Vec<String> = std::fs::read_dir(dir.join("objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!left.iter().any(|name| name.ends_with(".keep") || name.starts_with("tmp_")), "{left:?}");
}

const DIR: &str = "CONFGIT_TEST_DIR";

#[test]
#[ignore = "the other half of the test below, which runs it in a process of its own"]
fn publish_once_and_die() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let repository = Repository::open(PathBuf::from(dir)).unwrap();
    let head = repository.find_ref("refs/heads/main").unwrap().id();
    let tip = repository.find_ref(journal::REF).unwrap().id();
    let mut writer = Writer {
        _dir: tempfile::tempdir().unwrap(),
        repository,
        tree: WorkTree::new(None),
        head,
        tip,
        sequence: Sequence(1),
    };
    writer.reopen();
    writer.batch(&[vec![put("a.yaml", "2")]]).unwrap();
}

#[test]
fn a_process_that_dies_anywhere_leaves_all_or_nothing() {
    let (before, after) = publishing();
    for (steps, sequence) in [(before, 1), (after, 2)] {
        for step in steps {
            let mut writer = Writer::new();
            writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
            let name = format!("{}::publish_once_and_die", module_path!().split_once("::").unwrap().1);
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", &name])
                .env(DIR, writer.dir())
                .env("CONFGIT_FAILPOINTS", format!("{}=abort", step.name()))
                .output()
                .unwrap();
            assert!(!output.status.success(), "{step:?}: {}", String::from_utf8_lossy(&output.stdout));
            recover(writer.dir(), sequence);
        }
    }
}

#[test]
fn a_fold_that_fails_leaves_the_packs_as_they_were() {
    let mut writer = Writer::new();
    for i in 0..3 {
        writer.batch(&[vec![put("a.yaml", &document(0, i))]]).unwrap();
    }
    let before = writer.files();
    arm("fold-synced=full");
    assert!(fold(&writer.repository, &eager()).is_err());
    disarm();
    assert_eq!(writer.files(), before);
    for step in ["fold-renamed", "fold-unlinking"] {
        arm(&format!("{step}=error"));
        let folded = fold(&writer.repository, &eager());
        if let Ok(Some(report)) = folded {
            assert!(fold_finish(&writer.repository, &report.superseded).is_err());
        }
        disarm();
        fsck(writer.dir());
    }
    while let Some(report) = fold(&writer.repository, &eager()).unwrap() {
        fold_finish(&writer.repository, &report.superseded).unwrap();
    }
    assert_eq!(packs(writer.dir()).len(), 1);
    fsck(writer.dir());
}
