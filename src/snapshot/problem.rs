use std::sync::Arc;

use crate::model::{Diagnostic, Path, Rule};

/// Something wrong with a commit, and the files that have to be looked at again when one of them changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What a person is told.
    pub diagnostic: Diagnostic,
    /// All files it is about, sorted.
    pub files: Vec<Arc<str>>,
}

impl Problem {
    /// Whether two places give one path, so that its last single value is served.
    pub fn is_contest(&self) -> bool {
        matches!(self.diagnostic.rule, Rule::DoubleSpelling | Rule::Shape)
    }

    /// Whether one of these files is among those it is about.
    pub fn concerns(&self, file: &str) -> bool {
        self.files.iter().any(|other| &**other == file)
    }

    /// The same problem, wherever its lines have moved to.
    pub fn same_as(&self, other: &Problem) -> bool {
        self.diagnostic.rule == other.diagnostic.rule
            && self.diagnostic.path == other.diagnostic.path
            && self.files == other.files
    }

    pub(super) fn contest(rule: Rule, path: Path, mut files: Vec<Arc<str>>) -> Self {
        files.sort();
        files.dedup();
        let names: Vec<&str> = files.iter().map(|file| &**file).collect();
        let message = match rule {
            Rule::Shape => format!("is a value in one place and an object in another: {}", names.join(", ")),
            _ => format!("is given by {} at once; keep one of them", names.join(" and ")),
        };
        let file = files.last().map(|file| file.to_string());
        Problem { diagnostic: Diagnostic { rule, file, position: None, path: Some(path), message }, files }
    }
}
