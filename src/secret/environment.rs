use std::env::VarError;

use super::{MOST_SECRET_BYTES, SecretError, SecretValue};
use crate::resolve::is_secret_name;

const PREFIX: &str = "CONFGIT_SECRET_";

/// The variable of a secret: nothing without the prefix can be reached.
fn variable(name: &str) -> String {
    let upper = |byte: char| match byte {
        '-' | '.' => '_',
        other => other.to_ascii_uppercase(),
    };
    name.chars().map(upper).fold(PREFIX.to_owned(), |mut variable, letter| {
        variable.push(letter);
        variable
    })
}

/// Reads a secret from the variables of this process.
pub(super) fn read(name: &str) -> Result<Option<SecretValue>, SecretError> {
    if !is_secret_name(name) {
        return Ok(None);
    }
    let unreadable = |reason: String| SecretError::Unreadable { name: name.to_owned(), reason };
    match std::env::var(variable(name)) {
        Ok(text) if text.len() > MOST_SECRET_BYTES => {
            Err(unreadable(format!("it has more than {MOST_SECRET_BYTES} bytes")))
        }
        Ok(text) => Ok(Some(SecretValue::of_text(text))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(unreadable(format!("{} is not UTF-8", variable(name)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        for (name, expected) in
            [("db-password", "CONFGIT_SECRET_DB_PASSWORD"), ("a.b_C1", "CONFGIT_SECRET_A_B_C1")]
        {
            assert_eq!(variable(name), expected);
        }
    }
}
