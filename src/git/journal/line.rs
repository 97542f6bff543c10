use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::{ChangeSet, Move, ObjectId, Sequence};

/// Appends a change set as one line: `sequence time account branch old new [branch old new …]`.
pub(super) fn push(out: &mut String, change_set: &ChangeSet) {
    // Writing to a String cannot fail but for a time that has no RFC 3339 form, which reads as torn.
    let _ = write!(out, "{} {} ", change_set.sequence, change_set.time);
    push_escaped(out, &change_set.account);
    for step in &change_set.moves {
        out.push(' ');
        push_escaped(out, &step.branch);
        for id in [step.old, step.new] {
            let _ = write!(out, " {}", id.unwrap_or(ObjectId::ZERO));
        }
    }
    out.push('\n');
}

/// Texts seen so far: accounts and branches come again in almost every line.
#[derive(Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// Reads one line without its newline; none unless it is exactly what [`push`] writes.
pub(super) fn parse(line: &str, names: &mut Names) -> Option<ChangeSet> {
    let mut words = line.split(' ');
    let sequence = Sequence(words.next()?.parse().ok()?);
    let time = words.next()?.parse().ok()?;
    let account = names.shared(&unescape(words.next()?)?);
    let mut moves = Vec::new();
    while let Some(branch) = words.next() {
        let branch = names.shared(&unescape(branch)?);
        let mut id = || {
            let id: ObjectId = words.next()?.parse().ok()?;
            Some((!id.is_zero()).then_some(id))
        };
        moves.push(Move { branch, old: id()?, new: id()? });
    }
    let change_set = ChangeSet { sequence, time, account, moves };
    // One spelling for each change set: `+1`, another zone or an upper-case digit is not ours.
    let mut again = String::with_capacity(line.len() + 1);
    push(&mut again, &change_set);
    (again.strip_suffix('\n') == Some(line)).then_some(change_set)
}

/// Appends a text with blanks, controls and `%` as `%` and two hex digits; an empty one is `%`.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    if text.is_empty() {
        out.push('%');
    }
    for c in text.chars() {
        match c {
            ' ' | '%' | '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

pub(super) fn unescape(word: &str) -> Option<String> {
    let mut text = String::with_capacity(word.len());
    if word == "%" {
        return Some(text);
    }
    let mut rest = word;
    while let Some((plain, tail)) = rest.split_once('%') {
        text.push_str(plain);
        let code = u8::from_str_radix(tail.get(..2)?, 16).ok()?;
        text.push(code.is_ascii().then_some(char::from(code))?);
        rest = tail.get(2..)?;
    }
    text.push_str(rest);
    (!word.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Timestamp;

    fn id(byte: u8) -> Option<ObjectId> {
        (byte != 0).then_some(ObjectId::from_bytes([byte; 20]))
    }

    proptest! {
        #[test]
        fn lines_round_trip(
            sequence: u64,
            millis in 0i64..4_000_000_000_000,
            account in ".{0,12}",
            moves in proptest::collection::vec((".{0,8}", 0u8..3, 0u8..3), 0..4),
        ) {
            let moves = moves.into_iter().map(|(branch, old, new)| Move {
                branch: branch.into(), old: id(old), new: id(new),
            });
            let change_set = ChangeSet {
                sequence: Sequence(sequence),
                time: Timestamp::from_millis(millis),
                account: account.into(),
                moves: moves.collect(),
            };
            let mut line = String::new();
            push(&mut line, &change_set);
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert_eq!(parse(line.trim_end_matches('\n'), &mut Names::default()), Some(change_set));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[0-9 %a-f:TZ.-]{0,80}") {
            let _ = parse(&text, &mut Names::default());
        }
    }

    #[test]
    fn only_one_spelling_is_accepted() {
        let good = format!("7 2026-01-31T12:00:00.000Z a%20b main {} {}", ObjectId::ZERO, id(1).unwrap());
        assert!(parse(&good, &mut Names::default()).is_some());
        for bad in [
            good.replace("7 2026", "07 2026"),
            good.replace("7 2026", "+7 2026"),
            good.replace(".000Z", "Z"),
            good.replace("a%20b", "a%2"),
            good.replace("a%20b", "%61"),
            good.replace("a%20b", "%ff"),
            good.replace("a%20b ", ""),
            good.replace("main ", ""),
            format!("{good} "),
            good.replace(' ', "  "),
        ] {
            assert_eq!(parse(&bad, &mut Names::default()), None, "{bad}");
        }
    }
}
