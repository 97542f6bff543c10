use std::collections::HashMap;
use std::sync::Arc;

use super::{KeyHash, Powers, Principal};
use crate::document::{self, Format};
use crate::model::{Diagnostic, Limits, Object, Rule, Value};

/// The file in `meta.git` that holds accounts and rules.
pub const ACCESS_FILE: &str = "access.yaml";

/// The accounts of a project, found by the hash of a key.
#[derive(Debug, Clone, Default)]
pub struct Access {
    by_key: HashMap<KeyHash, Arc<Principal>>,
    accounts: usize,
}

impl Access {
    /// Reads the access file: accounts with `keys: [{hash: "sha256:…"}]`, and the rules that grant `admin`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let document = document::read(Format::Yaml, bytes, &Limits::default())
            .map_err(|fault| vec![Diagnostic { position: Some(fault.position), ..mistake(fault.message) }])?;
        let Value::Object(root) = document.value() else {
            return Err(vec![mistake("expected a mapping with `accounts` and `rules`".to_owned())]);
        };
        let mut access = Access::default();
        let mut mistakes = Vec::new();
        let accounts = match root.get("accounts") {
            Some(Value::Object(accounts)) => accounts,
            None if root.is_empty() => return Ok(access),
            _ => {
                let position = document.position_of(&["accounts"]);
                return Err(vec![Diagnostic {
                    position,
                    ..mistake("expected `accounts:` with members".to_owned())
                }]);
            }
        };
        for key in root.keys().filter(|key| !["accounts", "roles", "rules"].contains(&key.as_str())) {
            let position = document.position_of(&[key]);
            mistakes.push(Diagnostic { position, ..mistake(format!("unknown section `{key}`")) });
        }
        access.accounts = accounts.len();
        for (name, account) in accounts {
            let Value::Object(account) = account else {
                let position = document.position_of(&["accounts", name]);
                mistakes.push(Diagnostic {
                    position,
                    ..mistake(format!("expected members of the account `{name}`"))
                });
                continue;
            };
            let powers = if is_admin(name, account, root.get("rules")) { Powers::All } else { Powers::None };
            let principal =
                Arc::new(Principal { account: name.as_str().into(), has_credential: true, powers });
            for (index, key) in items(account.get("keys")).iter().enumerate() {
                match member_text(key, "hash").and_then(KeyHash::parse) {
                    Some(hash) => {
                        access.by_key.insert(hash, principal.clone());
                    }
                    None => {
                        let position = document.position_of(&["accounts", name, "keys"]);
                        let message = format!("key {} of `{name}` has no `hash: sha256:…`", index + 1);
                        mistakes.push(Diagnostic { position, ..mistake(message) });
                    }
                }
            }
        }
        if mistakes.is_empty() { Ok(access) } else { Err(mistakes) }
    }

    /// Who holds the key with this hash. The look-up compares hashes of random keys, so its time tells
    /// nothing about a key.
    pub fn principal(&self, key: &KeyHash) -> Option<&Arc<Principal>> {
        self.by_key.get(key)
    }

    /// How many accounts there are.
    pub fn accounts(&self) -> usize {
        self.accounts
    }

    /// The access file with one more key for an account, which is made an administrator when it is new.
    pub fn with_admin_key(file: &[u8], account: &str, key: &KeyHash) -> Result<Vec<u8>, document::EditError> {
        let limits = Limits::default();
        let before = document::read(Format::Yaml, file, &limits)?;
        let root = before.value();
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
        let mut keys = match root {
            Value::Object(root) => account_member(root, account, "keys").cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        keys.push(Value::Object(Object::from_iter([(
            "hash".to_owned(),
            Value::from(key.to_string().as_str()),
        )])));
        let mut changes = vec![(path(&["accounts", account, "keys"]), Value::Array(keys))];
        if !matches!(root, Value::Object(root) if is_admin(account, &Object::new(), root.get("rules"))) {
            let mut rules = match root {
                Value::Object(root) => items(root.get("rules")).to_vec(),
                _ => Vec::new(),
            };
            let list = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::from(*text)).collect());
            rules.push(Value::Object(Object::from_iter([
                ("paths".to_owned(), list(&["/**", "/.confgit/**"])),
                ("accounts".to_owned(), list(&[account])),
                ("allow".to_owned(), list(&["admin"])),
            ])));
            changes.push((path(&["rules"]), Value::Array(rules)));
        }
        let changes: Vec<document::Change<'_>> = changes
            .iter()
            .map(|(keys, value)| document::Change { keys, op: document::Op::Set(value.clone()) })
            .collect();
        Ok(document::edit(Format::Yaml, file, &changes, &limits)?.bytes)
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

fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    items(value).iter().filter_map(|item| match item {
        Value::String(text) => Some(text.as_str()),
        _ => None,
    })
}

fn member_text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    match value {
        Value::Object(members) => match members.get(name)? {
            Value::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn account_member<'a>(root: &'a Object, account: &str, member: &str) -> Option<&'a Vec<Value>> {
    let Value::Object(accounts) = root.get("accounts")? else { return None };
    let Value::Object(account) = accounts.get(account)? else { return None };
    match account.get(member)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// Whether some rule gives this account, by name or by team, the action `admin` on every path everywhere.
fn is_admin(name: &str, account: &Object, rules: Option<&Value>) -> bool {
    items(rules).iter().any(|rule| {
        let Value::Object(rule) = rule else { return false };
        let mut teams = texts(account.get("teams"));
        let meant = texts(rule.get("accounts")).any(|other| other == name)
            || teams.any(|team| texts(rule.get("teams")).any(|other| other == team));
        meant
            && !rule.contains_key("environments")
            && texts(rule.get("paths")).any(|path| path == "/**")
            && texts(rule.get("allow")).any(|action| action == "admin")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ApiKey;

    #[test]
    fn a_key_added_to_any_file_opens_everything() {
        let commented = "# people\naccounts:\n  ann: { teams: [x] }   # reads\nrules:\n  - { paths: [\"/**\"], accounts: [ann], allow: [read] }\n";
        for file in ["", "accounts: {}\n", commented] {
            let key = ApiKey::new([1; 32]);
            let written = Access::with_admin_key(file.as_bytes(), "admin", &key.hash()).unwrap();
            let access = Access::parse(&written).unwrap();
            let principal = access.principal(&key.hash()).unwrap();
            assert!(principal.may_write().is_ok() && principal.may_read().is_ok());
            let text = String::from_utf8(written).unwrap();
            assert!(!text.contains(key.reveal()) && (file != commented || text.starts_with("# people\n")));
        }
    }

    #[test]
    fn other_accounts_may_nothing() {
        let key = ApiKey::new([2; 32]);
        let file = format!(
            "accounts:\n  bob:\n    keys: [{{hash: \"{}\"}}]\nrules:\n  - {{paths: [/**], accounts: [bob], allow: [read]}}\n",
            key.hash()
        );
        let access = Access::parse(file.as_bytes()).unwrap();
        let denied = access.principal(&key.hash()).unwrap().may_read().unwrap_err();
        assert_eq!(denied.to_string(), "the account `bob` may not read");
        assert!(access.principal(&KeyHash::of("cg_other")).is_none());
        let broken = Access::parse(b"accounts:\n  bob:\n    keys: [nonsense]\n").unwrap_err();
        assert!(broken[0].to_string().contains("access.yaml:3:5"), "{}", broken[0]);
    }
}
