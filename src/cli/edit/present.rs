use crate::cli::CliError;
use crate::cli::target::Target;
use crate::client::{Moment, Node, Place};
use crate::model::{Object, Path, Value};
use crate::wire::{Entry, Json};

/// What stands at a path before it is edited.
pub struct Present {
    /// The path.
    pub path: Path,
    /// What the environment itself holds there; of an object only what is its own. None where it holds nothing.
    pub value: Option<Value>,
    /// Every entry of it, with its version.
    pub own: Vec<(Path, Value, u64)>,
    /// What comes from other environments: path, value and where from.
    pub inherited: Vec<(String, Value, String)>,
}

impl Present {
    /// Asks for it.
    pub fn of(target: &Target, place: &Place) -> Result<Self, CliError> {
        let mut present =
            Present { path: place.path.clone(), value: None, own: Vec::new(), inherited: Vec::new() };
        match target.node(place, &Moment::Now) {
            Ok(Node::Entry(entry)) => present.add(*entry)?,
            Ok(Node::Object(_)) => {
                for entry in target.entries(place, &Moment::Now)? {
                    present.add(entry)?;
                }
            }
            Err(error) if error.is_missing_value() => {}
            Err(error) => return Err(error),
        }
        for (path, value, _) in &present.own {
            present.value = Some(with(present.value.take(), place, path, value.clone()));
        }
        Ok(present)
    }

    fn add(&mut self, entry: Entry) -> Result<(), CliError> {
        let value = value_of(&entry.value)?;
        if entry.origin != entry.env {
            self.inherited.push((entry.path, value, entry.origin));
            return Ok(());
        }
        if entry.encoding.is_some() {
            return Err(CliError::Failed(format!(
                "{} holds bytes, which no text editor can show: name a path beside it, or use `confgit set {} @FILE`",
                entry.path, entry.path
            )));
        }
        let path =
            entry.path.parse().map_err(|reason| CliError::Path { text: entry.path.clone(), reason })?;
        let version = entry.version.ok_or_else(|| {
            CliError::Failed("versions are not known yet, while the history is rebuilt: try again".to_owned())
        })?;
        self.own.push((path, value, version));
        Ok(())
    }
}

fn value_of(json: &Json) -> Result<Value, CliError> {
    Value::from_json(json.get()).map_err(|error| CliError::Failed(error.to_string()))
}

/// A value with one more entry in it.
fn with(value: Option<Value>, place: &Place, path: &Path, entry: Value) -> Value {
    let below = path.strip_prefix(&place.path).unwrap_or_else(Path::root);
    let names: Vec<String> = below.segments().map(|name| name.into_owned()).collect();
    put(value, &names, entry)
}

fn put(value: Option<Value>, names: &[String], entry: Value) -> Value {
    let Some((name, rest)) = names.split_first() else { return entry };
    let mut object = match value {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    };
    let before = object.get_mut(name).map(|member| std::mem::replace(member, Value::Null));
    object.insert(name.clone(), put(before, rest, entry));
    Value::Object(object)
}
