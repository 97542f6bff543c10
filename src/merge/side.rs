use std::sync::Arc;

use crate::model::Path;
use crate::resolve::Found;
use crate::snapshot::{Entry, EntryKind, Node, Snapshot};

/// What a layer says of a path.
#[derive(Debug, Clone)]
pub enum Says {
    /// Nothing: what is inherited shows.
    Nothing,
    /// That nothing shows there, whatever is inherited.
    Hidden,
    /// A value.
    Value(Arc<Entry>),
    /// Something that nobody knows any more, and that is like nothing else.
    Unknown,
}

impl Says {
    /// What a layer says of a path.
    pub fn of(layer: &Snapshot, path: &Path) -> Self {
        match layer.find(path) {
            Some(Node::Entry(entry)) if entry.kind() == EntryKind::Tombstone => Says::Hidden,
            Some(Node::Entry(entry)) => Says::Value(entry),
            _ => Says::Nothing,
        }
    }

    /// The entry, where it is a value.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Says::Value(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether two say the same.
    pub fn is_same(&self, other: &Says) -> bool {
        match (self, other) {
            (Says::Nothing, Says::Nothing) | (Says::Hidden, Says::Hidden) => true,
            (Says::Value(one), Says::Value(other)) => one.same_value(other),
            _ => false,
        }
    }
}

/// What there is at a path on the side that a merge changes.
#[derive(Debug, Clone)]
pub struct Ours {
    /// What the layer says.
    pub says: Says,
    /// What readers see, and where: at the path, or, where that is in the way, above it.
    pub shown: Option<(Path, Found)>,
}

impl Ours {
    /// Whether it is as another layer says.
    pub(super) fn is(&self, said: &Says) -> bool {
        match (said, &self.says) {
            (Says::Unknown, _) | (_, Says::Unknown) => false,
            (Says::Nothing, own) => matches!(own, Says::Nothing),
            (said, Says::Hidden) => matches!(said, Says::Hidden),
            (Says::Hidden, _) => self.shown.is_none(),
            // Of an array that is joined with its parents' items, the layer's own part is compared.
            (Says::Value(said), Says::Value(own)) => said.same_value(own),
            (Says::Value(said), Says::Nothing) => match &self.shown {
                Some((_, Found::Entry(shown))) => said.same_value(&shown.entry),
                _ => false,
            },
        }
    }
}
