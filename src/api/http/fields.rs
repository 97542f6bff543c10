use serde_json::value::RawValue;

use super::problem::{Problem, internal};
use super::query::Query;
use crate::wire;

/// The members that an entry can have.
pub(super) const NAMES: [&str; 13] = [
    "path",
    "value",
    "encoding",
    "version",
    "revision",
    "sequence",
    "origin",
    "env",
    "updated_at",
    "updated_by",
    "description",
    "owner",
    "schema",
];

/// Which members of entries are wanted: `fields=path,value`; all when it is not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Option<Vec<&'static str>>);

impl Fields {
    /// Reads `fields=`; a member that no entry has is refused.
    pub fn of(query: &Query) -> Result<Self, Problem> {
        let Some(text) = query.get("fields") else { return Ok(Fields::default()) };
        let mut wanted = Vec::new();
        for name in text.split(',').map(str::trim) {
            let known = NAMES.into_iter().find(|known| *known == name).ok_or_else(|| {
                Problem::malformed(format!("`fields` names `{name}`; there are: {}", NAMES.join(", ")))
            })?;
            if !wanted.contains(&known) {
                wanted.push(known);
            }
        }
        Ok(Fields(Some(wanted)))
    }

    /// Whether some members are left out.
    pub fn is_selective(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a member is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted.contains(&name))
    }

    /// An entry with the wanted members alone, as JSON.
    pub fn select(&self, entry: &wire::Entry) -> Result<wire::Json, Problem> {
        let broken = |error: serde_json::Error| internal(&error.to_string());
        let json = serde_json::to_string(entry).map_err(broken)?;
        if !self.is_selective() {
            return RawValue::from_string(json).map_err(broken);
        }
        let members: indexmap::IndexMap<String, &RawValue> = serde_json::from_str(&json).map_err(broken)?;
        let wanted: indexmap::IndexMap<&str, &RawValue> = members
            .iter()
            .filter(|(name, _)| self.wants(name))
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let selected = serde_json::to_string(&wanted).map_err(broken)?;
        RawValue::from_string(selected).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_members_stay_in_order() {
        let text = r#"{"path":"/a","value":1.10,"version":3,"origin":"base","env":"base"}"#;
        let entry: wire::Entry = serde_json::from_str(text).unwrap();
        let select = |fields: &str| {
            let query = Query::parse(Some(&format!("fields={fields}")), &["fields"]).unwrap();
            Fields::of(&query).map(|fields| fields.select(&entry).unwrap().get().to_owned())
        };
        assert_eq!(select("value,path").unwrap(), r#"{"path":"/a","value":1.10}"#);
        assert_eq!(select("schema").unwrap(), "{}");
        assert!(select("path,size").is_err() && select("").is_err());
        assert_eq!(Fields::default().select(&entry).unwrap().get(), text);
    }
}
