use std::fs;

use super::fixture::{Fixture, cut, rewrite, size};
use crate::audit::{Entry, ReadBackError, read_back};

/// Pages of a log as somebody reads it who asks for one after the other.
fn by_pages(fixture: &Fixture, page: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let before = entries.last().map(|entry| entry.number);
        let next: Vec<_> = read_back(&fixture.path(), before).take(page).map(Result::unwrap).collect();
        if next.is_empty() {
            return entries;
        }
        entries.extend(next);
    }
}

#[test]
fn backward_is_forward_reversed() {
    for segment_bytes in [1, 700, 5000, u64::MAX] {
        let fixture = Fixture::with_records(segment_bytes, 40);
        let mut forward = fixture.entries();
        forward.reverse();
        let backward: Vec<_> = read_back(&fixture.path(), None).map(Result::unwrap).collect();
        assert_eq!(backward, forward);
        assert_eq!(by_pages(&fixture, 7), forward);
        for before in 0..44 {
            let first = read_back(&fixture.path(), Some(before)).next().map(|entry| entry.unwrap().number);
            assert_eq!(first, before.checked_sub(1).filter(|number| *number > 0).map(|last| last.min(40)));
        }
    }
    let missing = Fixture::new();
    assert!(read_back(&missing.path(), None).next().is_none());
}

/// The numbers read back, and the errors as text.
fn read(fixture: &Fixture, before: Option<u64>) -> Vec<Result<u64, String>> {
    read_back(&fixture.path(), before)
        .map(|entry| entry.map(|entry| entry.number).map_err(|error| error.to_string()))
        .collect()
}

#[test]
fn what_is_no_record_is_told_in_its_place() {
    let fixture = Fixture::with_records(u64::MAX, 5);
    rewrite(&fixture.segment(1), |lines| {
        lines[1] = "x\n".to_owned();
        lines[3] = lines[3].replace("ann", "bob");
    });
    let found = read(&fixture, None);
    assert_eq!(found.len(), 5);
    assert_eq!([&found[0], &found[2], &found[4]], [&Ok(5), &Ok(3), &Ok(1)]);
    let edited = found[1].clone().unwrap_err();
    assert!(edited.starts_with("00000000000000000001.jsonl at byte"), "{edited}");
    assert!(edited.ends_with("record 4 was edited"), "{edited}");
    assert!(found[3].clone().unwrap_err().contains("not a record"));
    // A page that begins there tells the same, once.
    assert_eq!(read(&fixture, Some(5)), found[1..]);
    assert_eq!(read(&fixture, Some(4)), found[2..]);
    assert_eq!(read(&fixture, Some(3)), found[3..]);
    assert_eq!(read(&fixture, Some(2)), found[3..]);
    assert_eq!(read(&fixture, Some(1)), []);
}

#[test]
fn a_torn_tail_is_left_out_at_the_very_end_only() {
    let fixture = Fixture::with_records(1, 3);
    cut(&fixture.segment(3), size(&fixture.segment(3)) - 5);
    assert_eq!(read(&fixture, None), [Ok(2), Ok(1)]);
    cut(&fixture.segment(2), size(&fixture.segment(2)) - 5);
    let found = read(&fixture, None);
    assert!(found[0].clone().unwrap_err().contains("torn"));
    assert_eq!(found[1..], [Ok(1)]);
}

#[test]
fn a_segment_that_vanishes_is_told() {
    let fixture = Fixture::with_records(1, 3);
    let mut entries = read_back(&fixture.path(), None);
    assert_eq!(entries.next().unwrap().unwrap().number, 3);
    fs::remove_file(fixture.segment(2)).unwrap();
    assert!(matches!(entries.next(), Some(Err(ReadBackError::Unreadable { .. }))));
    assert!(entries.next().is_none());
}
