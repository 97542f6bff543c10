use std::sync::Arc;

use super::{Entry, Node};
use crate::model::{Diagnostic, Path, Rule, Value};

/// What one file wants at one path: an entry, or none any more.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub path: Path,
    pub file: Arc<str>,
    pub entry: Option<Arc<Entry>>,
}

/// Compares what a file says now with what the tree holds from it.
pub(super) struct FileDiff<'a> {
    pub file: &'a Arc<str>,
    pub claims: Vec<Claim>,
    pub diagnostics: Vec<Diagnostic>,
}

impl FileDiff<'_> {
    /// Walks the tree and the file's value side by side; `node` is what stands at `path` in the tree.
    pub fn walk(&mut self, path: &Path, node: Option<&Node>, value: Option<&Value>) {
        match value {
            None => self.drop_all(path, node),
            Some(Value::Object(members)) if !members.is_empty() => {
                if let Some(Node::Entry(entry)) = node {
                    self.drop_entry(path, entry);
                }
                for (key, member) in members {
                    match path.child(key) {
                        Ok(child) => self.walk(&child, node.and_then(|node| node.child(key)), Some(member)),
                        Err(error) => self.unnameable(path, key, &error.to_string()),
                    }
                }
                if let Some(Node::Object(object)) = node {
                    for (name, child) in object.children() {
                        if !members.contains_key(&**name)
                            && let Ok(child_path) = path.child(name)
                        {
                            self.drop_all(&child_path, Some(child));
                        }
                    }
                }
            }
            Some(leaf) => self.leaf(path, node, leaf),
        }
    }

    fn leaf(&mut self, path: &Path, node: Option<&Node>, value: &Value) {
        let entry = Entry::new(value, self.file.clone());
        match node {
            Some(Node::Entry(old)) if old.file() == self.file && old.same_value(&entry) => return,
            Some(Node::Object(_)) => self.drop_all(path, node),
            _ => {}
        }
        self.claims.push(Claim { path: path.clone(), file: self.file.clone(), entry: Some(Arc::new(entry)) });
    }

    fn drop_all(&mut self, path: &Path, node: Option<&Node>) {
        match node {
            None => {}
            Some(Node::Entry(entry)) => self.drop_entry(path, entry),
            Some(Node::Object(object)) => {
                object.visit(path, &mut |path, entry| self.drop_entry(&path, entry))
            }
        }
    }

    fn drop_entry(&mut self, path: &Path, entry: &Arc<Entry>) {
        if entry.file() == self.file {
            self.claims.push(Claim { path: path.clone(), file: self.file.clone(), entry: None });
        }
    }

    fn unnameable(&mut self, path: &Path, key: &str, reason: &str) {
        self.diagnostics.push(Diagnostic {
            rule: Rule::Key,
            file: Some(self.file.to_string()),
            position: None,
            path: Some(path.clone()),
            message: format!("the key {key:?} cannot be a path, so nothing can read it: {reason}"),
        });
    }
}

/// The part of a file's value that stands at a path below its base.
pub(super) fn value_at<'a>(base: &Path, value: &'a Value, path: &Path) -> Option<&'a Value> {
    let below = path.strip_prefix(base)?;
    let mut at = value;
    for segment in below.segments() {
        match at {
            Value::Object(members) => at = members.get(&*segment)?,
            _ => return None,
        }
    }
    Some(at)
}
