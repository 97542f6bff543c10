//! From a path and an environment to what a reader sees: the environment's own layer first, then its parents'.

mod candidate;
mod dependencies;
mod expression;
mod followed;
mod merged;
mod resolver;
mod sight;
mod strategy;
mod template;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unresolved;
mod view;

use std::sync::Arc;

use crate::snapshot::Entry;

pub use candidate::{Candidate, Has, Outcome};
pub use dependencies::{Dependencies, Ingredients, governed, is_plain, reached};
pub use expression::{Expression, ExpressionError, Part, Reference, is_secret_name};
pub use followed::{Followed, Leads, MOST_FOLLOWED};
pub use merged::Merged;
pub use resolver::{MOST_RESOLVED_BYTES, Resolved, Resolver, Secrets, Visited, Withheld};
pub use sight::{Seen, Sight, entries_seen};
pub use unresolved::{Reason, Unresolved};
pub use view::{Layer, View};

/// What a view shows at a path.
#[derive(Debug, Clone)]
pub enum Found {
    /// One value.
    Entry(FoundEntry),
    /// Paths below.
    Object(Merged),
}

/// An entry and the environment whose layer holds it.
#[derive(Debug, Clone)]
pub struct FoundEntry {
    /// The environment whose layer holds the value.
    pub origin: Arc<str>,
    /// The value.
    pub entry: Arc<Entry>,
    /// Whether the layer is the nearest, rather than a parent's.
    pub own: bool,
    /// Whether items of further layers are part of the value, so that it changes when they do.
    pub is_joined: bool,
    /// The template that the entry comes from, through a document that extends it; `origin` names it, too.
    pub template: Option<Arc<str>>,
}

impl FoundEntry {
    /// An entry of an environment's own layer.
    pub fn own(origin: Arc<str>, entry: Arc<Entry>) -> Self {
        FoundEntry { origin, entry, own: true, is_joined: false, template: None }
    }
}
