use std::collections::BTreeSet;
use std::sync::Arc;

use super::action::Action;
use super::denied::{Denied, Object, Refused};
use super::rights::{Decision, Rights};
use crate::model::{Environment, Environments, Path};
use crate::resolve::{Seen, Sight};

/// Where confgit's own files are.
const OWN_PATHS: [&str; 2] = ["/.confgit/variables", "/.confgit/schemas"];

/// The proof that a principal may read something, and what: what readers demand.
#[derive(Debug, Clone)]
pub struct ReadGrant {
    pub(super) account: Arc<str>,
    pub(super) rights: Arc<Rights>,
}

/// The proof that a principal may write something, and what: what the committer demands, with the account to name in
/// the commit.
#[derive(Debug, Clone)]
pub struct WriteGrant {
    pub(super) account: Arc<str>,
    pub(super) rights: Arc<Rights>,
}

/// The proof that a principal may see the values of some secrets.
#[derive(Debug)]
pub struct SecretGrant {
    pub(super) account: Arc<str>,
    /// All secrets when none.
    pub(super) names: Option<BTreeSet<String>>,
}

/// The proof that a principal administers the project: accounts, settings, backups, the audit log.
#[derive(Debug, Clone)]
pub struct AdminGrant {
    pub(super) account: Arc<str>,
}

/// What an account sees of one environment.
#[derive(Debug)]
struct Eyes {
    rights: Arc<Rights>,
    environment: Arc<str>,
}

impl Sight for Eyes {
    fn sees(&self, path: &Path) -> bool {
        self.rights.sees(&self.environment, path)
    }

    fn below(&self, path: &Path, has_hidden: bool) -> Seen {
        self.rights.extent(Action::Read, &self.environment, path, has_hidden)
    }

    fn is_kept_from(&self, path: &Path) -> bool {
        self.rights.is_variable_kept_from(&self.environment, path)
    }
}

impl ReadGrant {
    /// The grant of somebody who holds the project's files.
    pub fn local() -> Self {
        ReadGrant { account: "local".into(), rights: Arc::new(Rights::Everything) }
    }

    /// The account that reads.
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// The same account as it would write: what it may, each path is asked for.
    pub fn as_writer(&self) -> WriteGrant {
        WriteGrant { account: self.account.clone(), rights: self.rights.clone() }
    }

    /// Whether a value at this very path of an environment may be read.
    pub fn sees(&self, environment: &str, path: &Path) -> bool {
        self.rights.sees(environment, path)
    }

    /// How much may be read at and below a path of an environment. `has_hidden` says whether names below may begin
    /// with a dot.
    pub fn below(&self, environment: &str, path: &Path, has_hidden: bool) -> Seen {
        self.rights.extent(Action::Read, environment, path, has_hidden)
    }

    /// Whether everything may be read, in every environment.
    pub fn sees_everything(&self) -> bool {
        self.rights.sees_everything()
    }

    /// Lets all that a project holds be read, or says why not: a clone holds it all.
    pub fn demand_everything(&self, environments: &Environments) -> Result<(), Refused> {
        let root = Path::root();
        let is_whole = |environment: &Environment| {
            let name = &environment.name;
            let may = |path: &Path| self.may_whole(name, path);
            // Confgit's own files are among those that wildcards do not mean; its metadata goes with what it describes.
            may(&root) && OWN_PATHS.iter().all(|own| own.parse().is_ok_and(|own| may(&own)))
        };
        let hidden = environments.iter().find(|environment| !is_whole(environment));
        let Some(environment) = hidden.filter(|_| !self.sees_everything()) else { return Ok(()) };
        let because = "a clone holds everything, and the account may read only a part; read it with `confgit get`, `confgit export` or GET /v1/config";
        Err(self.refusal(&environment.name, &root).because(because.to_owned()))
    }

    /// Whether whatever stands at a path of an environment, and below it, may be read.
    pub fn may_whole(&self, environment: &str, path: &Path) -> bool {
        self.rights.may_whole(Action::Read, environment, path)
    }

    /// Whether the account administers the project.
    pub fn administers(&self) -> bool {
        self.rights.decide(Action::Admin, None, &Path::root()).is_allowed
    }

    /// What a view of an environment shows to the account; none where that is everything.
    pub fn sight(&self, environment: &Arc<str>) -> Option<Arc<dyn Sight>> {
        if self.sees_everything() {
            return None;
        }
        Some(Arc::new(Eyes { rights: self.rights.clone(), environment: environment.clone() }))
    }

    /// Whether a variable is kept from the account, where a value that it sees names it.
    pub fn is_variable_kept(&self, environment: &str, path: &Path) -> bool {
        self.rights.is_variable_kept_from(environment, path)
    }

    /// Lets everything at and below a path be read, or says why not.
    pub fn demand_all(&self, environment: &str, path: &Path, has_hidden: bool) -> Result<(), Refused> {
        if self.below(environment, path, has_hidden) == Seen::All {
            return Ok(());
        }
        let refused = self.refusal(environment, path);
        Err(if self.sees(environment, path) {
            let reason = "what is below it is not all the account's to read; name a path of which it is";
            refused.because(reason.to_owned())
        } else {
            refused
        })
    }

    /// Lets what is at a path be read, whatever that is; or says why not.
    pub fn demand(&self, environment: &str, path: &Path) -> Result<(), Refused> {
        if self.sees(environment, path) { Ok(()) } else { Err(self.refusal(environment, path)) }
    }

    /// Why a path may not be read.
    pub fn refusal(&self, environment: &str, path: &Path) -> Refused {
        let decision = self.rights.decide(Action::Read, Some(environment), path);
        Refused::at(&self.account, Action::Read, (environment, path), &decision)
    }
}

impl WriteGrant {
    /// The grant of somebody who holds the project's files: local commands need no account.
    pub fn local(account: Arc<str>) -> Self {
        WriteGrant { account, rights: Arc::new(Rights::Everything) }
    }

    /// The account that writes.
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// Whether it was given by the rules of an access file.
    pub(super) fn is_by_rules(&self) -> bool {
        matches!(*self.rights, Rights::Ruled(_))
    }

    /// Whether nothing need be asked of it: it may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.rights.is_unrestricted()
    }

    /// What may be done, for whoever asks more than one thing.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Lets an action be done at a path of an environment, or says why not.
    pub fn demand(&self, action: Action, environment: &str, path: &Path) -> Result<Decision<'_>, Refused> {
        let decision = self.rights.decide(action, Some(environment), path);
        if decision.is_allowed {
            return Ok(decision);
        }
        Err(Refused::at(&self.account, action, (environment, path), &decision))
    }

    /// Lets an action be done to everything at and below a path, or says why not.
    pub fn demand_all(&self, action: Action, environment: &str, path: &Path) -> Result<(), Refused> {
        if self.rights.may_whole(action, environment, path) {
            return Ok(());
        }
        let decision = self.rights.decide(action, Some(environment), path);
        let refused = Refused::at(&self.account, action, (environment, path), &decision);
        Err(if decision.is_allowed {
            refused.because("a rule denies something below it; name what is meant, one by one".to_owned())
        } else {
            refused
        })
    }

    /// The same of a place at or below a path, which may lie within a value.
    pub fn demand_part(
        &self,
        action: Action,
        environment: &str,
        path: &Path,
        above: &Path,
    ) -> Result<(), Refused> {
        if self.rights.may_part(action, environment, path, above) {
            return Ok(());
        }
        self.demand_all(action, environment, path)
    }

    /// Lets the project be administered, or says why not.
    pub fn demand_administration(&self) -> Result<(), Refused> {
        let decision = self.rights.decide(Action::Admin, None, &Path::root());
        if decision.is_allowed {
            return Ok(());
        }
        Err(Refused::of(&self.account, Action::Admin, Object::Project, None, &decision))
    }

    /// What a view of an environment shows to the account; none where that is everything.
    pub fn sight(&self, environment: &Arc<str>) -> Option<Arc<dyn Sight>> {
        if self.rights.sees_everything() {
            return None;
        }
        Some(Arc::new(Eyes { rights: self.rights.clone(), environment: environment.clone() }))
    }

    /// Lets an action be done to something at or below a path, or says why not.
    pub fn demand_some(&self, action: Action, environment: &str, path: &Path) -> Result<(), Refused> {
        if self.rights.extent(action, environment, path, true) != Seen::Nothing {
            return Ok(());
        }
        self.demand(action, environment, path).map(|_| ())
    }

    /// Whether a value at this very path of an environment may be read.
    pub fn sees(&self, environment: &str, path: &Path) -> bool {
        self.rights.sees(environment, path)
    }

    /// Why a path may not be read.
    pub fn read_refusal(&self, environment: &str, path: &Path) -> Refused {
        let decision = self.rights.decide(Action::Read, Some(environment), path);
        Refused::at(&self.account, Action::Read, (environment, path), &decision)
    }

    /// Why a path may not be governed.
    pub fn govern_refusal(&self, environment: &str, path: &Path) -> Refused {
        let decision = self.rights.decide(Action::Govern, Some(environment), path);
        Refused::at(&self.account, Action::Govern, (environment, path), &decision)
    }

    /// Lets a secret be named in a value of an environment, or says why not.
    pub fn demand_secret(&self, environment: &str, name: &str) -> Result<(), Refused> {
        let decision = self.rights.decide_secret(Action::UseSecrets, Some(environment), name);
        if decision.is_allowed {
            return Ok(());
        }
        Err(Refused::secret(&self.account, Action::UseSecrets, (environment, name), &decision))
    }
}

impl SecretGrant {
    /// The grant of somebody who holds the project's files.
    pub fn local() -> Self {
        SecretGrant { account: "local".into(), names: None }
    }

    /// The account that reads.
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// Those of some secrets that are granted.
    pub fn granted<'a>(&'a self, names: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
        names.iter().filter(|name| self.names.as_ref().is_none_or(|granted| granted.contains(*name)))
    }
}

impl AdminGrant {
    /// The grant of somebody who holds the project's files.
    pub fn local(account: Arc<str>) -> Self {
        AdminGrant { account }
    }

    /// The account that administers.
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Denied::Forbidden(Box::new(refused))
    }
}
