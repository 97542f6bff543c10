//! What a project's `settings.yaml` says, checked: environments, limits, retention.

mod clients;
mod pull_requests;
mod rate;
mod resolution;
mod retention;
mod secrets;
mod upstream;
mod webhooks;

use std::sync::Arc;

use crate::document::{self, Format};
use crate::model::{Diagnostic, Environment, Environments, Limits, Object, ResolutionRules, Rule, Value};
use crate::secret::SecretRules;

pub use self::clients::ClientRules;
pub use self::pull_requests::PullRequestRules;
pub use self::rate::Rate;
pub use self::retention::Retention;
pub use self::upstream::Upstream;
pub use self::webhooks::{ALERTS, Webhook};

/// The file in `meta.git` that holds the settings.
pub const SETTINGS_FILE: &str = "settings.yaml";

/// The settings of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSettings {
    /// The environments, their branches and their order.
    pub environments: Arc<Environments>,
    /// How large what people write may be.
    pub limits: Limits,
    /// How fast one account may ask; as fast as it likes when none.
    pub rate: Option<Rate>,
    /// Which provider is asked for which secrets.
    pub secrets: SecretRules,
    /// How much history is kept; all of it when none.
    pub retention: Option<Retention>,
    /// When a client that watches is missed, or too far behind.
    pub clients: ClientRules,
    /// Whom alerts are sent to.
    pub webhooks: Vec<Webhook>,
    /// The forge whose branches the project follows; none when it stands by itself.
    pub upstream: Option<Upstream>,
    /// Sections that are known and have no effect in this version, so that a start can say so.
    pub without_effect: Vec<String>,
}

/// What a new project's settings say.
pub const DEFAULT_SETTINGS: &str = "\
# The environments of this project: each is a branch that holds its overrides, and inherits the rest.
default: base
environments:
  base: { branch: main }
";

/// Sections that settings may have and that this version does not act on.
const WITHOUT_EFFECT: [&str; 2] = ["include", "exclude"];

impl ProjectSettings {
    /// Reads the settings file; every mistake is told with its place.
    ///
    /// ```
    /// use confgit::settings::{DEFAULT_SETTINGS, ProjectSettings};
    /// let settings = ProjectSettings::parse(DEFAULT_SETTINGS.as_bytes()).unwrap();
    /// assert_eq!(&**settings.environments.default_name(), "base");
    /// let errors = ProjectSettings::parse(b"default: base\nenvironments:\n  base: {}\n").unwrap_err();
    /// assert!(errors[0].to_string().starts_with("settings.yaml:3:3: "));
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let document = document::read(Format::Yaml, bytes, &Limits::default())
            .map_err(|fault| vec![Diagnostic { position: Some(fault.position), ..mistake(fault.message) }])?;
        let mut parser = Parser { document: &document, mistakes: Vec::new() };
        let settings = parser.settings();
        match settings {
            Some(settings) if parser.mistakes.is_empty() => Ok(settings),
            _ => Err(parser.mistakes),
        }
    }
}

impl ProjectSettings {
    /// The same settings with the values of the process variables that references may name.
    pub fn with_process(self, value: impl Fn(&str) -> Option<String>) -> Self {
        let rules = self.environments.rules();
        if rules.process.is_empty() {
            return self;
        }
        let process = rules.process.keys().map(|name| (name.clone(), value(name)));
        let rules = ResolutionRules { process: process.collect(), ..ResolutionRules::clone(rules) };
        let environments = Environments::clone(&self.environments).with_rules(Arc::new(rules));
        ProjectSettings { environments: Arc::new(environments), ..self }
    }
}

fn mistake(message: String) -> Diagnostic {
    Diagnostic {
        rule: Rule::Settings,
        file: Some(SETTINGS_FILE.to_owned()),
        position: None,
        path: None,
        message,
    }
}

struct Parser<'a> {
    document: &'a document::Document,
    mistakes: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn wrong(&mut self, at: &[&str], message: impl Into<String>) {
        let position = self.document.position_of(at);
        self.mistakes.push(Diagnostic { position, ..mistake(message.into()) });
    }

    fn settings(&mut self) -> Option<ProjectSettings> {
        let Value::Object(root) = self.document.value() else {
            self.wrong(&[], "expected a mapping with `default` and `environments`");
            return None;
        };
        for key in root.keys() {
            if ![
                "default",
                "environments",
                "merge",
                "references",
                "secrets",
                "limits",
                "retention",
                "clients",
                "webhooks",
                "upstream",
            ]
            .contains(&key.as_str())
                && !WITHOUT_EFFECT.contains(&key.as_str())
            {
                self.wrong(&[key], format!("unknown section `{key}`"));
            }
        }
        let limits = self.limits(root);
        let rate = self.rate(root);
        let retention = self.retention(root);
        let secrets = self.secrets(root);
        let clients = self.clients(root);
        let webhooks = self.webhooks(root);
        let upstream = self.upstream(root);
        let list = self.environments(root)?;
        let default = match root.get("default") {
            Some(Value::String(name)) => name.clone(),
            None => list.first().map(|first| first.name.to_string()).unwrap_or_default(),
            Some(_) => {
                self.wrong(&["default"], "`default` is the name of an environment");
                return None;
            }
        };
        let rules = Arc::new(self.resolution(root));
        let environments = Environments::new(list, &default)
            .map(|environments| environments.with_rules(rules))
            .map_err(|error| self.wrong(&["environments"], error.to_string()));
        let without_effect =
            WITHOUT_EFFECT.iter().filter(|key| root.contains_key(**key)).map(|key| (*key).to_owned());
        Some(ProjectSettings {
            environments: Arc::new(environments.ok()?),
            limits,
            rate,
            secrets,
            retention,
            clients,
            webhooks,
            upstream,
            without_effect: without_effect.collect(),
        })
    }

    fn environments(&mut self, root: &Object) -> Option<Vec<Environment>> {
        let members = match root.get("environments") {
            Some(Value::Object(members)) if !members.is_empty() => members,
            _ => {
                self.wrong(
                    &["environments"],
                    "expected `environments:` with at least one environment and its branch",
                );
                return None;
            }
        };
        let list: Vec<_> = members.iter().filter_map(|(name, value)| self.environment(name, value)).collect();
        (list.len() == members.len()).then_some(list)
    }

    fn environment(&mut self, name: &str, value: &Value) -> Option<Environment> {
        let at = ["environments", name];
        if !is_environment_name(name) {
            self.wrong(
                &at,
                format!(
                    "`{name}` cannot be the name of an environment: use letters, digits, `-`, `_` and `.`"
                ),
            );
            return None;
        }
        let Value::Object(members) = value else {
            self.wrong(&at, format!("expected `{name}: {{ branch: … }}`"));
            return None;
        };
        for key in members.keys().filter(|key| !["branch", "inherits"].contains(&key.as_str())) {
            self.wrong(
                &["environments", name, key],
                format!("unknown member `{key}`: an environment has `branch` and `inherits`"),
            );
        }
        let branch = match members.get("branch") {
            Some(Value::String(branch)) if is_branch(branch) => branch.as_str(),
            Some(_) => {
                self.wrong(&["environments", name, "branch"], "this is no name that Git allows for a branch");
                return None;
            }
            None => {
                self.wrong(&at, format!("the environment `{name}` has no `branch`"));
                return None;
            }
        };
        let inherits = match members.get("inherits") {
            None | Some(Value::Null) => None,
            Some(Value::String(parent)) => Some(Arc::from(parent.as_str())),
            Some(_) => {
                self.wrong(&["environments", name, "inherits"], "`inherits` is the name of an environment");
                return None;
            }
        };
        Some(Environment { name: name.into(), branch: branch.into(), inherits })
    }

    fn limits(&mut self, root: &Object) -> Limits {
        let mut limits = Limits::default();
        let members = match root.get("limits") {
            None => return limits,
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(&["limits"], "expected `value_bytes` and `document_bytes`");
                return limits;
            }
        };
        for (key, value) in members {
            let target = match key.as_str() {
                "value_bytes" => &mut limits.value_bytes,
                "document_bytes" => &mut limits.document_bytes,
                // Read by themselves.
                "requests_per_second" | "request_burst" => continue,
                _ => {
                    self.wrong(
                        &["limits", key],
                        format!(
                            "unknown limit `{key}`: there are `value_bytes`, `document_bytes`, \
                             `requests_per_second` and `request_burst`"
                        ),
                    );
                    continue;
                }
            };
            match value {
                Value::Number(number)
                    if number.as_str().parse().is_ok_and(|n: usize| (1..=MOST_BYTES).contains(&n)) =>
                {
                    *target = number.as_str().parse().unwrap_or(*target);
                }
                _ => self
                    .wrong(&["limits", key], format!("`{key}` is a number of bytes from 1 to {MOST_BYTES}")),
            }
        }
        limits
    }
}

/// No limit may be set higher: 64 MiB.
const MOST_BYTES: usize = 64 << 20;

/// Whether an environment can be called so: up to 64 ASCII letters, digits, `-`, `_` and `.`, the first no `.`.
pub fn is_environment_name(name: &str) -> bool {
    let usual = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    usual && !name.is_empty() && name.len() <= 64 && !name.starts_with('.')
}

/// The rules of git-check-ref-format(1), as far as a branch of ours can break them.
fn is_branch(branch: &str) -> bool {
    let component =
        |c: &str| !c.is_empty() && !c.starts_with('.') && !c.ends_with(".lock") && !c.ends_with('.');
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    branch.split('/').all(component)
        && !branch.contains(forbidden)
        && !branch.contains("..")
        && !branch.contains("@{")
        && branch != "@"
        && !branch.starts_with('-')
        && branch.len() <= 200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_their_line() {
        for (text, expected) in [
            ("[]", "settings.yaml:1:1: expected a mapping"),
            ("environments: {}\n", "settings.yaml:1:1: expected `environments:`"),
            (
                "default: x\nenvironments:\n  base: {branch: main}\n",
                "the default environment `x` is not among",
            ),
            (
                "environments:\n  base: {branch: 'a b'}\n",
                "settings.yaml:2:10: this is no name that Git allows",
            ),
            ("environments:\n  a b: {branch: main}\n", "cannot be the name of an environment"),
            (
                "environments:\n  base: {branch: main}\nenviroments: {}\n",
                "settings.yaml:3:1: unknown section `enviroments`",
            ),
            (
                "environments:\n  base: {branch: main}\nlimits:\n  value_bytes: 0\n",
                "settings.yaml:4:3: `value_bytes` is a number",
            ),
            (
                "environments:\n  base: {branch: main}\nretention:\n  changes: 99\n",
                "settings.yaml:4:3: `changes` is a number from 100",
            ),
            (
                "environments:\n  base: {branch: main}\nretention: {age: 90}\n",
                "`age` is a number of hours, days or weeks",
            ),
            (
                "environments:\n  base: {branch: main}\nretention: {versions: 5}\n",
                "unknown member `versions`",
            ),
            ("environments:\n  base: {branch: main}\nretention: {}\n", "expected `changes`"),
            (
                "environments:\n  base: {branch: main}\nlimits:\n  requests_per_second: 0\n",
                "settings.yaml:4:3: `requests_per_second` is a number from 1",
            ),
            (
                "environments:\n  base: {branch: main}\nlimits: {request_burst: 5}\n",
                "`request_burst` needs `requests_per_second`",
            ),
            ("a: [\n", "settings.yaml:"),
        ] {
            let mistakes = ProjectSettings::parse(text.as_bytes()).unwrap_err();
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            assert!(all.iter().any(|line| line.contains(expected)), "{text:?}: {all:?}");
        }
    }
}
