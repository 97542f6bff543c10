use super::super::EditError;
use super::super::change::Touched;
use super::super::editor::Editor;
use super::super::flow::is_block;
use super::super::tree::Kind;
use super::write;
use crate::model::Value;

/// Edits of a whole document.
impl Editor<'_, '_> {
    /// Makes the document say the new value.
    pub(super) fn document(&mut self, new: &Value, touched: &Touched<'_>) -> Result<(), EditError> {
        if self.tree.nodes.is_empty() || self.tree.is_left_empty(0) {
            if !matches!(new, Value::Object(members) if members.is_empty()) {
                // Right below a comment the first key would take it for its own, and along when it goes.
                let apart = if self.text.lines().last().is_some_and(|line| line.starts_with('#')) {
                    "\n"
                } else {
                    ""
                };
                let lines = format!("{apart}{}", write::document(new)?);
                let end = self.text.len();
                self.insert_lines(end..end, &lines);
            }
            return Ok(());
        }
        match (&self.tree.node(0).kind, new) {
            (Kind::Mapping { flow: false }, Value::Object(members)) => {
                self.block_mapping(0, members, touched)
            }
            (Kind::Mapping { flow: true }, Value::Object(members)) if self.is_member_wise(0, new) => {
                self.flow_mapping(0, members, touched)
            }
            _ => self.replace_document(new),
        }
    }

    fn replace_document(&mut self, new: &Value) -> Result<(), EditError> {
        if self.says(0, new)? {
            return Ok(());
        }
        let node = self.tree.node(0);
        let (start, end) = (self.document_start(), node.end as usize);
        if let (Kind::Scalar { style, .. }, Value::String(text)) = (&node.kind, new)
            && !is_block(*style)
        {
            self.splices.replace(start..end, super::restyled(text, *style, false));
            return Ok(());
        }
        let lines = write::document(new)?;
        let line_end = if self.text[..end].ends_with('\n') { end } else { self.line_end(end) };
        let follows_marker = !self.text[self.line_start(start)..start].trim().is_empty();
        let marker = if follows_marker {
            "
"
        } else {
            ""
        };
        let comment = &self.text[end..line_end];
        if comment.trim().is_empty() {
            self.insert_lines(start..line_end, &format!("{marker}{lines}"));
        } else if lines.matches('\n').count() == 1 {
            self.splices.replace(start..end, lines.trim_end());
        } else {
            self.splices.replace(start..end + comment.len() - comment.trim_start().len(), "");
            self.insert_lines(line_end..line_end, &lines);
        }
        Ok(())
    }

    /// Where the root begins, with its properties and, for a block scalar, its header.
    fn document_start(&self) -> usize {
        let node = self.tree.node(0);
        match &node.kind {
            Kind::Scalar { style, .. } if is_block(*style) => {
                let mut at = 0;
                loop {
                    let line = self.text[at..self.line_end(at)].trim();
                    let is_prefix =
                        line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "---";
                    let next = self.line_end(at);
                    if !is_prefix || next == at {
                        break;
                    }
                    at = next;
                }
                let marker = self.text[at..]
                    .strip_prefix("---")
                    .map_or(0, |rest| 3 + rest.len() - rest.trim_start().len());
                at + marker
            }
            Kind::Mapping { flow: false } | Kind::Sequence { flow: false } => {
                self.line_start(node.outer as usize)
            }
            _ => node.outer as usize,
        }
    }
}
