use std::sync::Arc;

use super::action::{Action, Actions};
use crate::model::{PathGlob, Position, name_matches};

/// One rule of the access file.
#[derive(Debug, Clone)]
pub struct AccessRule {
    /// Its place in the file, from 1.
    pub number: usize,
    /// Where it is in the file.
    pub position: Option<Position>,
    /// Why it is there.
    pub description: Option<String>,
    /// The environments that it holds in; all when none.
    pub environments: Option<Vec<Arc<str>>>,
    /// How many others have to agree before a change is made.
    pub approvals: Option<Approvals>,
    /// Where it is asked for.
    pub covers: Covers,
    pub(super) about: About,
    pub(super) accounts: Vec<Arc<str>>,
    pub(super) teams: Vec<Arc<str>>,
    pub(super) allow: Actions,
    pub(super) deny: Actions,
}

/// What a rule is about.
#[derive(Debug, Clone)]
pub(super) enum About {
    Paths(Vec<Pattern>),
    /// Patterns of names.
    Secrets(Vec<String>),
}

/// The agreement that a change needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// Of how many.
    pub count: u32,
    /// The teams whose members count; all when none are named.
    pub teams: Vec<Arc<str>>,
}

/// Where a rule is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// Where the change is written.
    Layer,
    /// In every environment whose view the change alters.
    View,
}

/// A pattern for paths, and how much it says literally: the pattern that says most decides.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub text: String,
    pub glob: PathGlob,
    pub weight: usize,
}

impl Pattern {
    /// The bytes before the first wildcard; a pattern without any counts as longer than all that only begin like it.
    pub fn new(text: &str) -> Self {
        let weight = literal_weight(text, &['*', '?']);
        Pattern { text: text.to_owned(), glob: PathGlob::new(text), weight }
    }
}

fn literal_weight(text: &str, wildcards: &[char]) -> usize {
    text.find(wildcards).unwrap_or(text.len() + 2)
}

impl AccessRule {
    /// Whether it says anything about an action: that it may be done, or that it may not.
    pub(super) fn speaks_of(&self, action: Action) -> bool {
        self.allow.has(action) || self.allow.has(Action::Admin) || self.deny.has(action)
    }

    /// Whether it refuses an action that it speaks of.
    pub(super) fn denies(&self, action: Action) -> bool {
        self.deny.has(action)
    }

    /// Whether it holds in an environment; where none is given, whether it holds in all.
    pub(super) fn holds_in(&self, environment: Option<&str>) -> bool {
        match (&self.environments, environment) {
            (None, _) => true,
            (Some(named), Some(environment)) => named.iter().any(|name| **name == *environment),
            (Some(_), None) => false,
        }
    }

    /// Whether it is about an account of these teams.
    pub(super) fn is_about(&self, account: &str, teams: &[Arc<str>]) -> bool {
        self.accounts.iter().any(|name| **name == *account)
            || teams.iter().any(|team| self.teams.contains(team))
    }

    /// Whether it is about everybody: only the agreement that a change needs may be.
    pub(super) fn names_nobody(&self) -> bool {
        self.accounts.is_empty() && self.teams.is_empty()
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        match &self.about {
            About::Paths(patterns) => patterns,
            About::Secrets(_) => &[],
        }
    }

    /// How much the pattern says literally that means a secret; none where none does.
    pub(super) fn weight_for_secret(&self, name: &str) -> Option<usize> {
        let About::Secrets(patterns) = &self.about else { return None };
        let meant = patterns.iter().filter(|pattern| name_matches(pattern, name));
        meant.map(|pattern| literal_weight(pattern, &['*'])).max()
    }

    /// What the rule is about, as it is written.
    pub fn subjects(&self) -> Vec<&str> {
        match &self.about {
            About::Paths(patterns) => patterns.iter().map(|pattern| pattern.text.as_str()).collect(),
            About::Secrets(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// Whether the rule lets the action be done, where it decides.
    pub fn allows(&self, action: Action) -> bool {
        self.speaks_of(action) && !self.denies(action)
    }
}
