use std::io;

use serde::Serialize;

use super::entry::{is_one, time_text};
use super::{Entry, Head, Record, RecordHash, What};
use crate::model::Timestamp;

/// A longer line is no record. The longest that is written has less than half of it, even when every byte
/// of its texts is escaped to six.
pub(super) const MOST_LINE_BYTES: usize = 64 << 10;

/// What stands before the hash; the hash is of all bytes before this.
const BEFORE_HASH: &str = r#","hash":""#;
/// What stands after it.
const AFTER_HASH: &str = r#""}"#;
/// What every line begins with.
const BEFORE_NUMBER: &[u8] = br#"{"number":"#;

/// The members of a line before its hash, in their order.
#[derive(Serialize)]
struct Unsealed<'a> {
    number: u64,
    #[serde(with = "time_text")]
    at: Timestamp,
    what: &'a What,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_one")]
    count: u64,
    previous: RecordHash,
}

/// The line, with its end, of the record that follows `last`, and what is the last one then.
pub(super) fn seal(record: &Record, count: u64, last: Head) -> io::Result<(Vec<u8>, Head)> {
    let number = last.number + 1;
    let unsealed = Unsealed {
        number,
        at: record.at,
        what: &record.what,
        account: record.account.as_deref(),
        action: record.action.as_deref(),
        environment: record.environment.as_deref(),
        path: record.path.as_deref(),
        secret: record.secret.as_deref(),
        rule: record.rule.as_deref(),
        detail: record.detail.as_deref(),
        address: record.address.as_deref(),
        request_id: record.request_id.as_deref(),
        count,
        previous: last.hash,
    };
    let mut line = serde_json::to_vec(&unsealed)?;
    // The brace that closes the object comes after the hash.
    line.pop();
    let hash = RecordHash::of(&line);
    line.extend_from_slice(format!("{BEFORE_HASH}{hash}{AFTER_HASH}\n").as_bytes());
    Ok((line, Head { number, hash }))
}

/// Why a line is not a record as it was written.
#[derive(Debug)]
pub(super) enum Unsound {
    /// It is no record at all.
    NotARecord(String),
    /// Its hash is not that of its bytes.
    Edited(Box<Entry>),
}

/// Reads a line, without its end, and compares it with its hash.
pub(super) fn parse(line: &[u8]) -> Result<Entry, Unsound> {
    let not_a_record = |error: serde_json::Error| Unsound::NotARecord(format!("not a record: {error}"));
    let entry: Entry = serde_json::from_slice(line).map_err(not_a_record)?;
    let seal = format!("{BEFORE_HASH}{}{AFTER_HASH}", entry.hash);
    match line.strip_suffix(seal.as_bytes()) {
        None => Err(Unsound::NotARecord("not a record: its hash is not its last member".to_owned())),
        Some(sealed) if RecordHash::of(sealed) == entry.hash => Ok(entry),
        Some(_) => Err(Unsound::Edited(Box::new(entry))),
    }
}

/// The number that a line claims, without reading all of it.
pub(super) fn number_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(BEFORE_NUMBER)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> Record {
        let text = || Some(text.into());
        Record {
            account: text(),
            action: text(),
            environment: text(),
            path: text(),
            secret: text(),
            rule: text(),
            detail: text(),
            address: text(),
            request_id: text(),
            ..Record::new(What::Refused, Timestamp::from_millis(1_769_860_800_000))
        }
    }

    #[test]
    fn a_line_is_what_the_format_says() {
        let (line, head) = seal(&full("x"), 3, Head::EMPTY).unwrap();
        let line = String::from_utf8(line).unwrap();
        let zeros = "0".repeat(64);
        let sealed = format!(
            r#"{{"number":1,"at":"2026-01-31T12:00:00.000Z","what":"refused","account":"x","action":"x","environment":"x","path":"x","secret":"x","rule":"x","detail":"x","address":"x","request_id":"x","count":3,"previous":"sha256:{zeros}""#
        );
        let hash = RecordHash::of(sealed.as_bytes());
        assert_eq!(line, format!("{sealed},\"hash\":\"{hash}\"}}\n"));
        assert_eq!(head, Head { number: 1, hash });

        let record = Record::new(What::Started, Timestamp::from_millis(i64::MAX));
        let (line, _) = seal(&record, 1, head).unwrap();
        let line = String::from_utf8(line).unwrap();
        let begins =
            format!(r#"{{"number":2,"at":"1970-01-01T00:00:00.000Z","what":"started","previous":"{hash}","#);
        assert!(line.starts_with(&begins), "{line}");
    }

    #[test]
    fn an_entry_written_again_is_its_line() {
        for text in ["x", "a \"quote\", \u{0}\n\u{7f}\u{2028} and ,\"hash\":\"sha256:", "…"] {
            let (line, head) = seal(&full(text), 2, Head::EMPTY).unwrap();
            let line = line.strip_suffix(b"\n").unwrap();
            let entry = parse(line).unwrap();
            assert_eq!((entry.head(), entry.detail.as_deref()), (head, Some(text)));
            assert_eq!(serde_json::to_vec(&entry).unwrap(), line);
            assert_eq!(number_of(line), Some(1));
        }
    }

    #[test]
    fn the_longest_line_can_be_read() {
        let record = Record { what: What::Other("\u{1}".repeat(2000)), ..full(&"\u{1}".repeat(2000)) };
        let (line, _) = seal(&record.bounded(), u64::MAX, Head::EMPTY).unwrap();
        assert!(line.len() < MOST_LINE_BYTES / 2, "{}", line.len());
    }

    #[test]
    fn what_a_later_version_writes_is_read() {
        let sealed = r#"{"number":7,"at":"2026-01-31T12:00:00Z","what":"thawed","mood":[1],"previous":"sha256:0000000000000000000000000000000000000000000000000000000000000000""#;
        let hash = RecordHash::of(sealed.as_bytes());
        let entry = parse(format!("{sealed},\"hash\":\"{hash}\"}}").as_bytes()).unwrap();
        assert_eq!((entry.number, entry.what.as_str(), entry.count), (7, "thawed", 1));
    }
}
