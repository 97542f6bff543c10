use std::sync::Arc;

use serde_json::Value;

use super::members::{Members, Mistake, Place};
use crate::auth::name::is_name;
use crate::model::name_matches;

/// Which tokens of an issuer are meant, and who they stand for.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    conditions: Vec<Condition>,
    pub target: Target,
}

/// Who the tokens stand for.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Account(Arc<str>),
    Teams(Arc<[Arc<str>]>),
}

/// One claim, and what it has to be like.
#[derive(Debug, Clone)]
struct Condition {
    /// A member's name, or a JSON pointer (RFC 6901), which begins with `/`.
    claim: String,
    /// `*` stands for any characters, also none, `/` and `:` among them.
    pattern: String,
}

impl Rule {
    pub fn parse(value: &Value, place: Place, mistakes: &mut Vec<Mistake>) -> Option<Rule> {
        let members = Members::of(value, place, &["claims", "account", "teams"], mistakes)?;
        let conditions = parse_conditions(&members, mistakes);
        let target = parse_target(&members, mistakes)?;
        Some(Rule { conditions, target })
    }

    /// The first claim that does not match, by its name in the access file; none when all match.
    pub fn mismatch(&self, claims: &Value) -> Option<&str> {
        self.conditions
            .iter()
            .find(|condition| !condition.holds(claims))
            .map(|condition| condition.claim.as_str())
    }
}

impl Condition {
    fn holds(&self, claims: &Value) -> bool {
        let claim =
            if self.claim.starts_with('/') { claims.pointer(&self.claim) } else { claims.get(&self.claim) };
        match claim {
            Some(Value::Array(items)) => items.iter().any(|item| self.matches(item)),
            Some(value) => self.matches(value),
            None => false,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        scalar_text(value).is_some_and(|text| name_matches(&self.pattern, &text))
    }
}

/// The text that a claim or a pattern is compared by. `null` and collections have none: a claim that says
/// nothing must not match `*`.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn parse_conditions(members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> Vec<Condition> {
    let claims = match members.get("claims") {
        Some(Value::Object(claims)) if !claims.is_empty() => claims,
        Some(_) => {
            let message = "expected a mapping of at least one claim to its pattern";
            mistakes.push(members.at("claims").mistake(message));
            return Vec::new();
        }
        None => {
            let message = "`claims` is missing: a rule without them would be for every token of the issuer";
            mistakes.push(members.place.mistake(message));
            return Vec::new();
        }
    };
    let mut conditions = Vec::new();
    for (claim, value) in claims {
        let place = members.at("claims").below(claim);
        if claim.is_empty() || (claim.starts_with('/') && !is_pointer(claim)) {
            mistakes.push(place.mistake("expected the name of a claim, or a JSON pointer (RFC 6901)"));
        }
        match scalar_text(value).filter(|pattern| !pattern.is_empty()) {
            Some(pattern) => conditions.push(Condition { claim: claim.clone(), pattern }),
            None => mistakes.push(place.mistake("expected a text, a number, `true` or `false`")),
        }
    }
    conditions
}

fn parse_target(members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> Option<Target> {
    let names = match (members.get("account"), members.get("teams")) {
        (Some(_), None) => members.text("account", mistakes).into_iter().collect(),
        (None, Some(_)) => members.texts("teams", mistakes),
        _ => {
            mistakes.push(members.place.mistake("expected either `account` or `teams`"));
            return None;
        }
    };
    let member = if members.get("account").is_some() { "account" } else { "teams" };
    for name in names.iter().filter(|name| !name.is_empty() && !is_name(name)) {
        let message = format!("`{}` has to match ^[A-Za-z0-9][A-Za-z0-9._@-]*$", name.escape_debug());
        mistakes.push(members.at(member).mistake(message));
    }
    match member {
        "account" => names.first().map(|name| Target::Account((*name).into())),
        _ => Some(Target::Teams(names.into_iter().map(Arc::from).collect())),
    }
}

/// Whether every `~` begins an escape; [`Value::pointer`] would take another one literally.
fn is_pointer(text: &str) -> bool {
    text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("refs/heads/*", "refs/heads/a/b", true),
            ("refs/heads/*", "refs/tags/a", false),
            ("main", "main", true),
            ("main", "maintenance", false),
            ("main", "MAIN", false),
            ("system:serviceaccount:payments:*", "system:serviceaccount:payments:api", true),
            ("system:serviceaccount:payments:*", "system:serviceaccount:payments-evil:api", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(name_matches(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn claims_of_each_type() {
        let claims = json!({
            "groups": ["dev", "ops"], "mixed": [1, null, ["deep"]], "n": 7, "yes": true, "none": null, "text": "7",
            "kubernetes.io": {"namespace": "payments", "a/b": "c"}, "/odd": "x",
        });
        for (claim, pattern, holds) in [
            ("groups", "ops", true),
            ("groups", "o*", true),
            ("groups", "devops", false),
            ("mixed", "1", true),
            ("mixed", "deep", false),
            ("mixed", "null", false),
            ("n", "7", true),
            ("text", "7", true),
            ("yes", "true", true),
            ("none", "*", false),
            ("kubernetes.io", "*", false),
            ("/kubernetes.io/namespace", "payments", true),
            ("/kubernetes.io/a~1b", "c", true),
            ("/groups/1", "ops", true),
            ("/kubernetes.io/nothing", "*", false),
            ("/~1odd", "x", true),
            ("absent", "*", false),
        ] {
            let condition = Condition { claim: claim.to_owned(), pattern: pattern.to_owned() };
            assert_eq!(condition.holds(&claims), holds, "{claim} {pattern}");
        }
    }
}
