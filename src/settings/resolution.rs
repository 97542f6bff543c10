use super::Parser;
use crate::model::{MergeRules, MergeStrategy, Object, PathGlob, ResolutionRules, Value};

const STRATEGIES: &str = "`append`, `unique`, `replace`, or `{ by: MEMBER }`";

impl Parser<'_> {
    /// `merge` and `references`.
    pub(super) fn resolution(&mut self, root: &Object) -> ResolutionRules {
        let merge = self.merge(root);
        let mut rules = ResolutionRules { merge, ..ResolutionRules::default() };
        let members = match root.get("references") {
            None | Some(Value::Null) => return rules,
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(&["references"], "expected `process`, `as_written`, or both");
                return rules;
            }
        };
        for (key, value) in members {
            match key.as_str() {
                "process" => {
                    for name in self.texts(&["references", "process"], value, "names of process variables") {
                        if is_variable(&name) {
                            rules.process.insert(name, None);
                        } else {
                            let message =
                                format!("`{name}` is no name of a variable: letters, digits and `_`");
                            self.wrong(&["references", "process"], message);
                        }
                    }
                }
                "as_written" => {
                    let globs = self.texts(&["references", "as_written"], value, "patterns of paths");
                    rules.as_written = globs.iter().map(|glob| PathGlob::new(glob)).collect();
                }
                _ => {
                    let message =
                        format!("unknown member `{key}`: references have `process` and `as_written`");
                    self.wrong(&["references", key], message);
                }
            }
        }
        rules
    }

    fn merge(&mut self, root: &Object) -> MergeRules {
        let members = match root.get("merge") {
            None | Some(Value::Null) => return MergeRules::default(),
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(&["merge"], format!("expected patterns of paths, each with {STRATEGIES}"));
                return MergeRules::default();
            }
        };
        let mut rules = Vec::new();
        for (pattern, value) in members {
            match strategy(value) {
                Some(strategy) => rules.push((PathGlob::new(pattern), strategy)),
                None => self.wrong(&["merge", pattern], format!("expected {STRATEGIES}")),
            }
        }
        MergeRules::new(rules)
    }

    pub(super) fn texts(&mut self, at: &[&str], value: &Value, what: &str) -> Vec<String> {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            _ => &[],
        };
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| match item {
                Value::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        match texts {
            Some(texts) if matches!(value, Value::Array(_)) => texts,
            _ => {
                self.wrong(at, format!("expected a list of {what}"));
                Vec::new()
            }
        }
    }
}

fn strategy(value: &Value) -> Option<MergeStrategy> {
    match value {
        Value::String(name) => match name.as_str() {
            "append" => Some(MergeStrategy::Append),
            "unique" => Some(MergeStrategy::Unique),
            "replace" => Some(MergeStrategy::Replace),
            _ => None,
        },
        Value::Object(members) => match (members.len(), members.get("by")) {
            (1, Some(Value::String(member))) => Some(MergeStrategy::By(member.as_str().into())),
            _ => None,
        },
        _ => None,
    }
}

/// As POSIX has them, in either case.
fn is_variable(name: &str) -> bool {
    let usual = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    usual && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use crate::model::{MergeStrategy, Path};
    use crate::settings::ProjectSettings;

    const HEAD: &str = "environments:\n  base: {branch: main}\n";

    #[test]
    fn rules_are_read_in_their_order() {
        let text = format!(
            "{HEAD}merge:\n  /a/*: unique\n  /a/**: {{by: name}}\n  /o: replace\nreferences:\n  process: [REGION]\n  as_written: [/mail/**]\n"
        );
        let settings = ProjectSettings::parse(text.as_bytes()).unwrap();
        let rules = settings.environments.rules();
        let of = |path: &str| rules.merge.of(&path.parse::<Path>().unwrap()).cloned();
        assert_eq!(of("/a/b"), Some(MergeStrategy::Unique));
        assert_eq!(of("/a/b/c"), Some(MergeStrategy::By("name".into())));
        assert_eq!((of("/o"), of("/x")), (Some(MergeStrategy::Replace), None));
        assert!(rules.is_as_written(&"/mail/a".parse().unwrap()) && !rules.is_as_written(&Path::root()));
        assert_eq!(rules.process.keys().collect::<Vec<_>>(), ["REGION"]);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, expected) in [
            ("merge: [x]\n", "settings.yaml:3:1: expected patterns of paths"),
            ("merge:\n  /a: {by: 5}\n", "settings.yaml:4:3: expected `append`"),
            ("merge:\n  /a: prepend\n", "settings.yaml:4:3: expected `append`"),
            ("references: {proces: []}\n", "unknown member `proces`"),
            ("references:\n  process: REGION\n", "settings.yaml:4:3: expected a list of names"),
            ("references:\n  process: [a b]\n", "`a b` is no name of a variable"),
        ] {
            let mistakes = ProjectSettings::parse(format!("{HEAD}{text}").as_bytes()).unwrap_err();
            assert!(mistakes[0].to_string().contains(expected), "{text}: {mistakes:?}");
        }
    }
}
