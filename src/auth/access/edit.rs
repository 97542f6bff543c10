use super::parse::{NAMES, RESERVED};
use super::{ACCESS_FILE, Access};
use crate::auth::KeyHash;
use crate::auth::account::{Account, AccountKind, Key};
use crate::auth::action::Action;
use crate::auth::name::is_name;
use crate::document::{self, Change, EditError, Format, Op};
use crate::model::{Limits, Object, Path, Timestamp, Value};

/// A change of one account.
#[derive(Debug, Clone)]
pub enum AccountChange {
    /// There is to be such an account.
    Create(NewAccount),
    /// The account gets another key, and those that it has end.
    Rotate {
        /// The account.
        account: String,
        /// The new key.
        key: NewKey,
        /// When its other keys end, unless they do before.
        others_end_at: Timestamp,
    },
    /// The account is refused from now on, or no longer.
    Disable {
        /// The account.
        account: String,
        /// Whether it is.
        is_disabled: bool,
    },
}

/// An account that is wanted.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// A person or a program.
    pub kind: AccountKind,
    /// Who that is.
    pub description: Option<String>,
    /// The teams it belongs to.
    pub teams: Vec<String>,
    /// Its first key.
    pub key: NewKey,
}

/// A key that an account gets.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its hash.
    pub hash: KeyHash,
    /// When it is made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Why an account cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum EditAccessError {
    /// There is one of this name.
    #[error("there is an account `{name}` already")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is none of this name.
    #[error("there is no account `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A text that cannot be a name.
    #[error("`{name}` cannot be a name: {NAMES}")]
    NoName {
        /// The text.
        name: String,
    },
    /// The one who asks would shut everybody out.
    #[error("`{name}` is the last account that may administer the project: give another one `admin` first")]
    LastAdministrator {
        /// The account.
        name: String,
    },
    /// The file cannot be edited.
    #[error("{ACCESS_FILE} cannot be edited: {0}")]
    File(#[from] EditError),
}

impl AccountChange {
    /// The account that it is about.
    pub fn account(&self) -> &str {
        match self {
            AccountChange::Create(new) => &new.name,
            AccountChange::Rotate { account, .. } | AccountChange::Disable { account, .. } => account,
        }
    }

    /// What it does, as the subject of a commit.
    pub fn subject(&self) -> String {
        match self {
            AccountChange::Create(new) => format!("create the account {}", new.name),
            AccountChange::Rotate { account, .. } => format!("rotate the key of {account}"),
            AccountChange::Disable { account, is_disabled: true } => format!("disable the account {account}"),
            AccountChange::Disable { account, is_disabled: false } => format!("enable the account {account}"),
        }
    }
}

impl Access {
    /// The access file after a change of an account, edited in place.
    pub fn edited(
        &self,
        file: &[u8],
        change: &AccountChange,
        now: Timestamp,
    ) -> Result<Vec<u8>, EditAccessError> {
        let edits = match change {
            AccountChange::Create(new) => vec![self.creation(new)?],
            AccountChange::Rotate { account, key, others_end_at } => {
                let found = self.known(account)?;
                let others = found.keys.iter().filter(|key| !key.is_expired(now));
                let others = others.map(|key| {
                    let end = key.expires_at.map_or(*others_end_at, |end| end.min(*others_end_at));
                    key_value(&Key { expires_at: Some(end), ..key.clone() })
                });
                let keys = others.chain([new_key_value(key)]).collect();
                vec![(keys_of(account), Op::Set(Value::Array(keys)))]
            }
            AccountChange::Disable { account, is_disabled } => {
                self.known(account)?;
                if *is_disabled && self.is_last_administrator(account, now) {
                    return Err(EditAccessError::LastAdministrator { name: account.clone() });
                }
                if self.known(account)?.is_disabled == *is_disabled {
                    return Ok(file.to_vec());
                }
                let at = path(&["accounts", account, "disabled"]);
                vec![(at, if *is_disabled { Op::Set(Value::Bool(true)) } else { Op::Remove })]
            }
        };
        Ok(edit(file, &edits)?)
    }

    /// The access file with one more key for an account, which is made an administrator when it is none.
    pub fn with_admin_key(file: &[u8], account: &str, key: &NewKey) -> Result<Vec<u8>, EditError> {
        let access = Access::parse(file).unwrap_or_default();
        let keys = access.account(account).map(|account| account.keys.iter().map(key_value).collect());
        let mut keys: Vec<Value> = keys.unwrap_or_default();
        keys.push(new_key_value(key));
        let mut edits = vec![(keys_of(account), Op::Set(Value::Array(keys)))];
        if access.principal(account).is_none_or(|principal| principal.may_administer().is_err()) {
            let document = document::read(Format::Yaml, file, &Limits::default())?;
            let mut rules = match document.value() {
                Value::Object(root) => match root.get("rules") {
                    Some(Value::Array(rules)) => rules.clone(),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            rules.push(Value::Object(Object::from_iter([
                ("paths".to_owned(), texts(&["/**", "/.confgit/**"])),
                ("accounts".to_owned(), texts(&[account])),
                ("allow".to_owned(), texts(&["admin"])),
            ])));
            edits.push((path(&["rules"]), Op::Set(Value::Array(rules))));
        }
        edit(file, &edits)
    }

    fn creation(&self, new: &NewAccount) -> Result<(Vec<String>, Op), EditAccessError> {
        let is_reserved = |name: &String| RESERVED.contains(&name.as_str());
        if let Some(name) =
            [&new.name].into_iter().chain(&new.teams).find(|name| !is_name(name) || is_reserved(name))
        {
            return Err(EditAccessError::NoName { name: name.clone() });
        }
        if self.account(&new.name).is_some() {
            return Err(EditAccessError::Exists { name: new.name.clone() });
        }
        let mut members = Object::new();
        if new.kind != AccountKind::default() {
            members.insert("kind".to_owned(), Value::from(new.kind.name()));
        }
        if let Some(description) = &new.description {
            members.insert("description".to_owned(), Value::from(description.as_str()));
        }
        if !new.teams.is_empty() {
            let teams: Vec<&str> = new.teams.iter().map(String::as_str).collect();
            members.insert("teams".to_owned(), texts(&teams));
        }
        members.insert("keys".to_owned(), Value::Array(vec![new_key_value(&new.key)]));
        Ok((path(&["accounts", &new.name]), Op::Set(Value::Object(members))))
    }

    fn known(&self, name: &str) -> Result<&Account, EditAccessError> {
        let known = || self.accounts().map(|account| account.name.to_string()).collect();
        self.account(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| EditAccessError::Unknown { name: name.to_owned(), known: known() })
    }

    /// Whether nobody could undo it when this account goes.
    fn is_last_administrator(&self, name: &str, now: Timestamp) -> bool {
        let administers = |account: &Account| {
            let principal = self.principal(&account.name);
            let may = |action| {
                principal.is_some_and(|found| found.rights().decide(action, None, &Path::root()).is_allowed)
            };
            let has_key = account.keys.iter().any(|key| !key.is_expired(now));
            !account.is_disabled && has_key && may(Action::Admin)
        };
        let all: Vec<&str> =
            self.accounts().filter(|account| administers(account)).map(|account| &*account.name).collect();
        all == [name]
    }
}

fn edit(file: &[u8], edits: &[(Vec<String>, Op)]) -> Result<Vec<u8>, EditError> {
    let changes: Vec<Change<'_>> = edits.iter().map(|(keys, op)| Change { keys, op: op.clone() }).collect();
    Ok(document::edit(Format::Yaml, file, &changes, &Limits::default())?.bytes)
}

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn keys_of(account: &str) -> Vec<String> {
    path(&["accounts", account, "keys"])
}

fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|text| Value::from(*text)).collect())
}

fn new_key_value(key: &NewKey) -> Value {
    let NewKey { hash, created_at, expires_at } = *key;
    key_value(&Key {
        hash,
        description: None,
        created_at: Some(created_at),
        expires_at,
        last_use: Default::default(),
    })
}

fn key_value(key: &Key) -> Value {
    let mut members = Object::new();
    let mut add = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            members.insert(name.to_owned(), Value::String(text));
        }
    };
    add("hash", Some(key.hash.to_string()));
    add("description", key.description.clone());
    add("created_at", key.created_at.map(|at| at.to_string()));
    add("expires_at", key.expires_at.map(|at| at.to_string()));
    Value::Object(members)
}
