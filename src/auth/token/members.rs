use serde_json::{Map, Value};

/// A mistake in the section `issuers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The keys that lead from the section to the place, such as `github`, `rules`, `0`, `account`; an item
    /// of a list is named by its index from 0. A missing member is reported where it ought to be, at what
    /// would hold it.
    pub at: Vec<String>,
    /// What is wrong, for a person.
    pub message: String,
}

/// A place in the section.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(Vec<String>);

/// The members of a mapping, read one by one; what is wrong with one is noted and does not hide what is wrong
/// elsewhere.
pub(super) struct Members<'a> {
    pub place: Place,
    members: &'a Map<String, Value>,
}

impl Place {
    pub fn below(&self, key: &str) -> Place {
        Place([self.0.as_slice(), &[key.to_owned()]].concat())
    }

    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { at: self.0.clone(), message: message.into() }
    }
}

impl<'a> Members<'a> {
    /// The members of a value; those that are not known are mistakes.
    pub fn of(value: &'a Value, place: Place, known: &[&str], mistakes: &mut Vec<Mistake>) -> Option<Self> {
        let Value::Object(members) = value else {
            mistakes.push(place.mistake(format!("expected a mapping with {}", quoted(known))));
            return None;
        };
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = format!("unknown member `{key}`: expected {}", quoted(known));
            mistakes.push(place.below(key).mistake(message));
        }
        Some(Members { place, members })
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    pub fn at(&self, name: &str) -> Place {
        self.place.below(name)
    }

    /// A text that may be left out.
    pub fn text(&self, name: &str, mistakes: &mut Vec<Mistake>) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            mistakes.push(self.at(name).mistake(format!("expected a text for `{name}`")));
        }
        text
    }

    /// A text, or a list of at least one, none of them empty; may not be left out.
    pub fn texts(&self, name: &str, mistakes: &mut Vec<Mistake>) -> Vec<&'a str> {
        let items = match self.get(name) {
            None => {
                mistakes.push(self.place.mistake(format!("`{name}` is missing")));
                return Vec::new();
            }
            Some(Value::Array(items)) => items.as_slice(),
            Some(item) => std::slice::from_ref(item),
        };
        let is_text = |item: &Value| item.as_str().is_some_and(|text| !text.is_empty());
        if items.is_empty() || !items.iter().all(is_text) {
            mistakes.push(self.at(name).mistake(format!("expected a text or a list of texts for `{name}`")));
        }
        items.iter().filter_map(Value::as_str).collect()
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<String>>().join(", ")
}
