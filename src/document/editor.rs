use std::collections::HashSet;

use super::change::Touched;
use super::place::position_at;
use super::splice::Splices;
use super::tree::{Entry, Kind, Tree};
use super::{EditError, EmitError, Fault, json, yaml};
use crate::model::{Object, Value};

/// Whose rules the bytes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Yaml,
    Json,
}

/// Finds the bytes to replace so that a document says a new value, and leaves all others alone.
///
/// It walks the tree of the old text and the new value side by side. Members equal on both sides keep their
/// bytes; the others are replaced, removed or added one by one.
pub(super) struct Editor<'t, 'a> {
    pub(super) text: &'a str,
    pub(super) tree: &'t Tree<'a>,
    pub(super) syntax: Syntax,
    pub(super) splices: Splices,
    /// The line break the file uses.
    pub(super) line_break: &'static str,
    pub(super) max_bytes: usize,
}

/// What has to happen to the members of one mapping.
#[derive(Debug, Default)]
pub(super) struct Plan<'n> {
    /// Entries to remove, in the order of the text.
    pub(super) removed: Vec<Entry>,
    /// Entries whose value differs or may differ.
    pub(super) changed: Vec<(Entry, &'n Value)>,
    /// New members, in their order.
    pub(super) added: Vec<(&'n String, &'n Value)>,
}

impl<'t, 'a> Editor<'t, 'a> {
    /// An editor of a text and its tree. `max_bytes` bounds what aliases add when old values are built.
    pub(super) fn new(text: &'a str, tree: &'t Tree<'a>, syntax: Syntax, max_bytes: usize) -> Self {
        let line_break = line_break(text);
        Editor { text, tree, syntax, splices: Splices::default(), line_break, max_bytes }
    }

    /// What the node of the old text says.
    pub(super) fn old_value(&self, index: u32) -> Result<Value, Fault> {
        match self.syntax {
            Syntax::Yaml => yaml::value_of(self.text, self.tree, index, self.max_bytes),
            Syntax::Json => json::value_of(self.text, self.tree, index),
        }
    }

    /// Whether the node already says this value; refuses to go on when it does not and is shared.
    pub(super) fn says(&self, index: u32, new: &Value) -> Result<bool, EditError> {
        if self.old_value(index)? == *new {
            return Ok(true);
        }
        self.check_unshared(index)?;
        Ok(false)
    }

    /// Refuses to go on when a node is an alias, or holds an anchor that an alias elsewhere names.
    pub(super) fn check_unshared(&self, index: u32) -> Result<(), EditError> {
        let node = self.tree.node(index);
        if let Kind::Alias(_) = node.kind {
            return Err(self.refusal(index, "this is an alias: edit what it names, or write the value here"));
        }
        // An alias comes after what it names, so only the last one can be the farthest.
        if let Some(shared) = (index..node.next).find(|&at| self.tree.node(at).last_alias >= node.next) {
            return Err(
                self.refusal(shared, "this has an anchor, and aliases elsewhere would change with it")
            );
        }
        Ok(())
    }

    /// Whether the members of a node can be edited one by one to say the new value.
    pub(super) fn is_member_wise(&self, index: u32, new: &Value) -> bool {
        let node = self.tree.node(index);
        let has_entries = node.next > index + 1;
        matches!((&node.kind, new), (Kind::Mapping { .. }, Value::Object(members)) if has_entries && !members.is_empty())
            && node.last_alias == 0
    }

    /// Sorts the members of a mapping into those that go, change and come.
    pub(super) fn plan<'n>(
        &self,
        index: u32,
        new: &'n Object,
        touched: &Touched<'_>,
    ) -> Result<Plan<'n>, EditError> {
        let mut plan = Plan::default();
        let mut own: HashSet<&str> = HashSet::new();
        let mut merge = None;
        for entry in self.tree.entries(index) {
            if self.syntax == Syntax::Yaml && yaml::is_merge(self.tree, entry) {
                merge = Some(entry);
                continue;
            }
            let key = self.tree.text(entry.key);
            if let Touched::Nothing = touched.member(key) {
                continue;
            }
            own.insert(key);
            match new.get(key) {
                Some(value) => plan.changed.push((entry, value)),
                None => {
                    if !matches!(self.tree.node(entry.value).kind, Kind::Alias(_)) {
                        self.check_unshared(entry.value)?;
                    }
                    plan.removed.push(entry);
                }
            }
        }
        let merged = match merge {
            Some(_) => self.old_value(index)?,
            None => Value::Null,
        };
        let from_merge = |key: &str| match &merged {
            Value::Object(members) if !own.contains(key) => members.get(key),
            _ => None,
        };
        for (key, value) in new {
            if matches!(touched.member(key), Touched::Nothing) || own.contains(key.as_str()) {
                continue;
            }
            match from_merge(key) {
                Some(old) if old == value => {}
                Some(_) => return Err(self.merge_refusal(merge, key)),
                None => plan.added.push((key, value)),
            }
        }
        if let Value::Object(members) = &merged {
            let gone = |key: &&String| {
                !matches!(touched.member(key), Touched::Nothing)
                    && !own.contains(key.as_str())
                    && !new.contains_key(*key)
            };
            if let Some(key) = members.keys().find(gone) {
                return Err(self.merge_refusal(merge, key));
            }
        }
        Ok(plan)
    }

    fn merge_refusal(&self, merge: Option<Entry>, key: &str) -> EditError {
        let reason = format!("`{key}` comes from this `<<`: write it here, or edit what is merged");
        self.refusal(merge.map_or(0, |entry| entry.key), reason)
    }

    /// A refusal that names a node.
    pub(super) fn refusal(&self, index: u32, reason: impl Into<String>) -> EditError {
        self.refusal_at(self.tree.node(index).outer as usize, reason)
    }

    /// A refusal that names a byte.
    pub(super) fn refusal_at(&self, offset: usize, reason: impl Into<String>) -> EditError {
        EditError::NotEditable { position: position_at(self.text.as_bytes(), offset), reason: reason.into() }
    }

    /// A value as it stands inside braces; `indent` is the column of the line it stands on when the braces
    /// spread over several lines.
    pub(super) fn written(&self, value: &Value, layout: Layout) -> Result<String, EmitError> {
        match self.syntax {
            Syntax::Yaml => yaml::flow_value(value),
            Syntax::Json => Ok(self.with_line_breaks(&json::written(value, layout)?)),
        }
    }

    /// The text with the line breaks of the file.
    pub(super) fn with_line_breaks(&self, text: &str) -> String {
        match self.line_break {
            "\n" => text.to_owned(),
            other => text.replace('\n', other),
        }
    }

    /// The offset of the first byte of a line.
    pub(super) fn line_start(&self, offset: usize) -> usize {
        self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The offset after a line's break.
    pub(super) fn line_end(&self, offset: usize) -> usize {
        self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at + 1)
    }
}

/// The line break a text uses, judged by its first.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// How the members of a flow collection are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// All on one line.
    Line,
    /// Each on a line of its own, at this column, with this many spaces a level.
    Lines { indent: usize, step: usize },
}
