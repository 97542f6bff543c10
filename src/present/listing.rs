use crate::model::Path;
use crate::resolve::{Found, Merged};
use crate::wire::{ListItem, Listing};

/// Whether a name right below a path is shown in lists: at the root, confgit's own files are left out.
pub fn is_shown(at: &Path, name: &str) -> bool {
    !(at.is_root() && name == ".confgit")
}

/// The names right below a path that come after `after`, at most `limit`; nothing below an entry.
pub fn listing(at: &Path, object: Option<&Merged>, after: Option<&str>, limit: usize) -> Listing {
    let members = object.into_iter().flat_map(Merged::members).filter(|(name, _)| is_shown(at, name));
    let mut later = members.filter(|(name, _)| after.is_none_or(|after| **name > *after)).peekable();
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some((name, found)) = later.next()
    {
        let Ok(path) = at.child(&name) else { continue };
        let (kind, version) = match &found {
            Found::Entry(found) => ("entry", found.entry.version().map(|version| version.0)),
            Found::Object(_) => ("object", None),
        };
        let (name, path, kind) = (name.to_string(), path.to_string(), kind.to_owned());
        entries.push(ListItem { name, path, kind, version });
    }
    let next = later.peek().and_then(|_| entries.last()).map(|last| last.path.clone());
    Listing { path: at.to_string(), entries, next }
}
