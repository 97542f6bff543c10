use std::fmt;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See values, lists and history.
    Read,
    /// Change values.
    Write,
    /// Agree to what others want to change.
    Approve,
    /// Change schemas, and templates and variables that change what others own.
    Govern,
    /// Everything; on `/**` in every environment accounts, settings, backups and the audit log, too.
    Admin,
    /// Name a secret in a value.
    UseSecrets,
    /// See the value of a secret.
    ReadSecrets,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 7] = [
        Action::Read,
        Action::Write,
        Action::Approve,
        Action::Govern,
        Action::Admin,
        Action::UseSecrets,
        Action::ReadSecrets,
    ];

    /// As rules name it.
    pub fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::Approve => "approve",
            Action::Govern => "govern",
            Action::Admin => "admin",
            Action::UseSecrets => "secrets:use",
            Action::ReadSecrets => "secrets:read",
        }
    }

    /// The action that rules name so.
    ///
    /// ```
    /// use confgit::auth::Action;
    /// assert_eq!(Action::parse("secrets:use"), Some(Action::UseSecrets));
    /// assert!(Action::ALL.iter().all(|action| Action::parse(action.name()) == Some(*action)));
    /// ```
    pub fn parse(name: &str) -> Option<Self> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Whether it is done to secrets, by their names, rather than to paths.
    pub fn is_about_secrets(self) -> bool {
        matches!(self, Action::UseSecrets | Action::ReadSecrets)
    }

    /// After "may not", before what it is done to.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::Approve => "approve changes of",
            Action::Govern => "govern",
            Action::Admin => "administer",
            Action::UseSecrets => "use the secret",
            Action::ReadSecrets => "read the secret",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Actions(u8);

impl Actions {
    pub fn add(&mut self, action: Action) {
        self.0 |= 1 << action as u8;
    }

    pub fn add_all(&mut self, others: Actions) {
        self.0 |= others.0;
    }

    pub fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
