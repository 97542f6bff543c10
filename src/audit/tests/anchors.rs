use std::fs;

use super::fixture::{Fixture, kinds, rewrite};
use crate::audit::{FaultKind, Head, RecordHash, ToldBy};

#[test]
fn anchors_hold_the_end() {
    let fixture = Fixture::new();
    let heads: Vec<_> = (0..5).map(|_| fixture.write(1)).collect();
    let disordered = [heads[3], Head::EMPTY, heads[1], heads[4], heads[1]];
    fixture.verify_with(&disordered).unwrap();
    // The end is cut and the head is made to fit.
    rewrite(&fixture.segment(1), |lines| lines.truncate(3));
    fs::write(fixture.path().join("head"), format!("{}\n", heads[2])).unwrap();
    fixture.verify().unwrap();
    fixture.verify_with(&heads[..3]).unwrap();
    let cut = |told| vec![FaultKind::Cut { ends: 3, told, by: ToldBy::Anchor }];
    assert_eq!(kinds(fixture.verify_with(&heads[..4])), cut(heads[3]));
    assert_eq!(kinds(fixture.verify_with(&disordered)), cut(heads[4]));
    // Nothing is left of it.
    fs::remove_dir_all(fixture.path()).unwrap();
    let gone = vec![FaultKind::Cut { ends: 0, told: heads[4], by: ToldBy::Anchor }];
    assert_eq!(kinds(fixture.verify_with(&heads)), gone);
}

#[test]
fn an_anchor_tells_the_hash() {
    let fixture = Fixture::new();
    let head = fixture.write(2);
    let other = Head { hash: RecordHash::of(b"other"), ..head };
    let replaced = FaultKind::Replaced { told: other, found: head.hash, by: ToldBy::Anchor };
    assert_eq!(kinds(fixture.verify_with(&[head, other])), [replaced]);
}
