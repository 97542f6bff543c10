use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::index::{Branch, State};
use crate::model::{Environments, Sequence, Timestamp};
use crate::resolve::{Layer, View};

/// All branches at one moment, and how environments are made of them.
#[derive(Debug, Clone)]
pub(in crate::service) struct Scene {
    pub environments: Arc<Environments>,
    pub branches: HashMap<Arc<str>, Branch>,
}

/// A branch that a change set moved.
#[derive(Debug, Clone)]
pub(in crate::service) struct Moved {
    pub branch: Arc<str>,
    pub before: Branch,
    pub after: Branch,
}

/// From one moment to the next: a change set, or what several came to.
#[derive(Debug)]
pub(in crate::service) struct Step {
    /// The last change set in it.
    pub sequence: Sequence,
    /// When it was accepted, and who made it; none where it is several.
    pub updated: Option<(Timestamp, Arc<str>)>,
    pub moved: Vec<Moved>,
    /// The environments before and after, where settings changed them.
    pub environments: Option<(Arc<Environments>, Arc<Environments>)>,
    /// When the write was handed over that it is; none where that is not known, or several.
    pub accepted: Option<Instant>,
    /// When readers saw it.
    pub published: Instant,
}

impl Scene {
    pub fn of(state: &State) -> Self {
        Scene { environments: state.environments.clone(), branches: state.branches.clone() }
    }

    /// What an environment shows; none where there is no such environment.
    pub fn view(&self, environment: &str) -> Option<View> {
        self.environments.get(environment)?;
        let layers = self.environments.chain(environment).map(|link| Layer {
            environment: link.name.clone(),
            snapshot: self
                .branches
                .get(&link.branch)
                .map(|branch| branch.snapshot.clone())
                .unwrap_or_default(),
        });
        Some(View::new(layers.collect(), self.environments.rules().clone()))
    }

    /// Goes one step on.
    pub fn apply(&mut self, step: &Step) {
        for moved in &step.moved {
            self.branches.insert(moved.branch.clone(), moved.after.clone());
        }
        if let Some((_, after)) = &step.environments {
            self.environments = after.clone();
        }
    }

    /// Goes one step back.
    pub fn undo(&mut self, step: &Step) {
        for moved in &step.moved {
            self.branches.insert(moved.branch.clone(), moved.before.clone());
        }
        if let Some((before, _)) = &step.environments {
            self.environments = before.clone();
        }
    }

    /// All that lies between this moment and a later one, as one step.
    pub fn until(&self, later: &Scene, sequence: Sequence) -> Step {
        let moved = later.branches.iter().filter_map(|(branch, after)| {
            let before = self.branches.get(branch).cloned().unwrap_or_default();
            (before.head != after.head).then(|| Moved {
                branch: branch.clone(),
                before,
                after: after.clone(),
            })
        });
        let is_same = Arc::ptr_eq(&self.environments, &later.environments);
        Step {
            sequence,
            updated: None,
            moved: moved.collect(),
            environments: (!is_same).then(|| (self.environments.clone(), later.environments.clone())),
            accepted: None,
            published: Instant::now(),
        }
    }
}
