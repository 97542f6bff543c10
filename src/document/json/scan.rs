use std::borrow::Cow;

use super::super::tree::{Kind, Node, Style, Tree};

/// The tree of a text that the strict reader accepted. Scalars other than keys keep no text: their bytes
/// are read where they are needed.
pub(in super::super) fn scan(text: &str) -> Tree<'_> {
    let mut scanner = Scanner { text, at: 0, tree: Tree::default() };
    scanner.value();
    scanner.tree
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tree: Tree<'a>,
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    /// Nesting was bounded by the strict reader, so this recursion is too.
    fn value(&mut self) {
        match self.peek() {
            b'{' => self.collection(b'}', Kind::Mapping { flow: true }),
            b'[' => self.collection(b']', Kind::Sequence { flow: true }),
            b'"' => self.string(),
            _ => {
                let start = self.at;
                let rest = &self.text.as_bytes()[start..];
                self.at +=
                    rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
                self.push(start, Kind::Scalar { text: Cow::Borrowed(""), style: Style::Plain });
            }
        }
    }

    fn collection(&mut self, close: u8, kind: Kind<'a>) {
        let index = self.push(self.at, kind);
        self.at += 1;
        while !matches!(self.peek(), 0) {
            match self.peek() {
                found if found == close => break,
                b',' | b':' => self.at += 1,
                _ => {
                    let before = self.at;
                    self.value();
                    // Only a text that the strict reader refuses has bytes that begin no value.
                    if self.at == before {
                        break;
                    }
                }
            }
        }
        self.at = (self.at + 1).min(self.text.len());
        let (next, end) = (narrow(self.tree.nodes.len()), narrow(self.at));
        let node = &mut self.tree.nodes[index];
        node.next = next;
        node.end = end;
    }

    fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(self.text.len());
        let inner = self.text.get(start + 1..self.at - 1).unwrap_or_default();
        let text = match escaped {
            true => serde_json::from_str(&self.text[start..self.at]).map(Cow::Owned).unwrap_or_default(),
            false => Cow::Borrowed(inner),
        };
        self.push(start, Kind::Scalar { text, style: Style::Double });
    }

    fn push(&mut self, start: usize, kind: Kind<'a>) -> usize {
        let index = self.tree.nodes.len();
        let (start, end) = (narrow(start), narrow(self.at));
        let next = narrow(index + 1);
        self.tree.nodes.push(Node { outer: start, start, end, next, kind, tag: None, last_alias: 0 });
        index
    }
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let text = r#" { "a\n" : [1, "x"], "b": {} } "#;
        let tree = scan(text);
        let spans: Vec<&str> = (0..tree.nodes.len()).map(|i| &text[tree.span(i as u32)]).collect();
        assert_eq!(
            spans,
            [r#"{ "a\n" : [1, "x"], "b": {} }"#, r#""a\n""#, r#"[1, "x"]"#, "1", "\"x\"", "\"b\"", "{}"]
        );
        let keys: Vec<&str> = tree.entries(0).map(|entry| tree.text(entry.key)).collect();
        assert_eq!(keys, ["a\n", "b"]);
    }
}
