//! A reader of the plain block YAML that most configuration files are written in, several times as fast as
//! the event parser: block mappings and sequences, one-line scalars, `{}`, `[]` and comments. At anything
//! else it gives up and the event parser reads the text from its start, so it never decides what is wrong.

use std::borrow::Cow;

use super::super::tree::{Kind, Node, Style, Tree};
use super::value::MAX_DEPTH;

/// The tree of a text; none when it has anything but the plain subset. The tree is the same that the event
/// parser gives.
pub(super) fn parse(text: &str) -> Option<Tree<'_>> {
    let bytes = text.as_bytes();
    let is_ordinary = bytes.iter().all(|&byte| is_ordinary(byte)) && !has_line_separator(bytes);
    if !is_ordinary || u32::try_from(bytes.len()).is_err() {
        return None;
    }
    let mut reader = Reader { text, bytes, at: 0, column: 0, end: 0, done: false, nodes: Vec::new() };
    reader.nodes.reserve(bytes.len() / 16);
    reader.next_line();
    if !reader.done && &text[reader.at..reader.end] == "---" && reader.column == 0 {
        reader.next_line();
    }
    if reader.done || reader.column > 0 {
        return None;
    }
    match reader.is_dash() {
        true => reader.sequence(0, false, 0)?,
        false => reader.mapping(0, 0)?,
    }
    reader.done.then_some(Tree { nodes: reader.nodes })
}

/// Printable ASCII, line feeds, and the bytes of characters that YAML treats like letters: not those that may
/// begin NEL, a no-break space or a byte order mark.
fn is_ordinary(byte: u8) -> bool {
    matches!(byte, b'\n' | b' '..=b'~' | 0x80..=0xbf | 0xc3..=0xee | 0xf0..=0xf4)
}

/// Whether U+2028 or U+2029 is among the bytes, which share their first one with dashes and quotes.
fn has_line_separator(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0xe2, bytes).any(|at| matches!(bytes[at..], [_, 0x80, 0xa8 | 0xa9, ..]))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Where the content of the current line begins, or the part of it that is to be read.
    at: usize,
    /// The column of `at`.
    column: usize,
    /// Where the current line ends, without its break.
    end: usize,
    /// Whether there are no more lines.
    done: bool,
    nodes: Vec<Node<'a>>,
}

impl<'a> Reader<'a> {
    /// Goes to the next line that has more than a comment.
    fn next_line(&mut self) {
        let mut start = if self.nodes.is_empty() && self.end == 0 { 0 } else { self.end + 1 };
        while start < self.bytes.len() {
            let rest = &self.bytes[start..];
            let column = rest.iter().position(|&b| b != b' ').unwrap_or(rest.len());
            let length = memchr::memchr(b'\n', &rest[column..]).map_or(rest.len(), |at| column + at);
            self.end = start + length;
            if length > column && rest[column] != b'#' {
                self.at = start + column;
                self.column = column;
                return;
            }
            start = self.end + 1;
        }
        self.done = true;
        self.column = 0;
    }

    fn is_dash(&self) -> bool {
        self.bytes[self.at] == b'-' && self.bytes.get(self.at + 1) == Some(&b' ')
    }

    /// Reads the mapping whose first key is at `at`, up to the first line that is not in it.
    fn mapping(&mut self, column: usize, depth: usize) -> Option<()> {
        let index = self.open(Kind::Mapping { flow: false }, self.at, depth)?;
        loop {
            let key_end = self.key_end(self.at)?;
            self.plain(self.at, key_end);
            let value = self.skip_blanks(key_end + 1);
            if value == self.end || self.bytes[value] == b'#' {
                self.next_line();
                if self.done || self.column < column || (self.column == column && !self.is_dash()) {
                    // The event parser has it at the colon.
                    self.push(key_end, key_end, scalar(""));
                } else if self.is_dash() {
                    self.sequence(self.column, self.column == column, depth + 1)?;
                } else {
                    self.mapping(self.column, depth + 1)?;
                }
            } else {
                self.scalar(value)?;
                self.next_line();
            }
            if self.done || self.column < column {
                break;
            }
            if self.column > column || self.is_dash() {
                return None;
            }
        }
        self.close(index);
        Some(())
    }

    /// Reads the sequence whose first dash is at `at`. One that is not indented more than its key ends where
    /// the mapping goes on.
    fn sequence(&mut self, column: usize, indentless: bool, depth: usize) -> Option<()> {
        let first = self.skip_blanks(self.at + 1);
        let index =
            self.open(Kind::Sequence { flow: false }, if indentless { first } else { self.at }, depth)?;
        loop {
            let item = self.skip_blanks(self.at + 1);
            if item == self.end {
                return None;
            }
            if self.key_end(item).is_some() {
                self.column += item - self.at;
                self.at = item;
                self.mapping(self.column, depth + 1)?;
            } else {
                self.scalar(item)?;
                self.next_line();
            }
            if self.done || self.column < column || (indentless && self.column == column && !self.is_dash()) {
                break;
            }
            if self.column > column || !self.is_dash() {
                return None;
            }
        }
        self.close(index);
        Some(())
    }

    /// Where the plain key ends that begins here; none when there is none that is simple enough.
    fn key_end(&self, start: usize) -> Option<usize> {
        let line = &self.bytes[start..self.end];
        if !matches!(line.first(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'/' | b'$')) {
            return None;
        }
        let mut at = memchr::memchr(b':', line)?;
        // A colon within a word is part of it.
        while !matches!(line.get(at + 1), None | Some(b' ')) {
            at += 1 + memchr::memchr(b':', &line[at + 1..])?;
        }
        let is_simple = at < 256 && line[at - 1] != b' ' && !line[..at].windows(2).any(|pair| pair == b" #");
        is_simple.then_some(start + at)
    }

    /// Reads the scalar that begins here and ends on this line.
    fn scalar(&mut self, start: usize) -> Option<()> {
        let line = &self.bytes[start..self.end];
        let length = match line[0] {
            quote @ (b'"' | b'\'') => {
                let length = 2 + memchr::memchr(quote, &line[1..])?;
                let inner = &self.text[start + 1..start + length - 1];
                if inner.contains('\\') && quote == b'"' {
                    return None;
                }
                let style = if quote == b'"' { Style::Double } else { Style::Single };
                self.push(start, start + length, Kind::Scalar { text: Cow::Borrowed(inner), style });
                length
            }
            b'{' if line.starts_with(b"{}") => self.push(start, start + 2, Kind::Mapping { flow: true }),
            b'[' if line.starts_with(b"[]") => self.push(start, start + 2, Kind::Sequence { flow: true }),
            _ => return self.plain_scalar(start),
        };
        let rest = &line[length..];
        let blanks = rest.iter().take_while(|&&b| b == b' ').count();
        match rest.get(blanks) {
            None => Some(()),
            Some(b'#') if blanks > 0 => Some(()),
            Some(_) => None,
        }
    }

    fn plain_scalar(&mut self, start: usize) -> Option<()> {
        let line = &self.bytes[start..self.end];
        match (line[0], line.get(1)) {
            (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'/' | b'$' | b'.' | b'~' | b'+' | b'(', _) => {
            }
            (b'-', Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')) => {}
            _ => return None,
        }
        let mut length = line.len();
        for at in memchr::memchr2_iter(b':', b'#', line) {
            if line[at] == b'#' {
                if line[at - 1] == b' ' {
                    length = at;
                    break;
                }
            } else if matches!(line.get(at + 1), None | Some(b' ')) {
                return None;
            }
        }
        while line[length - 1] == b' ' {
            length -= 1;
        }
        self.plain(start, start + length);
        Some(())
    }

    fn plain(&mut self, start: usize, end: usize) {
        let text = &self.text[start..end];
        self.push(start, end, scalar(text));
    }

    fn skip_blanks(&self, from: usize) -> usize {
        let line = &self.bytes[from.min(self.end)..self.end];
        from + line.iter().take_while(|&&b| b == b' ').count()
    }

    fn open(&mut self, kind: Kind<'a>, start: usize, depth: usize) -> Option<usize> {
        let index = self.nodes.len();
        self.push(start, start, kind);
        (depth < MAX_DEPTH).then_some(index)
    }

    fn close(&mut self, index: usize) {
        let next = narrow(self.nodes.len());
        let end = self.nodes.last().map_or(0, |node| node.end);
        let node = &mut self.nodes[index];
        node.next = next;
        node.end = end;
    }

    /// Adds a node and gives the number of bytes it takes.
    fn push(&mut self, start: usize, end: usize, kind: Kind<'a>) -> usize {
        let (from, next) = (narrow(start), narrow(self.nodes.len() + 1));
        let node = Node { outer: from, start: from, end: narrow(end), next, kind, tag: None, last_alias: 0 };
        self.nodes.push(node);
        end - start
    }
}

fn scalar(text: &str) -> Kind<'_> {
    Kind::Scalar { text: Cow::Borrowed(text), style: Style::Plain }
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::parse as general;
    use super::*;

    #[track_caller]
    fn agree(text: &str) -> bool {
        let Some(fast) = parse(text) else { return false };
        match general(text) {
            Ok(tree) => assert_eq!(fast, tree, "{text:?}"),
            Err(fault) => panic!("{text:?}: {fault}"),
        }
        true
    }

    #[test]
    fn plain_files_are_read() {
        for text in [
            "a: 1\n",
            "---\n# c\na: 1 # x\n\nb:\n  c: \"x # y\" # z\n  d: 'x'\n",
            "a:\n- 1\n- b: 2\n  c:\n  - 3\nd: {} # e\ne: []\nf:\n",
            "a:\n    - x\n    -   y: 1\n        z: 2\n",
            "- 1\n- a: b\n",
            "url: http://x/#y\nä: ü\n",
            "ü: 1\n",
            "a: -x\nb: ...\nc: ~\nd: a b # c\ne: a#b",
        ] {
            assert!(agree(text) || text.starts_with('ü') || text.contains("\nä"), "{text:?}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_event_parser() {
        for text in [
            "",
            "# c\n",
            "a",
            "a: 1\n---\nb: 1\n",
            "a: |\n  x\n",
            "a: x\n  y\n",
            "a: &x 1\n",
            "a: *x\n",
            "a: !t 1\n",
            "a: {b: 1}\n",
            "a: [1]\n",
            "a: \"\\n\"\n",
            "a: 'it''s'\n",
            "a: b: c\n",
            "a:\n\tb: 1\n",
            "? a\n",
            "<<: {}\n",
            "a: 1\r\n",
            "a: 1\n b: 2\n",
            "a:\n  b: 1\n c: 2\n",
            "- a\nb: 1\n",
            "a: @x\n",
            "a : 1\n",
            "-\n",
            "- - 1\n",
            "a: 1\n...\n",
            "a: \"x\" y\n",
            "a: \"x\n  y\"\n",
            "%YAML 1.2\n---\na: 1\n",
            "\u{feff}a: 1\n",
            "a: \u{85}\n",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert!(parse(&(0..100).map(|i| format!("{}a:\n", " ".repeat(i))).collect::<String>()).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Lines put together from the pieces that matter, most of them plain.
        #[test]
        fn both_readers_agree(lines in prop::collection::vec((0usize..4, piece(), value()), 0..9)) {
            let text: String =
                lines.iter().map(|(indent, key, value)| format!("{}{key}{value}\n", "  ".repeat(*indent))).collect();
            agree(&text);
            agree(text.trim_end());
        }

        /// Any text over the characters that mean something.
        #[test]
        fn both_readers_agree_on_noise(text in "[ab1 \n\n:#'\"{}\\[\\],.~é–😀\u{2028}-]{0,40}") {
            agree(&text);
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a: ", "b: ", "c:", "d:d: ", "- ", "- ", "- e: ", "-   f: ", "", "# c", "é: ", "a b: ", "...",
            "---", "- - ", "\"q\": ", "g #: ", "$h: ", "- -",
        ])
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "",
            "",
            "1",
            "x y",
            "x # c",
            "\"q\"",
            "'s' # c",
            "{}",
            "[] # c",
            "x: y",
            "x:",
            "a#b",
            "\"q\"x",
            "{}x",
            "~",
            "- x",
            "-x",
            "é",
            "|",
            "&a x",
            "*a",
            "  ",
            " # c",
            "http://x",
            "–",
            "a – b # „c“",
            "😀",
            "a\u{2028}b",
            "\u{10ffff}",
            "'it''s'",
            "x\u{a0}y",
            "...",
            "---",
            "(x)",
            "+1",
            "#c",
        ])
    }
}
