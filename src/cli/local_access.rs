use crate::auth::{AccountChange, AccountKind, Action, AdminGrant, Anonymous, Object, Principal};
use crate::client::{AccessQuestion, AuditQuestion};
use crate::model::{Path, PathGlob, Timestamp};
use crate::present;
use crate::service::{AuditFilter, PathFilter, WantedAccount};
use crate::wire::{AccessExplanation, Account, Accounts, Audit, IssuedKey, NewAccount, RotateKey};

use super::CliError;
use super::age::now;
use super::local::Local;

/// For how long the keys go on that an account had, unless told.
const GRACE_SECONDS: u64 = 3_600;

impl Local {
    fn admin(&self) -> AdminGrant {
        AdminGrant::local(self.account.clone())
    }

    /// The accounts.
    pub fn accounts(&self) -> Accounts {
        let access = self.project.access();
        Accounts { accounts: access.accounts().map(|account| present::account(account, now())).collect() }
    }

    /// Makes an account.
    pub fn create_account(&self, new: NewAccount) -> Result<IssuedKey, CliError> {
        let NewAccount { name, kind, description, teams, expires_at } = new;
        let kind = kind.as_deref().and_then(AccountKind::parse).unwrap_or_default();
        let end = time(expires_at.as_deref())?;
        let wanted = WantedAccount { name: name.clone(), kind, description, teams, expires_at: end };
        let key = self.project.create_account(self.admin(), wanted, random()?, now())?;
        let (id, key) = (key.hash().id(), key.reveal().to_owned());
        Ok(IssuedKey { account: name, key, id, expires_at, others_end_at: None })
    }

    /// Gives an account another key.
    pub fn rotate_key(&self, account: &str, rotate: &RotateKey) -> Result<IssuedKey, CliError> {
        let now = now();
        let grace = rotate.grace_seconds.unwrap_or(GRACE_SECONDS);
        let others_end_at = Timestamp::from_millis(now.as_millis() + grace as i64 * 1_000);
        let had_keys = self.project.access().account(account).is_some_and(|found| !found.keys.is_empty());
        let expires_at = time(rotate.expires_at.as_deref())?;
        let (key, expires_at) =
            self.project.rotate_key(self.admin(), (account, others_end_at), expires_at, random()?, now)?;
        Ok(IssuedKey {
            account: account.to_owned(),
            id: key.hash().id(),
            key: key.reveal().to_owned(),
            expires_at: expires_at.map(|at| at.to_string()),
            others_end_at: had_keys.then(|| others_end_at.to_string()),
        })
    }

    /// Refuses an account from now on, or no longer.
    pub fn set_disabled(&self, account: &str, is_disabled: bool) -> Result<Account, CliError> {
        let change = AccountChange::Disable { account: account.to_owned(), is_disabled };
        self.project.change_account(self.admin(), change)?;
        let access = self.project.access();
        let found = access.account(account).map(|account| present::account(account, now()));
        found.ok_or_else(|| CliError::Failed(format!("the account `{account}` is not there any more")))
    }

    /// What the rules say of an action.
    pub fn explain_access(&self, question: &AccessQuestion) -> Result<AccessExplanation, CliError> {
        let AccessQuestion { account, action, path, secret, env } = question;
        let action =
            Action::parse(action).ok_or_else(|| CliError::Usage(format!("`{action}` is no action")))?;
        let object = match (path, secret) {
            (Some(path), _) => Object::Path(
                path.parse().map_err(|error| CliError::Usage(format!("`{path}` is no path: {error}")))?,
            ),
            (None, Some(name)) => Object::Secret(name.clone()),
            (None, None) => Object::Path(Path::root()),
        };
        let core = self.project.core();
        let usual = core.environments().default_name().clone();
        let environment = env.as_deref().unwrap_or(&usual);
        // Whoever holds the files may ask about all.
        let asker = Principal::anonymous(Anonymous::Admin);
        let account = account.as_deref().unwrap_or(&asker.account);
        Ok(present::access(&self.project.explain_access(asker, account, (action, object), environment)?))
    }

    /// At most so many of the things that happened, newest first.
    pub fn audit(&self, question: &AuditQuestion, most: usize) -> Result<Audit, CliError> {
        let AuditQuestion { account, what, env, path, since, until } = question;
        let path = match path {
            Some(text) if text.contains(['*', '?']) => Some(PathFilter::Pattern(PathGlob::new(text))),
            Some(text) => Some(PathFilter::Below(
                text.parse().map_err(|error| CliError::Usage(format!("`{text}` is no path: {error}")))?,
            )),
            None => None,
        };
        let filter = AuditFilter {
            account: account.clone(),
            what: what.as_deref().map(AuditFilter::kind).transpose().map_err(CliError::Usage)?,
            environment: env.as_deref().map(AuditFilter::environment).transpose().map_err(CliError::Usage)?,
            path,
            since: time(since.as_deref())?,
            until: time(until.as_deref())?,
        };
        let mut all = Audit { items: Vec::new(), damage: Vec::new(), next: None };
        let mut cursor = None;
        loop {
            let core = self.project.core();
            let page = core.audit(&self.admin(), &filter, cursor, most - all.items.len())?;
            cursor = page.next;
            let page = present::audit(&page);
            all.items.extend(page.items);
            all.damage.extend(page.damage);
            all.next = page.next;
            if cursor.is_none() || all.items.len() >= most {
                return Ok(all);
            }
        }
    }
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, CliError> {
    let wrong = |text: &str| CliError::Usage(format!("`{text}` is no time such as 2026-01-31T12:00:00Z"));
    text.map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

fn random() -> Result<[u8; 32], CliError> {
    let mut random = [0; 32];
    let failed = |error| CliError::Failed(format!("the system gives no random bits: {error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    Ok(random)
}
