use std::fmt;

use super::ExpressionError;
use crate::model::Path;

/// Why a value cannot be resolved, and how it came to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The values on the way, from the one that was asked for to the one that holds what fails.
    pub chain: Vec<Path>,
    /// What fails there.
    pub reason: Reason,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No layer sets the variable, and there is no default.
    #[error(
        "`${{{0}}}` names a variable that is not set, and has no default; set it at /.confgit/variables/{0}, or write \
         `${{{0}:DEFAULT}}`"
    )]
    NoVariable(String),
    /// Nothing stands at the path.
    #[error("`${{ref:{0}}}` names a path at which nothing stands")]
    NoPath(Path),
    /// Whoever asks may not read what stands at the path.
    #[error("{0} is part of the value, and may not be read")]
    Forbidden(Path),
    /// There is no such secret.
    #[error("`${{secret:{0}}}` names a secret that no provider has")]
    NoSecret(String),
    /// No document that extends the template gives the parameter.
    #[error("`${{with.{0}}}` is given by no `$with`")]
    NoParameter(String),
    /// What is to stand within a text is no scalar.
    #[error("`{reference}` is {kind}, which cannot be part of a text")]
    NoText {
        /// The reference as it is written.
        reference: String,
        /// What it names.
        kind: &'static str,
    },
    /// References that lead back to where they began.
    #[error("the references go round in a circle")]
    Circle,
    /// A text that cannot be understood.
    #[error("{0}")]
    Malformed(#[from] ExpressionError),
    /// `$extends` or `$with` that is none.
    #[error("{0}")]
    Template(String),
    /// More than is ever produced.
    #[error("what the references come to is larger than {0} bytes")]
    TooLarge(usize),
    /// A chain longer than any that is meant.
    #[error("the references lead through more than {0} values")]
    TooDeep(usize),
}

/// How many steps of a chain are shown.
const MOST_SHOWN: usize = 8;

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.chain.len() < 2 {
            return Ok(());
        }
        let (shown, more) = match self.chain.len().checked_sub(MOST_SHOWN) {
            Some(more @ 1..) => (&self.chain[..MOST_SHOWN], more),
            _ => (&self.chain[..], 0),
        };
        let steps: Vec<&str> = shown.iter().map(Path::as_str).collect();
        write!(f, " ({}", steps.join(" → "))?;
        if more > 0 {
            write!(f, " → and {more} more")?;
        }
        write!(f, ")")
    }
}
