use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path as FilePath;

use super::show;
use crate::cli::CliError;
use crate::cli::edit::{EditedFile, MOST_REFUSALS};
use crate::document::{self, Format};
use crate::model::{Limits, Value};
use crate::wire::{ConflictSide, Promote, PromotionConflict, Resolution};

/// The longest value that is shown beside a decision, in characters.
const MOST_SHOWN: usize = 200;

/// The largest file of decisions that is read, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// The file in which conflicts are decided: YAML, with both sides of each as comments.
pub fn text(asked: &Promote, conflicts: &[PromotionConflict]) -> String {
    let Promote { from, to, .. } = asked;
    let mut text = format!(
        "# Changed in {to} (ours) and in {from} (theirs), each in its way.\n\
         # Give each path one of\n\
         #   take: ours\n\
         #   take: theirs\n\
         #   value: any other value\n\
         #   delete: true      # {to} has nothing of its own there\n\
         # A path that is taken out stays undecided, and nothing is written.\n"
    );
    for PromotionConflict { path, id, base, ours, theirs, .. } in conflicts {
        // A JSON string is a YAML string. Writing to a String cannot fail.
        let key = Value::from(path.as_str()).to_json();
        let _ = write!(text, "\n{key}:\n  # was:    {}\n", line(shortened(show::what(base))));
        for (name, side) in [("ours:  ", ours), ("theirs:", theirs)] {
            let _ = writeln!(text, "  # {name} {}", line(described(side)));
        }
        let _ = write!(text, "  id: \"{id}\"\n  take:\n");
    }
    text
}

fn described(side: &ConflictSide) -> String {
    let facts = [show::author(side), show::commit(side)];
    let facts = facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
    let what = shortened(show::what(side));
    if facts.is_empty() { what } else { format!("{what}  ({facts})") }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A comment never breaks its line.
fn line(text: String) -> String {
    text.replace(char::is_control, " ")
}

/// Lets a person decide, again and again until all of it can be read and nothing is left open.
pub fn edited(
    command: &str,
    file: &EditedFile,
    text: String,
) -> Result<BTreeMap<String, Resolution>, CliError> {
    let (mut shown, mut refusals) = (text, 0);
    loop {
        let after = file.edit(command, &shown)?;
        match read(&after) {
            Ok(decided) => return Ok(decided),
            Err(reason) if after == shown || refusals == MOST_REFUSALS => {
                return Err(file.keep(CliError::Failed(reason)));
            }
            Err(reason) => {
                refusals += 1;
                let body = after.split_inclusive('\n').skip_while(|line| line.starts_with("# error: "));
                shown = format!("# error: {}\n{}", line(reason), body.collect::<String>());
            }
        }
    }
}

/// Reads a file of decisions.
pub fn read_file(file: &FilePath) -> Result<BTreeMap<String, Resolution>, CliError> {
    let wrong = |reason: String| CliError::Usage(format!("{}: {reason}", file.display()));
    let size = fs::metadata(file).map_err(|error| wrong(format!("cannot be read: {error}")))?.len();
    if size > MOST_BYTES {
        return Err(wrong(format!("has more than {MOST_BYTES} bytes")));
    }
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    read(&text).map_err(wrong)
}

fn read(text: &str) -> Result<BTreeMap<String, Resolution>, String> {
    let limits = Limits { document_bytes: usize::MAX, ..Limits::default() };
    let read = document::read(Format::Yaml, text.as_bytes(), &limits).map_err(|fault| fault.to_string())?;
    let members = match read.into_value() {
        Value::Object(members) => members,
        _ => return Err("this is no map of paths".to_owned()),
    };
    let mut decided = BTreeMap::new();
    for (path, value) in members {
        let Value::Object(mut given) = value else {
            return Err(format!(
                "{path} is not decided: give it `take: ours`, `take: theirs`, `value` or `delete`"
            ));
        };
        if given.get("take") == Some(&Value::Null) {
            given.shift_remove("take");
        }
        if !["take", "value", "delete"].iter().any(|name| given.contains_key(*name)) {
            return Err(format!(
                "{path} is not decided: give it `take: ours`, `take: theirs`, `value` or `delete`"
            ));
        }
        let json = Value::Object(given).to_json();
        let resolution = serde_json::from_str(&json).map_err(|error| format!("{path}: {error}"))?;
        decided.insert(path, resolution);
    }
    Ok(decided)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(path: &str) -> PromotionConflict {
        let side = |has: &str| ConflictSide { has: has.to_owned(), ..ConflictSide::default() };
        PromotionConflict {
            path: path.to_owned(),
            id: "0011223344556677".to_owned(),
            base: side("nothing"),
            ours: ConflictSide { message: Some("a\nb".to_owned()), ..side("tombstone") },
            theirs: side("object"),
            resolved: false,
        }
    }

    #[test]
    fn what_is_written_is_read_once_it_is_decided() {
        let asked = Promote { from: "dev".to_owned(), to: "staging".to_owned(), ..Promote::default() };
        let text = text(&asked, &[conflict("/a: \"b\"/c"), conflict("/d")]);
        let reason = read(&text).unwrap_err();
        assert!(reason.contains("/a: \"b\"/c is not decided"), "{reason}");
        let decided =
            read(&text.replacen("take:\n", "take: ours\n", 1).replace("take:\n", "value: [1]\n")).unwrap();
        let json = serde_json::to_string(&decided).unwrap();
        assert_eq!(
            json,
            r#"{"/a: \"b\"/c":{"id":"0011223344556677","take":"ours"},"/d":{"id":"0011223344556677","value":[1]}}"#
        );
    }

    #[test]
    fn what_is_no_decision_is_told() {
        for (text, reason) in [
            ("[1]", "no map"),
            ("/a: 5", "/a is not decided"),
            ("/a: {take: both}", "unknown variant `both`"),
            ("/a: {taken: ours, take: ours}", "unknown field"),
            ("/a: {take: [", "line 1"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(reason), "{text}: {told}");
        }
        let hidden = read("/a: {value: null}").unwrap();
        assert_eq!(hidden["/a"].value.as_ref().unwrap().get(), "null");
        assert!(read("").unwrap().is_empty());
    }
}
