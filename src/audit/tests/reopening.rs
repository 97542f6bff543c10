use std::fs;

use super::fixture::{Fixture, append, cut, lines, record, rewrite, size};
use crate::audit::line::seal;
use crate::audit::{AuditError, AuditLog, FaultKind, Head, Options, RecordHash, Verified, What};
use crate::model::Timestamp;

/// Opens a damaged log and tells what it found; the log says the same in a new segment.
fn open_damaged(fixture: &Fixture, number: u64, previous: RecordHash) -> String {
    let before: Vec<_> =
        fixture.segments().into_iter().map(|first| fs::read(fixture.segment(first)).unwrap()).collect();
    let log = fixture.open();
    let damage = log.damage().unwrap().to_owned();
    assert_eq!(log.head().number, number);
    append(&log, record(100)).unwrap();
    drop(log);
    let segments = fixture.segments();
    assert_eq!(segments.last(), Some(&number));
    for (first, before) in segments.iter().zip(&before) {
        assert!(*first == number || fs::read(fixture.segment(*first)).unwrap() == *before);
    }
    let broken = &lines(&fixture.segment(number))[0];
    let broken = crate::audit::line::parse(broken.trim_end().as_bytes()).unwrap();
    assert_eq!((broken.what, broken.at.as_millis(), broken.previous), (What::Broken, 7, previous));
    assert_eq!(broken.detail.as_deref(), Some(damage.as_str()));
    // It says so for ever, and a log opened again finds no new damage.
    assert_eq!(fixture.open().damage(), None);
    let told = fixture.faults();
    assert!(told.contains(&FaultKind::Broken { number, detail: damage.clone() }), "{told:?}");
    damage
}

#[test]
fn a_log_goes_on() {
    let fixture = Fixture::new();
    for times in 1..4 {
        let head = fixture.write(2);
        assert_eq!(head.number, 2 * times);
        assert_eq!(fixture.verify(), Ok(Verified { records: head.number, head, segments: 1 }));
    }
}

#[test]
fn a_torn_tail_is_cut_off() {
    for segment_bytes in [u64::MAX, 700] {
        let original = Fixture::with_records(segment_bytes, 3);
        let head = original.write(0);
        let last = *original.segments().last().unwrap();
        let whole = fs::read(original.segment(last)).unwrap();
        let (next, _) = seal(&record(3), 1, head).unwrap();
        let (after, _) = seal(&record(4), 1, Head { number: 4, hash: head.hash }).unwrap();
        let garbage = [&[0; 9000][..], b"garbage\n", &after].concat();
        for tail in [&next[..1], &next[..next.len() - 1], &garbage, b"\n", b"{}\n"] {
            fs::write(original.segment(last), [&whole, tail].concat()).unwrap();
            assert_eq!(original.open().damage(), None);
            assert_eq!(fs::read(original.segment(last)).unwrap(), whole);
            assert_eq!(original.verify().map(|verified| verified.head), Ok(head));
        }
    }
}

#[test]
fn what_is_whole_beyond_the_head_is_kept() {
    for segment_bytes in [u64::MAX, 700] {
        let fixture = Fixture::with_segments_of(segment_bytes);
        let heads: Vec<_> = (0..6).map(|_| fixture.write(1)).collect();
        let first = *fixture.segments().last().unwrap();
        // Before a segment begins, the head of all before it is flushed.
        for old in heads.iter().filter(|head| head.number + 1 >= first).chain([&Head::EMPTY]) {
            if first > 1 && old.number == 0 {
                continue;
            }
            fs::write(fixture.path().join("head"), format!("{old}\n")).unwrap();
            let log = fixture.open();
            assert_eq!((log.head(), log.damage()), (heads[5], None));
            drop(log);
            assert_eq!(fixture.verify().map(|verified| verified.head), Ok(heads[5]));
        }
    }
}

#[test]
fn a_head_that_a_power_cut_emptied_tells_nothing() {
    let fixture = Fixture::with_records(u64::MAX, 3);
    fs::write(fixture.path().join("head"), "").unwrap();
    assert_eq!(fixture.faults(), [FaultKind::HeadUnreadable]);
    assert_eq!(fixture.open().damage(), None);
    fixture.verify().unwrap();
    fs::write(fixture.path().join("head"), "").unwrap();
    cut(&fixture.segment(1), size(&fixture.segment(1)) - 1);
    assert_eq!(
        open_damaged(&fixture, 4, RecordHash::NONE),
        "`head` is empty, but the last line is no record"
    );
}

#[test]
fn an_empty_segment_is_used() {
    let fixture = Fixture::with_records(u64::MAX, 2);
    fs::write(fixture.segment(3), "").unwrap();
    let head = fixture.write(1);
    assert_eq!(fixture.segments(), [1, 3]);
    assert_eq!(fixture.verify(), Ok(Verified { records: 3, head, segments: 2 }));
}

#[test]
fn a_cut_tail_stays_visible() {
    let fixture = Fixture::with_records(u64::MAX, 4);
    let head = fixture.write(0);
    rewrite(&fixture.segment(1), |lines| lines.truncate(2));
    let damage = open_damaged(&fixture, 5, head.hash);
    assert_eq!(damage, "`head` tells record 4, but the log does not have it");
    assert_eq!(
        fixture.faults(),
        [FaultKind::Missing { from: 3, to: 4 }, FaultKind::Broken { number: 5, detail: damage }]
    );

    // Every cut that leaves the head without its record.
    let original = Fixture::with_records(u64::MAX, 2);
    let head = original.write(0);
    let whole = fs::read(original.segment(1)).unwrap();
    for len in 0..whole.len() {
        let fixture = Fixture::with_records(u64::MAX, 2);
        cut(&fixture.segment(1), len as u64);
        open_damaged(&fixture, 3, head.hash);
    }
}

#[test]
fn other_damage_stays_visible() {
    type Change = fn(&Fixture);
    let edit = |fixture: &Fixture, line: usize| {
        rewrite(&fixture.segment(1), |lines| lines[line] = lines[line].replace("ann", "bob"))
    };
    let cases: [(Change, u64, bool, &str); 7] = [
        (|fixture| fs::remove_file(fixture.segment(1)).unwrap(), 4, true, "the log has no records"),
        (|fixture| cut(&fixture.segment(1), 0), 4, true, "the log does not have it"),
        (|fixture| fs::remove_file(fixture.path().join("head")).unwrap(), 4, false, "`head` is missing"),
        (|fixture| fs::write(fixture.path().join("head"), "?").unwrap(), 4, false, "`head` is \"?\""),
        (|fixture| fs::write(fixture.segment(9), "").unwrap(), 9, true, "begins with record 9"),
        (|fixture| fs::write(fixture.segment(9), "?\n").unwrap(), 10, true, "begins with record 9"),
        (|fixture| fs::write(fixture.segment(4), "").unwrap(), 4, true, ""),
    ];
    for (change, number, told, expected) in cases {
        let fixture = Fixture::with_records(u64::MAX, 3);
        let head = fixture.write(0);
        change(&fixture);
        if expected.is_empty() {
            // An empty segment after all records, and then the last record vanishes.
            rewrite(&fixture.segment(1), |lines| lines.truncate(2));
        }
        let damage = open_damaged(&fixture, number, if told { head.hash } else { RecordHash::NONE });
        assert!(damage.contains(expected), "{damage}");
    }
    for (line, told) in [(2, 3), (2, 2)] {
        let fixture = Fixture::new();
        let heads: Vec<_> = (0..3).map(|_| fixture.write(1)).collect();
        let head = heads[told - 1];
        edit(&fixture, line);
        fs::write(fixture.path().join("head"), format!("{head}\n")).unwrap();
        let damage = open_damaged(&fixture, 4, head.hash);
        assert!(damage.contains(if told == 3 { "is another" } else { "was edited" }), "{damage}");
    }
}

#[test]
fn numbers_have_an_end() {
    let fixture = Fixture::with_records(u64::MAX, 1);
    let head = Head { number: u64::MAX, hash: RecordHash::NONE };
    fs::write(fixture.path().join("head"), format!("{head}\n")).unwrap();
    let opened = AuditLog::open(&fixture.path(), Timestamp::from_millis(0), Options::default());
    assert!(matches!(opened.err(), Some(AuditError::Number { number: u64::MAX, .. })));
}

#[test]
fn what_cannot_be_a_directory_is_told() {
    let fixture = Fixture::new();
    let missing = fixture.path().join("b");
    let opened = AuditLog::open(&missing, Timestamp::from_millis(0), Options::default());
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("audit/b") && error.contains("No such file"), "{error}");
}
