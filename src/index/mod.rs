//! From an environment to the snapshot that answers for it now: swap and look-up, nothing else.

mod resolved;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::model::{Environments, ObjectId, Revision, Sequence};
use crate::resolve::{Layer, View};
use crate::snapshot::Snapshot;

pub use resolved::{MadeOf, ResolvedBodies, ResolvedBody};

/// A branch as readers see it.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    /// Its head; none while nothing was ever committed to it.
    pub head: Option<Revision>,
    /// Its head's tree.
    pub tree: Option<ObjectId>,
    /// What the head holds.
    pub snapshot: Arc<Snapshot>,
}

/// A view, and what every answer from it says of its moment.
#[derive(Debug)]
struct Seen {
    view: Arc<View>,
    /// The head of the environment's own branch, as text.
    revision: Bytes,
    resolved: ResolvedBodies,
}

/// All branches of a project after one change set: what one request reads is never mixed.
#[derive(Debug, Clone)]
pub struct State {
    /// The last change set in it.
    pub sequence: Sequence,
    /// The environments and their order.
    pub environments: Arc<Environments>,
    /// The branches by name.
    pub branches: HashMap<Arc<str>, Branch>,
    /// The view of each environment, by name.
    views: HashMap<Arc<str>, Arc<Seen>>,
    sequence_text: Bytes,
}

impl State {
    /// The state of these branches.
    pub fn new(
        sequence: Sequence,
        environments: Arc<Environments>,
        branches: HashMap<Arc<str>, Branch>,
    ) -> Self {
        let mut views = HashMap::new();
        for environment in environments.iter() {
            let layers = environments.chain(&environment.name).map(|link| Layer {
                environment: link.name.clone(),
                snapshot: branches
                    .get(&link.branch)
                    .map(|branch| branch.snapshot.clone())
                    .unwrap_or_default(),
            });
            let head = branches.get(&environment.branch).and_then(|branch| branch.head);
            let revision = head.map(|head| Bytes::from(head.to_string())).unwrap_or_default();
            let view = Arc::new(View::new(layers.collect(), environments.rules().clone()));
            views.insert(
                environment.name.clone(),
                Arc::new(Seen { view, revision, resolved: ResolvedBodies::default() }),
            );
        }
        let sequence_text = Bytes::from(sequence.to_string());
        State { sequence, environments, branches, views, sequence_text }
    }

    /// What an environment resolves to; none when there is no such environment.
    pub fn view(&self, environment: &str) -> Option<&Arc<View>> {
        self.views.get(environment).map(|seen| &seen.view)
    }

    /// The view of an environment with the texts of its head (empty for none) and of the sequence: made once
    /// for all answers of this state.
    pub fn view_with_texts(&self, environment: &str) -> Option<(&View, Bytes, Bytes)> {
        let seen = self.views.get(environment)?;
        Some((&seen.view, seen.revision.clone(), self.sequence_text.clone()))
    }

    /// The resolved values of an environment that were read from this state.
    pub fn resolved(&self, environment: &str) -> Option<&ResolvedBodies> {
        self.views.get(environment).map(|seen| &seen.resolved)
    }

    /// The branch of an environment.
    pub fn branch_of(&self, environment: &str) -> Option<&Branch> {
        self.branches.get(&self.environments.get(environment)?.branch)
    }
}

/// The current state, replaced whole.
#[derive(Debug)]
pub struct Index {
    current: ArcSwap<State>,
}

impl Index {
    /// An index that begins with this state.
    pub fn new(state: State) -> Self {
        Index { current: ArcSwap::from_pointee(state) }
    }

    /// What readers see now. Never held over a wait.
    pub fn load(&self) -> arc_swap::Guard<Arc<State>> {
        self.current.load()
    }

    /// The same, to keep.
    pub fn snapshot(&self) -> Arc<State> {
        self.current.load_full()
    }

    /// Lets readers see another state from now on.
    pub fn swap(&self, state: State) {
        self.current.store(Arc::new(state));
    }
}
