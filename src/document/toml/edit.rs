use std::ops::Range;

use toml_edit::{InlineTable, Item, Table};

use super::super::change::Touched;
use super::super::editor::line_break;
use super::super::place::position_at;
use super::super::splice::Splices;
use super::super::{EditError, EmitError};
use super::read::{Reader, parse};
use super::write;
use crate::model::{Object, Value};

/// The bytes to replace so that the text says the new value.
pub(in super::super) fn edit(text: &str, new: &Value, touched: &Touched<'_>) -> Result<Splices, EditError> {
    let Value::Object(members) = new else {
        let what = format!("a document that is no object but of kind {}", new.kind());
        return Err(EmitError { format: "TOML", what }.into());
    };
    let document = parse(text)?;
    let mut editor = Editor { text, splices: Splices::default() };
    let root = Place { path: Vec::new(), header: 0, body: 0 };
    editor.table(document.as_table(), &root, members, touched)?;
    Ok(editor.splices)
}

/// A table on the way down.
struct Place<'k> {
    /// Its keys from the root.
    path: Vec<&'k str>,
    /// How many of them the header that its lines stand under has.
    header: usize,
    /// The offset where the lines under that header begin.
    body: usize,
}

struct Editor<'a> {
    text: &'a str,
    splices: Splices,
}

impl<'a> Editor<'a> {
    fn table(
        &mut self,
        table: &Table,
        place: &Place<'_>,
        new: &Object,
        touched: &Touched<'_>,
    ) -> Result<(), EditError> {
        let mut added: Vec<(&str, &Value)> = Vec::new();
        for (name, item) in table.iter() {
            let below = touched.member(name);
            if let Touched::Nothing = below {
                continue;
            }
            match new.get(name) {
                None => self.remove(table, name, item)?,
                Some(value) => {
                    if !self.item(table, name, item, place, value, below)? {
                        self.remove(table, name, item)?;
                        added.push((name, value));
                    }
                }
            }
        }
        let fresh = new.iter().filter(|(name, _)| {
            !matches!(touched.member(name), Touched::Nothing) && !table.contains_key(name)
        });
        added.extend(fresh.map(|(name, value)| (name.as_str(), value)));
        self.add(table, place, &added)
    }

    /// Edits one item where it stands; false when it has to be removed and added.
    fn item(
        &mut self,
        table: &Table,
        name: &str,
        item: &Item,
        place: &Place<'_>,
        new: &Value,
        touched: &Touched<'_>,
    ) -> Result<bool, EditError> {
        let old = Reader { text: self.text }.item(item, 0)?;
        if old == *new {
            return Ok(true);
        }
        match (item, new) {
            // A table without a header of its own is there only as long as it has members.
            (Item::Table(inner), Value::Object(members))
                if members.is_empty() && (inner.is_implicit() || inner.is_dotted()) =>
            {
                Ok(false)
            }
            (Item::Table(inner), Value::Object(members)) => {
                let mut path = place.path.clone();
                path.push(name);
                let place = if inner.is_dotted() {
                    Place { path, header: place.header, body: place.body }
                } else {
                    let body = inner.span().map_or(self.text.len(), |span| self.line_end(span.end));
                    Place { header: path.len(), path, body }
                };
                self.table(inner, &place, members, touched)?;
                Ok(true)
            }
            (Item::Value(value), _) => {
                let Some(span) = value.span() else { return Err(self.refusal(table, name)) };
                let written = self.value(value, new)?;
                self.splices.replace(span, written);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn value(&self, old: &toml_edit::Value, new: &Value) -> Result<String, EditError> {
        Ok(match (old, new) {
            (toml_edit::Value::String(_), Value::String(text)) => {
                let span = old.span().unwrap_or_default();
                write::restyled(self.text.get(span).unwrap_or_default(), text)
            }
            (toml_edit::Value::InlineTable(table), Value::Object(members)) if !table.is_empty() => {
                self.inline_table(table, members)?
            }
            _ => write::inline(new)?,
        })
    }

    /// An inline table as it was, with only the members that differ written anew.
    fn inline_table(&self, table: &InlineTable, new: &Object) -> Result<String, EditError> {
        let reader = Reader { text: self.text };
        let mut members = Vec::new();
        for (name, value) in table.iter() {
            let Some(new) = new.get(name) else { continue };
            let old = Item::Value(value.clone());
            let written = match value.span().and_then(|span| self.text.get(span)) {
                Some(written) if reader.item(&old, 0)? == *new && !value_is_dotted(value) => {
                    written.to_owned()
                }
                _ => self.value(value, new)?,
            };
            members.push(format!("{} = {written}", write::dotted(&[name])));
        }
        for (name, value) in new.iter().filter(|(name, _)| !table.contains_key(name)) {
            members.push(format!("{} = {}", write::dotted(&[name]), write::inline(value)?));
        }
        Ok(if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) })
    }

    fn remove(&mut self, table: &Table, name: &str, item: &Item) -> Result<(), EditError> {
        match item {
            Item::Table(inner) => {
                for (name, item) in inner.iter() {
                    self.remove(inner, name, item)?;
                }
                if !inner.is_dotted() && !inner.is_implicit() {
                    self.remove_header(inner);
                }
            }
            Item::ArrayOfTables(tables) => {
                for inner in tables.iter() {
                    for (name, item) in inner.iter() {
                        self.remove(inner, name, item)?;
                    }
                    self.remove_header(inner);
                }
            }
            Item::Value(value) => {
                let Some(span) = value.span() else { return Err(self.refusal(table, name)) };
                let start =
                    table.key(name).and_then(toml_edit::Key::span).map_or(span.start, |span| span.start);
                let lines = self.with_comments(self.line_start(start)..self.line_end(span.end));
                self.splices.replace(lines, "");
            }
            Item::None => {}
        }
        Ok(())
    }

    fn remove_header(&mut self, table: &Table) {
        if let Some(span) = table.span() {
            let mut lines = self.with_comments(self.line_start(span.start)..self.line_end(span.end));
            // The blank line that set the table apart goes with it.
            let above = self.line_start(lines.start.saturating_sub(1));
            if lines.start > 0 && self.text[above..lines.start].trim().is_empty() {
                lines.start = above;
            }
            self.splices.replace(lines, "");
        }
    }

    fn add(&mut self, table: &Table, place: &Place<'_>, added: &[(&str, &Value)]) -> Result<(), EditError> {
        let (mut lines, mut sections) = (String::new(), String::new());
        // A dotted table has no header that another could stand beside.
        let in_lines = table.is_dotted();
        let mut stray = Object::new();
        for &(name, value) in added {
            let mut path = place.path.clone();
            path.push(name);
            match value {
                Value::Object(members) if !in_lines && !members.is_empty() => {
                    sections.push('\n');
                    sections.push_str(&write::section(&path, members)?);
                }
                _ if table.is_implicit() && !in_lines && !place.path.is_empty() => {
                    stray.insert(name.to_owned(), value.clone());
                }
                _ => lines.push_str(&write::line(&path[place.header..], value)?),
            }
        }
        if !stray.is_empty() {
            // The table is only named by longer headers so far: it gets one of its own.
            sections.insert_str(0, &format!("\n{}", write::section(&place.path, &stray)?));
        }
        if !lines.is_empty() {
            let at = self.body_end(table).unwrap_or(place.body);
            self.splices.replace(at..at, self.with_line_breaks(lines));
        }
        if !sections.is_empty() {
            let at =
                if place.path.is_empty() { self.text.len() } else { self.region_end(table).max(place.body) };
            if at == 0 {
                sections.remove(0);
            }
            self.splices.replace(at..at, self.with_line_breaks(sections));
        }
        Ok(())
    }

    /// The end of the last line directly under a table's header; none when there is none.
    fn body_end(&self, table: &Table) -> Option<usize> {
        let ends = table.iter().filter_map(|(_, item)| match item {
            Item::Value(value) => value.span().map(|span| self.line_end(span.end)),
            Item::Table(inner) if inner.is_dotted() => self.body_end(inner),
            _ => None,
        });
        ends.max()
    }

    /// The end of the last line of a table and all tables in it.
    fn region_end(&self, table: &Table) -> usize {
        let own = if table.is_implicit() { None } else { table.span().map(|span| self.line_end(span.end)) };
        let below = table.iter().filter_map(|(_, item)| match item {
            Item::Value(value) => value.span().map(|span| self.line_end(span.end)),
            Item::Table(inner) => Some(self.region_end(inner)),
            Item::ArrayOfTables(tables) => tables.iter().map(|inner| self.region_end(inner)).max(),
            Item::None => None,
        });
        below.chain(own).max().unwrap_or(0)
    }

    /// The lines with the comment lines right above them.
    fn with_comments(&self, mut lines: Range<usize>) -> Range<usize> {
        while lines.start > 0 {
            let above = self.line_start(lines.start - 1);
            if !self.text[above..lines.start].trim_start_matches([' ', '\t']).starts_with('#') {
                break;
            }
            lines.start = above;
        }
        lines
    }

    fn with_line_breaks(&self, lines: String) -> String {
        match line_break(self.text) {
            "\n" => lines,
            other => lines.replace('\n', other),
        }
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self, offset: usize) -> usize {
        self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at + 1)
    }

    fn refusal(&self, table: &Table, name: &str) -> EditError {
        let offset = table.key(name).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
        let reason = format!("the place of `{name}` is not known");
        EditError::NotEditable { position: position_at(self.text.as_bytes(), offset), reason }
    }
}

/// `{ a.b = 1 }`: the bytes of such a table are no value by themselves.
fn value_is_dotted(value: &toml_edit::Value) -> bool {
    matches!(value, toml_edit::Value::InlineTable(table) if table.is_dotted())
}
