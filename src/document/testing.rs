//! The words the tables of edits are written in.

use super::{Change, EditError, Format, Op, edit};
use crate::model::{Limits, Value};

pub(super) fn json(text: &str) -> Value {
    Value::from_json(text).unwrap()
}

/// Edits a text: `key=json` sets, `key` alone removes; `/` splits keys.
pub(super) fn change_in(format: Format, text: &str, changes: &[&str]) -> Result<String, EditError> {
    let parts: Vec<(Vec<String>, Op)> = changes
        .iter()
        .map(|change| {
            let (path, op) = match change.split_once('=') {
                Some((path, value)) => (path, Op::Set(json(value))),
                None => (*change, Op::Remove),
            };
            (path.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect(), op)
        })
        .collect();
    let changes: Vec<Change<'_>> = parts.iter().map(|(keys, op)| Change { keys, op: op.clone() }).collect();
    edit(format, text.as_bytes(), &changes, &Limits::default())
        .map(|edited| String::from_utf8(edited.bytes).unwrap())
}
