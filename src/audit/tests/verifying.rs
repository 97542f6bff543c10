use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::fixture::{Fixture, append, kinds, record, rewrite};
use crate::audit::line::seal;
use crate::audit::{Expected, FaultKind, Head, MOST_FAULTS, Progress, Verified, read_back, verify};

#[test]
fn nothing_is_an_empty_log() {
    let empty = Verified { records: 0, head: Head::EMPTY, segments: 0 };
    let fixture = Fixture::new();
    assert_eq!(fixture.verify(), Ok(empty.clone()));
    fs::create_dir(fixture.path()).unwrap();
    assert_eq!(fixture.verify(), Ok(empty.clone()));
    fixture.write(0);
    assert_eq!(fixture.verify(), Ok(empty));
}

#[test]
fn faults_are_told_up_to_a_number() {
    let fixture = Fixture::with_records(u64::MAX, 50);
    rewrite(&fixture.segment(1), |lines| lines.iter_mut().for_each(|line| *line = "{}\n".to_owned()));
    assert_eq!(fixture.faults().len(), MOST_FAULTS);
}

#[test]
fn archived_segments_may_be_missing() {
    let fixture = Fixture::with_records(1, 6);
    let heads: Vec<_> = fixture.entries().iter().map(|entry| entry.head()).collect();
    let check =
        |from, anchors: &[Head]| verify(&fixture.path(), Expected { from: Some(from), anchors }, &mut |_| ());
    // Of segments that are still there, those before are not read.
    assert_eq!(check(3, &heads), Ok(Verified { records: 4, head: heads[5], segments: 4 }));
    fs::remove_file(fixture.segment(1)).unwrap();
    fs::remove_file(fixture.segment(2)).unwrap();
    assert_eq!(fixture.faults(), [FaultKind::Missing { from: 1, to: 2 }]);
    assert_eq!(check(3, &heads), Ok(Verified { records: 4, head: heads[5], segments: 4 }));
    assert_eq!(kinds(check(2, &heads)), [FaultKind::Missing { from: 2, to: 2 }]);
    assert_eq!(check(5, &heads), Ok(Verified { records: 2, head: heads[5], segments: 2 }));
}

#[test]
fn what_is_beyond_the_head_may_be_torn_but_not_wrong() {
    let fixture = Fixture::with_records(u64::MAX, 2);
    let head = fixture.write(0);
    let whole = fs::read_to_string(fixture.segment(1)).unwrap();
    let (next, after) = seal(&record(2), 1, head).unwrap();
    let next = String::from_utf8(next).unwrap();
    fs::write(fixture.segment(1), format!("{whole}{next}")).unwrap();
    assert_eq!(fixture.verify(), Ok(Verified { records: 3, head: after, segments: 1 }));
    fs::write(fixture.segment(1), format!("{whole}{}", &next[..next.len() - 1])).unwrap();
    assert_eq!(fixture.verify(), Ok(Verified { records: 2, head, segments: 1 }));
    fs::write(fixture.segment(1), format!("{whole}{}", next.replace("ann", "bob"))).unwrap();
    assert_eq!(fixture.faults(), [FaultKind::Edited(3)]);
}

#[test]
fn progress_is_told() {
    let fixture = Fixture::with_segments_of(1_000_000);
    let log = fixture.open();
    (0..5000).for_each(|at| log.append(record(at), |_| ()));
    drop(log);
    let mut told = Vec::new();
    verify(&fixture.path(), Expected::default(), &mut |progress| told.push(progress)).unwrap();
    assert!(told.is_sorted_by_key(|progress| (progress.records, progress.bytes)));
    let of_bytes = told[0].of_bytes;
    assert_eq!(told.last(), Some(&Progress { records: 5000, bytes: of_bytes, of_bytes }));
    assert!(told.len() >= 2);
}

#[test]
fn it_works_while_a_server_writes() {
    let fixture = Fixture::with_segments_of(20_000);
    let log = Arc::new(fixture.open());
    let ended = Arc::new(AtomicBool::new(false));
    let writer = {
        let (log, ended) = (log.clone(), ended.clone());
        thread::spawn(move || {
            for at in 0..300 {
                (0..5).for_each(|_| log.append(record(at), |_| ()));
                append(&log, record(at)).unwrap();
            }
            ended.store(true, Ordering::Release);
        })
    };
    let mut anchors = Vec::new();
    while !ended.load(Ordering::Acquire) {
        anchors.push(log.head());
        let verified = fixture.verify_with(&anchors).unwrap();
        assert!(verified.head.number >= anchors[anchors.len() - 1].number);
        let numbers: Vec<_> = read_back(&fixture.path(), None).take(50).map(|e| e.unwrap().number).collect();
        assert!(numbers.is_sorted_by(|newer, older| *newer == older + 1));
    }
    writer.join().unwrap();
}
