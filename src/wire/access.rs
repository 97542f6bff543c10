use serde::{Deserialize, Serialize};

/// The accounts of a project, in the order of its access file: `GET /api/accounts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Accounts {
    /// They.
    pub accounts: Vec<Account>,
}

/// Somebody who acts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Account {
    /// The name.
    pub name: String,
    /// `person` or `service`.
    pub kind: String,
    /// Who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The teams it belongs to.
    pub teams: Vec<String>,
    /// Whether it is refused, whatever it shows.
    pub disabled: bool,
    /// Its keys.
    pub keys: Vec<AccountKey>,
}

/// What is known of a key: never the key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountKey {
    /// The first twelve hexadecimal digits of its SHA-256.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// From when on it is refused, RFC 3339; absent where it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether that is past.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// When it was used last, to the minute, RFC 3339; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// The body of `POST /api/accounts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The name.
    pub name: String,
    /// `person` or `service`; a person when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The teams it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// From when on its key is refused, RFC 3339; it does not end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// The body of `POST /api/accounts/{account}/rotate`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// For how many seconds the keys that the account has go on: an hour when absent, 90 days at most.
    #[serde(default, deserialize_with = "super::maybe_whole", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(max = 7_776_000)))]
    pub grace_seconds: Option<u64>,
    /// From when on the new key is refused, RFC 3339; when absent it lasts as long as the newest key of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A key, told this once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IssuedKey {
    /// The account that it belongs to.
    pub account: String,
    /// The key. Nobody can tell it again.
    pub key: String,
    /// The first twelve hexadecimal digits of its SHA-256, by which lists name it.
    pub id: String,
    /// From when on it is refused, RFC 3339; absent where it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When the keys end that the account had before, RFC 3339; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_end_at: Option<String>,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey")
            .field("account", &self.account)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the rules say of one action: `GET /api/access/explain`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccessExplanation {
    /// The account.
    pub account: String,
    /// What it wants to do.
    pub action: String,
    /// To which path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// To which secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// In which environment.
    pub env: String,
    /// Whether it may.
    pub allowed: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// The rule that decides; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<AccessRule>,
    /// The others that speak of it, those that count more first.
    pub others: Vec<AccessRule>,
    /// Whose agreement a write needs before it is made: it becomes a proposal then. Of environments that only show what is written
    /// in `env`, where they show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<NeededApproval>,
}

/// The agreement that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NeededApproval {
    /// The environment whose change it is about.
    pub env: String,
    /// The rule, by its place in the access file.
    pub rule: usize,
    /// Of how many.
    pub count: u32,
    /// The teams whose members count; everybody's do where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
}

/// A rule of the access file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccessRule {
    /// Its place in the file, from 1.
    pub number: usize,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it allows the action or denies it.
    pub allows: bool,
    /// The paths, or the names of secrets, that it is about.
    pub about: Vec<String>,
    /// The environments that it holds in; absent where it holds in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    /// `layer` or `view`.
    pub covers: String,
}

/// A page of what happened, newest first: `GET /api/audit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Audit {
    /// What happened.
    pub items: Vec<AuditItem>,
    /// Lines of the audit log that are no records, or were edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
    /// What `before=` takes for the next page; null at the end.
    pub next: Option<String>,
}

/// One thing that happened: a change set, a commit of the settings, or a record of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditItem {
    /// When, RFC 3339.
    pub at: String,
    /// `changed`, `settings-changed`, `refused`, `sign-in-failed`, `secret-read`, `exported`, `started`, `stopped` or
    /// `broken`.
    pub what: String,
    /// Who did it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// In which environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Where; of a change set the first paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How many entries changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// The name of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is to be said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How often it happened, where that is more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The change set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The number of the record in the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// Its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// What a look at the whole audit log came to: `GET /api/audit/verify`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditReport {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// How many records there are; 0 where something is wrong.
    pub records: u64,
    /// The last of them: `<number> sha256:<hex>`.
    pub head: Option<String>,
    /// How many heads of the log that is there the journal holds, all of which were looked for.
    pub anchors: usize,
    /// What is wrong, and where.
    pub faults: Vec<String>,
}
