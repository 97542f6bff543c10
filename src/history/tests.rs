use std::collections::HashMap;
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

/// A history in which some paths change often, some once, some not again, and one branch stands still.
fn lively(path: &FilePath, last: u64) -> History {
    let history = History::open(path).unwrap();
    let mut numbers: HashMap<String, u64> = HashMap::new();
    for n in 1..=last {
        let mut change = change(n);
        if n == 3 {
            change.moves.push(Move { branch: "quiet".into(), old: None, new: change.moves[0].new });
        }
        let mut paths = vec!["/a".to_owned(), format!("/b/{}", n % 7), format!("/once/{n}")];
        paths.extend((n < 20).then(|| "/early".to_owned()));
        let mut versions: Vec<_> = paths
            .into_iter()
            .map(|path| {
                let number = numbers.entry(path.clone()).or_default();
                *number += 1;
                version(&change, &path, *number)
            })
            .collect();
        if n == 3 {
            versions.push(NewVersion { branch: "quiet".into(), ..version(&change, "/q", 1) });
        }
        history.append(&[(change, versions)]).unwrap();
    }
    history
}

fn cut(history: &History, file: &FilePath, at: u64) -> Beginning {
    let base = history.base_at(Sequence(at)).unwrap();
    let mut beginning = Beginning::new(file, &base).unwrap();
    for head in &base.heads {
        beginning.add(&head.branch, &history.base_versions(&head.branch, Sequence(at)).unwrap()).unwrap();
    }
    beginning.end(&base).unwrap();
    beginning
}

/// What does not hold between a whole history and one that begins at `at`.
fn assert_same_from(whole: &History, cut: &History, at: u64, last: u64) {
    let pruned = |error: HistoryError| matches!(error, HistoryError::Pruned { oldest } if oldest.0 == at);
    assert_eq!((cut.base(), cut.covered()), (Some(Sequence(at)), whole.covered()));
    let none = HashSet::new();
    let paths = ["/a", "/b/3", "/early", "/once/5", "/once/60", "/none"];
    for path in paths.map(|path| path.parse::<Path>().unwrap()) {
        assert_eq!(whole.last_version("main", &path), cut.last_version("main", &path));
        let base = whole.base_versions("main", Sequence(at)).unwrap();
        let first = base.iter().find(|base| base.path == path).map_or(1, |base| base.version.0);
        for number in 0..=whole.last_version("main", &path).0 + 1 {
            let found = cut.version("main", &path, Version(number));
            if (1..first).contains(&number) {
                assert!(pruned(found.unwrap_err()), "{path} {number}");
                continue;
            }
            let (found, expected) = (found.unwrap(), whole.version("main", &path, Version(number)).unwrap());
            let told = |record: Option<VersionRecord>| {
                record.map(|r| (r.version, r.deleted, r.sequence, r.revision, r.time, r.account))
            };
            if let Some(found) = &found {
                assert_eq!(found.is_oldest, number == first, "{path} {number}");
                let made_after = found.sequence.0 > at;
                let holder = if made_after { found.revision } else { change(at).moves[0].new.unwrap() };
                assert!(found.held_by == holder || (first == 1 && made_after), "{path} {number}");
            }
            assert_eq!(told(found), told(expected), "{path} {number}");
        }
        for sequence in 0..=last {
            let found = cut.as_of("main", &path, Sequence(sequence), &none);
            if sequence < at {
                assert!(pruned(found.unwrap_err()));
                continue;
            }
            let expected = whole.as_of("main", &path, Sequence(sequence), &none).unwrap();
            assert_eq!(found.unwrap().map(|r| r.version), expected.map(|r| r.version), "{path} {sequence}");
        }
        let numbers = |history: &History, below| {
            let list = history.versions("main", &path, below, 1000).unwrap();
            list.iter().map(|record| record.version.0).filter(|n| *n >= first).collect::<Vec<_>>()
        };
        for below in [None, Some(Version(first + 2)), Some(Version(first)), Some(Version(1))] {
            assert_eq!(numbers(cut, below), numbers(whole, below), "{path} {below:?}");
        }
        assert_eq!(
            cut.stamps("main").last(&path).unwrap().map(|r| (r.version, r.time, r.account)),
            whole.stamps("main").last(&path).unwrap().map(|r| (r.version, r.time, r.account))
        );
    }
    for sequence in (0..=last).map(Sequence) {
        let time = change(sequence.0).time;
        if sequence.0 < at {
            assert!(pruned(cut.change_set(sequence).unwrap_err()));
            assert!(pruned(cut.head_at("main", sequence).unwrap_err()));
            assert!(pruned(cut.sequence_at(time).unwrap_err()));
        } else {
            assert_eq!(cut.change_set(sequence).unwrap(), whole.change_set(sequence).unwrap());
            for branch in ["main", "quiet", "none"] {
                let (found, expected) = (cut.head_at(branch, sequence), whole.head_at(branch, sequence));
                assert_eq!(found.unwrap(), expected.unwrap(), "{branch} {sequence}");
            }
            assert_eq!(cut.sequence_at(time).unwrap(), sequence);
        }
        match cut.versions_of(sequence) {
            Ok(versions) => assert_eq!(versions, whole.versions_of(sequence).unwrap()),
            Err(error) => assert!(pruned(error) && sequence.0 <= at),
        }
        if sequence.0 > at + 1 {
            assert_eq!(cut.moved_before("main", sequence), Some(Sequence(sequence.0 - 1)));
        } else {
            assert_eq!(cut.moved_before("main", sequence), None);
        }
    }
}

#[test]
fn an_index_that_begins_later_says_the_same_of_what_it_keeps() {
    for at in [1, 2, 3, 15, 20, 33, 64, 99, 100] {
        let dir = tempfile::tempdir().unwrap();
        let whole = lively(&dir.path().join("whole"), 100);
        let file = dir.path().join("history");
        let mut made = cut(&whole, &file, at);
        made.catch_up(&whole).unwrap();
        assert_same_from(&whole, &made.finish().unwrap(), at, 100);
        let opened = History::open(&file).unwrap();
        assert_same_from(&whole, &opened, at, 100);
        // It goes on, and can begin later once more.
        for n in 101..=130 {
            let change = change(n);
            let versions = vec![version(&change, "/a", n)];
            opened.append(&[(change.clone(), versions.clone())]).unwrap();
            whole.append(&[(change, versions)]).unwrap();
        }
        assert_same_from(&whole, &opened, at, 130);
        let mut stamps = opened.stamps("main");
        let a: Path = "/a".parse().unwrap();
        assert_eq!(stamps.last(&a).unwrap().unwrap().version, Version(130));
        opened.begin_anew(cut(&opened, &file, 117)).unwrap();
        assert_eq!(stamps.last(&a).unwrap().unwrap().version, Version(130));
        assert_same_from(&whole, &opened, 117, 130);
        drop(stamps);
        assert_same_from(&whole, &History::open(&file).unwrap(), 117, 130);
    }
}

#[test]
fn a_beginning_that_is_not_whole_and_other_formats_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let whole = lively(&dir.path().join("whole"), 50);
    let file = dir.path().join("history");
    drop(cut(&whole, &file, 30).finish().unwrap());
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(History::open(&file).unwrap().covered(), Sequence(30));
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    // Format 1 differs in its first line alone from an index that begins with the first change set.
    let mut first = std::fs::read(dir.path().join("whole")).unwrap();
    assert_eq!(&first[..24], b"confgit history index 2\n");
    first[22] = b'1';
    std::fs::write(&file, &first).unwrap();
    assert_eq!(History::open(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
