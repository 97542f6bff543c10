//! Changes to a value written as documents: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).
//!
//! Both keep the digits of numbers and the order of members: what is new comes last. An object that a patch
//! empties by taking its last member away goes with it, as one that a `DELETE` empties does.

mod apply;
mod merge;
mod operations;
mod pointer;
#[cfg(test)]
mod tests;

use crate::model::Value;

pub use operations::{MOST_OPERATIONS, Operation, OperationKind};
pub use pointer::{Pointer, PointerError};

/// A change to a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// RFC 7396: members of the patch replace those of the value, null takes them away.
    Merge(Value),
    /// RFC 6902: operations in order; when one cannot be made, none is.
    Operations(Vec<Operation>),
}

/// Why a text is no patch, or cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document is not of the form that RFC 6902 describes.
    #[error("{}{reason}", place(*.index))]
    Malformed {
        /// The operation, from 1; none where the document as a whole is wrong.
        index: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// An operation does not fit the value: nothing stands where it points, or something else.
    #[error("operation {index} ({op} `{pointer}`): {reason}")]
    DoesNotFit {
        /// The operation, from 1.
        index: usize,
        /// Its name.
        op: &'static str,
        /// Where it points.
        pointer: String,
        /// What is there instead.
        reason: String,
    },
    /// A `test` does not hold.
    #[error("operation {index} (test `{pointer}`): the value there is another")]
    TestFailed {
        /// The operation, from 1.
        index: usize,
        /// Where it points.
        pointer: String,
    },
}

/// What a patch does with what stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// It looks at it, so that what comes of it tells what it is.
    Read,
    /// All of it may be something else afterwards.
    Replace,
}

fn touches_of_merge(patch: &Value, at: &mut Vec<String>, tell: &mut dyn FnMut(Touch, &[String])) {
    match patch {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                at.push(name.clone());
                touches_of_merge(member, at, tell);
                at.pop();
            }
        }
        _ => tell(Touch::Replace, at),
    }
}

fn place(index: Option<usize>) -> String {
    index.map_or_else(String::new, |index| format!("operation {index}: "))
}

impl Patch {
    /// Reads a JSON Patch document.
    ///
    /// ```
    /// use confgit::model::Value;
    /// use confgit::patch::Patch;
    /// let document = r#"[{"op": "replace", "path": "/port", "value": 5433}]"#;
    /// let patch = Patch::operations(&Value::from_json(document).unwrap()).unwrap();
    /// let value = Value::from_json(r#"{"host": "db", "port": 5432}"#).unwrap();
    /// assert_eq!(patch.apply(Some(value)).unwrap().unwrap().to_json(), r#"{"host":"db","port":5433}"#);
    /// ```
    pub fn operations(document: &Value) -> Result<Self, PatchError> {
        operations::read(document).map(Patch::Operations)
    }

    /// Tells every place that the patch names, by the names and indices from the value that it is applied to: what may
    /// be done there has to be asked before anything is looked at.
    pub fn touches(&self, tell: &mut dyn FnMut(Touch, &[String])) {
        match self {
            Patch::Merge(patch) => touches_of_merge(patch, &mut Vec::new(), tell),
            Patch::Operations(operations) => {
                for operation in operations {
                    match &operation.kind {
                        OperationKind::Test(_) => tell(Touch::Read, operation.path.tokens()),
                        OperationKind::Copy(from) => {
                            tell(Touch::Read, from.tokens());
                            tell(Touch::Replace, operation.path.tokens());
                        }
                        OperationKind::Move(from) => {
                            tell(Touch::Read, from.tokens());
                            tell(Touch::Replace, from.tokens());
                            tell(Touch::Replace, operation.path.tokens());
                        }
                        OperationKind::Add(_) | OperationKind::Remove | OperationKind::Replace(_) => {
                            tell(Touch::Replace, operation.path.tokens());
                        }
                    }
                }
            }
        }
    }

    /// Whether the patch can be applied where there is nothing yet.
    pub fn can_create(&self) -> bool {
        matches!(self, Patch::Merge(_))
    }

    /// The value after the patch; none where it takes everything away. A merge patch takes a missing value for
    /// an empty object, for operations it is an error.
    pub fn apply(&self, value: Option<Value>) -> Result<Option<Value>, PatchError> {
        match self {
            Patch::Merge(patch) => Ok(merge::apply(value, patch)),
            Patch::Operations(operations) => apply::apply(value, operations),
        }
    }
}
