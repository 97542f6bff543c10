use super::read::get;
use super::{Client, ClientError, Expect};
use crate::model::Path;
use crate::wire::{
    AccessExplanation, Account, Accounts, Audit, AuditItem, AuditReport, IssuedKey, NewAccount, RotateKey,
};

/// How many items of the audit stream are asked for at once.
const ITEMS_PER_PAGE: usize = 1_000;

/// What is asked of the rules.
#[derive(Debug, Clone)]
pub struct AccessQuestion {
    /// The account; the caller when none.
    pub account: Option<String>,
    /// What it wants to do.
    pub action: String,
    /// To which path.
    pub path: Option<String>,
    /// To which secret.
    pub secret: Option<String>,
    /// In which environment.
    pub env: Option<String>,
}

/// What of the audit stream is asked for: everything that meets all of it.
#[derive(Debug, Clone, Default)]
pub struct AuditQuestion {
    /// Who.
    pub account: Option<String>,
    /// What happened.
    pub what: Option<String>,
    /// In which environment.
    pub env: Option<String>,
    /// A path, or a pattern of paths.
    pub path: Option<String>,
    /// Not before this, RFC 3339.
    pub since: Option<String>,
    /// Not after this, RFC 3339.
    pub until: Option<String>,
}

impl Client {
    /// The accounts.
    pub fn accounts(&self) -> Result<Accounts, ClientError> {
        self.transport.json(get(self.server().url("/api/accounts", &Path::root(), "", &[])))
    }

    /// Makes an account.
    pub fn create_account(&self, new: &NewAccount) -> Result<IssuedKey, ClientError> {
        let url = self.server().url("/api/accounts", &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(new))
    }

    /// Gives an account another key.
    pub fn rotate_key(&self, account: &str, rotate: &RotateKey) -> Result<IssuedKey, ClientError> {
        self.write("POST", self.of_account(account, "/rotate"), Expect::Anything, Some(rotate))
    }

    /// Refuses an account from now on, or no longer.
    pub fn set_disabled(&self, account: &str, is_disabled: bool) -> Result<Account, ClientError> {
        let verb = if is_disabled { "/disable" } else { "/enable" };
        self.write("POST", self.of_account(account, verb), Expect::Anything, None::<&()>)
    }

    /// What the rules say of an action.
    pub fn explain_access(&self, question: &AccessQuestion) -> Result<AccessExplanation, ClientError> {
        let AccessQuestion { account, action, path, secret, env } = question;
        let mut query = vec![("action", action.clone())];
        let others = [("account", account), ("path", path), ("secret", secret), ("env", env)];
        query.extend(others.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        self.transport.json(get(self.server().url("/api/access/explain", &Path::root(), "", &query)))
    }

    /// At most so many of the things that happened, newest first, and what of the audit log cannot be read.
    pub fn audit(&self, question: &AuditQuestion, most: usize) -> Result<Audit, ClientError> {
        let AuditQuestion { account, what, env, path, since, until } = question;
        let (mut items, mut damage): (Vec<AuditItem>, Vec<String>) = (Vec::new(), Vec::new());
        let mut before: Option<String> = None;
        loop {
            let limit = (most - items.len()).min(ITEMS_PER_PAGE);
            let mut query = vec![("limit", limit.to_string())];
            let others = [
                ("account", account),
                ("what", what),
                ("env", env),
                ("path", path),
                ("since", since),
                ("until", until),
                ("before", &before),
            ];
            query.extend(others.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
            let url = self.server().url("/api/audit", &Path::root(), "", &query);
            let page: Audit = self.transport.json(get(url))?;
            items.extend(page.items);
            damage.extend(page.damage);
            // A change set of several branches is more than one item.
            match page.next {
                Some(next) if items.len() < most => before = Some(next),
                next => return Ok(Audit { items, damage, next }),
            }
        }
    }

    /// Whether the audit log is whole.
    pub fn verify_audit(&self, first: Option<u64>) -> Result<AuditReport, ClientError> {
        let query: Vec<(&str, String)> =
            first.map(|first| ("first", first.to_string())).into_iter().collect();
        self.transport.json(get(self.server().url("/api/audit/verify", &Path::root(), "", &query)))
    }

    fn of_account(&self, account: &str, verb: &str) -> String {
        let at = Path::from_segments([account]).unwrap_or_else(|_| Path::root());
        self.server().url("/api/accounts", &at, verb, &[])
    }
}
