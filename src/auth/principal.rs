use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use super::action::Action;
use super::denied::{Denied, Object, Refused};
use super::grant::{AdminGrant, ReadGrant, SecretGrant, WriteGrant};
use super::rights::{Decision, Rights};
use crate::model::Path;

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
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account's name; `anonymous` for callers without a credential.
    pub account: Arc<str>,
    pub(super) has_credential: bool,
    pub(super) teams: Vec<Arc<str>>,
    pub(super) rights: Arc<Rights>,
    /// What it reads with, where it may. It is lent: counting who keeps it is what all readers would share.
    reading: ReadGrant,
}

/// The callers without a credential, by what they may do.
static ANONYMOUS: LazyLock<[Principal; 3]> = LazyLock::new(|| {
    [Rights::Nothing, Rights::Reader, Rights::Everything].map(|rights| Principal {
        has_credential: false,
        ..Principal::new("anonymous".into(), Vec::new(), rights)
    })
});

impl Principal {
    /// Somebody who showed a credential.
    pub(super) fn new(account: Arc<str>, teams: Vec<Arc<str>>, rights: Rights) -> Self {
        let rights = Arc::new(rights);
        let reading = ReadGrant { account: account.clone(), rights: rights.clone() };
        Principal { account, has_credential: true, teams, rights, reading }
    }

    /// The caller without a credential.
    pub fn anonymous(powers: Anonymous) -> &'static Self {
        let [nobody, reader, admin] = &*ANONYMOUS;
        match powers {
            Anonymous::None => nobody,
            Anonymous::Reader => reader,
            Anonymous::Admin => admin,
        }
    }

    /// Whether the caller showed no credential.
    pub fn is_anonymous(&self) -> bool {
        !self.has_credential
    }

    /// The teams it belongs to.
    pub fn teams(&self) -> &[Arc<str>] {
        &self.teams
    }

    /// What it may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Lets this principal read what it may, or says why it may read nothing.
    pub fn may_read(&self) -> Result<&ReadGrant, Denied> {
        self.demand_somewhere(Action::Read)?;
        Ok(&self.reading)
    }

    /// Lets this principal write where it may, or says why it may write nothing.
    pub fn may_write(&self) -> Result<WriteGrant, Denied> {
        self.demand_somewhere(Action::Write)?;
        Ok(WriteGrant { account: self.account.clone(), rights: self.rights.clone() })
    }

    /// The same account as it would write: what it may, each path is asked for.
    pub fn as_writer(&self) -> WriteGrant {
        WriteGrant { account: self.account.clone(), rights: self.rights.clone() }
    }

    /// Lets this principal see the values of these secrets in an environment, or says which it may not see.
    pub fn may_read_secrets(
        &self,
        environment: &str,
        names: &BTreeSet<String>,
    ) -> Result<SecretGrant, Denied> {
        for name in names {
            let decision = self.rights.decide_secret(Action::ReadSecrets, Some(environment), name);
            if !decision.is_allowed {
                let place = (environment, name.as_str());
                let refused = Refused::secret(&self.account, Action::ReadSecrets, place, &decision);
                return Err(self.denied(refused));
            }
        }
        Ok(SecretGrant { account: self.account.clone(), names: Some(names.clone()) })
    }

    /// Lets this principal administer the project, or says why not.
    pub fn may_administer(&self) -> Result<AdminGrant, Denied> {
        let decision = self.rights.decide(Action::Admin, None, &Path::root());
        if decision.is_allowed {
            return Ok(AdminGrant { account: self.account.clone() });
        }
        Err(self.denied(Refused::of(&self.account, Action::Admin, Object::Project, None, &decision)))
    }

    fn demand_somewhere(&self, action: Action) -> Result<(), Denied> {
        if self.rights.may_somewhere(action) {
            return Ok(());
        }
        let decision = Decision { is_allowed: false, by: None };
        Err(self.denied(Refused::of(&self.account, action, Object::Anything, None, &decision)))
    }

    fn denied(&self, refused: Refused) -> Denied {
        if self.has_credential { refused.into() } else { Denied::NoCredential }
    }
}
