use super::change::Touched;
use super::editor::{Editor, Layout, Plan, Syntax};
use super::tree::{Entry, Kind, Style};
use super::{EditError, json, yaml};
use crate::model::{Object, Value};

/// Edits inside braces: JSON documents and flow collections of YAML.
impl Editor<'_, '_> {
    /// Makes the node of a value inside braces say the new value.
    pub(super) fn flow_value(
        &mut self,
        entry: Entry,
        new: &Value,
        touched: &Touched<'_>,
        layout: Layout,
    ) -> Result<(), EditError> {
        let index = entry.value;
        if let (true, Value::Object(members)) = (self.is_member_wise(index, new), new) {
            return self.flow_mapping(index, members, touched);
        }
        if self.says(index, new)? {
            return Ok(());
        }
        let node = self.tree.node(index);
        let written = match (&node.kind, new, self.syntax) {
            (Kind::Scalar { style, .. }, Value::String(text), Syntax::Yaml) if node.start < node.end => {
                yaml::restyled(text, *style, true)
            }
            _ => self.written(new, layout)?,
        };
        let from = node.outer as usize;
        // `{a:[]}` has room for a list, not for a word.
        let needs_blank = self.syntax == Syntax::Yaml && self.text[..from].ends_with(':') && from > 0;
        let written = if needs_blank && node.start < node.end { format!(" {written}") } else { written };
        if node.outer < node.start && node.tag.is_none() && node.start < node.end {
            self.splices.replace(node.start as usize..node.end as usize, written);
        } else if node.outer < node.end {
            self.splices.replace(node.outer as usize..node.end as usize, written);
        } else {
            let key_end = self.tree.node(entry.key).end as usize;
            let rest = self.text[key_end..].trim_start_matches([' ', '\t']);
            let (at, lead) = match rest.strip_prefix(':') {
                Some(after) => (self.text.len() - after.len(), " "),
                None => (key_end, ": "),
            };
            self.splices.replace(at..at, format!("{lead}{written}"));
        }
        Ok(())
    }

    /// Makes a flow mapping that has entries say the new members.
    pub(super) fn flow_mapping(
        &mut self,
        index: u32,
        new: &Object,
        touched: &Touched<'_>,
    ) -> Result<(), EditError> {
        let plan = self.plan(index, new, touched)?;
        let layout = self.layout(index);
        for &(entry, value) in &plan.changed {
            let below = touched.member(self.tree.text(entry.key));
            self.flow_value(entry, value, below, layout)?;
        }
        let added = plan.added.iter().map(|(key, value)| self.flow_entry(key, value, layout));
        let added = added.collect::<Result<Vec<_>, _>>()?;
        if !plan.removed.is_empty() || !added.is_empty() {
            self.flow_members(index, &plan, &added, layout);
        }
        Ok(())
    }

    fn flow_entry(&self, key: &str, value: &Value, layout: Layout) -> Result<String, EditError> {
        Ok(match self.syntax {
            Syntax::Yaml => yaml::flow_entry(key, value)?,
            Syntax::Json => self.with_line_breaks(&json::entry(key, value, layout)?),
        })
    }

    fn flow_members(&mut self, index: u32, plan: &Plan<'_>, added: &[String], layout: Layout) {
        let entries: Vec<Entry> = self.tree.entries(index).collect();
        let goes = |entry: &Entry| plan.removed.binary_search_by_key(&entry.key, |gone| gone.key).is_ok();
        let separator = match layout {
            Layout::Line => ", ".to_owned(),
            Layout::Lines { indent, .. } => format!(",{}{}", self.line_break, " ".repeat(indent)),
        };
        let last_kept = entries.iter().rposition(|entry| !goes(entry));
        let tail = last_kept.map_or(0, |at| at + 1);
        for (at, entry) in entries[..tail].iter().enumerate() {
            if goes(entry) {
                let range = self.entry_start(*entry)..self.removal_end(*entry, entries[at + 1]);
                self.splices.replace(range, "");
            }
        }
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let end = self.entry_end(*last);
        let joined = added.join(&separator);
        match last_kept {
            None => self.splices.replace(self.entry_start(*first)..end, joined),
            Some(at) => {
                let kept_end = self.entry_end(entries[at]);
                let lead = if added.is_empty() { "" } else { separator.as_str() };
                if self.has_comment_between(&entries[at..]) {
                    // A comment stands between: take the entries out one by one, YAML allows the comma left over.
                    self.splices.replace(kept_end..kept_end, format!("{lead}{joined}"));
                    for entry in &entries[tail..] {
                        let comma = self.text[self.entry_end(*entry)..].starts_with(',');
                        let range = self.entry_start(*entry)..self.entry_end(*entry) + usize::from(comma);
                        self.splices.replace(range, "");
                    }
                } else {
                    self.splices.replace(kept_end..end, format!("{lead}{joined}"));
                }
            }
        }
    }

    fn entry_start(&self, entry: Entry) -> usize {
        self.tree.node(entry.key).outer as usize
    }

    fn entry_end(&self, entry: Entry) -> usize {
        self.tree.node(entry.value).end.max(self.tree.node(entry.key).end) as usize
    }

    /// Whether a comment stands between two of these entries.
    fn has_comment_between(&self, entries: &[Entry]) -> bool {
        entries
            .windows(2)
            .any(|pair| self.text[self.entry_end(pair[0])..self.entry_start(pair[1])].contains('#'))
    }

    /// Where the bytes end that go with a removed entry: at the next one, or at a comment line before it.
    fn removal_end(&self, entry: Entry, next: Entry) -> usize {
        let (from, to) = (self.entry_end(entry), self.entry_start(next));
        let between = &self.text[from..to];
        match between.find('\n') {
            Some(at) if between[at..].contains('#') => {
                let rest = &between[at..];
                from + at + (rest.len() - rest.trim_start().len())
            }
            _ => to,
        }
    }

    /// How a flow mapping is laid out, judged by its last entry.
    fn layout(&self, index: u32) -> Layout {
        let Some(last) = self.tree.entries(index).last() else { return Layout::Line };
        let (open, start) = (self.tree.node(index).start as usize, self.entry_start(last));
        let Some(line) = self.text[open..start].rfind('\n').map(|at| open + at + 1) else {
            return Layout::Line;
        };
        if !self.text[line..start].bytes().all(|b| b == b' ') {
            return Layout::Line;
        }
        let outer = self.text[self.line_start(open)..].bytes().take_while(|&b| b == b' ').count();
        let indent = start - line;
        Layout::Lines { indent, step: indent.saturating_sub(outer).clamp(1, 8) }
    }
}

/// Whether a scalar of this style spreads over lines of its own.
pub(super) fn is_block(style: Style) -> bool {
    matches!(style, Style::Literal | Style::Folded)
}
