use std::collections::HashMap;

use super::{BundleEntry, BundleFault, fault};
use crate::model::Path;

/// The names of all entries in a target: different paths must not come to the same name.
pub(super) fn names(
    entries: &[BundleEntry],
    name: impl Fn(&Path) -> Result<String, String>,
) -> Result<Vec<String>, Vec<BundleFault>> {
    let mut taken: HashMap<String, &Path> = HashMap::new();
    let (mut names, mut faults) = (Vec::with_capacity(entries.len()), Vec::new());
    for entry in entries {
        let named = name(&entry.path).and_then(|name| match taken.insert(name.clone(), &entry.path) {
            Some(other) => Err(format!("it would be called `{name}`, as {other} is")),
            None => Ok(name),
        });
        match named {
            Ok(name) => names.push(name),
            Err(reason) => faults.push(fault(&entry.path, reason)),
        }
    }
    if faults.is_empty() { Ok(names) } else { Err(faults) }
}

/// The segments of a path as one name: what the target does not allow becomes `replacement`.
pub(super) fn joined(
    path: &Path,
    separator: &str,
    allowed: impl Fn(char) -> bool,
    replacement: char,
) -> String {
    let segments: Vec<String> = path
        .segments()
        .map(|segment| segment.chars().map(|c| if allowed(c) { c } else { replacement }).collect())
        .collect();
    segments.join(separator)
}
