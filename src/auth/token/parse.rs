use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::members::{Members, Mistake, Place};
use super::rule::Rule;
use super::url::{Reach, check_url};
use super::{Algorithm, Issuer, Issuers, KeyLocation, KeyOrigin};
use crate::auth::name::is_name;

/// The most issuers of a project. The key cache has room for more than this, so that none pushes out another.
pub(super) const MOST_ISSUERS: usize = 64;

const MEMBERS: [&str; 6] = ["issuer", "audience", "algorithms", "keys", "ca_file", "rules"];

impl Issuers {
    /// Reads the value of `issuers`, a mapping of names to issuers, and finds all mistakes at once.
    pub fn parse(value: &Value) -> Result<Issuers, Vec<Mistake>> {
        let Value::Object(section) = value else {
            let message = "expected a mapping of names to issuers";
            return Err(vec![Place::default().mistake(message)]);
        };
        let mut mistakes = Vec::new();
        if section.len() > MOST_ISSUERS {
            mistakes.push(Place::default().mistake(format!("more than {MOST_ISSUERS} issuers")));
        }
        let mut issuers: Vec<Issuer> = Vec::new();
        for (name, value) in section.iter().take(MOST_ISSUERS) {
            let Some(issuer) = parse_issuer(name, value, &mut mistakes) else { continue };
            for other in &issuers {
                if let Some(audience) = issuer.shared_audience(other) {
                    let message = format!(
                        "`{}` has the same issuer and also the audience `{audience}`: which rules count cannot be told",
                        other.name
                    );
                    mistakes.push(Place::default().below(name).below("audience").mistake(message));
                }
            }
            issuers.push(issuer);
        }
        if mistakes.is_empty() { Ok(Issuers { issuers }) } else { Err(mistakes) }
    }
}

/// An issuer that is good enough to be compared with others, even when parts of it are mistaken.
fn parse_issuer(name: &str, value: &Value, mistakes: &mut Vec<Mistake>) -> Option<Issuer> {
    let place = Place::default().below(name);
    if !is_name(name) {
        mistakes.push(place.mistake("the name of an issuer has to match ^[A-Za-z0-9][A-Za-z0-9._@-]*$"));
    }
    let members = Members::of(value, place, &MEMBERS, mistakes)?;
    let issuer = parse_address(&members, mistakes);
    let audiences = members.texts("audience", mistakes).into_iter().map(str::to_owned).collect();
    let algorithms = parse_algorithms(&members, mistakes);
    let location = parse_location(&members, mistakes);
    let ca_file = parse_ca_file(&members, &location, mistakes);
    let rules = parse_rules(&members, mistakes);
    let origin = Arc::new(KeyOrigin { issuer: issuer?.into(), location, ca_file });
    Some(Issuer { name: name.into(), audiences, algorithms, origin, rules })
}

fn parse_address<'a>(members: &Members<'a>, mistakes: &mut Vec<Mistake>) -> Option<&'a str> {
    if members.get("issuer").is_none() {
        mistakes.push(members.place.mistake("`issuer` is missing: the address in `iss` of its tokens"));
    }
    let issuer = members.text("issuer", mistakes)?;
    match check_url(issuer) {
        Err(error) => mistakes.push(members.at("issuer").mistake(format!("the issuer's address {error}"))),
        // OpenID Connect Discovery 1.0, section 3: an issuer has no query.
        Ok(_) if issuer.contains('?') => {
            mistakes.push(members.at("issuer").mistake("the issuer's address has a query (`?`)"));
        }
        Ok(_) => {}
    }
    Some(issuer)
}

fn parse_algorithms(members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for name in members.texts("algorithms", mistakes) {
        match Algorithm::parse(name) {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(error) => mistakes.push(members.at("algorithms").mistake(format!("`{name}` {error}"))),
        }
    }
    algorithms
}

fn parse_location(members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> KeyLocation {
    match members.text("keys", mistakes) {
        None | Some("discover") => KeyLocation::Discover,
        Some(text) => match text.strip_prefix("file:") {
            Some(name) => KeyLocation::File(parse_file("keys", name, members, mistakes)),
            None => {
                if let Err(error) = check_url(text) {
                    let message = format!(
                        "`keys` {error}; it may also be `discover`, or `file:` and the name of a JWK set's file"
                    );
                    mistakes.push(members.at("keys").mistake(message));
                }
                KeyLocation::Url(text.to_owned())
            }
        },
    }
}

fn parse_ca_file(
    members: &Members<'_>,
    location: &KeyLocation,
    mistakes: &mut Vec<Mistake>,
) -> Option<PathBuf> {
    let name = members.text("ca_file", mistakes)?;
    let path = parse_file("ca_file", name, members, mistakes);
    let fetched = match location {
        KeyLocation::Discover => members.get("issuer").and_then(Value::as_str),
        KeyLocation::Url(url) => Some(url.as_str()),
        KeyLocation::File(_) => None,
    };
    // Certificates that nothing is checked by would only seem to protect something.
    if fetched.is_none_or(|url| check_url(url) == Ok(Reach::Loopback)) {
        mistakes.push(
            members.at("ca_file").mistake("the keys are not fetched by `https://`: leave out `ca_file`"),
        );
    }
    Some(path)
}

fn parse_file(member: &str, name: &str, members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> PathBuf {
    let path = Path::new(name);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if name.is_empty() || climbs || name.contains('\0') {
        mistakes.push(members.at(member).mistake("expected the name of a file, without `..`"));
    }
    path.to_owned()
}

fn parse_rules(members: &Members<'_>, mistakes: &mut Vec<Mistake>) -> Vec<Rule> {
    match members.get("rules") {
        Some(Value::Array(rules)) if !rules.is_empty() => {
            let rules = rules.iter().enumerate();
            let place = members.at("rules");
            rules
                .filter_map(|(index, rule)| Rule::parse(rule, place.below(&index.to_string()), mistakes))
                .collect()
        }
        Some(_) => {
            mistakes.push(members.at("rules").mistake("expected a list of at least one rule"));
            Vec::new()
        }
        None => {
            mistakes.push(members.place.mistake("`rules` is missing: without one every token is refused"));
            Vec::new()
        }
    }
}
