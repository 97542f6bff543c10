use std::collections::BTreeMap;

use super::present::Present;
use crate::cli::layer_change::LayerChange;
use crate::client::Expect;
use crate::model::{Path, Value};

/// What has to be written so that what stands at a path becomes what is wanted: entry by entry, each only if it is
/// still the version that was shown. Removals come first, since they may make room.
pub fn between(at: &Path, present: &Present, wanted: Value) -> Result<Vec<LayerChange>, String> {
    let mut leaves = BTreeMap::new();
    spread(at, wanted, &mut leaves)?;
    let mut changes = Vec::new();
    let mut kept = Vec::new();
    for (path, value, version) in &present.own {
        let expect = Expect::Version(*version);
        match leaves.remove(path) {
            None => changes.push(LayerChange { path: path.clone(), value: None, expect }),
            Some(wanted) if wanted.to_json() == value.to_json() => {}
            Some(wanted) => kept.push(LayerChange { path: path.clone(), value: Some(wanted), expect }),
        }
    }
    changes.extend(kept);
    let new = |(path, value)| LayerChange { path, value: Some(value), expect: Expect::Absent };
    changes.extend(leaves.into_iter().map(new));
    Ok(changes)
}

/// The entries that a value is made of.
fn spread(at: &Path, value: Value, leaves: &mut BTreeMap<Path, Value>) -> Result<(), String> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let path =
                    at.child(&name).map_err(|error| format!("`{name}` cannot be part of a path: {error}"))?;
                spread(&path, member, leaves)?;
            }
        }
        Value::Null => return Err(format!("{at} is null, which is no value: take its line away instead")),
        value => drop(leaves.insert(at.clone(), value)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written() {
        let at: Path = "/a".parse().unwrap();
        let own = |path: &str, json: &str, version| {
            (path.parse().unwrap(), Value::from_json(json).unwrap(), version)
        };
        let own = vec![
            own("/a/b", "1", 3),
            own("/a/c", "[1]", 4),
            own("/a/d/e", "\"x\"", 5),
            own("/a/f", "1.10", 6),
        ];
        let present = Present { path: at.clone(), value: None, own, inherited: Vec::new() };
        for (wanted, expected) in [
            (r#"{"f":1.10,"d":{"e":"x"},"c":[1],"b":1}"#, ""),
            (r#"{"b":2,"c":[1],"d":{"e":"x"},"f":1.1}"#, "/a/b=2@3 /a/f=1.1@6"),
            (r#"{"b":{"g":1},"c":[1],"d":"y","f":1.10}"#, "-/a/b@3 -/a/d/e@5 /a/b/g=1@new /a/d=\"y\"@new"),
            ("5", "-/a/b@3 -/a/c@4 -/a/d/e@5 -/a/f@6 /a=5@new"),
        ] {
            let changes = between(&at, &present, Value::from_json(wanted).unwrap()).unwrap();
            let shown: Vec<String> = changes
                .iter()
                .map(|LayerChange { path, value, expect }| {
                    let version = match expect {
                        Expect::Version(version) => version.to_string(),
                        _ => "new".to_owned(),
                    };
                    match value {
                        Some(value) => format!("{path}={}@{version}", value.to_json()),
                        None => format!("-{path}@{version}"),
                    }
                })
                .collect();
            assert_eq!(shown.join(" "), expected);
        }
        assert!(
            between(&at, &present, Value::from_json(r#"{"b":null}"#).unwrap())
                .unwrap_err()
                .contains("/a/b is null")
        );
        assert!(between(&at, &present, Value::from_json(r#"{"":1}"#).unwrap()).is_err());
    }
}
