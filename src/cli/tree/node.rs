use serde::Serialize;

use crate::model::Path;
use crate::wire::{Entry, Json};

/// A name in the tree: an entry, or an object with what is below it.
#[derive(Debug, Serialize)]
pub struct TreeNode {
    /// The name as a path writes it; of the topmost the whole path.
    pub name: String,
    /// The value; none of an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// `base64` when the value is bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The version in the layer of `origin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The environment whose layer holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The environment asked.
    #[serde(skip)]
    pub env: String,
    /// How many entries are below where they are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// What is below, sorted; none of an entry, and where it is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<TreeNode>>,
}

impl TreeNode {
    /// The tree of all entries below a path, which come in the order of their paths; deeper levels than
    /// asked for are only counted.
    pub fn of(at: &Path, entries: Vec<Entry>, levels: Option<usize>) -> Self {
        let mut top = TreeNode::object(at.to_string());
        let above = if at.is_root() { 0 } else { at.as_str().len() };
        for entry in entries {
            match entry.path.get(above..).and_then(|below| below.strip_prefix('/')) {
                Some(below) if !below.is_empty() => {
                    let names: Vec<String> = below.split('/').map(str::to_owned).collect();
                    top.add(&names, entry, levels);
                }
                _ => top = TreeNode::entry(at.to_string(), entry),
            }
        }
        top
    }

    /// How many objects are shown below this one, and how many entries.
    pub fn counts(&self) -> (usize, usize) {
        let (mut objects, mut entries) = (0, usize::from(self.value.is_some()));
        for child in self.children.iter().flatten() {
            let (below_objects, below_entries) = child.counts();
            objects += below_objects + usize::from(child.value.is_none());
            entries += below_entries;
        }
        (objects, entries)
    }

    fn object(name: String) -> Self {
        let (value, encoding, version, origin) = (None, None, None, None);
        let env = String::new();
        TreeNode { name, value, encoding, version, origin, env, entries: None, children: Some(Vec::new()) }
    }

    fn entry(name: String, entry: Entry) -> Self {
        let Entry { value, encoding, version, origin, env, .. } = entry;
        let (value, origin) = (Some(value), Some(origin));
        TreeNode { name, value, encoding, version, origin, env, entries: None, children: None }
    }

    fn add(&mut self, names: &[String], entry: Entry, levels: Option<usize>) {
        let Some((name, rest)) = names.split_first() else { return };
        if levels == Some(0) {
            self.children = None;
            self.entries = Some(self.entries.unwrap_or(0) + 1);
            return;
        }
        let children = self.children.get_or_insert_default();
        if rest.is_empty() {
            children.push(TreeNode::entry(name.clone(), entry));
            return;
        }
        // What is below one name comes in a row.
        if children.last().is_none_or(|last| last.name != *name || last.value.is_some()) {
            children.push(TreeNode::object(name.clone()));
        }
        if let Some(last) = children.last_mut() {
            last.add(rest, entry, levels.map(|levels| levels - 1));
        }
    }
}
