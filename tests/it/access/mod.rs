//! Who may do what: rules, accounts, tokens, the audit log, limits.

mod accounts;
mod audit;
mod deputies;
mod holes;
mod limits;
mod operations;
mod planted;
mod rules;
mod tokens;

use confgit::auth::ApiKey;
use serde_json::Value;

use crate::harness::{Answer, Server, TestProject};

/// The key of an account of [`project`]: the same in each run.
pub fn key(account: &str) -> String {
    let mut bits = [7; 32];
    bits[..account.len()].copy_from_slice(account.as_bytes());
    ApiKey::new(bits).reveal().to_owned()
}

fn hash(account: &str) -> String {
    ApiKey::parse(&key(account)).unwrap().hash().to_string()
}

/// Two teams, a service, a security desk, and accounts that are refused.
pub fn access_file() -> String {
    let account =
        |name: &str, more: &str| format!("  {name}: {{ {more}keys: [{{ hash: \"{}\" }}] }}\n", hash(name));
    let accounts = [
        account("dana", "teams: [payments], "),
        account("omar", "teams: [platform], "),
        account("sec", "teams: [security], "),
        account("svc", "kind: service, "),
        account("stray", ""),
        account("gone", "teams: [platform], disabled: true, "),
        format!(
            "  old: {{ teams: [platform], keys: [{{ hash: \"{}\", expires_at: 2026-01-31T12:00:00Z }}] }}\n",
            hash("old")
        ),
    ];
    format!("accounts:\n{}{RULES}", accounts.concat())
}

const RULES: &str = r#"
roles:
  editor: [read, write]
rules:
  - description: Platform runs the place
    paths: ["/**", "/.confgit/**"]
    teams: [platform]
    allow: [editor, govern]
  - description: Payments owns its service, but not in production
    paths: ["/payments/**"]
    environments: [base, dev]
    covers: view
    teams: [payments]
    allow: [editor]
  - { paths: ["/payments/**"], environments: [prod], teams: [payments], allow: [read] }
  - { paths: ["/shared/**", "/templates/**"], teams: [payments], allow: [read] }
  - { paths: ["/drafts/**"], teams: [payments], allow: [editor] }
  - { paths: ["/payments/**", "/templates/**"], accounts: [svc], allow: [read] }
  - { paths: ["/elsewhere/**"], accounts: [stray], allow: [editor] }
  - { paths: ["/payments/**"], teams: [security], allow: [editor, approve] }
  - description: A certificate in production needs a second pair of eyes
    paths: ["/payments/certs/**"]
    environments: [prod]
    approvals: { count: 1, teams: [security] }
  - { secrets: ["db-*"], accounts: [svc], allow: ["secrets:read"] }
  - { secrets: [db-app], teams: [payments], allow: ["secrets:use"] }
  - { paths: ["/.confgit/variables/HIDDEN"], teams: [payments], deny: [read] }
"#;

/// The project that the tests of access work on.
pub fn project() -> TestProject {
    let project = TestProject::with_files(&[
        (
            "meta/settings.yaml",
            "default: base\nenvironments:\n  base: {branch: main}\n  dev: {branch: dev, inherits: base}\n  \
             prod: {branch: prod, inherits: base}\nsecrets:\n  - {names: [\"*\"], provider: file, directory: secrets}\n",
        ),
        ("meta/access.yaml", &access_file()),
        (
            "base/payments/db.yaml",
            "host: db.internal\nport: 5432\npassword: ${secret:db-app}\nurl: pg://${ref:/shared/dns/zone}\n",
        ),
        ("base/payments/certs/tls.crt", "PUBLIC\n"),
        ("base/shared/dns.yaml", "zone: example.internal\n"),
        ("base/finance/ledger.yaml", "account: FIN-0001\nowner: finance-only\n"),
        ("base/templates/service.yaml", "level: info\nregion: ${REGION}\n"),
        ("base/payments/api.yaml", "$extends: [/templates/service]\nport: 8080\n"),
        ("base/.confgit/variables.yaml", "REGION: eu-1\nHIDDEN: var-hidden-value\n"),
        ("base/.confgit/keys/finance/ledger.yaml", "owner: {description: described-in-secret}\n"),
        (
            "base/.confgit/schemas.yaml",
            "ports:\n  paths: [\"/finance/limits/*\"]\n  schema: {type: number}\n",
        ),
        ("prod/payments/db.yaml", "host: prod-db.internal\n"),
        ("dev/payments/db.yaml", "host: dev-db.internal\n"),
    ]);
    std::fs::create_dir(project.dir().join("secrets")).unwrap();
    for (name, value) in [("db-app", "s3cret-app"), ("db-root", "s3cret-root")] {
        std::fs::write(project.dir().join("secrets").join(name), value).unwrap();
    }
    project
}

/// Requests of one account.
pub struct As<'a> {
    pub server: &'a Server,
    pub key: String,
}

impl Server {
    /// The same server, asked by an account of [`project`].
    pub fn as_account(&self, account: &str) -> As<'_> {
        As { server: self, key: key(account) }
    }
}

impl As<'_> {
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let headers = [&[("Authorization", bearer.as_str())], headers].concat();
        self.server.request(method, target, &headers, body)
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    pub fn put(&self, target: &str, value: Value) -> Answer {
        let body = serde_json::json!({ "value": value }).to_string();
        self.request("PUT", &format!("/api/config{target}"), &[], body.as_bytes())
    }

    pub fn post(&self, target: &str, body: Value) -> Answer {
        self.request("POST", target, &[], body.to_string().as_bytes())
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", &format!("/api/config{target}"), &[], b"")
    }
}

/// Why a request was refused.
pub fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap_or_default().to_owned()
}
