use std::fs;

use proptest::prelude::*;

use super::fixture::{Fixture, cut, kinds, lines, rewrite, size};
use crate::audit::line::{parse, seal};
use crate::audit::{FaultKind, Head, Record, ToldBy, What};
use crate::model::Timestamp;

#[test]
fn no_byte_can_be_flipped() {
    let fixture = Fixture::with_records(700, 4);
    assert_eq!(fixture.segments().len(), 2);
    let files = fixture.segments().into_iter().map(|first| fixture.segment(first));
    for path in files.chain([fixture.path().join("head")]) {
        let original = fs::read(&path).unwrap();
        for at in 0..original.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut flipped = original.clone();
                flipped[at] ^= flip;
                fs::write(&path, &flipped).unwrap();
                assert!(fixture.verify().is_err(), "{path:?} at {at} by {flip}");
            }
        }
        fs::write(&path, &original).unwrap();
    }
    fixture.verify().unwrap();
}

#[test]
fn no_tail_can_be_cut() {
    let fixture = Fixture::with_records(700, 4);
    let head = fixture.write(0);
    let last = fixture.segments()[1];
    let path = fixture.segment(last);
    let first_of_last = lines(&path)[0].len();
    for len in (0..size(&path)).rev() {
        cut(&path, len);
        let ends = if len as usize >= first_of_last { last } else { last - 1 };
        let cut = FaultKind::Cut { ends, told: head, by: ToldBy::Head };
        // A torn line counts as the record that it was.
        let found = fixture.faults();
        assert!(found.contains(&cut) || found.contains(&FaultKind::Torn), "{len}: {found:?}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.faults(), [FaultKind::Cut { ends: last - 1, told: head, by: ToldBy::Head }]);
}

#[test]
fn no_line_can_be_moved_or_removed() {
    let original = Fixture::with_records(u64::MAX, 5);
    let whole = fs::read(original.segment(1)).unwrap();
    let head = original.write(0);
    type Change = fn(&mut Vec<String>);
    let cases: [(Change, Vec<FaultKind>); 7] = [
        (
            |lines| lines.swap(1, 2),
            vec![FaultKind::Missing { from: 2, to: 2 }, FaultKind::OutOfOrder { number: 2, after: 3 }],
        ),
        (|lines| drop(lines.remove(1)), vec![FaultKind::Missing { from: 2, to: 2 }]),
        (|lines| drop(lines.remove(0)), vec![FaultKind::Missing { from: 1, to: 1 }, FaultKind::NotOfName(2)]),
        (|lines| lines.insert(3, lines[1].clone()), vec![FaultKind::OutOfOrder { number: 2, after: 3 }]),
        (|lines| drop(lines.pop()), vec![FaultKind::Cut { ends: 4, told: head, by: ToldBy::Head }]),
        (|lines| drop(lines.drain(1..4)), vec![FaultKind::Missing { from: 2, to: 4 }]),
        (|lines| lines[2] = format!("{}\n", "x".repeat(70_000)), vec![FaultKind::TooLong]),
    ];
    for (change, mut expected) in cases {
        fs::write(original.segment(1), &whole).unwrap();
        rewrite(&original.segment(1), change);
        let mut found = original.faults();
        let text = |kind: &FaultKind| kind.to_string();
        expected.sort_by_key(text);
        found.sort_by_key(text);
        assert_eq!(found, expected);
    }
}

#[test]
fn no_segment_can_be_removed_or_renamed() {
    let fixture = Fixture::with_records(1, 4);
    let hidden = fixture.path().join("hidden");
    for gone in [1, 2, 3] {
        fs::rename(fixture.segment(gone), &hidden).unwrap();
        assert_eq!(fixture.faults(), [FaultKind::Missing { from: gone, to: gone }]);
        fs::write(fixture.segment(gone), "").unwrap();
        assert_eq!(fixture.faults(), [FaultKind::Empty, FaultKind::Missing { from: gone, to: gone }]);
        fs::rename(&hidden, fixture.segment(gone)).unwrap();
    }
    fs::rename(fixture.segment(4), fixture.path().join("4.jsonl")).unwrap();
    let found = fixture.verify().unwrap_err();
    assert_eq!(found[0].to_string(), "4.jsonl: is not named like a segment");
    assert_eq!(found.len(), 2);
}

#[test]
fn a_record_sealed_anew_breaks_the_chain() {
    let fixture = Fixture::with_records(u64::MAX, 3);
    let heads: Vec<_> = fixture.entries().iter().map(|entry| entry.head()).collect();
    let forged = Record::new(What::Refused, Timestamp::from_millis(0));
    let (line, _) = seal(&forged, 1, heads[0]).unwrap();
    rewrite(&fixture.segment(1), |lines| lines[1] = String::from_utf8(line).unwrap());
    assert_eq!(fixture.faults(), [FaultKind::NotChained(3)]);
    let found = fixture.verify().unwrap_err();
    let place = "00000000000000000001.jsonl line 3: record 3 does not follow the record before it";
    assert!(found[0].to_string().starts_with(place), "{}", found[0]);
    // The last record has none after it, but the head.
    let (line, forged) = seal(&forged, 1, heads[1]).unwrap();
    let fixture = Fixture::with_records(u64::MAX, 3);
    rewrite(&fixture.segment(1), |lines| lines[2] = String::from_utf8(line).unwrap());
    let replaced = FaultKind::Replaced { told: heads[2], found: forged.hash, by: ToldBy::Head };
    assert_eq!(fixture.faults(), [replaced]);
}

#[test]
fn an_edit_is_told_with_its_place() {
    let fixture = Fixture::with_records(u64::MAX, 3);
    rewrite(&fixture.segment(1), |lines| lines[1] = lines[1].replace("ann", "bob"));
    let found = fixture.verify().unwrap_err();
    let text = "00000000000000000001.jsonl line 2: record 2 was edited: its hash is not that of its content";
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
}

#[test]
fn a_whole_log_made_anew_fails_its_anchors_only() {
    let fixture = Fixture::with_records(u64::MAX, 3);
    let anchor = fixture.entries()[1].head();
    let mut last = Head::EMPTY;
    rewrite(&fixture.segment(1), |lines| {
        for line in lines {
            let entry = parse(line.trim_end().as_bytes()).unwrap();
            let (sealed, head) = seal(&Record::new(What::Exported, entry.at), 1, last).unwrap();
            (*line, last) = (String::from_utf8(sealed).unwrap(), head);
        }
    });
    fs::write(fixture.path().join("head"), format!("{last}\n")).unwrap();
    fixture.verify().unwrap();
    let found = kinds(fixture.verify_with(&[anchor]));
    assert!(
        matches!(&found[..], [FaultKind::Replaced { told, by: ToldBy::Anchor, .. }] if *told == anchor),
        "{found:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is done to the bytes, either they are the same or it is found; and nothing panics, neither
    /// when the log is opened after it.
    #[test]
    fn any_change_is_found(
        file in 0..3_usize,
        from in 0..1400_usize,
        length in 0..400_usize,
        put_in in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let fixture = Fixture::with_records(700, 4);
        let segments = fixture.segments();
        let head = fixture.path().join("head");
        let path = segments.get(file).map_or(head, |first| fixture.segment(*first));
        let original = fs::read(&path).unwrap();
        let from = from.min(original.len());
        let to = (from + length).min(original.len());
        let changed = [&original[..from], &put_in, &original[to..]].concat();
        fs::write(&path, &changed).unwrap();
        // Bytes without an end after the last record may be a record that is just being written.
        let is_tail = file + 1 == segments.len() && from == original.len() && !put_in.contains(&b'\n');
        prop_assert_eq!(fixture.verify().is_ok(), changed == original || is_tail);
        fixture.write(1);
        // What a crash may have left is cut off; all else stays visible, but for an edit of the file `head`.
        let beyond = file + 1 == segments.len() && from == original.len();
        if changed != original && !beyond && file < segments.len() {
            prop_assert!(fixture.verify().is_err());
        }
    }
}
