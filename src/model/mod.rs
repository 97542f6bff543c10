//! The nouns of confgit, without I/O and without async: what the other rooms talk about.

mod change;
mod diagnostic;
mod environment;
mod glob;
mod json;
mod limits;
mod merge_rule;
mod name_pattern;
mod object_id;
mod path;
mod resolution;
mod time;
mod value;

pub use change::{ChangeSet, Move, Sequence, Version};
pub use diagnostic::{Diagnostic, Position, Rule};
pub use environment::{Environment, Environments, EnvironmentsError};
pub use glob::PathGlob;
pub use json::{JsonError, bytes_of_base64};
pub use limits::Limits;
pub use merge_rule::{MergeRules, MergeStrategy};
pub use name_pattern::name_matches;
pub use object_id::{ObjectId, ObjectIdError, Revision};
pub use path::{Path, PathError, Segments};
pub use resolution::ResolutionRules;
pub use time::{Timestamp, TimestampError};
pub use value::{Number, Object, Value};
