use std::sync::Arc;

use indexmap::IndexMap;

use super::ResolutionRules;

/// A named set of values: a branch, and the environment whose values show where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The name, as in `?env=`.
    pub name: Arc<str>,
    /// The branch that holds its overrides, without `refs/heads/`.
    pub branch: Arc<str>,
    /// The environment it inherits from.
    pub inherits: Option<Arc<str>>,
}

/// The environments of a project: names unique, one branch each, inheritance without cycles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environments {
    by_name: IndexMap<Arc<str>, Environment>,
    default: Arc<str>,
    rules: Arc<ResolutionRules>,
}

/// Why a list of environments is none that a project can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentsError {
    /// The default is not in the list.
    #[error("the default environment `{name}` is not among the environments")]
    NoDefault {
        /// The name given as default.
        name: String,
    },
    /// Two entries of one name.
    #[error("the environment `{name}` is given twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Two environments on one branch.
    #[error("the environments `{first}` and `{second}` share the branch `{branch}`")]
    SharedBranch {
        /// One of the two.
        first: String,
        /// The other.
        second: String,
        /// Their branch.
        branch: String,
    },
    /// A parent that is not in the list.
    #[error("the environment `{name}` inherits from `{parent}`, which does not exist")]
    NoParent {
        /// The child.
        name: String,
        /// The missing parent.
        parent: String,
    },
    /// Inheritance that comes back to where it began.
    #[error("the environment `{name}` inherits from itself: {}", chain.join(" -> "))]
    Cycle {
        /// Where the walk began.
        name: String,
        /// The names on the way.
        chain: Vec<String>,
    },
}

impl Environments {
    /// The checked set.
    pub fn new(list: Vec<Environment>, default: &str) -> Result<Self, EnvironmentsError> {
        let mut by_name: IndexMap<Arc<str>, Environment> = IndexMap::new();
        for environment in list {
            if let Some(other) = by_name.values().find(|other| other.branch == environment.branch)
                && other.name != environment.name
            {
                return Err(EnvironmentsError::SharedBranch {
                    first: other.name.to_string(),
                    second: environment.name.to_string(),
                    branch: environment.branch.to_string(),
                });
            }
            if by_name.contains_key(&environment.name) {
                return Err(EnvironmentsError::Duplicate { name: environment.name.to_string() });
            }
            by_name.insert(environment.name.clone(), environment);
        }
        let Some(default) = by_name.get(default).map(|found| found.name.clone()) else {
            return Err(EnvironmentsError::NoDefault { name: default.to_owned() });
        };
        let environments = Environments { by_name, default, rules: Arc::default() };
        for name in environments.by_name.keys() {
            environments.check_chain(name)?;
        }
        Ok(environments)
    }

    fn check_chain(&self, name: &str) -> Result<(), EnvironmentsError> {
        let mut chain = vec![name.to_owned()];
        let mut at = name;
        while let Some(parent) = self.by_name.get(at).and_then(|found| found.inherits.as_deref()) {
            if !self.by_name.contains_key(parent) {
                return Err(EnvironmentsError::NoParent { name: at.to_owned(), parent: parent.to_owned() });
            }
            let seen = chain.iter().any(|link| link == parent);
            chain.push(parent.to_owned());
            if seen {
                return Err(EnvironmentsError::Cycle { name: name.to_owned(), chain });
            }
            at = parent;
        }
        Ok(())
    }

    /// The same environments with other rules.
    pub fn with_rules(self, rules: Arc<ResolutionRules>) -> Self {
        Environments { rules, ..self }
    }

    /// How the layers of an environment become what it shows.
    pub fn rules(&self) -> &Arc<ResolutionRules> {
        &self.rules
    }

    /// The environment that answers when none is named.
    pub fn default_name(&self) -> &Arc<str> {
        &self.default
    }

    /// The environment of this name.
    pub fn get(&self, name: &str) -> Option<&Environment> {
        self.by_name.get(name)
    }

    /// All environments, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Environment> {
        self.by_name.values()
    }

    /// The environment, its parent, its parent's parent and so on; empty for an unknown name.
    pub fn chain<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Environment> {
        std::iter::successors(self.by_name.get(name), |at| self.by_name.get(at.inherits.as_deref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, inherits: Option<&str>) -> Environment {
        Environment { name: name.into(), branch: name.into(), inherits: inherits.map(Into::into) }
    }

    #[test]
    fn chains_follow_inheritance() {
        let list = vec![
            environment("base", None),
            environment("staging", Some("base")),
            environment("prod", Some("staging")),
        ];
        let environments = Environments::new(list, "base").unwrap();
        let names: Vec<_> = environments.chain("prod").map(|e| &*e.name).collect();
        assert_eq!(names, ["prod", "staging", "base"]);
        assert_eq!(environments.chain("nowhere").count(), 0);
    }

    #[test]
    fn cycles_and_strangers_are_refused() {
        let cycle = Environments::new(vec![environment("a", Some("b")), environment("b", Some("a"))], "a")
            .unwrap_err();
        assert_eq!(cycle.to_string(), "the environment `a` inherits from itself: a -> b -> a");
        assert!(matches!(
            Environments::new(vec![environment("a", Some("x"))], "a"),
            Err(EnvironmentsError::NoParent { .. })
        ));
        assert!(matches!(
            Environments::new(vec![environment("a", None)], "b"),
            Err(EnvironmentsError::NoDefault { .. })
        ));
    }
}
