use serde_json::{Map, Value};

use crate::model::Path;
use crate::resolve::{Found, FoundEntry, Merged, Resolver};
use crate::snapshot::Refers;

/// A value as schemas see it, and the places in it whose values are not known here: they hold a secret, or a variable
/// of the server's process.
#[derive(Clone)]
pub(super) struct Checked {
    pub value: Value,
    pub unknown: Vec<Vec<String>>,
}

impl Checked {
    /// A value that is not known at all, though it is there.
    fn unknown() -> Self {
        Checked { value: Value::Null, unknown: vec![Vec::new()] }
    }

    /// What an entry comes to. One that cannot be resolved, which is told elsewhere, is not known.
    pub fn of_entry(resolver: &mut Resolver<'_>, path: &Path, found: &FoundEntry) -> Self {
        if found.entry.refers() == Refers::No {
            // An entry's JSON was written by us.
            let value = serde_json::from_slice(found.entry.json()).unwrap_or(Value::Null);
            return Checked { value, unknown: Vec::new() };
        }
        let Ok(resolved) = resolver.entry(path, found) else { return Checked::unknown() };
        let is_unknown = !resolved.secrets.is_empty() || resolved.has_process_variable;
        let value = serde_json::from_str(&resolved.value.to_json()).unwrap_or(Value::Null);
        Checked { value, unknown: if is_unknown { vec![Vec::new()] } else { Vec::new() } }
    }

    /// What an object comes to.
    pub fn of_object(resolver: &mut Resolver<'_>, path: &Path, object: &Merged) -> Self {
        let mut whole = Checked::empty();
        for (name, found) in object.members() {
            if path.is_root() && &*name == ".confgit" {
                continue;
            }
            let Ok(child) = path.child(&name) else { continue };
            whole.add(&name, Checked::of(resolver, &child, &found));
        }
        whole
    }

    /// An object without members.
    pub fn empty() -> Self {
        Checked { value: Value::Object(Map::new()), unknown: Vec::new() }
    }

    /// What stands at a path.
    pub fn of(resolver: &mut Resolver<'_>, path: &Path, found: &Found) -> Self {
        match found {
            Found::Entry(found) => Checked::of_entry(resolver, path, found),
            Found::Object(object) => match resolver.whole(path, object.clone()) {
                Ok(object) => Checked::of_object(resolver, path, &object),
                Err(_) => Checked::unknown(),
            },
        }
    }

    /// Adds a member.
    pub fn add(&mut self, name: &str, member: Checked) {
        self.unknown.extend(member.unknown.into_iter().map(|place| [vec![name.to_owned()], place].concat()));
        if let Value::Object(members) = &mut self.value {
            members.insert(name.to_owned(), member.value);
        }
    }

    /// The path of the schema that an object names itself, and the object without that.
    pub fn own_schema(&self) -> Option<(String, Checked)> {
        let path = self.value.get("$schema")?.as_str().filter(|text| text.starts_with('/'))?.to_owned();
        let mut without = self.clone();
        if let Value::Object(members) = &mut without.value {
            members.remove("$schema");
        }
        Some((path, without))
    }
}
