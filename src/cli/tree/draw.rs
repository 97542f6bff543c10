use super::node::TreeNode;
use crate::cli::output::{Emphasis, Output};
use crate::cli::{CliError, shown};

/// What the lines between names are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Box drawing characters.
    Drawn,
    /// What every terminal has.
    Ascii,
}

/// How a tree is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    pub lines: Lines,
    /// The columns there are: what is longer is cut.
    pub width: usize,
}

/// Fewer columns than these are not worth showing of a value.
const LEAST_VALUE: usize = 8;

impl Draw {
    /// Prints the tree, and how many of what it shows.
    pub fn print(self, tree: &TreeNode, output: &mut Output) -> Result<(), CliError> {
        output.line(self.line("", tree, output))?;
        self.below("", tree, output)?;
        let (objects, entries) = tree.counts();
        let count =
            |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let (objects, entries) = (count(objects, "object", "objects"), count(entries, "entry", "entries"));
        output.line(format!("\n{objects}, {entries}"))
    }

    fn below(self, prefix: &str, node: &TreeNode, output: &mut Output) -> Result<(), CliError> {
        let children = node.children.as_deref().unwrap_or_default();
        for (index, child) in children.iter().enumerate() {
            let is_last = index + 1 == children.len();
            let (branch, trunk) = match (self.lines, is_last) {
                (Lines::Drawn, false) => ("├── ", "│   "),
                (Lines::Drawn, true) => ("└── ", "    "),
                (Lines::Ascii, false) => ("|-- ", "|   "),
                (Lines::Ascii, true) => ("`-- ", "    "),
            };
            let line = self.line(&format!("{prefix}{branch}"), child, output);
            output.line(line)?;
            self.below(&format!("{prefix}{trunk}"), child, output)?;
        }
        Ok(())
    }

    fn line(self, prefix: &str, node: &TreeNode, output: &Output) -> String {
        let Some(value) = &node.value else {
            let name = output.emphasized(&node.name, Emphasis::Strong);
            let hidden = match node.entries {
                None => String::new(),
                Some(1) => "  (1 entry)".to_owned(),
                Some(count) => format!("  ({count} entries)"),
            };
            return format!("{prefix}{name}{}", output.emphasized(&hidden, Emphasis::Faint));
        };
        let value = if node.encoding.is_some() { shown::bytes(value) } else { shown::inline(value) };
        let notes = notes(node);
        let taken = [prefix, &node.name, " = ", &notes].iter().map(|text| text.chars().count()).sum();
        let value = self.cut(value, self.width.saturating_sub(taken).max(LEAST_VALUE));
        format!("{prefix}{}{}", node.name, output.emphasized(&format!(" = {value}{notes}"), Emphasis::Faint))
    }

    fn cut(self, text: String, most: usize) -> String {
        if text.chars().count() <= most {
            return text;
        }
        let mark = if self.lines == Lines::Drawn { "…" } else { "..." };
        let kept: String = text.chars().take(most.saturating_sub(mark.chars().count())).collect();
        format!("{kept}{mark}")
    }
}

/// The version, and where a value comes from that is not the environment's own.
fn notes(node: &TreeNode) -> String {
    let version = node.version.map(|version| format!("version {version}"));
    let origin =
        node.origin.as_ref().filter(|origin| **origin != node.env).map(|origin| format!("from {origin}"));
    let notes: Vec<String> = version.into_iter().chain(origin).collect();
    if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_values_give_way() {
        let draw = |lines| Draw { lines, width: 80 };
        assert_eq!(draw(Lines::Drawn).cut("äbcdef".to_owned(), 4), "äbc…");
        assert_eq!(draw(Lines::Ascii).cut("äbcdef".to_owned(), 4), "ä...");
        assert_eq!(draw(Lines::Ascii).cut("abcd".to_owned(), 4), "abcd");
    }
}
