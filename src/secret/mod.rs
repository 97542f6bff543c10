//! Secrets by name, from providers that the settings choose. A value is shown where somebody who may read it asks for
//! it, and nowhere else: it has no `Debug`, no `Display`, and is not serialized.

mod environment;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::name_matches;
use crate::resolve::{Secrets, Withheld};

/// The most bytes that a secret may have.
pub const MOST_SECRET_BYTES: usize = 64 << 10;

/// Which provider is asked for which names: the first rule that a name matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretRules {
    /// The rules, in the order of the settings.
    pub rules: Vec<SecretRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRule {
    /// Patterns of names, in which `*` stands for any characters.
    pub names: Vec<String>,
    /// Who is asked.
    pub provider: Provider,
}

/// Where secrets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// A file of the secret's name in a directory; relative to the project's.
    File {
        /// The directory.
        directory: PathBuf,
    },
    /// Variables of the server's process: `CONFGIT_SECRET_` and the name in capitals, `-` and `.` as `_`.
    Env,
}

/// The value of a secret.
pub struct SecretValue(String);

/// Why a secret cannot be had. Never says anything of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The provider fails; later it may not.
    #[error("the secret `{name}` cannot be read: {reason}")]
    Unreadable {
        /// The secret.
        name: String,
        /// What failed.
        reason: String,
    },
}

impl SecretValue {
    fn of_text(mut text: String) -> Self {
        // Editors and `echo` end the last line.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        SecretValue(text)
    }
}

impl SecretRules {
    /// The value of a secret; none where no rule is for it, or its provider has none of that name. Reads a file.
    pub fn read(&self, name: &str, project: &Path) -> Result<Option<SecretValue>, SecretError> {
        let is_for = |rule: &&SecretRule| rule.names.iter().any(|pattern| name_matches(pattern, name));
        match self.rules.iter().find(is_for).map(|rule| &rule.provider) {
            None => Ok(None),
            Some(Provider::Env) => environment::read(name),
            Some(Provider::File { directory }) => file::read(&project.join(directory), name),
        }
    }

    /// The values of several secrets.
    pub fn read_all<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        project: &Path,
    ) -> Result<SecretValues, SecretError> {
        let mut values = BTreeMap::new();
        for name in names {
            values.insert(name.clone(), self.read(name, project)?);
        }
        Ok(SecretValues(values))
    }
}

/// The values of the secrets that an answer needs, for as long as it is made.
pub struct SecretValues(BTreeMap<String, Option<SecretValue>>);

impl Secrets for SecretValues {
    fn secret(&self, name: &str) -> Result<Option<String>, Withheld> {
        match self.0.get(name) {
            Some(value) => Ok(value.as_ref().map(|SecretValue(text)| text.clone())),
            // It is named only now that others are known: whoever resolves asks once more.
            None => Err(Withheld),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_for_a_name_counts() {
        let project = tempfile::tempdir().unwrap();
        let secrets = project.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        std::fs::write(secrets.join("db-password"), "pa ss\r\n").unwrap();
        std::fs::write(secrets.join("db-lines"), "a\nb\n").unwrap();
        std::fs::write(secrets.join("db-bytes"), b"\xff").unwrap();
        std::fs::write(secrets.join("db-large"), vec![b'x'; MOST_SECRET_BYTES + 1]).unwrap();
        std::fs::create_dir(secrets.join("db-folder")).unwrap();
        let rules = SecretRules {
            rules: vec![
                SecretRule {
                    names: vec!["db-*".to_owned()],
                    provider: Provider::File { directory: "secrets".into() },
                },
                SecretRule { names: vec!["*".to_owned()], provider: Provider::Env },
            ],
        };
        let read = |name: &str| match rules.read(name, project.path()) {
            Ok(Some(SecretValue(text))) => text,
            Ok(None) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read("db-password"), "pa ss");
        assert_eq!(read("db-lines"), "a\nb");
        assert_eq!(read("db-nowhere"), "none");
        assert!(read("db-bytes").contains("is not UTF-8"), "{}", read("db-bytes"));
        assert!(read("db-large").contains("more than"), "{}", read("db-large"));
        assert!(read("db-folder").contains("is no file"), "{}", read("db-folder"));
        // Only variables of the prefix are ever looked at.
        assert_eq!(read("PATH"), "none");
        for name in ["../x", "", ".hidden", "a/b"] {
            assert_eq!(read(name), "none", "{name}");
        }
    }
}
