use std::sync::Arc;

use crate::model::{ObjectId, Revision, Timestamp};

/// A commit as confgit looks at it: gitformat-commit, without signatures and encodings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Revision,
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, first parent first.
    pub parents: Vec<Revision>,
    /// The author's name; what is no UTF-8 is replaced.
    pub author: Arc<str>,
    /// The author's address.
    pub author_email: Arc<str>,
    /// When it was committed (not: authored), to the second.
    pub time: Timestamp,
    /// The whole message, ending as it was written.
    pub message: String,
}

impl Commit {
    /// Reads the content of a commit; none when it is malformed.
    pub(super) fn decode(id: Revision, content: &[u8]) -> Option<Self> {
        let mut rest = content;
        let tree = header(&mut rest, b"tree ")?;
        let tree = parse_id(tree)?;
        let mut parents = Vec::new();
        while let Some(parent) = header(&mut rest, b"parent ") {
            parents.push(parse_id(parent)?);
        }
        let (author, author_email, _) = signature(header(&mut rest, b"author ")?)?;
        let (_, _, time) = signature(header(&mut rest, b"committer ")?)?;
        // Further headers (encoding, gpgsig and their continuation lines) end at the first empty line.
        let message = loop {
            let (line, tail) = split_line(rest)?;
            rest = tail;
            if line.is_empty() {
                break String::from_utf8_lossy(rest).into_owned();
            }
        };
        let (author, author_email) = (author.into(), author_email.into());
        Some(Commit { id, tree, parents, author, author_email, time, message })
    }

    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// The tree and the parents alone, for walks over many commits.
pub(super) fn links(content: &[u8]) -> Option<(ObjectId, Vec<ObjectId>)> {
    let mut rest = content;
    let tree = parse_id(header(&mut rest, b"tree ")?)?;
    let mut parents = Vec::new();
    while let Some(parent) = header(&mut rest, b"parent ") {
        parents.push(parse_id(parent)?);
    }
    Some((tree, parents))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&b| b == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn header<'a>(rest: &mut &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (line, tail) = split_line(rest)?;
    let value = line.strip_prefix(name)?;
    *rest = tail;
    Some(value)
}

fn parse_id(text: &[u8]) -> Option<ObjectId> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Name, address and time of `name <address> seconds zone`.
fn signature(line: &[u8]) -> Option<(String, String, Timestamp)> {
    let text = String::from_utf8_lossy(line);
    // From the right, since names with brackets exist in old histories.
    let (who, when) = text.rsplit_once('>')?;
    let (name, email) = who.split_once('<')?;
    let seconds = when.split_whitespace().next().and_then(|seconds| seconds.parse::<i64>().ok()).unwrap_or(0);
    let time = Timestamp::from_millis(seconds.saturating_mul(1000).clamp(0, MAX_MILLIS));
    Some((name.trim().to_owned(), email.trim().to_owned(), time))
}

/// The end of the year 9999: later times have no RFC 3339 form.
const MAX_MILLIS: i64 = 253_402_300_799_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_commits_with_odd_names_are_read() {
        let content = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
            parent 0123456789abcdef0123456789abcdef01234567\n\
            author A \xff <b> <a@b> 1700000000 +0100\n\
            committer C <c@d> 1700000001 -0330\n\
            gpgsig -----BEGIN\n \n tree 0\n -----END\n\
            \n\
            subject\n\nbody\n";
        let commit = Commit::decode(ObjectId::ZERO, content).unwrap();
        assert_eq!((&*commit.author, commit.subject()), ("A \u{fffd}", "subject"));
        assert_eq!(commit.parents.len(), 1);
        assert_eq!(commit.time.as_seconds(), 1_700_000_001);
        assert_eq!(commit.message, "subject\n\nbody\n");
        for cut in 0..content.len() {
            let _ = Commit::decode(ObjectId::ZERO, &content[..cut]);
        }
        assert_eq!(Commit::decode(ObjectId::ZERO, b"tree x\n"), None);
    }
}
