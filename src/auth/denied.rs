use std::fmt;
use std::sync::Arc;

use super::action::Action;
use super::rights::Decision;
use super::rule::AccessRule;
use crate::model::{Path, Timestamp};

/// Why a request is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential, and callers without one may not do this.
    #[error("a key is needed: send `Authorization: Bearer cg_…` or `X-API-Key: cg_…`")]
    NoCredential,
    /// A credential that belongs to no account.
    #[error("the key is not known here")]
    UnknownKey,
    /// A key that was good until some time.
    #[error("the key expired at {at}: ask an administrator for another, or send the one that replaced it")]
    ExpiredKey {
        /// The account that it belongs to.
        account: Arc<str>,
        /// When.
        at: Timestamp,
    },
    /// A credential of an account that was disabled.
    #[error("the account `{account}` is disabled")]
    Disabled {
        /// The account.
        account: Arc<str>,
    },
    /// A token of an issuer that is not good, or not good for this.
    #[error("{reason}")]
    BadToken {
        /// Why not. Never says anything of the token itself.
        reason: String,
    },
    /// A token whose issuer's keys cannot be had at present.
    #[error("the issuer's keys cannot be had at present, so its tokens cannot be checked; try again")]
    TokenKeysUnavailable,
    /// A known account that may not do this.
    #[error("{0}")]
    Forbidden(Box<Refused>),
}

/// What an account may not do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The account.
    pub account: Arc<str>,
    /// What it wanted to do.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// In which environment; in all of them when none.
    pub environment: Option<Arc<str>>,
    /// The rule that decided.
    pub rule: Option<RuleName>,
    /// Why that was asked for, where it is not what the account asked for.
    pub because: Option<String>,
}

/// To what something may not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A path.
    Path(Path),
    /// A secret, by its name.
    Secret(String),
    /// Anything at all.
    Anything,
    /// The project as a whole.
    Project,
}

/// A rule, as people find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName {
    /// Its place in the file, from 1.
    pub number: usize,
    /// Why it is there.
    pub description: Option<String>,
}

impl RuleName {
    /// The name of a rule.
    pub fn of(rule: &AccessRule) -> Self {
        RuleName { number: rule.number, description: rule.description.clone() }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} of access.yaml", self.number)?;
        match &self.description {
            Some(text) => write!(f, " (\"{text}\")"),
            None => Ok(()),
        }
    }
}

impl Refused {
    /// The refusal of somebody who may do something nowhere.
    pub fn anything(account: &Arc<str>, action: Action) -> Self {
        let decision = Decision { is_allowed: false, by: None };
        Refused::of(account, action, Object::Anything, None, &decision)
    }

    pub(super) fn at(
        account: &Arc<str>,
        action: Action,
        (environment, path): (&str, &Path),
        decision: &Decision<'_>,
    ) -> Self {
        let object = Object::Path(path.clone());
        Refused::of(account, action, object, Some(environment), decision)
    }

    pub(super) fn secret(
        account: &Arc<str>,
        action: Action,
        (environment, name): (&str, &str),
        decision: &Decision<'_>,
    ) -> Self {
        Refused::of(account, action, Object::Secret(name.to_owned()), Some(environment), decision)
    }

    pub(super) fn of(
        account: &Arc<str>,
        action: Action,
        object: Object,
        environment: Option<&str>,
        decision: &Decision<'_>,
    ) -> Self {
        Refused {
            account: account.clone(),
            action,
            object,
            environment: environment.map(Into::into),
            rule: decision.by.map(RuleName::of),
            because: None,
        }
    }

    /// That an account may not write a path.
    pub fn write(account: &Arc<str>, environment: &str, path: &Path) -> Self {
        let decision = Decision { is_allowed: false, by: None };
        Refused::at(account, Action::Write, (environment, path), &decision)
    }

    /// The same, told why it was asked for.
    pub fn because(self, reason: String) -> Self {
        Refused { because: Some(reason), ..self }
    }

    /// The same, decided by a rule.
    pub fn by(self, rule: &AccessRule) -> Self {
        Refused { rule: Some(RuleName::of(rule)), ..self }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { account, action, object, environment, rule, because } = self;
        write!(f, "the account `{account}` may not ")?;
        match object {
            Object::Path(path) => write!(f, "{} {path}", action.verb())?,
            Object::Secret(name) => write!(f, "{} `{name}`", action.verb())?,
            Object::Anything => write!(f, "{} anything", action.verb())?,
            Object::Project => write!(f, "{} the project", action.verb())?,
        }
        if let Some(environment) = environment {
            write!(f, " in {environment}")?;
        }
        match because {
            Some(because) => write!(f, ": {because}")?,
            None if rule.is_none() => write!(f, ": no rule allows it")?,
            None => {}
        }
        match rule {
            Some(rule) => write!(f, ": {rule} decides"),
            None => Ok(()),
        }
    }
}
