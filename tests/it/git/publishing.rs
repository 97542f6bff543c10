use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use confgit::git::{PublishError, RefMove, RefState, Repository, journal, publish};
use confgit::model::Sequence;

use super::{Writer, fsck, git, git_command, packs, put};

#[test]
fn batches_are_what_git_expects() {
    let mut writer = Writer::new();
    let mut all = BTreeMap::new();
    for round in 0..6 {
        let mut commits = Vec::new();
        for i in 0..40 {
            let path = format!("team{}/app{}/config.yaml", (round * 7 + i) % 5, i % 11);
            let content = format!("value: {round}.{i}\n");
            all.insert(path.clone(), content.clone());
            commits.push(vec![put(&path, &content)]);
        }
        writer.batch(&commits).unwrap();
    }
    let dir = writer.dir();
    fsck(dir);
    assert_eq!(git(dir, &["rev-list", "--count", "main"]), "240");
    assert_eq!(
        git(dir, &["log", "-1", "--format=%an %ae %at %s", "main"]),
        "Ada ada@localhost 1700000000 change"
    );
    for (path, content) in &all {
        let shown = git_command(dir).args(["cat-file", "blob", &format!("main:{path}")]).output().unwrap();
        assert_eq!(shown.stdout, content.as_bytes());
    }
    assert_eq!(git(dir, &["ls-tree", "-r", "--name-only", "main"]).lines().count(), all.len());
    git(dir, &["clone", "-q", ".", "clone"]);
    let subjects = git(dir, &["log", "--format=%s", "refs/confgit/journal"]);
    assert_eq!(subjects.lines().next(), Some("change sets 201 to 240"));
    // What is in the journal is hidden from those who fetch.
    assert!(!git(dir, &["ls-remote", "."]).contains("confgit"));
}

#[test]
fn the_journal_reads_back() {
    let mut writer = Writer::new();
    for i in 0..5 {
        let commits: Vec<_> = (0..3).map(|j| vec![put("a.yaml", &format!("{i}{j}"))]).collect();
        writer.batch(&commits).unwrap();
    }
    let reader = writer.repository.reader();
    let all = journal::read(&reader, writer.tip.unwrap(), Sequence(0)).unwrap();
    assert_eq!(all.iter().map(|found| found.sequence.0).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    assert_eq!(all[14].moves[0].new, writer.head);
    for after in 0..=15 {
        let some = journal::read(&reader, writer.tip.unwrap(), Sequence(after)).unwrap();
        assert_eq!(some, all[after as usize..]);
    }
    let newest = journal::batches(&reader, writer.tip.unwrap()).next().unwrap().unwrap();
    assert_eq!(newest.trailers, [("Audit-Head".to_owned(), "x".to_owned())]);
}

#[test]
fn a_moved_reference_refuses_and_leaves_nothing() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    let before = writer.files();
    let right = writer.head;
    writer.head = writer.tip;
    let error = writer.batch(&[vec![put("a.yaml", "2")]]).unwrap_err();
    let PublishError::Moved { name, expected, actual } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), expected, actual.id()), ("refs/heads/main", writer.tip, right));
    assert_eq!(writer.files(), before);
    writer.head = right;
    writer.reopen();
    writer.batch(&[vec![put("a.yaml", "2")]]).unwrap();
    fsck(writer.dir());
}

#[test]
fn a_foreign_lock_is_waited_for_and_then_reported() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    let lock = writer.dir().join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let before = writer.files();
    assert!(matches!(writer.batch(&[vec![put("a.yaml", "2")]]), Err(PublishError::Locked { .. })));
    assert_eq!(writer.files(), before);
    let held = lock.clone();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        std::fs::remove_file(held).unwrap();
    });
    writer.batch(&[vec![put("a.yaml", "2")]]).unwrap();
    holder.join().unwrap();
}

#[test]
fn branches_come_and_go_also_packed_ones() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    let repository = &writer.repository;
    let step = |name: &str, old, new| RefMove { name: name.to_owned(), old, new };
    let head = writer.head;
    publish(
        repository,
        None,
        None,
        &[step("refs/heads/team/x", None, head), step("refs/heads/y", None, head)],
    )
    .unwrap();
    git(repository.dir(), &["pack-refs", "--all"]);
    let names: Vec<_> = repository.branches().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["main", "team/x", "y"]);
    let beside = publish(repository, None, None, &[step("refs/heads/team", None, head)]);
    assert!(matches!(beside, Err(PublishError::BadRef { .. })));
    let beside = publish(repository, None, None, &[step("refs/heads/y/z", None, head)]);
    assert!(matches!(beside, Err(PublishError::BadRef { .. })));
    publish(
        repository,
        None,
        None,
        &[step("refs/heads/team/x", head, None), step("refs/heads/y", head, None)],
    )
    .unwrap();
    assert_eq!(
        git(repository.dir(), &["for-each-ref", "--format=%(refname)", "refs/heads"]),
        "refs/heads/main"
    );
    assert_eq!(repository.find_ref("refs/heads/y").unwrap(), RefState::Absent);
    publish(repository, None, None, &[step("refs/heads/team", None, head)]).unwrap();
    for bad in ["main", "refs/heads/../x", "refs/heads/a.lock"] {
        assert!(matches!(
            publish(repository, None, None, &[step(bad, None, head)]),
            Err(PublishError::BadRef { .. })
        ));
    }
    fsck(repository.dir());
}

#[test]
fn a_torn_reference_is_a_state_and_can_be_restored() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    for torn in ["", "012345", "\0\0\0\0"] {
        std::fs::write(writer.dir().join("refs/heads/main"), torn).unwrap();
        assert_eq!(writer.repository.find_ref("refs/heads/main").unwrap(), RefState::Torn);
        assert_eq!(writer.repository.branches().unwrap(), [("main".to_owned(), RefState::Torn)]);
        confgit::git::restore_ref(&writer.repository, "refs/heads/main", writer.head).unwrap();
        assert_eq!(writer.repository.find_ref("refs/heads/main").unwrap().id(), writer.head);
    }
    fsck(writer.dir());
}

#[test]
fn what_is_no_bare_repository_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |dir: &Path| Repository::open(dir).err().unwrap().to_string();
    assert!(refused(dir.path()).contains("`HEAD` is missing"));
    git(dir.path(), &["init", "-q", "work"]);
    assert!(refused(&dir.path().join("work")).contains("working tree"));
    git(dir.path(), &["init", "-q", "--bare", "--object-format=sha256", "other.git"]);
    assert!(refused(&dir.path().join("other.git")).contains("sha256"));
    git(dir.path(), &["init", "-q", "--bare", "fine.git"]);
    Repository::open(dir.path().join("fine.git")).unwrap();
    assert!(Repository::init(dir.path().join("fine.git")).is_err());
}

#[test]
fn the_sweep_takes_what_a_dead_process_left_and_nothing_else() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    let clean = writer.files();
    assert_eq!(writer.repository.sweep().unwrap().files, Vec::<PathBuf>::new());
    let dir = writer.dir().to_owned();
    let pack = dir.join("objects/pack");
    let marker = std::fs::read(dir.join("objects/info/confgit-keep-marker")).unwrap();
    let whole = packs(&dir)[0].replace(".pack", "");
    let a = "a".repeat(40);
    let left = [
        "refs/heads/main.lock".to_owned(),
        "refs/confgit/journal.lock".to_owned(),
        "packed-refs.lock".to_owned(),
        format!("objects/pack/tmp_pack_confgit_{a}.pack"),
        format!("objects/pack/pack-{a}.pack"),
    ];
    for name in &left {
        std::fs::write(dir.join(name), "x").unwrap();
    }
    for name in [a.as_str(), whole.trim_start_matches("pack-")] {
        std::fs::write(pack.join(format!("pack-{name}.keep")), &marker).unwrap();
    }
    let foreign = pack.join(format!("pack-{}.keep", "b".repeat(40)));
    std::fs::write(&foreign, "kept by an administrator\n").unwrap();
    let swept = writer.repository.sweep().unwrap();
    assert_eq!(swept.files.len(), left.len() + 2);
    std::fs::remove_file(foreign).unwrap();
    assert_eq!(writer.files(), clean);
    writer.batch(&[vec![put("a.yaml", "2")]]).unwrap();
    fsck(&dir);
}
