use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{DEADLINE, Fixture, append, record};
use crate::audit::{AuditLog, Record};

/// Appends a record that repeats, and waits for the answer.
fn repeat(log: &AuditLog, record: Record, window: Duration) {
    let (done, answer) = channel();
    log.append_counted(record, window, move |result| done.send(result).unwrap());
    answer.recv_timeout(DEADLINE).unwrap().unwrap();
}

/// The same record as one that came at 0.
fn again(at: u64) -> Record {
    Record { at: record(at).at, request_id: Some(at.to_string().into()), ..record(0) }
}

#[test]
fn closing_writes_counts() {
    let fixture = Fixture::new();
    let log = fixture.open();
    for at in 0..4 {
        repeat(&log, again(at), Duration::MAX);
        assert_eq!(log.head().number, 1);
    }
    append(&log, record(4)).unwrap();
    drop(log);
    let entries = fixture.entries();
    let told: Vec<_> = entries.iter().map(|entry| (entry.at.as_millis(), entry.count)).collect();
    assert_eq!(told, [(0, 1), (4, 1), (3, 3)]);
    assert_eq!(entries[2].request_id.as_deref(), Some("3"));
    fixture.verify().unwrap();
}

#[test]
fn a_window_ends_by_itself() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let window = Duration::from_millis(300);
    (0..3).for_each(|at| repeat(&log, again(at), window));
    let begun = Instant::now();
    while log.head().number < 2 {
        assert!(begun.elapsed() < DEADLINE);
        thread::yield_now();
    }
    drop(log);
    // On a machine that is slow enough the window ends before the last one comes.
    let counts: Vec<_> = fixture.entries().iter().map(|entry| entry.count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 3, "{counts:?}");
}

#[test]
fn what_is_tried_with_a_full_queue_counts_as_well() {
    let fixture = Fixture::new();
    let log = fixture.open();
    for at in 0..3 {
        log.try_append_counted(again(at), Duration::MAX, |_| ()).unwrap();
    }
    drop(log);
    let counts: Vec<_> = fixture.entries().iter().map(|entry| entry.count).collect();
    assert_eq!(counts, [1, 2]);
}
