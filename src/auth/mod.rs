//! From a credential to who is calling, and whether they may.
//!
//! Accounts and hashed keys come from `access.yaml` of `meta.git`. In this version the grant `admin` on `/**`
//! is the only one in force; an account without it is known and may do nothing.

mod access;
mod key;

use std::sync::Arc;

pub use access::{ACCESS_FILE, Access};
pub use key::{ApiKey, KeyHash, MalformedKey};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See values, lists and history.
    Read,
    /// Change values.
    Write,
    /// See the values of secrets.
    ReadSecrets,
}

/// What callers without a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// Nothing.
    #[default]
    None,
    /// Read.
    Reader,
    /// Everything.
    Admin,
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account's name; `anonymous` for callers without a credential.
    pub account: Arc<str>,
    has_credential: bool,
    powers: Powers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Powers {
    None,
    Read,
    All,
}

/// Why a request is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential, and callers without one may not do this.
    #[error("a key is needed: send `Authorization: Bearer cg_…` or `X-API-Key: cg_…`")]
    NoCredential,
    /// A credential that belongs to no account.
    #[error("the key is not known here")]
    UnknownKey,
    /// A known account that may not do this.
    #[error("the account `{account}` may not {}", action.verb())]
    Forbidden {
        /// The account.
        account: Arc<str>,
        /// What it wanted to do.
        action: Action,
    },
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::ReadSecrets => "read secrets",
        }
    }
}

/// The proof that a principal may see the values of secrets.
#[derive(Debug, Clone)]
pub struct SecretGrant(());

impl SecretGrant {
    /// The grant of somebody who holds the project's files.
    pub fn local() -> Self {
        SecretGrant(())
    }
}

/// The proof that a principal may read: what readers demand.
#[derive(Debug, Clone)]
pub struct ReadGrant(());

/// The proof that a principal may write: what the committer demands, with the account to name in the commit.
#[derive(Debug, Clone)]
pub struct WriteGrant {
    account: Arc<str>,
}

impl WriteGrant {
    /// The account that writes.
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// The grant of somebody who holds the project's files: local commands need no account.
    pub fn local(account: Arc<str>) -> Self {
        WriteGrant { account }
    }
}

impl ReadGrant {
    /// The grant of somebody who holds the project's files.
    pub fn local() -> Self {
        ReadGrant(())
    }
}

impl Principal {
    /// The caller without a credential.
    pub fn anonymous(powers: Anonymous) -> Self {
        let powers = match powers {
            Anonymous::None => Powers::None,
            Anonymous::Reader => Powers::Read,
            Anonymous::Admin => Powers::All,
        };
        Principal { account: "anonymous".into(), has_credential: false, powers }
    }

    /// Whether the caller showed no credential.
    pub fn is_anonymous(&self) -> bool {
        !self.has_credential
    }

    /// Lets this principal read, or says why not.
    pub fn may_read(&self) -> Result<ReadGrant, Denied> {
        match self.powers {
            Powers::Read | Powers::All => Ok(ReadGrant(())),
            Powers::None => Err(self.denied(Action::Read)),
        }
    }

    /// Lets this principal write, or says why not.
    pub fn may_write(&self) -> Result<WriteGrant, Denied> {
        match self.powers {
            Powers::All => Ok(WriteGrant { account: self.account.clone() }),
            Powers::None | Powers::Read => Err(self.denied(Action::Write)),
        }
    }

    /// Lets this principal see the values of secrets, or says why not.
    pub fn may_read_secrets(&self) -> Result<SecretGrant, Denied> {
        match self.powers {
            Powers::All => Ok(SecretGrant(())),
            Powers::None | Powers::Read => Err(self.denied(Action::ReadSecrets)),
        }
    }

    fn denied(&self, action: Action) -> Denied {
        if !self.has_credential {
            return Denied::NoCredential;
        }
        Denied::Forbidden { account: self.account.clone(), action }
    }
}
