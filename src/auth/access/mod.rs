mod edit;
mod parse;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

pub use self::edit::{AccountChange, EditAccessError, NewAccount, NewKey};
use super::account::{Account, Key};
use super::rights::{Rights, Ruled};
use super::rule::AccessRule;
use super::token::Issuers;
use super::{Denied, KeyHash, Principal, WriteGrant};
use crate::document;
use crate::model::{Diagnostic, Environments, Rule, Timestamp};

/// The file in `meta.git` that holds accounts and rules.
pub const ACCESS_FILE: &str = "access.yaml";

/// The accounts of a project, found by the hash of a key, and the rules that say what they may do.
#[derive(Debug, Clone, Default)]
pub struct Access {
    accounts: IndexMap<Arc<str>, Arc<Account>>,
    principals: HashMap<Arc<str>, Arc<Principal>>,
    by_key: HashMap<KeyHash, Holder>,
    rules: Arc<[AccessRule]>,
    issuers: Arc<Issuers>,
}

/// Whose a key is.
#[derive(Debug, Clone)]
struct Holder {
    principal: Arc<Principal>,
    is_disabled: bool,
    key: Key,
}

impl Access {
    /// Reads the access file; every mistake is told with its place.
    ///
    /// ```
    /// use confgit::auth::Access;
    /// let errors = Access::parse(b"accounts: {}\nrules:\n  - {paths: [/**], teams: [a], allow: [fly]}\n").unwrap_err();
    /// assert!(errors[0].to_string().contains("rule 1: `fly` is no action and no role"));
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        parse::parse(bytes)
    }

    fn new(accounts: IndexMap<Arc<str>, Arc<Account>>, rules: Arc<[AccessRule]>, issuers: Issuers) -> Self {
        let mut access = Access { accounts, rules, issuers: Arc::new(issuers), ..Access::default() };
        for account in access.accounts.values() {
            let rights = Rights::Ruled(Ruled::of(&account.name, &account.teams, &access.rules));
            let principal = Arc::new(Principal::new(account.name.clone(), account.teams.clone(), rights));
            for key in &account.keys {
                let (principal, key) = (principal.clone(), key.clone());
                let holder = Holder { principal, is_disabled: account.is_disabled, key };
                access.by_key.insert(holder.key.hash, holder);
            }
            access.principals.insert(account.name.clone(), principal);
        }
        access
    }

    /// Who holds the key with this hash, at this time, and that it was used then. The look-up compares hashes of random
    /// keys, so its time tells nothing about a key.
    pub fn holder(&self, key: &KeyHash, now: Timestamp) -> Result<&Arc<Principal>, Denied> {
        let Holder { principal, is_disabled, key } = self.by_key.get(key).ok_or(Denied::UnknownKey)?;
        if *is_disabled {
            return Err(Denied::Disabled { account: principal.account.clone() });
        }
        if let Some(at) = key.expires_at.filter(|at| *at <= now) {
            return Err(Denied::ExpiredKey { account: principal.account.clone(), at });
        }
        key.last_use.note(now);
        Ok(principal)
    }

    /// The account of this name as it would call; none where there is no such account.
    pub fn principal(&self, account: &str) -> Option<&Arc<Principal>> {
        self.principals.get(account)
    }

    /// What an account may write by these rules, where a grant was given by rules; an error where it is not there, or
    /// disabled. None for those of whom the file says nothing.
    pub fn renewed(&self, grant: &WriteGrant) -> Result<Option<WriteGrant>, Denied> {
        // Those whom a token gives their teams are named after its issuer.
        if !grant.is_by_rules() || grant.account().contains(':') {
            return Ok(None);
        }
        match (self.accounts.get(grant.account()), self.principals.get(grant.account())) {
            (Some(account), Some(principal)) if !account.is_disabled => Ok(Some(principal.as_writer())),
            (Some(account), _) => Err(Denied::Disabled { account: account.name.clone() }),
            (None, _) => Err(Denied::UnknownKey),
        }
    }

    /// Somebody who is no account and belongs to these teams, by what an issuer says.
    pub fn principal_of_teams(&self, name: Arc<str>, teams: Vec<Arc<str>>) -> Principal {
        let rights = Rights::Ruled(Ruled::of(&name, &teams, &self.rules));
        Principal::new(name, teams, rights)
    }

    /// The accounts, in the order of the file.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// One account.
    pub fn account(&self, name: &str) -> Option<&Arc<Account>> {
        self.accounts.get(name)
    }

    /// Whose tokens are taken.
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[AccessRule] {
        &self.rules
    }

    /// What the rules name that there is not among these environments: a rule that holds nowhere is a mistake.
    pub fn unknown_environments(&self, environments: &Environments) -> Vec<Diagnostic> {
        let named = self
            .rules
            .iter()
            .flat_map(|rule| rule.environments.iter().flatten().map(move |environment| (rule, environment)));
        let unknown = named.filter(|(_, environment)| environments.get(environment).is_none());
        unknown
            .map(|(rule, environment)| Diagnostic {
                position: rule.position,
                ..mistake(format!(
                    "rule {} names the environment `{environment}`, which there is not",
                    rule.number
                ))
            })
            .collect()
    }

    /// Takes over when keys were used last from what was in force before.
    pub fn with_uses_of(mut self, before: &Access) -> Self {
        for (hash, holder) in &mut self.by_key {
            if let Some(known) = before.by_key.get(hash) {
                holder.key.last_use = known.key.last_use.clone();
            }
        }
        for account in self.accounts.values_mut() {
            let mut with_uses = Account::clone(account);
            for key in &mut with_uses.keys {
                if let Some(holder) = self.by_key.get(&key.hash) {
                    key.last_use = holder.key.last_use.clone();
                }
            }
            *account = Arc::new(with_uses);
        }
        self
    }

    /// The keys with their hashes, for whoever keeps when they were used.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.by_key.values().map(|holder| &holder.key)
    }
}

fn mistake(message: String) -> Diagnostic {
    Diagnostic {
        rule: Rule::Settings,
        file: Some(ACCESS_FILE.to_owned()),
        position: None,
        path: None,
        message,
    }
}

/// A mistake at the place that these keys lead to.
fn mistake_at(document: &document::Document, at: &[&str], message: String) -> Diagnostic {
    Diagnostic { position: document.position_of(at), ..mistake(message) }
}
