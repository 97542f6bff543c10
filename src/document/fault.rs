use crate::model::Position;

/// What is wrong with the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The bytes are no UTF-8 text.
    Encoding,
    /// The text breaks the grammar of its format, or names an anchor that is not there.
    Syntax,
    /// A key comes twice in one mapping.
    DuplicateKey,
    /// The text is of its format, but says what a configuration cannot hold: a complex or null key,
    /// an unknown tag, `.nan`, a second document.
    Unsupported,
    /// A bound on size, depth or alias expansion is passed.
    Limit,
}

/// Why a file cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", position.line, position.column)]
pub struct Fault {
    /// The first place that is wrong.
    pub position: Position,
    /// What kind of fault.
    pub kind: FaultKind,
    /// What is wrong, for people.
    pub message: String,
}

/// Why an edit was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The place cannot be edited without changing something else, such as the node behind an alias.
    #[error("line {}, column {}: {reason}", position.line, position.column)]
    NotEditable {
        /// Where in the old file.
        position: Position,
        /// Why, for people.
        reason: String,
    },
    /// The key to remove is not there.
    #[error("`{}` is not there", keys.join("/"))]
    Absent {
        /// The key, from the root of the document.
        keys: Vec<String>,
    },
    /// The key leads through a value that has no members.
    #[error("`{}` holds {kind}, which has no members", keys.join("/"))]
    Shape {
        /// The key of the value that is in the way.
        keys: Vec<String>,
        /// What kind of value it is, as [`crate::model::Value::kind`] says.
        kind: &'static str,
    },
    /// The old bytes cannot be read.
    #[error("the document cannot be read: {0}")]
    Unreadable(#[from] Fault),
    /// The new document would be over the limit.
    #[error("the document would have {actual} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The bytes it would have.
        actual: usize,
        /// The most it may have.
        limit: usize,
    },
    /// The format has no way to write the value.
    #[error(transparent)]
    CannotExpress(#[from] EmitError),
}

/// A value that the format has no way to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{format} cannot express {what}")]
pub struct EmitError {
    /// The name of the format.
    pub format: &'static str,
    /// The value that it cannot write, for people.
    pub what: String,
}
