use std::fmt::Write as _;
use std::time::Duration;

use similar::TextDiff;

use crate::document::{self, Format};
use crate::model::Value;
use crate::wire::{Change, Diff, DiffSide, Json};

/// How long the least difference of two texts is looked for; after that one that is not the least is given.
const PATIENCE: Duration = Duration::from_millis(500);

/// Differences as a unified diff (as `diff -u` and `git diff` write it): a file for each entry, named by its path,
/// with the text of a string, or what YAML says for any other value. Bytes only say that they differ.
pub fn unified(diff: &Diff) -> String {
    let mut text = String::new();
    for change in &diff.changes {
        let old_name = name(&diff.from, change, change.old_value.as_ref(), change.old_version);
        let new_name = name(&diff.to, change, change.value.as_ref(), change.version);
        if change.encoding.is_some() || change.old_encoding.is_some() {
            let _ = writeln!(text, "Binary files {old_name} and {new_name} differ");
            continue;
        }
        let (old, new) = (lines(change.old_value.as_ref()), lines(change.value.as_ref()));
        let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old.as_str(), new.as_str());
        let _ = write!(text, "{}", diff.unified_diff().context_radius(3).header(&old_name, &new_name));
    }
    text
}

fn name(side: &DiffSide, change: &Change, value: Option<&Json>, version: Option<u64>) -> String {
    if value.is_none() {
        return "/dev/null".to_owned();
    }
    let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
    format!("{}\t({} at {}{version})", change.path, side.env, side.sequence)
}

/// The text of a value, its last line ended.
fn lines(json: Option<&Json>) -> String {
    let Some(json) = json else { return String::new() };
    let mut text = match Value::from_json(json.get()) {
        Ok(Value::String(text)) => text,
        Ok(value) => document::emit(Format::Yaml, &value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| value.to_json()),
        Err(_) => json.get().to_owned(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
