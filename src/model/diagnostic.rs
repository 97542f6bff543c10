use std::fmt;

use super::Path;

/// A place in a file: line and column count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Which check a diagnostic comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The file does not parse.
    Parse,
    /// One path is given by two places.
    DoubleSpelling,
    /// A value stands where another file has an object.
    Shape,
    /// A place that cannot be edited without changing something else.
    Edit,
    /// A key that no path can name.
    Key,
    /// A value, document or path is over a limit.
    Limit,
    /// A reference or a template that leads nowhere.
    Reference,
    /// A value that is not as its JSON Schema says, or a schema that is none.
    Schema,
    /// A value that a bundle's format cannot say.
    Bundle,
    /// A settings file says something that cannot be.
    Settings,
    /// A file that no branch of an environment can hold.
    File,
    /// Both sides of a merge changed the same.
    Merge,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 12] = [
        Rule::Parse,
        Rule::DoubleSpelling,
        Rule::Shape,
        Rule::Edit,
        Rule::Key,
        Rule::Limit,
        Rule::Reference,
        Rule::Schema,
        Rule::Bundle,
        Rule::Settings,
        Rule::File,
        Rule::Merge,
    ];

    /// Whether it is about how one place fits the others, rather than about what a place says.
    pub fn is_conflict(self) -> bool {
        match self {
            Rule::DoubleSpelling | Rule::Shape | Rule::Edit | Rule::Merge => true,
            Rule::Parse
            | Rule::Key
            | Rule::Limit
            | Rule::Reference
            | Rule::Schema
            | Rule::Bundle
            | Rule::Settings
            | Rule::File => false,
        }
    }

    /// The rule's name as answers and metrics show it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Parse => "parse",
            Rule::DoubleSpelling => "double-spelling",
            Rule::Shape => "shape",
            Rule::Edit => "edit",
            Rule::Key => "key",
            Rule::Limit => "limit",
            Rule::Reference => "reference",
            Rule::Schema => "schema",
            Rule::Bundle => "bundle",
            Rule::Settings => "settings",
            Rule::File => "file",
            Rule::Merge => "merge",
        }
    }
}

/// Something wrong with the configuration, with the place a person would mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The check it comes from.
    pub rule: Rule,
    /// The file, relative to the root of the branch.
    pub file: Option<String>,
    /// Where in the file.
    pub position: Option<Position>,
    /// The configuration path it is about.
    pub path: Option<Path>,
    /// What is wrong and, where it is not obvious, what to do.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(Position { line, column }) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.rule.name())
    }
}
