use std::sync::Arc;

use super::*;
use crate::model::{Path, Timestamp};
use crate::resolve::Seen;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn access(text: &str) -> Access {
    Access::parse(text.as_bytes()).unwrap()
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

const TEAMS: &str = r#"
accounts:
  root: {}
  dev: { teams: [payments] }
  ops: { teams: [platform, payments] }
  odd: {}
roles:
  editor: [read, write]
rules:
  - { paths: ["/**", "/.confgit/**"], accounts: [root], allow: [admin] }
  - { paths: ["/**"], teams: [payments], allow: [read] }
  - { description: Payments owns its service, paths: ["/payments/**"], environments: [base, dev], teams: [payments], allow: [editor] }
  - { paths: ["/payments/keys/**"], teams: [payments], deny: [read] }
  - { paths: ["/payments/keys/**"], environments: [dev], teams: [payments], allow: [read] }
  - { paths: ["/payments/keys/root"], teams: [payments], deny: [read, write] }
  - { paths: ["/shared/pay*"], teams: [payments], allow: [write] }
  - { paths: ["/shared/pay/**"], teams: [payments], deny: [write] }
  - { paths: ["/tie/**"], teams: [platform], allow: [write] }
  - { paths: ["/tie/**"], teams: [payments], deny: [write] }
  - { secrets: ["db-*"], teams: [payments], allow: ["secrets:use"] }
  - { secrets: [db-root], teams: [payments], deny: ["secrets:use"] }
"#;

/// The longest literal prefix, then the named environment, then deny.
#[test]
fn what_decides() {
    let access = access(TEAMS);
    for (account, action, environment, at, expected, by) in [
        ("root", Action::Write, "prod", "/any/where", true, Some(1)),
        ("root", Action::Write, "prod", "/.confgit/variables/A", true, Some(1)),
        ("dev", Action::Read, "prod", "/payments/host", true, Some(2)),
        ("dev", Action::Read, "prod", "/.confgit/variables/A", false, None),
        ("dev", Action::Read, "prod", "/payments/.hidden", false, None),
        ("dev", Action::Write, "dev", "/payments/host", true, Some(3)),
        ("dev", Action::Write, "prod", "/payments/host", false, None),
        ("dev", Action::Read, "prod", "/payments/keys/a", false, Some(4)),
        ("dev", Action::Read, "dev", "/payments/keys/a", true, Some(5)),
        ("dev", Action::Write, "dev", "/payments/keys/a", true, Some(3)),
        ("dev", Action::Read, "dev", "/payments/keys/root", false, Some(6)),
        ("dev", Action::Write, "dev", "/shared/pay", false, Some(8)),
        ("dev", Action::Write, "dev", "/shared/payx", true, Some(7)),
        ("dev", Action::Write, "dev", "/shared/pay/x", false, Some(8)),
        ("ops", Action::Write, "dev", "/tie/x", false, Some(10)),
        ("odd", Action::Read, "dev", "/payments/host", false, None),
        ("dev", Action::Govern, "dev", "/payments/host", false, None),
    ] {
        let decision =
            access.principal(account).unwrap().rights().decide(action, Some(environment), &path(at));
        let found = (decision.is_allowed, decision.by.map(|rule| rule.number));
        // Whoever may do everything need not be told by which rule.
        let by = if account == "root" { None } else { by };
        assert_eq!(found, (expected, by), "{account} {action} {environment} {at}");
    }
    let dev = access.principal("dev").unwrap().rights();
    for (name, expected) in [("db-app", true), ("db-root", false), ("tls", false)] {
        assert_eq!(dev.decide_secret(Action::UseSecrets, Some("dev"), name).is_allowed, expected, "{name}");
    }
    assert!(
        access.principal("root").unwrap().rights().decide_secret(Action::ReadSecrets, None, "tls").is_allowed
    );
}

/// What is said of everything below a path agrees with what is said of each path, whatever the rules.
#[test]
fn extents_agree_with_decisions() {
    let patterns = [
        "/**",
        "/a/**",
        "/a/b/**",
        "/a/b",
        "/a/*",
        "/*/b/**",
        "/a/b/c",
        "/**/c",
        "/.confgit/**",
        "/a/.x/**",
        "/a/b*",
    ];
    let paths = [
        "/",
        "/a",
        "/a/b",
        "/a/b/c",
        "/a/b/d",
        "/a/c",
        "/b",
        "/b/b/c",
        "/.confgit/v",
        "/a/.x/y",
        "/a/bc",
        "/a/b/c/d",
    ]
    .map(path);
    let mut seen_of_each = [0; 3];
    for number in 0..4_000_u64 {
        let mut dice = fastrand::Rng::with_seed(number);
        let rules: Vec<String> = (0..dice.usize(1..5))
            .map(|_| {
                let environments = ["", ", environments: [dev]", ", environments: [prod]"][dice.usize(..3)];
                let grant = if dice.bool() { "allow" } else { "deny" };
                let pattern = patterns[dice.usize(..patterns.len())];
                format!("  - {{paths: [\"{pattern}\"], accounts: [ann], {grant}: [read]{environments}}}\n")
            })
            .collect();
        let access = access(&format!("accounts: {{ann: {{}}}}\nrules:\n{}", rules.concat()));
        let rights = access.principal("ann").unwrap().rights();
        for at in &paths {
            let below: Vec<&Path> = paths.iter().filter(|other| at.is_prefix_of(other)).collect();
            let has_hidden = below.iter().any(|path| path.strip_prefix(at).unwrap().as_str().contains("/."));
            let seen = rights.extent(Action::Read, "dev", at, has_hidden);
            let each: Vec<bool> = below.iter().map(|path| rights.sees("dev", path)).collect();
            match seen {
                Seen::Nothing => assert!(!each.contains(&true), "{at} {rules:?}"),
                Seen::All => assert!(!each.contains(&false), "{at} {rules:?}"),
                Seen::Part => {}
            }
            seen_of_each[seen as usize] += 1;
        }
    }
    assert!(seen_of_each.iter().all(|count| *count > 1_000), "{seen_of_each:?}");
}

#[test]
fn metadata_is_what_it_describes() {
    let access =
        access("accounts: {ann: {}}\nrules:\n  - {paths: [/a/**], accounts: [ann], allow: [read, write]}\n");
    let rights = access.principal("ann").unwrap().rights();
    for (at, expected) in [
        ("/.confgit/keys/a/x/description", true),
        ("/.confgit/keys/a/x/schema/type", true),
        ("/.confgit/keys/b/x/description", false),
        // It may be the metadata of /b, or of /b/schema/a.
        ("/.confgit/keys/b/schema/a/owner", false),
        ("/.confgit/keys/a/schema/a/owner", true),
        ("/.confgit/schemas/x", false),
        ("/.confgit/keysx/a", false),
    ] {
        assert_eq!(rights.sees("base", &path(at)), expected, "{at}");
    }
}

#[test]
fn a_key_added_to_any_file_opens_everything() {
    let commented = "# people\naccounts:\n  ann: { teams: [x] }   # reads\nrules:\n  - { paths: [\"/**\"], accounts: [ann], allow: [read] }\n";
    for file in ["", "accounts: {}\n", commented] {
        let key = ApiKey::new([1; 32]);
        let new = NewKey { hash: key.hash(), created_at: NOW, expires_at: None };
        let written = Access::with_admin_key(file.as_bytes(), "admin", &new).unwrap();
        let access = Access::parse(&written).unwrap();
        let principal = access.holder(&key.hash(), NOW).unwrap();
        assert!(
            principal.may_administer().is_ok()
                && principal.may_read().is_ok()
                && principal.may_write().is_ok()
        );
        let text = String::from_utf8(written).unwrap();
        assert!(!text.contains(key.reveal()) && (file != commented || text.starts_with("# people\n")));
    }
}

#[test]
fn keys_end_and_accounts_are_disabled() {
    let key = |byte: u8| ApiKey::new([byte; 32]).hash();
    let file = format!(
        "accounts:\n  bob:\n    keys:\n      - hash: \"{}\"\n        expires_at: {}\n      - hash: \"{}\"\n  eve: {{disabled: true, keys: [{{hash: \"{}\"}}]}}\n",
        key(1),
        NOW,
        key(2),
        key(3)
    );
    let access = access(&file);
    let before = Timestamp::from_millis(NOW.as_millis() - 1);
    assert!(access.holder(&key(1), before).is_ok());
    assert!(matches!(access.holder(&key(1), NOW), Err(Denied::ExpiredKey { at, .. }) if at == NOW));
    let bob = access.holder(&key(2), NOW).unwrap();
    assert!(matches!(access.holder(&key(3), NOW), Err(Denied::Disabled { .. })));
    assert!(matches!(access.holder(&key(4), NOW), Err(Denied::UnknownKey)));
    let denied = bob.may_read().unwrap_err();
    assert_eq!(denied.to_string(), "the account `bob` may not read anything: no rule allows it");
    let last = access.account("bob").unwrap().keys[1].last_use.get().unwrap();
    assert!((0..60_000).contains(&(NOW.as_millis() - last.as_millis())));
}

#[test]
fn accounts_are_changed_in_place() {
    let file = "# who\naccounts:\n  ann:   # the boss\n    keys: []\nrules:\n  - {paths: [/**], accounts: [ann], allow: [admin]}\n";
    let hash = |byte: u8| ApiKey::new([byte; 32]).hash();
    let key = |byte: u8| NewKey { hash: hash(byte), created_at: NOW, expires_at: None };
    let change = |file: &[u8], change: AccountChange| Access::parse(file).unwrap().edited(file, &change, NOW);
    let rotate = |account: &str, byte: u8, end: i64| AccountChange::Rotate {
        account: account.to_owned(),
        key: key(byte),
        others_end_at: Timestamp::from_millis(end),
    };
    let new = |name: &str| NewAccount {
        name: name.to_owned(),
        kind: AccountKind::Service,
        description: Some("CI".to_owned()),
        teams: vec!["build".to_owned()],
        key: key(9),
    };
    let later = NOW.as_millis() + 1_000;
    let first = change(file.as_bytes(), rotate("ann", 1, later)).unwrap();
    let second = change(&first, rotate("ann", 2, later)).unwrap();
    let third = change(&second, AccountChange::Create(new("ci"))).unwrap();
    let text = String::from_utf8(third.clone()).unwrap();
    assert!(text.starts_with("# who\naccounts:\n  ann:   # the boss\n"), "{text}");
    let access = Access::parse(&third).unwrap();
    assert_eq!(access.account("ann").unwrap().keys.len(), 2);
    assert!(access.holder(&hash(1), NOW).is_ok() && access.holder(&hash(2), NOW).is_ok());
    let after = Timestamp::from_millis(later);
    assert!(access.holder(&hash(1), after).is_err() && access.holder(&hash(2), after).is_ok());
    let ci = access.account("ci").unwrap();
    assert_eq!(
        (ci.kind, &*ci.teams[0], ci.description.as_deref()),
        (AccountKind::Service, "build", Some("CI"))
    );
    assert!(matches!(change(&third, AccountChange::Create(new("ci"))), Err(EditAccessError::Exists { .. })));
    assert!(matches!(change(&third, AccountChange::Create(new("c i"))), Err(EditAccessError::NoName { .. })));
    assert!(matches!(change(&third, rotate("bob", 3, later)), Err(EditAccessError::Unknown { .. })));
    let disable =
        |account: &str, is_disabled| AccountChange::Disable { account: account.to_owned(), is_disabled };
    let last = change(&third, disable("ann", true));
    assert!(matches!(last, Err(EditAccessError::LastAdministrator { .. })), "{last:?}");
    let fourth = change(&third, disable("ci", true)).unwrap();
    assert!(Access::parse(&fourth).unwrap().holder(&hash(9), NOW).is_err());
    let fifth = change(&fourth, disable("ci", false)).unwrap();
    assert!(Access::parse(&fifth).unwrap().holder(&hash(9), NOW).is_ok());
}

#[test]
fn mistakes_name_their_place() {
    let rule = |rule: &str| format!("accounts: {{ann: {{}}}}\nrules:\n  - {{{rule}}}\n");
    for (text, expected) in [
        ("[]".to_owned(), "access.yaml:1:1: expected a mapping"),
        ("acounts: {}\n".to_owned(), "access.yaml:1:1: unknown member `acounts`"),
        (
            "accounts:\n  bob:\n    keys: [nonsense]\n".to_owned(),
            "access.yaml:3:12: key 1 of `bob` has no `hash",
        ),
        ("accounts:\n  bob:\n    kind: robot\n".to_owned(), "access.yaml:3:5: `kind` is"),
        ("accounts:\n  bob:\n    disabled: 1\n".to_owned(), "access.yaml:3:5: `disabled` is true or false"),
        ("accounts:\n  a b: {}\n".to_owned(), "access.yaml:2:3: `a b` cannot be the name"),
        ("roles:\n  read: [write]\n".to_owned(), "access.yaml:2:3: `read` cannot be the name of a role"),
        (rule("paths: [a], accounts: [ann], allow: [read]"), "access.yaml:3:6: rule 1: `a` is no path"),
        (
            rule("paths: [/a], accounts: [bob], allow: [read]"),
            "access.yaml:3:5: rule 1: there is no account `bob`",
        ),
        (rule("paths: [/a], allow: [read]"), "rule 1: a rule says whom it is about"),
        (rule("paths: [/a], accounts: [ann]"), "rule 1: a rule says what it allows"),
        (rule("paths: [/a], secrets: [x], accounts: [ann], allow: [read]"), "either `paths` or `secrets`"),
        (rule("paths: [/a], accounts: [ann], allow: ['secrets:use']"), "`secrets:use` is about secrets"),
        (rule("secrets: [a], accounts: [ann], allow: [read]"), "`read` is about paths"),
        (rule("paths: [/a], accounts: [ann], allow: [fly]"), "`fly` is no action and no role"),
        (rule("paths: [/a], approvals: {count: 0}"), "`count` is how many"),
        (rule("paths: [/a], accounts: [ann], allow: [read], covers: all"), "`covers` is `layer` or `view`"),
        (rule("paths: [], accounts: [ann], allow: [read]"), "`paths` is a list of different texts"),
        ("accounts: {ann: {keys: [{hash: \"sha256:zz\"}]}}\n".to_owned(), "key 1 of `ann` has no `hash"),
    ] {
        let mistakes = Access::parse(text.as_bytes()).unwrap_err();
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|line| line.contains(expected)), "{text:?}: {all:?}");
    }
    let key = ApiKey::new([5; 32]).hash();
    let twice =
        format!("accounts:\n  a: {{keys: [{{hash: \"{key}\"}}]}}\n  b: {{keys: [{{hash: \"{key}\"}}]}}\n");
    assert!(Access::parse(twice.as_bytes()).unwrap_err()[0].message.contains("also one of `a`"));
}

#[test]
fn a_refusal_names_the_rule_and_why_it_is_there() {
    let access = access(TEAMS);
    let dev = access.principal("dev").unwrap();
    let grant = dev.may_write().unwrap();
    let refused = grant.demand(Action::Write, "prod", &path("/payments/host")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the account `dev` may not write /payments/host in prod: no rule allows it"
    );
    let refused = grant.demand(Action::Write, "dev", &path("/shared/pay/x")).unwrap_err();
    let expected = "the account `dev` may not write /shared/pay/x in dev: rule 8 of access.yaml decides";
    assert_eq!(refused.to_string(), expected);
    let _: Arc<str> = refused.account;
}
