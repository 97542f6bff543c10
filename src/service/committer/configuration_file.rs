use std::sync::Arc;

use crate::git::check_file_name;
use crate::model::{Path, PathError};
use crate::snapshot::{base_path, is_configuration};

/// The name of a file of a branch that is configuration, such as `myapp/database.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationFile {
    name: Arc<str>,
    base: Path,
}

/// Why a name is not that of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// A name of nothing, or one that begins or ends with a slash or has two in a row.
    #[error(
        "it is not the name of a file: write it from the root of the branch, such as myapp/database.yaml"
    )]
    NotRelative,
    /// A hidden file.
    #[error("names that start with a dot are no configuration")]
    Hidden,
    /// A name that Git refuses.
    #[error("`{part}` cannot be the name of a file: {reason}")]
    Forbidden {
        /// The part between two slashes.
        part: String,
        /// Why.
        reason: String,
    },
    /// A name that no path can spell.
    #[error("it cannot be a path: {0}")]
    NoPath(#[from] PathError),
}

impl ConfigurationFile {
    /// Reads a name, from the root of the branch.
    pub fn parse(name: &str) -> Result<Self, FileNameError> {
        if name.split('/').any(str::is_empty) {
            return Err(FileNameError::NotRelative);
        }
        // What Git refuses may begin with a dot as well, and is the better reason: `..`, `.git`.
        for part in name.split('/') {
            let forbidden = |reason| FileNameError::Forbidden { part: part.to_owned(), reason };
            check_file_name(part).map_err(forbidden)?;
        }
        if !is_configuration(name) {
            return Err(FileNameError::Hidden);
        }
        Ok(ConfigurationFile { name: name.into(), base: base_path(name)? })
    }

    /// The name, from the root of the branch.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The path at which its content stands.
    pub fn base(&self) -> &Path {
        &self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, base) in [
            ("a.yaml", "/a"),
            ("a/b.c/d.txt", "/a/b.c/d"),
            ("certs/tls.crt", "/certs/tls.crt"),
            (".confgit/variables.yaml", "/.confgit/variables"),
        ] {
            assert_eq!(ConfigurationFile::parse(name).unwrap().base().as_str(), base, "{name}");
        }
        for (name, reason) in [
            ("", "not the name of a file"),
            ("/a.yaml", "not the name of a file"),
            ("a//b", "not the name of a file"),
            ("a/", "not the name of a file"),
            ("../a.yaml", "`..` cannot be"),
            ("a/./b", "`.` cannot be"),
            ("a/.git/config", "`.git` cannot be"),
            ("a/GIT~1/b", "`GIT~1` cannot be"),
            ("a/.env", "start with a dot"),
            (".confgit/.x", "start with a dot"),
            ("a/.confgit/x", "start with a dot"),
            ("a\nb", "control character"),
        ] {
            let error = ConfigurationFile::parse(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{name:?}: {error}");
        }
    }
}
