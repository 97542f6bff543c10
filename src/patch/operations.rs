use super::{PatchError, Pointer};
use crate::model::{Object, Value};

/// How many operations one patch may have.
pub const MOST_OPERATIONS: usize = 10_000;

/// One operation of a JSON Patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Where it takes place.
    pub path: Pointer,
    /// What happens there.
    pub kind: OperationKind,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationKind {
    /// Puts a value there; into a list before that index, or with `-` at its end.
    Add(Value),
    /// Takes the value away.
    Remove,
    /// Puts a value in the place of the one there.
    Replace(Value),
    /// Takes the value from elsewhere and puts it there.
    Move(Pointer),
    /// Puts a copy of the value from elsewhere there.
    Copy(Pointer),
    /// Goes on only if the value there is this one; numbers are compared by amount.
    Test(Value),
}

impl OperationKind {
    /// Its name, as `op` says it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            OperationKind::Add(_) => "add",
            OperationKind::Remove => "remove",
            OperationKind::Replace(_) => "replace",
            OperationKind::Move(_) => "move",
            OperationKind::Copy(_) => "copy",
            OperationKind::Test(_) => "test",
        }
    }

    /// Whether it sets what stands at its path.
    pub(super) fn sets(&self) -> bool {
        !matches!(self, OperationKind::Remove | OperationKind::Test(_))
    }
}

/// Reads a patch document: a list of objects.
pub(super) fn read(document: &Value) -> Result<Vec<Operation>, PatchError> {
    let wrong = |reason: String| PatchError::Malformed { index: None, reason };
    let Value::Array(items) = document else {
        return Err(wrong("a JSON Patch is a list of operations".to_owned()));
    };
    if items.len() > MOST_OPERATIONS {
        return Err(wrong(format!(
            "{} operations are more than the limit of {MOST_OPERATIONS}",
            items.len()
        )));
    }
    let numbered = items.iter().zip(1..);
    numbered
        .map(|(item, index)| {
            operation(item).map_err(|reason| PatchError::Malformed { index: Some(index), reason })
        })
        .collect()
}

fn operation(item: &Value) -> Result<Operation, String> {
    let Value::Object(members) = item else {
        return Err("expected an object with `op` and `path`".to_owned());
    };
    let path = pointer(members, "path")?;
    let value = || members.get("value").cloned().ok_or_else(|| "`value` is missing".to_owned());
    let kind = match members.get("op") {
        Some(Value::String(op)) => match op.as_str() {
            "add" => OperationKind::Add(value()?),
            "remove" => OperationKind::Remove,
            "replace" => OperationKind::Replace(value()?),
            "move" => OperationKind::Move(pointer(members, "from")?),
            "copy" => OperationKind::Copy(pointer(members, "from")?),
            "test" => OperationKind::Test(value()?),
            other => {
                return Err(format!(
                    "unknown op `{other}`; there are add, remove, replace, move, copy and test"
                ));
            }
        },
        Some(_) => return Err("`op` is a text".to_owned()),
        None => return Err("`op` is missing".to_owned()),
    };
    Ok(Operation { path, kind })
}

fn pointer(members: &Object, name: &str) -> Result<Pointer, String> {
    match members.get(name) {
        Some(Value::String(text)) => Pointer::parse(text).map_err(|error| format!("`{name}`: {error}")),
        Some(_) => Err(format!("`{name}` is a text")),
        None => Err(format!("`{name}` is missing")),
    }
}
