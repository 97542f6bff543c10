use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Project, ServiceError};
use crate::auth::{
    AccessRule, AccountChange, AccountKind, Action, AdminGrant, ApiKey, NewAccount, NewKey, Object, Principal,
};
use crate::model::{Path, Timestamp};

/// An account that is wanted.
#[derive(Debug, Clone)]
pub struct WantedAccount {
    /// Its name.
    pub name: String,
    /// A person or a program.
    pub kind: AccountKind,
    /// Who that is.
    pub description: Option<String>,
    /// The teams it belongs to.
    pub teams: Vec<String>,
    /// From when on its key is refused.
    pub expires_at: Option<Timestamp>,
}

/// What the rules say of one action.
#[derive(Debug)]
pub struct AccessExplained {
    /// The account.
    pub account: Arc<str>,
    /// What it wants to do.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// In which environment.
    pub environment: Arc<str>,
    /// Whether it may.
    pub is_allowed: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// The rule that decides.
    pub rule: Option<AccessRule>,
    /// The others that speak of it, those that count more first.
    pub others: Vec<AccessRule>,
    /// The rules by which others have to agree to it, with the environments whose changes they are about: those in which it shows,
    /// where it is written in another one.
    pub approvals: Vec<(Arc<str>, AccessRule)>,
}

impl Project {
    /// Makes an account; its key is made of these random bits. Blocks.
    pub fn create_account(
        &self,
        grant: AdminGrant,
        wanted: WantedAccount,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<ApiKey, ServiceError> {
        let WantedAccount { name, kind, description, teams, expires_at } = wanted;
        let teams: BTreeSet<String> = teams.into_iter().collect();
        let key = ApiKey::new(random);
        let new_key = NewKey { hash: key.hash(), created_at: now, expires_at };
        let teams = teams.into_iter().collect();
        let change = AccountChange::Create(NewAccount { name, kind, description, teams, key: new_key });
        self.change_account(grant, change)?;
        Ok(key)
    }

    /// Gives an account another key, made of these random bits; those that it has end at a time. Where no end is given it
    /// lasts as long as the newest of them; the answer says until when. Blocks.
    pub fn rotate_key(
        &self,
        grant: AdminGrant,
        (account, others_end_at): (&str, Timestamp),
        expires_at: Option<Timestamp>,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<(ApiKey, Option<Timestamp>), ServiceError> {
        let key = ApiKey::new(random);
        let as_before = || self.access().account(account).and_then(|found| found.next_end(now));
        let expires_at = expires_at.or_else(as_before);
        let new_key = NewKey { hash: key.hash(), created_at: now, expires_at };
        let account = account.to_owned();
        self.change_account(grant, AccountChange::Rotate { account, key: new_key, others_end_at })?;
        Ok((key, expires_at))
    }

    /// What the rules say of an action of an account. Whoever asks has to be the account, or to administer the project.
    pub fn explain_access(
        &self,
        asker: &Principal,
        account: &str,
        (action, object): (Action, Object),
        environment: &str,
    ) -> Result<AccessExplained, ServiceError> {
        if *asker.account != *account {
            asker.may_administer().map_err(|denied| ServiceError::Denied(Box::new(denied)))?;
        }
        let core = self.core();
        let environment = core.environment(environment)?.name;
        let access = core.identities().access();
        let principal = match access.principal(account) {
            Some(principal) => principal.as_ref(),
            // Of callers who are no account of the file nobody else knows what they may do.
            None if *asker.account == *account => asker,
            None => {
                let known = access.accounts().map(|account| account.name.to_string()).collect();
                return Err(ServiceError::Account(Box::new(crate::auth::EditAccessError::Unknown {
                    name: account.to_owned(),
                    known,
                })));
            }
        };
        let rights = principal.rights();
        let (decision, speaking) = match &object {
            Object::Path(path) => {
                (rights.decide(action, Some(&environment), path), rights.speaking(action, &environment, path))
            }
            Object::Secret(name) => (
                rights.decide_secret(action, Some(&environment), name),
                rights.speaking_of_secret(action, &environment, name),
            ),
            Object::Anything | Object::Project => (rights.decide(action, None, &Path::root()), Vec::new()),
        };
        let approvals = match &object {
            Object::Path(path) if action == Action::Write && decision.is_allowed => {
                let environments = core.environments();
                let shows = |name: &Arc<str>| environments.chain(name).any(|link| link.name == environment);
                let names = environments.iter().map(|other| other.name.clone()).filter(shows);
                let asked = names.flat_map(|name| {
                    let rules = rights.needs_approval(&name, path, (name != environment, false));
                    let rules: Vec<_> = rules.into_iter().map(|rule| (name.clone(), rule.clone())).collect();
                    rules
                });
                asked.collect()
            }
            _ => Vec::new(),
        };
        let is_disabled = access.account(account).is_some_and(|account| account.is_disabled);
        let decides = decision.by.or_else(|| speaking.first().copied().filter(|_| decision.is_allowed));
        let reason = match decides {
            _ if is_disabled => "the account is disabled, and refused whatever it shows".to_owned(),
            Some(rule) => {
                let others = speaking.len().saturating_sub(1);
                let why = match others {
                    0 => "the only one that speaks of it".to_owned(),
                    count => format!("of {} that speak of it the one that counts most", count + 1),
                };
                let verb = if decision.is_allowed { "allows" } else { "denies" };
                format!("rule {} {verb} it: {why}", rule.number)
            }
            None if decision.is_allowed => "the caller may do everything".to_owned(),
            None => "no rule speaks of it, and what no rule allows is denied".to_owned(),
        };
        let rule = decides.cloned();
        let others = speaking
            .into_iter()
            .filter(|other| rule.as_ref().is_none_or(|rule| rule.number != other.number))
            .cloned()
            .collect();
        Ok(AccessExplained {
            account: principal.account.clone(),
            action,
            object,
            environment,
            is_allowed: decision.is_allowed && !is_disabled,
            reason,
            rule,
            others,
            approvals,
        })
    }
}
