use super::change::{Touched, apply};
use super::place::{content, position_at};
use super::read::check_size;
use super::splice::Splices;
use super::{Change, Document, EditError, Edited, Format, emit, json, read, toml, yaml};
use crate::model::{Limits, Position, Value};

/// Applies changes in order to a file: all or none.
///
/// Comments, order, quotes and layout of all that does not change stay, byte for byte. Setting a key to an
/// object keeps the members that are in both. Removing a key takes the comment block right above it along.
///
/// ```
/// use confgit::document::{Change, Format, Op, edit};
/// use confgit::model::{Limits, Value};
/// let keys = ["db".to_owned(), "port".to_owned()];
/// let change = Change { keys: &keys, op: Op::Set(Value::from_json("5433").unwrap()) };
/// let old = b"# where\ndb:\n  host: a\n  port: 5432 # default\n";
/// let edited = edit(Format::Yaml, old, &[change], &Limits::default()).unwrap();
/// assert_eq!(edited.bytes, b"# where\ndb:\n  host: a\n  port: 5433 # default\n");
/// ```
pub fn edit(
    format: Format,
    bytes: &[u8],
    changes: &[Change<'_>],
    limits: &Limits,
) -> Result<Edited, EditError> {
    check_size(bytes, limits)?;
    if !format.is_structured() {
        return edit_whole(format, bytes, changes, limits);
    }
    // Lines are what an edit moves about, so it gives the last one its break and takes it back afterwards.
    let text = content(format, bytes)?;
    let mark = &bytes[..bytes.len() - text.len()];
    let has_break = text.is_empty() || text.ends_with('\n');
    let lined = if has_break { None } else { Some(format!("{text}\n")) };
    let lined = lined.as_deref().unwrap_or(text);
    let (before, splices, intended) = plan(format, lined, changes, limits)?;
    let takes_break_back = !has_break && !splices.reaches(lined.len());
    let joined = splices.join(lined).map_err(|offset| EditError::NotEditable {
        position: position_at(text.as_bytes(), offset),
        reason: "the changes to this place get in each other's way".to_owned(),
    })?;
    let joined = if takes_break_back { joined.strip_suffix('\n').unwrap_or(&joined) } else { &joined };
    let new = [mark, joined.as_bytes()].concat();
    if new.len() > limits.document_bytes {
        return Err(EditError::TooLarge { actual: new.len(), limit: limits.document_bytes });
    }
    let document = reread(format, &new, intended, limits);
    let Some(document) = document else {
        let before = Document { format, source: bytes.into(), value: before };
        let keys = changes.first().map_or(&[][..], |change| change.keys);
        let position = (0..=keys.len()).rev().find_map(|length| before.position_of(&keys[..length]));
        return Err(EditError::NotEditable {
            position: position.unwrap_or(Position { line: 1, column: 1 }),
            reason: "the way this is written leaves no place for the change: edit the file by hand"
                .to_owned(),
        });
    };
    let before = Document { format, source: bytes.into(), value: before };
    Ok(Edited { bytes: new, document, before })
}

/// The new bytes, read by the strict reader; none when they do not say what was meant.
fn reread(format: Format, bytes: &[u8], intended: Value, limits: &Limits) -> Option<Document> {
    // Comparing the new text with the value that was meant is quicker than building one more value.
    if format == Format::Yaml && content(format, bytes).is_ok_and(|text| yaml::says(text, &intended)) {
        return Some(Document { format, source: bytes.into(), value: intended });
    }
    let is_meant = |read: &Document| match format {
        Format::Yaml => yaml::is_same(&read.value, &intended),
        _ => read.value == intended,
    };
    read(format, bytes, limits).ok().filter(is_meant)
}

/// The old value, the bytes to replace and the value they must then say.
fn plan(
    format: Format,
    text: &str,
    changes: &[Change<'_>],
    limits: &Limits,
) -> Result<(Value, Splices, Value), EditError> {
    let touched = Touched::by(changes);
    Ok(match format {
        Format::Yaml => {
            let tree = yaml::tree(text)?;
            let before = yaml::value(text, &tree, limits.document_bytes)?;
            let mut intended = before.clone();
            apply(&mut intended, changes)?;
            let splices = yaml::edit(text, &tree, &intended, &touched, limits.document_bytes)?;
            (before, splices, intended)
        }
        Format::Json => {
            let before = json::read(text)?;
            let mut intended = before.clone();
            apply(&mut intended, changes)?;
            let splices = json::edit(text, &json::scan(text), &intended, &touched)?;
            (before, splices, intended)
        }
        Format::Toml | Format::Text | Format::Raw => {
            let before = toml::read(text)?;
            let mut intended = before.clone();
            apply(&mut intended, changes)?;
            let splices = toml::edit(text, &intended, &touched)?;
            (before, splices, intended)
        }
    })
}

/// A text or raw file is replaced as a whole.
fn edit_whole(
    format: Format,
    bytes: &[u8],
    changes: &[Change<'_>],
    limits: &Limits,
) -> Result<Edited, EditError> {
    let before = read(format, bytes, limits)?;
    let mut intended = before.value.clone();
    apply(&mut intended, changes)?;
    let new = emit(format, &intended)?;
    if new.len() > limits.document_bytes {
        return Err(EditError::TooLarge { actual: new.len(), limit: limits.document_bytes });
    }
    let document = read(format, &new, limits)?;
    Ok(Edited { bytes: new, document, before })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::EmitError;

    fn whole(format: Format, old: &[u8], op: super::super::Op) -> Result<Vec<u8>, EditError> {
        let change = Change { keys: &[], op };
        edit(format, old, &[change], &Limits { document_bytes: 8, ..Limits::default() }).map(|it| it.bytes)
    }

    #[test]
    fn text_and_raw_files_are_replaced_as_a_whole() {
        use super::super::Op::{Remove, Set};
        let text = || Set(Value::from(" x\r\n\n"));
        assert_eq!(whole(Format::Text, b"old", text()).unwrap(), b" x\r\n\n");
        assert_eq!(whole(Format::Raw, b"\xff", text()).unwrap(), b" x\r\n\n");
        assert_eq!(whole(Format::Raw, b"old", Set(Value::Bytes(vec![0xff]))).unwrap(), b"\xff");
        for op in [Set(Value::Null), Set(Value::Bytes(vec![0xff])), Remove] {
            assert!(matches!(
                whole(Format::Text, b"old", op),
                Err(EditError::CannotExpress(EmitError { format: "a text file", .. }))
            ));
        }
        let long = Set(Value::from("123456789"));
        assert_eq!(whole(Format::Text, b"", long), Err(EditError::TooLarge { actual: 9, limit: 8 }));
        let keys = ["k".to_owned()];
        let below = Change { keys: &keys, op: text() };
        assert_eq!(
            edit(Format::Text, b"old", &[below], &Limits::default()).unwrap_err(),
            EditError::Shape { keys: vec![], kind: "string" }
        );
        let not_text = whole(Format::Text, b"a\n\xff", text()).unwrap_err();
        assert!(matches!(not_text, EditError::Unreadable(fault) if fault.position.line == 2));
    }
}
