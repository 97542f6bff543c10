use similar::{ChangeTag, TextDiff};

use super::age::{age_of, now};
use super::output::{Emphasis, Output};
use super::{CliError, shown};
use crate::document::{self, Format};
use crate::model::Value;
use crate::present;
use crate::wire::{Change, Diff, Json};

/// How many lines around a change are shown of a long text.
const CONTEXT: usize = 2;

/// How many entries came, changed and went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    added: usize,
    changed: usize,
    removed: usize,
}

impl Summary {
    /// Counts a change.
    pub fn add(&mut self, change: &Change) {
        match (&change.old_value, &change.value) {
            (None, _) => self.added += 1,
            (Some(_), Some(_)) => self.changed += 1,
            (Some(_), None) => self.removed += 1,
        }
    }

    /// `3 entries differ: 1 added, 2 changed`.
    pub fn text(self) -> String {
        let parts = [(self.added, "added"), (self.changed, "changed"), (self.removed, "removed")];
        let told: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match self.added + self.changed + self.removed {
            0 => "nothing differs".to_owned(),
            1 => format!("1 entry differs: {}", told.join(", ")),
            count => format!("{count} entries differ: {}", told.join(", ")),
        }
    }
}

/// Prints one entry that differs: its path, who changed it and when, and the lines that are other than before,
/// their changed words standing out.
pub fn print_change(change: &Change, output: &mut Output) -> Result<(), CliError> {
    let (sign, emphasis) = match (&change.old_value, &change.value) {
        (None, _) => ("+", Emphasis::Added),
        (Some(_), Some(_)) => ("~", Emphasis::Strong),
        (Some(_), None) => ("-", Emphasis::Removed),
    };
    let title = output.emphasized(&format!("{sign} {}", change.path), emphasis);
    let facts = output.emphasized(&facts(change), Emphasis::Faint);
    output.line(format!("{title}{facts}"))?;
    let (old, new) = (
        text(change.old_value.as_ref(), change.old_encoding.is_some()),
        text(change.value.as_ref(), change.encoding.is_some()),
    );
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            output.line(output.emphasized("    ⋯", Emphasis::Faint))?;
        }
        for op in group {
            for line in diff.iter_inline_changes(op) {
                let mut printed = String::new();
                let (mark, plain, word) = match line.tag() {
                    ChangeTag::Equal => ("  ", Emphasis::Faint, Emphasis::Faint),
                    ChangeTag::Delete => ("- ", Emphasis::Removed, Emphasis::RemovedWord),
                    ChangeTag::Insert => ("+ ", Emphasis::Added, Emphasis::AddedWord),
                };
                printed.push_str(&output.emphasized(mark, plain));
                for (is_changed, part) in line.iter_strings_lossy() {
                    let part = part.trim_end_matches(['\n', '\r']);
                    printed.push_str(&output.emphasized(part, if is_changed { word } else { plain }));
                }
                output.line(format!("    {printed}"))?;
            }
        }
    }
    Ok(())
}

/// Version, author and age, as far as they are known.
fn facts(change: &Change) -> String {
    let mut parts = Vec::new();
    match (change.old_version, change.version) {
        (Some(old), Some(new)) if change.old_origin == change.origin => {
            parts.push(format!("version {old} → {new}"))
        }
        (_, Some(new)) => parts.push(format!("version {new}")),
        (Some(old), None) => parts.push(format!("was version {old}")),
        (None, None) => {}
    }
    match (&change.old_origin, &change.origin) {
        (Some(old), Some(new)) if old != new => parts.push(format!("{old} → {new}")),
        (None, Some(origin)) | (Some(origin), None) => parts.push(origin.clone()),
        _ => {}
    }
    parts.extend(change.updated_by.clone());
    parts.extend(change.updated_at.as_deref().map(|time| age_of(now(), time)));
    if parts.is_empty() { String::new() } else { format!("  ({})", parts.join(", ")) }
}

/// The lines of a value: a string's own, or what YAML says; of bytes only how many there are.
fn text(json: Option<&Json>, is_bytes: bool) -> String {
    let Some(json) = json else { return String::new() };
    let mut text = match Value::from_json(json.get()) {
        _ if is_bytes => shown::bytes(json),
        Ok(Value::String(text)) if text.contains('\n') => text,
        Ok(value @ (Value::Array(_) | Value::Object(_))) if json.get().len() > 60 => {
            document::emit(Format::Yaml, &value)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_else(|| value.to_json())
        }
        Ok(_) | Err(_) => shown::inline(json),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Prints differences as a unified diff.
pub fn print_unified(difference: &Diff, output: &mut Output) -> Result<(), CliError> {
    for line in present::unified(difference).lines() {
        let emphasis = match line.as_bytes().first() {
            _ if line.starts_with("---") || line.starts_with("+++") => Emphasis::Strong,
            Some(b'+') => Emphasis::Added,
            Some(b'-') => Emphasis::Removed,
            Some(b'@') => Emphasis::Faint,
            _ => Emphasis::Plain,
        };
        output.line(output.emphasized(line, emphasis))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(old: Option<&str>, new: Option<&str>) -> Change {
        let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let text = r#"{"type":"update","path":"/a"}"#;
        let change: Change = serde_json::from_str(text).unwrap();
        Change { old_value: old.map(raw), value: new.map(raw), ..change }
    }

    #[test]
    fn changes_are_counted() {
        let mut summary = Summary::default();
        assert_eq!(summary.text(), "nothing differs");
        summary.add(&change(None, Some("1")));
        assert_eq!(summary.text(), "1 entry differs: 1 added");
        summary.add(&change(Some("1"), None));
        summary.add(&change(Some("1"), Some("2")));
        assert_eq!(summary.text(), "3 entries differ: 1 added, 1 changed, 1 removed");
    }

    #[test]
    fn values_as_lines() {
        for (json, lines) in [
            ("\"a\\nb\"", "a\nb\n"),
            ("\"plain\"", "plain\n"),
            ("\"5\"", "\"5\"\n"),
            ("[1,2]", "[1,2]\n"),
            (
                "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"]",
                "- aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n- bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n",
            ),
        ] {
            assert_eq!(text(change(None, Some(json)).value.as_ref(), false), lines);
        }
        assert_eq!(text(None, false), "");
    }
}
