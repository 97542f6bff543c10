use std::fmt::Write as _;

use similar::TextDiff;

use crate::document::{self, Format};
use crate::model::Value;
use crate::resolve::FoundEntry;
use crate::service::{EntryChange, Side};
use crate::snapshot::EntryKind;

/// The differences as a unified diff (as `diff -u` and `git diff` write it): a file for each entry, named by its
/// path, with the text of a string, or what YAML says for any other value. Bytes only say that they differ.
pub fn unified(from: &Side, to: &Side, changes: &[EntryChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let is_bytes = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .any(|found| found.entry.kind() == EntryKind::Bytes);
        let (old_name, new_name) =
            (name(from, change.old.as_ref(), change), name(to, change.new.as_ref(), change));
        if is_bytes {
            let _ = writeln!(text, "Binary files {old_name} and {new_name} differ");
            continue;
        }
        let (old, new) = (lines(change.old.as_ref()), lines(change.new.as_ref()));
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        let _ = write!(text, "{}", diff.unified_diff().context_radius(3).header(&old_name, &new_name));
    }
    text
}

fn name(side: &Side, found: Option<&FoundEntry>, change: &EntryChange) -> String {
    match found {
        None => "/dev/null".to_owned(),
        Some(found) => {
            let version = found.entry.version();
            let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
            format!("{}\t({} at {}{version})", change.path, side.environment, side.sequence)
        }
    }
}

/// The text of a value, its last line ended.
fn lines(found: Option<&FoundEntry>) -> String {
    let Some(found) = found else { return String::new() };
    let mut text = match found.entry.value() {
        Value::String(text) => text,
        value => document::emit(Format::Yaml, &value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| value.to_json()),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
