use std::sync::atomic::Ordering;

use super::*;
use crate::model::{Move, ObjectId};

fn change(sequence: u64) -> ChangeSet {
    let id = |n: u64| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        ObjectId::from_bytes(bytes)
    };
    let step = Move {
        branch: "main".into(),
        old: (sequence > 1).then(|| id(sequence - 1)),
        new: Some(id(sequence)),
    };
    ChangeSet {
        sequence: Sequence(sequence),
        time: Timestamp::from_millis(1000 * sequence as i64),
        account: "ann".into(),
        moves: vec![step],
    }
}

fn version(change: &ChangeSet, path: &str, version: u64) -> NewVersion {
    let revision = change.moves[0].new.unwrap();
    NewVersion {
        branch: "main".into(),
        path: path.parse().unwrap(),
        version: Version(version),
        revision,
        deleted: version.is_multiple_of(7),
    }
}

fn filled(path: &FilePath, range: std::ops::RangeInclusive<u64>, per_batch: usize) -> History {
    let history = History::open(path).unwrap();
    let list: Vec<_> = range
        .map(|n| {
            let change = change(n);
            let versions = vec![version(&change, "/a", n), version(&change, &format!("/only/{n}"), 1)];
            (change, versions)
        })
        .collect();
    for batch in list.chunks(per_batch) {
        history.append(batch).unwrap();
    }
    history
}

#[test]
fn every_version_is_found_whatever_the_batches() {
    for per_batch in [1, 3, 100] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        drop(filled(&file, 1..=60, per_batch));
        let history = filled(&file, 61..=100, per_batch);
        let a: Path = "/a".parse().unwrap();
        assert_eq!(history.covered(), Sequence(100));
        assert_eq!(history.last_version("main", &a), Version(100));
        for n in 1..=100 {
            let found = history.version("main", &a, Version(n)).unwrap().unwrap();
            assert_eq!((found.version.0, found.sequence.0, found.deleted), (n, n, n % 7 == 0));
            assert_eq!(found.revision, change(n).moves[0].new.unwrap());
        }
        let page = history.versions("main", &a, Some(Version(51)), 3).unwrap();
        assert_eq!(page.iter().map(|r| r.version.0).collect::<Vec<_>>(), [50, 49, 48]);
        for n in [1, 2, 60, 61, 100] {
            let made = vec![version(&change(n), "/a", n), version(&change(n), &format!("/only/{n}"), 1)];
            assert_eq!(history.versions_of(Sequence(n)).unwrap(), made, "{per_batch} a batch");
        }
        assert!(history.versions_of(Sequence(0)).is_err() && history.versions_of(Sequence(101)).is_err());
        assert_eq!(history.moved_before("main", Sequence(50)), Some(Sequence(49)));
        assert_eq!(history.moved_before("main", Sequence(1)), None);
        assert_eq!(history.version("main", &a, Version(101)).unwrap(), None);
        assert_eq!(history.version("main", &a, Version(0)).unwrap(), None);
        assert_eq!(history.change_set(Sequence(42)).unwrap().unwrap(), change(42));
        assert_eq!(history.sequence_at(Timestamp::from_millis(42_500)).unwrap(), Sequence(42));
        assert_eq!(history.head_at("main", Sequence(7)).unwrap(), change(7).moves[0].new);
    }
}

#[test]
fn the_head_of_a_branch_is_found_with_one_read_however_long_ago_it_moved() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(&dir.path().join("history")).unwrap();
    let moving = |sequence: u64, branches: &[(&str, bool)]| {
        let mut change = change(sequence);
        let new = change.moves[0].new;
        change.moves = branches
            .iter()
            .map(|(name, there)| Move { branch: (*name).into(), old: None, new: new.filter(|_| *there) })
            .collect();
        (change, Vec::new())
    };
    let mut list = vec![moving(1, &[("main", true)]), moving(2, &[("quiet", true), ("main", true)])];
    list.extend((3..=500).map(|n| moving(n, &[("main", true)])));
    list.push(moving(501, &[("quiet", false), ("twice", true), ("twice", false)]));
    list.push(moving(502, &[("quiet", true)]));
    history.append(&list).unwrap();
    let head = |branch: &str, sequence: u64| {
        let before = history.read().file.reads.load(Ordering::Relaxed);
        let head = history.head_at(branch, Sequence(sequence)).unwrap();
        assert!(history.read().file.reads.load(Ordering::Relaxed) <= before + 2, "{branch} at {sequence}");
        head
    };
    let made = |sequence: u64| change(sequence).moves[0].new;
    assert_eq!((head("quiet", 0), head("quiet", 1), head("none", 500)), (None, None, None));
    assert_eq!((head("quiet", 2), head("quiet", 500)), (made(2), made(2)));
    assert_eq!((head("quiet", 501), head("quiet", 502), head("quiet", 9999)), (None, made(502), made(502)));
    assert_eq!((head("main", 1), head("main", 250), head("main", 502)), (made(1), made(250), made(500)));
    assert_eq!(head("twice", 502), None);
}

#[test]
fn newest_versions_of_many_paths_cost_few_reads() {
    let dir = tempfile::tempdir().unwrap();
    let history = filled(&dir.path().join("history"), 1..=500, 7);
    let before = history.read().file.reads.load(Ordering::Relaxed);
    let mut stamps = history.stamps("main");
    for n in 1..=500 {
        let path: Path = format!("/only/{n}").parse().unwrap();
        let record = stamps.last(&path).unwrap().unwrap();
        assert_eq!(Some(record), history.version("main", &path, Version(1)).unwrap());
    }
    assert_eq!(stamps.last(&"/a".parse().unwrap()).unwrap().unwrap().version, Version(500));
    assert_eq!(stamps.last(&"/none".parse().unwrap()).unwrap(), None);
    assert_eq!(history.stamps("none").last(&"/a".parse().unwrap()).unwrap(), None);
    // The comparison above reads two records a path.
    let reads = history.read().file.reads.load(Ordering::Relaxed) - before - 1000;
    assert!(reads < 100, "{reads} reads for 500 paths");
}

#[test]
fn commits_of_a_change_set_that_are_not_made_yet_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let history = filled(&dir.path().join("history"), 1..=2, 1);
    let path: Path = "/a".parse().unwrap();
    let commits: Vec<_> = (31..=33).map(|n| change(n).moves[0].new.unwrap()).collect();
    let mut pushed = change(3);
    pushed.moves[0].new = Some(commits[2]);
    let versions = commits.iter().zip(3..).map(|(revision, number)| NewVersion {
        revision: *revision,
        deleted: number == 5,
        ..version(&pushed, "/a", number)
    });
    let versions = versions.collect();
    history.append(&[(pushed, versions)]).unwrap();
    history.append(&[(change(4), vec![version(&change(4), "/a", 6)])]).unwrap();
    let at = |sequence: u64, made: usize| {
        let unmade = commits[made..].iter().copied().collect();
        let found = history.as_of("main", &path, Sequence(sequence), &unmade).unwrap();
        found.map(|record| record.version.0)
    };
    assert_eq!((at(2, 3), at(3, 1), at(3, 2), at(3, 3)), (Some(2), Some(3), Some(4), None));
    assert_eq!((at(3, 0), at(4, 0), at(0, 3)), (Some(2), Some(6), None));
}

#[test]
fn a_torn_tail_is_cut_and_damage_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history");
    drop(filled(&file, 1..=10, 1));
    let whole = std::fs::read(&file).unwrap();
    for cut in [1, 5, 40] {
        std::fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(History::open(&file).unwrap().covered(), Sequence(9));
        assert_eq!(filled(&file, 10..=12, 1).covered(), Sequence(12));
    }
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    std::fs::write(&file, b"something else entirely").unwrap();
    assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
