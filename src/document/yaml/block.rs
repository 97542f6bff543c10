use std::ops::Range;

use super::super::EditError;
use super::super::change::Touched;
use super::super::editor::{Editor, Layout};
use super::super::flow::is_block;
use super::super::tree::{Entry, Kind};
use super::write::{self, Parts};
use crate::model::{Object, Value};

/// Where the old value of an entry stands.
struct Old {
    /// What follows the colon on its line, or a value that begins on a later line.
    head: Option<Range<usize>>,
    /// The whole lines below.
    lines: Option<Range<usize>>,
}

/// Edits of block mappings, which are made of whole lines.
impl Editor<'_, '_> {
    /// Makes a block mapping that has entries say the new members.
    pub(super) fn block_mapping(
        &mut self,
        index: u32,
        new: &Object,
        touched: &Touched<'_>,
    ) -> Result<(), EditError> {
        let plan = self.plan(index, new, touched)?;
        for &(entry, value) in &plan.changed {
            let below = touched.member(self.tree.text(entry.key));
            self.block_value(entry, value, below)?;
        }
        for &entry in &plan.removed {
            let lines = self.removed_lines(entry)?;
            self.splices.replace(lines, "");
        }
        let Some(last) = self.tree.entries(index).last() else { return Ok(()) };
        if plan.added.is_empty() {
            return Ok(());
        }
        let indent = self.indent(last)?;
        let at = match plan.removed.last() {
            Some(removed) if *removed == last => self.removed_lines(last)?.end,
            _ => self.last_line_end(last),
        };
        let mut lines = String::new();
        for (key, value) in plan.added {
            lines.push_str(&write::entry(key, value, indent)?);
        }
        self.insert_lines(at..at, &lines);
        Ok(())
    }

    fn block_value(&mut self, entry: Entry, new: &Value, touched: &Touched<'_>) -> Result<(), EditError> {
        let index = entry.value;
        if let (true, Value::Object(members)) = (self.is_member_wise(index, new), new) {
            return match self.tree.node(index).kind {
                Kind::Mapping { flow: true } => self.flow_mapping(index, members, touched),
                _ => self.block_mapping(index, members, touched),
            };
        }
        if self.says(index, new)? {
            return Ok(());
        }
        let indent = self.indent(entry)?;
        let node = self.tree.node(index);
        // Inside braces a list stays on one line as it was, if it was.
        let stays_flow = matches!(
            (&node.kind, new),
            (Kind::Sequence { flow: true }, Value::Array(_)) if node.next > index + 1
        );
        let parts = match (&node.kind, new) {
            (Kind::Scalar { style, .. }, Value::String(text))
                if node.start < node.end && !is_block(*style) =>
            {
                match write::block_scalar(text, indent + write::STEP) {
                    Some(parts) if *style == super::super::tree::Style::Plain => parts,
                    _ => Parts { head: super::restyled(text, *style, false), lines: String::new() },
                }
            }
            _ if stays_flow => Parts { head: self.written(new, Layout::Line)?, lines: String::new() },
            _ => write::parts(new, indent)?,
        };
        self.replace_parts(entry, &parts)
    }

    fn replace_parts(&mut self, entry: Entry, new: &Parts) -> Result<(), EditError> {
        let colon = self.colon(entry)?;
        let old = self.old_parts(entry, colon);
        let key_line_end = self.line_end(colon);
        let below = match &old.head {
            // A value that begins on a later line gives way to lines as a whole.
            Some(head) if head.start >= key_line_end && new.head.is_empty() => {
                let lines = key_line_end..self.line_end(head.end);
                if !self.text[head.end..lines.end].trim().is_empty() {
                    let reason = "a comment follows this value, which would give way to several lines";
                    return Err(self.refusal_at(head.start, reason));
                }
                self.insert_lines(lines, &new.lines);
                return Ok(());
            }
            Some(head) => {
                let from = if new.head.is_empty() { colon } else { head.start };
                self.splices.replace(from..head.end, new.head.clone());
                self.line_end(head.end)
            }
            None => {
                if !new.head.is_empty() {
                    self.splices.replace(colon..colon, format!(" {}", new.head));
                }
                key_line_end
            }
        };
        self.insert_lines(old.lines.unwrap_or(below..below), &new.lines);
        Ok(())
    }

    fn old_parts(&self, entry: Entry, colon: usize) -> Old {
        let node = self.tree.node(entry.value);
        let (start, end) = (node.start as usize, node.end as usize);
        let (properties, after) = self.properties(colon);
        match &node.kind {
            Kind::Mapping { flow: false } | Kind::Sequence { flow: false } => {
                let below = self.line_end(after);
                let last = if self.text[..end].ends_with('\n') { end } else { self.line_end(end) };
                Old { head: properties, lines: Some(below..last.max(below)) }
            }
            Kind::Scalar { style, .. } if is_block(*style) => {
                let blanks =
                    |at: usize| self.text[at..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
                let header = after + blanks(after);
                let length = self.text[header..].bytes().take_while(|b| !b.is_ascii_whitespace()).count();
                let below = self.line_end(header + length);
                let head = properties.map_or(header, |range| range.start)..header + length;
                Old { head: Some(head), lines: Some(below..end.max(below)) }
            }
            Kind::Scalar { .. } if start == end => Old { head: properties, lines: None },
            _ => {
                // An anchor that nothing names may stay; a tag was for the old value.
                let from = if node.tag.is_some() { node.outer as usize } else { start };
                Old { head: Some(from..end), lines: None }
            }
        }
    }

    /// The anchor and tag that stand on the line of the colon, and where they end.
    fn properties(&self, colon: usize) -> (Option<Range<usize>>, usize) {
        let line = &self.text[colon..self.line_end(colon)];
        let mut range: Option<Range<usize>> = None;
        let mut at = 0;
        loop {
            let rest = &line[at..];
            let word = at + rest.len() - rest.trim_start_matches([' ', '\t']).len();
            if !line[word..].starts_with(['&', '!']) {
                break;
            }
            at = line[word..].find(char::is_whitespace).map_or(line.len(), |length| word + length);
            range = Some(range.map_or(colon + word, |range| range.start)..colon + at);
        }
        (range, colon + at)
    }

    /// The offset after the colon of an entry.
    fn colon(&self, entry: Entry) -> Result<usize, EditError> {
        let end = self.tree.node(entry.key).end as usize;
        let rest = self.text[end..].trim_start_matches([' ', '\t']);
        if rest.starts_with(':') {
            Ok(self.text.len() - rest.len() + 1)
        } else {
            Err(self.refusal(entry.key, "a key with `?` is not edited"))
        }
    }

    /// The column of an entry that begins its line.
    pub(super) fn indent(&self, entry: Entry) -> Result<usize, EditError> {
        let start = self.tree.node(entry.key).outer as usize;
        let line = self.line_start(start);
        let before = &self.text[line..start];
        if self.tree.node(entry.key).outer == self.tree.node(entry.key).start
            && before.bytes().all(|b| b == b' ')
        {
            Ok(before.len())
        } else {
            Err(self.refusal(entry.key, "this key does not begin its line, or has an anchor or a tag"))
        }
    }

    /// The offset after the last line that an entry takes.
    fn last_line_end(&self, entry: Entry) -> usize {
        let end = self.tree.node(entry.value).end.max(self.tree.node(entry.key).end) as usize;
        if self.text[..end].ends_with('\n') { end } else { self.line_end(end) }
    }

    /// The lines that go with a removed entry: its own, the comment block right above it at its column, and
    /// comments below it that are indented deeper.
    pub(super) fn removed_lines(&self, entry: Entry) -> Result<Range<usize>, EditError> {
        let indent = self.indent(entry)?;
        self.colon(entry)?;
        let mut start = self.line_start(self.tree.node(entry.key).outer as usize);
        while start > 0 {
            let above = self.line_start(start - 1);
            let line = &self.text[above..start];
            let column = line.bytes().take_while(|&b| b == b' ').count();
            if column != indent || !line[column..].starts_with('#') {
                break;
            }
            start = above;
        }
        let mut end = self.last_line_end(entry);
        loop {
            let line = &self.text[end..self.line_end(end)];
            let column = line.bytes().take_while(|&b| b == b' ').count();
            if column <= indent || !line[column..].starts_with('#') {
                return Ok(start..end);
            }
            end = self.line_end(end);
        }
    }

    /// Replaces whole lines by others, with the line breaks of the file.
    pub(super) fn insert_lines(&mut self, range: Range<usize>, lines: &str) {
        let lines = self.with_line_breaks(lines);
        self.splices.replace(range, lines);
    }
}
