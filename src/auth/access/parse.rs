use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Access, mistake, mistake_at};
use crate::auth::KeyHash;
use crate::auth::account::{Account, AccountKind, Key, LastUse};
use crate::auth::action::{Action, Actions};
use crate::auth::name::is_name;
use crate::auth::rule::{About, AccessRule, Approvals, Covers, Pattern};
use crate::auth::token::Issuers;
use crate::document::{self, Document, Format};
use crate::model::{Diagnostic, Limits, Object, Path, Timestamp, Value};

/// The most rules that a file may have; every account has those that are about it at hand.
const MOST_RULES: usize = 10_000;

const SECTIONS: [&str; 4] = ["accounts", "roles", "rules", "issuers"];
const ACCOUNT: [&str; 5] = ["description", "kind", "teams", "disabled", "keys"];
const KEY: [&str; 4] = ["hash", "description", "created_at", "expires_at"];
const RULE: [&str; 10] = [
    "description",
    "paths",
    "secrets",
    "environments",
    "accounts",
    "teams",
    "allow",
    "deny",
    "approvals",
    "covers",
];

pub(super) fn parse(bytes: &[u8]) -> Result<Access, Vec<Diagnostic>> {
    let document = document::read(Format::Yaml, bytes, &Limits::default())
        .map_err(|fault| vec![Diagnostic { position: Some(fault.position), ..mistake(fault.message) }])?;
    let mut parser = Parser { document: &document, mistakes: Vec::new() };
    let access = parser.access();
    if parser.mistakes.is_empty() { Ok(access) } else { Err(parser.mistakes) }
}

struct Parser<'a> {
    document: &'a Document,
    mistakes: Vec<Diagnostic>,
}

/// A mapping, and the keys that lead to it.
#[derive(Clone, Copy)]
struct Place<'a> {
    at: &'a [&'a str],
    members: &'a Object,
}

impl<'a> Parser<'a> {
    fn wrong(&mut self, at: &[&str], message: impl Into<String>) {
        self.mistakes.push(mistake_at(self.document, at, message.into()));
    }

    fn access(&mut self) -> Access {
        let root = match self.document.value() {
            Value::Object(root) => root,
            Value::Null => return Access::default(),
            _ => {
                self.wrong(&[], "expected a mapping with `accounts` and `rules`");
                return Access::default();
            }
        };
        self.known(Place { at: &[], members: root }, &SECTIONS, "the file");
        let accounts = self.accounts(root);
        let roles = self.roles(root);
        let rules = self.rules(root, &roles, &accounts);
        let issuers = self.issuers(root, &accounts);
        Access::new(accounts, rules.into(), issuers)
    }

    /// Tells members that nobody knows.
    fn known(&mut self, place: Place<'_>, known: &[&str], what: &str) {
        for key in place.members.keys().filter(|key| !known.contains(&key.as_str())) {
            let at = [place.at, &[key.as_str()]].concat();
            let message = format!("unknown member `{key}`: {what} has {}", known.join(", "));
            self.wrong(&at, message);
        }
    }

    /// The members of a section that is a mapping.
    fn section(&mut self, root: &'a Object, name: &str) -> Option<&'a Object> {
        match root.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => Some(members),
            Some(_) => {
                self.wrong(&[name], format!("expected `{name}:` with members"));
                None
            }
        }
    }

    fn accounts(&mut self, root: &'a Object) -> IndexMap<Arc<str>, Arc<Account>> {
        let mut accounts = IndexMap::new();
        let mut hashes = HashMap::new();
        for (name, value) in self.section(root, "accounts").into_iter().flatten() {
            let at = ["accounts", name.as_str()];
            if !is_name(name) {
                self.wrong(&at, format!("`{name}` cannot be the name of an account: {NAMES}"));
            }
            if RESERVED.contains(&name.as_str()) {
                self.wrong(
                    &at,
                    format!("`{name}` cannot be the name of an account: callers without one are called so"),
                );
            }
            let members = match value {
                Value::Object(members) => members,
                _ => {
                    self.wrong(
                        &at,
                        format!("expected members of the account `{name}`: {}", ACCOUNT.join(", ")),
                    );
                    continue;
                }
            };
            let account = self.account(name, Place { at: &at, members });
            for key in &account.keys {
                if let Some(other) = hashes.insert(key.hash, name.as_str()) {
                    self.wrong(&at, format!("a key of `{name}` is also one of `{other}`"));
                }
            }
            accounts.insert(account.name.clone(), Arc::new(account));
        }
        accounts
    }

    fn account(&mut self, name: &str, place: Place<'_>) -> Account {
        self.known(place, &ACCOUNT, "an account");
        let kind = self.text(place, "kind").map(|kind| {
            AccountKind::parse(&kind).unwrap_or_else(|| {
                let at = [place.at, &["kind"]].concat();
                self.wrong(&at, "`kind` is `person` or `service`");
                AccountKind::default()
            })
        });
        Account {
            name: name.into(),
            description: self.text(place, "description"),
            kind: kind.unwrap_or_default(),
            teams: self.names(place, "teams"),
            is_disabled: self.flag(place, "disabled"),
            keys: self.keys(name, place),
        }
    }

    fn keys(&mut self, name: &str, place: Place<'_>) -> Vec<Key> {
        let at = [place.at, &["keys"]].concat();
        let items = match place.members.get("keys") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(&at, "`keys` is a list");
                return Vec::new();
            }
        };
        let mut keys = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let number = index.to_string();
            let at = [&at[..], &[number.as_str()]].concat();
            let Value::Object(members) = item else {
                self.wrong(&at, format!("key {} of `{name}` has no `hash: sha256:…`", index + 1));
                continue;
            };
            let place = Place { at: &at, members };
            self.known(place, &KEY, "a key");
            let hash = self.text(place, "hash");
            let Some(hash) = hash.as_deref().and_then(KeyHash::parse) else {
                self.wrong(&at, format!("key {} of `{name}` has no `hash: sha256:…`", index + 1));
                continue;
            };
            keys.push(Key {
                hash,
                description: self.text(place, "description"),
                created_at: self.time(place, "created_at"),
                expires_at: self.time(place, "expires_at"),
                last_use: Arc::new(LastUse::default()),
            });
        }
        keys
    }

    fn roles(&mut self, root: &'a Object) -> HashMap<&'a str, Actions> {
        let mut roles = HashMap::new();
        for (name, _) in self.section(root, "roles").into_iter().flatten() {
            let at = ["roles", name.as_str()];
            if !is_name(name) || Action::parse(name).is_some() {
                self.wrong(&at, format!("`{name}` cannot be the name of a role: {NAMES}, and no action"));
            }
            let Some(members) = self.section(root, "roles") else { continue };
            let actions = self.grants(Place { at: &["roles"], members }, name, &HashMap::new());
            roles.insert(name.as_str(), actions);
        }
        roles
    }

    fn rules(
        &mut self,
        root: &'a Object,
        roles: &HashMap<&str, Actions>,
        accounts: &IndexMap<Arc<str>, Arc<Account>>,
    ) -> Vec<AccessRule> {
        let items = match root.get("rules") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) if items.len() <= MOST_RULES => items,
            Some(_) => {
                self.wrong(&["rules"], format!("`rules` is a list of at most {MOST_RULES} rules"));
                return Vec::new();
            }
        };
        let mut rules = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let number = index.to_string();
            let at = ["rules", number.as_str()];
            let Value::Object(members) = item else {
                self.wrong(&at, format!("rule {}: expected members: {}", index + 1, RULE.join(", ")));
                continue;
            };
            let mut one = Parser { document: self.document, mistakes: Vec::new() };
            let rule = one.rule(index + 1, Place { at: &at, members }, roles);
            for unknown in rule.accounts.iter().filter(|name| !accounts.contains_key(*name)) {
                one.wrong(&at, format!("there is no account `{unknown}`"));
            }
            // A list has no names that say where one is.
            self.mistakes.extend(one.mistakes.into_iter().map(|mistake| Diagnostic {
                message: format!("rule {}: {}", index + 1, mistake.message),
                ..mistake
            }));
            rules.push(rule);
        }
        rules
    }

    fn issuers(&mut self, root: &'a Object, accounts: &IndexMap<Arc<str>, Arc<Account>>) -> Issuers {
        let Some(section) = root.get("issuers") else { return Issuers::default() };
        // The section is read as the JSON that it is, by who knows nothing of documents.
        let json = serde_json::from_str(&section.to_json()).unwrap_or_default();
        let at = |keys: &[String]| -> Vec<String> {
            std::iter::once("issuers".to_owned()).chain(keys.iter().cloned()).collect()
        };
        let issuers = match Issuers::parse(&json) {
            Ok(issuers) => issuers,
            Err(mistakes) => {
                for mistake in mistakes {
                    let at = at(&mistake.at);
                    self.wrong(&at.iter().map(String::as_str).collect::<Vec<_>>(), mistake.message);
                }
                return Issuers::default();
            }
        };
        for named in issuers.named_accounts().filter(|named| !accounts.contains_key(named.account)) {
            let at = at(&named.at);
            let message = format!("there is no account `{}`", named.account);
            self.wrong(&at.iter().map(String::as_str).collect::<Vec<_>>(), message);
        }
        issuers
    }

    fn rule(&mut self, number: usize, place: Place<'_>, roles: &HashMap<&str, Actions>) -> AccessRule {
        self.known(place, &RULE, "a rule");
        let (paths, secrets) = (self.list(place, "paths"), self.list(place, "secrets"));
        let about = match (place.members.contains_key("paths"), place.members.contains_key("secrets")) {
            (true, false) => About::Paths(paths.iter().map(|text| self.pattern(place, text)).collect()),
            (false, true) => About::Secrets(secrets),
            _ => {
                self.wrong(place.at, "a rule has either `paths` or `secrets`");
                About::Secrets(Vec::new())
            }
        };
        let (allow, deny) = (self.grants(place, "allow", roles), self.grants(place, "deny", roles));
        let rule = AccessRule {
            number,
            position: self.document.position_of(place.at),
            description: self.text(place, "description"),
            environments: place
                .members
                .contains_key("environments")
                .then(|| self.list(place, "environments").into_iter().map(Into::into).collect()),
            approvals: self.approvals(place),
            covers: self.covers(place),
            about,
            accounts: self.names(place, "accounts"),
            teams: self.names(place, "teams"),
            allow,
            deny,
        };
        self.check_whole(place, &rule);
        rule
    }

    /// What the members of a rule say only together.
    fn check_whole(&mut self, place: Place<'_>, rule: &AccessRule) {
        let has_grants = !rule.allow.is_empty() || !rule.deny.is_empty();
        if !has_grants && rule.approvals.is_none() {
            self.wrong(place.at, "a rule says what it allows: `allow`, `deny` or `approvals`");
        }
        if has_grants && rule.names_nobody() {
            self.wrong(place.at, "a rule says whom it is about: `accounts` or `teams`");
        }
        let granted = Action::ALL.iter().filter(|action| rule.allow.has(**action) || rule.deny.has(**action));
        for action in granted {
            match (&rule.about, action) {
                (About::Paths(_), action) if action.is_about_secrets() => {
                    self.wrong(place.at, format!("`{action}` is about secrets: name them with `secrets`"));
                }
                (About::Secrets(names), action) if !names.is_empty() && !action.is_about_secrets() => {
                    self.wrong(place.at, format!("`{action}` is about paths, and the rule is about secrets"));
                }
                _ => {}
            }
        }
        if rule.approvals.is_some() && matches!(rule.about, About::Secrets(_)) {
            self.wrong(place.at, "`approvals` are about paths");
        }
    }

    fn pattern(&mut self, place: Place<'_>, text: &str) -> Pattern {
        let pattern = Pattern::new(text);
        if !text.starts_with('/') || text.len() > Path::MAX_BYTES || pattern.glob.is_too_long() {
            let at = [place.at, &["paths"]].concat();
            self.wrong(&at, format!("`{text}` is no path: it begins with `/`, and has at most 1,024 bytes"));
        }
        pattern
    }

    /// The actions and roles that a member names.
    fn grants(&mut self, place: Place<'_>, member: &str, roles: &HashMap<&str, Actions>) -> Actions {
        let mut actions = Actions::default();
        for name in self.list(place, member) {
            match (Action::parse(&name), roles.get(name.as_str())) {
                (Some(action), _) => actions.add(action),
                (None, Some(role)) => actions.add_all(*role),
                (None, None) => {
                    let at = [place.at, &[member]].concat();
                    let all = Action::ALL.map(Action::name).join(", ");
                    self.wrong(&at, format!("`{name}` is no action and no role; the actions are {all}"));
                }
            }
        }
        actions
    }

    fn approvals(&mut self, place: Place<'_>) -> Option<Approvals> {
        let at = [place.at, &["approvals"]].concat();
        let members = match place.members.get("approvals")? {
            Value::Object(members) => members,
            _ => {
                self.wrong(&at, "expected `approvals: { count: 1 }`");
                return None;
            }
        };
        let inner = Place { at: &at, members };
        self.known(inner, &["count", "teams"], "approvals");
        let count = match members.get("count") {
            Some(Value::Number(number)) => number.as_str().parse().ok().filter(|count| *count > 0),
            _ => None,
        };
        if count.is_none() {
            self.wrong(&at, "`count` is how many others have to agree: 1 or more");
        }
        Some(Approvals { count: count.unwrap_or(1), teams: self.names(inner, "teams") })
    }

    fn covers(&mut self, place: Place<'_>) -> Covers {
        match self.text(place, "covers").as_deref() {
            Some("view") => Covers::View,
            Some("layer") => Covers::Layer,
            None if place.members.contains_key("approvals") => Covers::View,
            None => Covers::Layer,
            Some(_) => {
                let at = [place.at, &["covers"]].concat();
                self.wrong(&at, "`covers` is `layer` or `view`");
                Covers::Layer
            }
        }
    }

    fn text(&mut self, place: Place<'_>, member: &str) -> Option<String> {
        match place.members.get(member)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            _ => {
                let at = [place.at, &[member]].concat();
                self.wrong(&at, format!("`{member}` is a text"));
                None
            }
        }
    }

    fn time(&mut self, place: Place<'_>, member: &str) -> Option<Timestamp> {
        let text = self.text(place, member)?;
        let time = text.parse().ok();
        if time.is_none() {
            let at = [place.at, &[member]].concat();
            self.wrong(&at, format!("`{member}` is a time such as 2026-01-31T12:00:00Z"));
        }
        time
    }

    fn flag(&mut self, place: Place<'_>, member: &str) -> bool {
        match place.members.get(member) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                let at = [place.at, &[member]].concat();
                self.wrong(&at, format!("`{member}` is true or false"));
                false
            }
        }
    }

    fn names(&mut self, place: Place<'_>, member: &str) -> Vec<Arc<str>> {
        let names = self.list(place, member);
        if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
            let at = [place.at, &[member]].concat();
            self.wrong(&at, format!("`{wrong}` cannot be a name: {NAMES}"));
        }
        names.into_iter().map(Into::into).collect()
    }

    /// A list of texts, of which there is at least one and none twice.
    fn list(&mut self, place: Place<'_>, member: &str) -> Vec<String> {
        let Some(value) = place.members.get(member) else { return Vec::new() };
        let items = match value {
            Value::Array(items) if !items.is_empty() => items,
            _ => &Vec::new(),
        };
        let texts = items.iter().filter_map(|item| match item {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        let distinct: BTreeSet<&String> = texts.iter().collect();
        if texts.is_empty() || texts.len() < items.len() || distinct.len() < texts.len() {
            let at = [place.at, &[member]].concat();
            self.wrong(&at, format!("`{member}` is a list of different texts, with at least one"));
        }
        texts
    }
}

/// What callers are called who have no account.
pub(super) const RESERVED: [&str; 3] = ["anonymous", "unknown", "local"];

/// What names of accounts, teams and roles are made of.
pub(super) const NAMES: &str =
    "use letters, digits, `.`, `_`, `@` and `-`, at most 128, the first a letter or a digit";
