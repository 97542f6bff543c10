use super::super::place::fault_at;
use super::super::tree::{Entry, Kind, Style, Tag, Tree};
use super::super::{Fault, FaultKind};
use super::scalar::{resolve, surely_says};
use crate::model::{Object, Value};

/// How deep arrays and objects may nest, aliases followed; the same as for JSON.
pub(super) const MAX_DEPTH: usize = 64;
/// How many nodes aliases and merges may add to a document.
const MAX_EXPANDED_NODES: usize = 100_000;

/// Builds values out of a tree, counting what aliases add.
pub(super) struct Values<'t, 'a> {
    text: &'a str,
    tree: &'t Tree<'a>,
    expanding: bool,
    nodes_left: usize,
    bytes_left: usize,
}

impl<'t, 'a> Values<'t, 'a> {
    /// `max_bytes` bounds the text that aliases and merges may add.
    pub(super) fn new(text: &'a str, tree: &'t Tree<'a>, max_bytes: usize) -> Self {
        Values { text, tree, expanding: false, nodes_left: MAX_EXPANDED_NODES, bytes_left: max_bytes }
    }

    /// What the node says.
    pub(super) fn value(&mut self, index: u32, depth: usize) -> Result<Value, Fault> {
        let node = self.tree.node(index);
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(self.fault(index, FaultKind::Limit, message));
        }
        self.count(index)?;
        let value = match &node.kind {
            Kind::Scalar { text, style } => return self.scalar(index, text, *style),
            Kind::Alias(target) => return self.expanded(|values| values.value(*target, depth)),
            Kind::Sequence { .. } => {
                let mut items = Vec::with_capacity(self.tree.items(index).count());
                for item in self.tree.items(index) {
                    items.push(self.value(item, depth + 1)?);
                }
                Value::Array(items)
            }
            Kind::Mapping { .. } => Value::Object(self.members(index, depth)?),
        };
        match (node.tag, &value) {
            (None, _) | (Some(Tag::Seq), Value::Array(_)) | (Some(Tag::Map), Value::Object(_)) => Ok(value),
            _ => Err(self.wrong_tag(index)),
        }
    }

    fn members(&mut self, index: u32, depth: usize) -> Result<Object, Fault> {
        let mut members = Object::with_capacity(self.tree.entries(index).count());
        let mut merge = None;
        for entry in self.tree.entries(index) {
            if is_merge(self.tree, entry) {
                if merge.replace(entry.value).is_some() {
                    return Err(self.duplicate(entry.key));
                }
                continue;
            }
            let key = self.key(entry.key)?;
            let value = self.value(entry.value, depth + 1)?;
            // Looking the key up once more would cost as much as inserting it.
            if members.insert(key, value).is_some() {
                return Err(self.duplicate(entry.key));
            }
        }
        if let Some(source) = merge {
            self.expanded(|values| values.merge(&mut members, source, depth))?;
        }
        Ok(members)
    }

    /// Adds what `<<` names and the mapping does not say itself. Of several sources the first wins
    /// (<https://yaml.org/type/merge.html>).
    fn merge(&mut self, members: &mut Object, source: u32, depth: usize) -> Result<(), Fault> {
        let source_node = self.resolved(source);
        let sources: Vec<u32> = match self.tree.node(source_node).kind {
            Kind::Sequence { .. } => self.tree.items(source_node).collect(),
            _ => vec![source],
        };
        for source in sources {
            if !matches!(self.tree.node(self.resolved(source)).kind, Kind::Mapping { .. }) {
                let message = "`<<` takes a mapping or a list of mappings";
                return Err(self.fault(source, FaultKind::Unsupported, message));
            }
            if let Value::Object(merged) = self.value(source, depth)? {
                for (key, value) in merged {
                    members.entry(key).or_insert(value);
                }
            }
        }
        Ok(())
    }

    fn resolved(&self, index: u32) -> u32 {
        match self.tree.node(index).kind {
            Kind::Alias(target) => target,
            _ => index,
        }
    }

    fn key(&self, index: u32) -> Result<String, Fault> {
        let node = self.tree.node(index);
        let message = match &node.kind {
            Kind::Scalar { text, style } => {
                let is_null = match (node.tag, style) {
                    (None, Style::Plain) => matches!(&**text, "" | "~" | "null" | "Null" | "NULL"),
                    (tag, _) => tag == Some(Tag::Null),
                };
                if !is_null {
                    return Ok(text.to_string());
                }
                "a key is null: write it in quotes"
            }
            Kind::Alias(_) => "a key is an alias",
            _ => "a key is a list or a mapping: keys are scalars",
        };
        Err(self.fault(index, FaultKind::Unsupported, message))
    }

    fn scalar(&self, index: u32, text: &str, style: Style) -> Result<Value, Fault> {
        let tag = self.tree.node(index).tag;
        match (tag, style) {
            (None, Style::Plain) => {
                resolve(text).map_err(|message| self.fault(index, FaultKind::Unsupported, message))
            }
            (None | Some(Tag::Str), _) => Ok(Value::String(text.to_owned())),
            (Some(tag), _) => {
                let value =
                    resolve(text).map_err(|message| self.fault(index, FaultKind::Unsupported, message))?;
                match (tag, &value) {
                    (Tag::Int, Value::Number(number)) if number.is_integer() => Ok(value),
                    (Tag::Float, Value::Number(_))
                    | (Tag::Bool, Value::Bool(_))
                    | (Tag::Null, Value::Null) => Ok(value),
                    _ => Err(self.wrong_tag(index)),
                }
            }
        }
    }

    /// Does the work with the bound on what aliases add switched on.
    fn expanded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let outer = std::mem::replace(&mut self.expanding, true);
        let result = work(self);
        self.expanding = outer;
        result
    }

    fn count(&mut self, index: u32) -> Result<(), Fault> {
        if !self.expanding {
            return Ok(());
        }
        let bytes = self.tree.span(index).len();
        let is_scalar = matches!(self.tree.node(index).kind, Kind::Scalar { .. });
        let left = self.bytes_left.checked_sub(if is_scalar { bytes } else { 0 });
        match (self.nodes_left.checked_sub(1), left) {
            (Some(nodes_left), Some(bytes_left)) => {
                (self.nodes_left, self.bytes_left) = (nodes_left, bytes_left);
                Ok(())
            }
            _ => {
                let message = format!(
                    "aliases add more than {MAX_EXPANDED_NODES} nodes, or more text than a document may have"
                );
                Err(self.fault(index, FaultKind::Limit, message))
            }
        }
    }

    fn duplicate(&self, key: u32) -> Fault {
        let message = format!("the key `{}` comes a second time", self.tree.text(key));
        self.fault(key, FaultKind::DuplicateKey, message)
    }

    fn wrong_tag(&self, index: u32) -> Fault {
        self.fault(index, FaultKind::Unsupported, "this value is not what its tag says")
    }

    fn fault(&self, index: u32, kind: FaultKind, message: impl Into<String>) -> Fault {
        fault_at(self.text.as_bytes(), self.tree.node(index).outer as usize, kind, message)
    }
}

/// Whether reading a node gives exactly this value, its members in this order. It may say no where reading
/// would show it, but never yes where reading would not: an edit is checked without building the new value.
pub(super) fn says(tree: &Tree<'_>, index: u32, value: &Value, depth: usize) -> bool {
    let node = tree.node(index);
    if depth > MAX_DEPTH || node.tag.is_some() {
        return false;
    }
    match (&node.kind, value) {
        (Kind::Scalar { text, style: Style::Plain }, _) => surely_says(text, value),
        (Kind::Scalar { text, .. }, Value::String(string)) => string == text,
        (Kind::Sequence { .. }, Value::Array(items)) => {
            let mut items = items.iter();
            tree.items(index).all(|at| items.next().is_some_and(|item| says(tree, at, item, depth + 1)))
                && items.next().is_none()
        }
        // The names of an object differ from each other, so names that equal them one by one do too.
        (Kind::Mapping { .. }, Value::Object(members)) => {
            let mut members = members.iter();
            tree.entries(index).all(|entry| {
                let is_ordinary = is_plain_key(tree, entry) && !is_merge(tree, entry);
                let says = |(name, member): (&String, &Value)| {
                    tree.text(entry.key) == name && says(tree, entry.value, member, depth + 1)
                };
                is_ordinary && members.next().is_some_and(says)
            }) && members.next().is_none()
        }
        _ => false,
    }
}

/// Whether the key is a scalar that is surely not null.
fn is_plain_key(tree: &Tree<'_>, entry: Entry) -> bool {
    let node = tree.node(entry.key);
    let is_word = !matches!(tree.text(entry.key), "" | "~" | "null" | "Null" | "NULL");
    node.tag.is_none() && is_word && matches!(node.kind, Kind::Scalar { .. })
}

/// Whether an entry is the merge key: `<<` without quotes.
pub(in super::super) fn is_merge(tree: &Tree<'_>, entry: Entry) -> bool {
    let node = tree.node(entry.key);
    node.tag.is_none() && matches!(&node.kind, Kind::Scalar { text, style: Style::Plain } if text == "<<")
}
