use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use super::fixture::{DEADLINE, Fixture, append, record, size};
use crate::audit::writer::MOST_QUEUED;
use crate::audit::{AuditLog, Head, QueueFull, Verified};

#[test]
fn records_round_trip() {
    let fixture = Fixture::new();
    let log = fixture.open();
    assert_eq!((log.head(), log.damage(), log.failure()), (Head::EMPTY, None, None));
    for at in 0..3 {
        append(&log, record(at)).unwrap();
        assert_eq!(log.head().number, at + 1);
    }
    let head = log.head();
    assert_eq!(fs::read_to_string(fixture.path().join("head")).unwrap(), format!("{head}\n"));
    drop(log);
    let entries = fixture.entries();
    assert_eq!(entries.last().map(|entry| entry.head()), Some(head));
    for (at, entry) in (0..).zip(&entries) {
        assert_eq!((entry.number, entry.at, entry.count), (at + 1, record(at).at, 1));
        assert_eq!(entry.path.as_deref(), record(at).path.as_deref());
    }
    assert_eq!(fixture.verify(), Ok(Verified { records: 3, head, segments: 1 }));
}

#[test]
fn segments_rotate() {
    let fixture = Fixture::with_records(1000, 10);
    let head = fixture.write(10);
    let segments = fixture.segments();
    assert!(segments.len() > 3, "{segments:?}");
    assert!(segments.iter().all(|first| size(&fixture.segment(*first)) <= 1000));
    assert_eq!(fixture.verify(), Ok(Verified { records: 20, head, segments: segments.len() as u64 }));

    // A record larger than a segment has one for itself.
    let fixture = Fixture::with_records(1, 3);
    assert_eq!(fixture.segments(), [1, 2, 3]);
    fixture.verify().unwrap();
}

#[test]
fn threads_share_flushes() {
    let fixture = Fixture::with_segments_of(20_000);
    let log = Arc::new(fixture.open());
    let start = Arc::new(Barrier::new(8));
    let threads = (0..8).map(|thread| {
        let (log, start) = (log.clone(), start.clone());
        thread::spawn(move || {
            let (done, answers) = channel();
            start.wait();
            for at in 0..100 {
                let done = done.clone();
                log.append(record(thread * 1000 + at), move |result| done.send(result).unwrap());
            }
            drop(done);
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    let head = log.head();
    assert_eq!(head.number, 800);
    drop(log);
    assert_eq!(fixture.verify().map(|verified| verified.head), Ok(head));
    let mut paths: Vec<_> = fixture.entries().into_iter().filter_map(|entry| entry.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 800);
}

#[test]
fn closing_writes_what_is_queued() {
    let fixture = Fixture::new();
    let log = fixture.open();
    (0..500).for_each(|at| log.append(record(at), |_| ()));
    drop(log);
    assert_eq!(fixture.verify().map(|verified| verified.records), Ok(500));
}

#[test]
fn a_full_queue_refuses_at_once() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let (busy, is_busy) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    log.append(record(0), move |_| {
        busy.send(()).unwrap();
        let _ = released.recv();
    });
    is_busy.recv_timeout(DEADLINE).unwrap();
    for at in 0..MOST_QUEUED as u64 {
        log.try_append(record(at), |_| ()).unwrap();
    }
    assert_eq!(log.try_append(record(0), |_| panic!("it is not called")), Err(QueueFull));
    release.send(()).unwrap();
    append(&log, record(1)).unwrap();
    drop(log);
    assert_eq!(fixture.verify().map(|verified| verified.records), Ok(MOST_QUEUED as u64 + 2));
}

#[test]
fn a_callback_may_hold_the_log() {
    let fixture = Fixture::new();
    let log = Arc::new(fixture.open());
    let (done, answer) = channel();
    let held = log.clone();
    let (release, released) = mpsc::channel::<()>();
    log.append(record(0), move |_| {
        let _ = released.recv();
        drop(held);
        done.send(()).unwrap();
    });
    drop(log);
    release.send(()).unwrap();
    answer.recv_timeout(DEADLINE).unwrap();
}

/// What fails stays failed: all later records are refused with the reason of the first failure.
fn fails_for_ever(log: &AuditLog, reason: &str) {
    let head = log.head();
    let failure = append(log, record(0)).unwrap_err();
    assert!(failure.reason.contains(reason), "{failure}");
    assert_eq!(log.failure(), Some(failure.clone()));
    assert_eq!(append(log, record(1)), Err(failure.clone()));
    let (done, answer) = channel();
    assert_eq!(log.try_append(record(2), move |result| done.send(result).unwrap()), Ok(()));
    assert_eq!(answer.recv_timeout(DEADLINE).unwrap(), Err(failure));
    assert_eq!(log.head(), head);
}

#[test]
fn a_write_that_fails_is_not_tried_again() {
    let fixture = Fixture::with_records(1, 1);
    symlink("/dev/full", fixture.segment(2)).unwrap();
    let log = fixture.open();
    fails_for_ever(&log, "No space left");
    drop(log);
    // When there is room, the log goes on as if nothing had been.
    fs::remove_file(fixture.segment(2)).unwrap();
    let head = fixture.write(1);
    assert_eq!(fixture.verify(), Ok(Verified { records: 2, head, segments: 2 }));
}

#[test]
fn a_directory_that_vanishes_is_a_failure() {
    let fixture = Fixture::new();
    let log = fixture.open();
    append(&log, record(0)).unwrap();
    fs::remove_dir_all(fixture.path()).unwrap();
    fails_for_ever(&log, "No such file");
}

#[test]
fn a_segment_is_never_written_over() {
    let fixture = Fixture::with_segments_of(1);
    let log = fixture.open();
    append(&log, record(0)).unwrap();
    fs::write(fixture.segment(2), "evidence").unwrap();
    fails_for_ever(&log, "exists already");
    drop(log);
    assert_eq!(fs::read_to_string(fixture.segment(2)).unwrap(), "evidence");
}

#[test]
fn a_callback_that_panics_is_a_failure() {
    let fixture = Fixture::new();
    let log = fixture.open();
    log.append(record(0), |_| panic!("on purpose"));
    // The writer ends some time after it called, and a record that is queued until then is dropped.
    let mut answer = Ok(());
    while answer.is_ok() {
        let (done, answers) = channel();
        log.append(record(1), move |result| done.send(result).unwrap());
        answer = answers.recv_timeout(DEADLINE).unwrap_or(Ok(()));
    }
    assert!(answer.unwrap_err().reason.contains("writer"));
}

#[test]
fn logs_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<AuditLog>();
}
