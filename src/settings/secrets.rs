use std::path::PathBuf;

use super::Parser;
use crate::model::{Object, Value};
use crate::secret::{Provider, SecretRule, SecretRules};

impl Parser<'_> {
    /// `secrets`: a list of rules, the first of which that a name matches says who is asked.
    pub(super) fn secrets(&mut self, root: &Object) -> SecretRules {
        let items = match root.get("secrets") {
            None | Some(Value::Null) => return SecretRules::default(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(&["secrets"], "expected a list of rules, each with `names` and `provider`");
                return SecretRules::default();
            }
        };
        let rules = items.iter().enumerate().filter_map(|(index, item)| self.secret_rule(index + 1, item));
        SecretRules { rules: rules.collect() }
    }

    fn secret_rule(&mut self, number: usize, item: &Value) -> Option<SecretRule> {
        let Value::Object(members) = item else {
            self.wrong(&["secrets"], format!("rule {number} is no mapping with `names` and `provider`"));
            return None;
        };
        let text = |name: &str| match members.get(name) {
            Some(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let provider = match (text("provider"), text("directory")) {
            (Some("env"), _) => Provider::Env,
            (Some("file"), Some(directory)) if !directory.is_empty() => {
                Provider::File { directory: PathBuf::from(directory) }
            }
            (Some("file"), _) => {
                self.wrong(&["secrets"], format!("rule {number}: the provider `file` needs a `directory`"));
                return None;
            }
            _ => {
                self.wrong(&["secrets"], format!("rule {number} has no `provider`; there are: env, file"));
                return None;
            }
        };
        let known: &[&str] = match provider {
            Provider::Env => &["names", "provider"],
            Provider::File { .. } => &["names", "provider", "directory"],
        };
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            self.wrong(&["secrets"], format!("rule {number} has the unknown member `{key}`"));
        }
        let names = match members.get("names") {
            Some(value) => self.texts(&["secrets"], value, "patterns of names"),
            None => Vec::new(),
        };
        if names.is_empty() {
            self.wrong(&["secrets"], format!("rule {number} has no `names`, such as [\"db-*\"]"));
            return None;
        }
        Some(SecretRule { names, provider })
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::Provider;
    use crate::settings::ProjectSettings;

    const HEAD: &str = "environments:\n  base: {branch: main}\n";

    #[test]
    fn rules_and_mistakes() {
        let text = "secrets:\n  - {names: [\"db-*\"], provider: file, directory: secrets}\n  - {names: [\"*\"], provider: env}\n";
        let settings = ProjectSettings::parse(format!("{HEAD}{text}").as_bytes()).unwrap();
        let providers: Vec<_> = settings.secrets.rules.iter().map(|rule| rule.provider.clone()).collect();
        assert_eq!(providers, [Provider::File { directory: "secrets".into() }, Provider::Env]);
        for (text, expected) in [
            ("secrets: {}\n", "settings.yaml:3:1: expected a list of rules"),
            ("secrets: [x]\n", "rule 1 is no mapping"),
            ("secrets: [{names: [a], provider: vault}]\n", "rule 1 has no `provider`; there are: env, file"),
            ("secrets: [{names: [a], provider: file}]\n", "needs a `directory`"),
            ("secrets: [{provider: env}]\n", "rule 1 has no `names`"),
            ("secrets: [{names: [5], provider: env}]\n", "expected a list of patterns of names"),
            ("secrets: [{names: [a], provider: env, directory: x}]\n", "unknown member `directory`"),
        ] {
            let mistakes = ProjectSettings::parse(format!("{HEAD}{text}").as_bytes()).unwrap_err();
            assert!(mistakes[0].to_string().contains(expected), "{text}: {mistakes:?}");
        }
    }
}
