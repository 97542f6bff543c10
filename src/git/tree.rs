use std::cmp::Ordering;

use super::object::ObjectKind;
use crate::model::ObjectId;

/// What an entry of a tree is: gitformat-index's modes as trees hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file, `100644` (and the old `100664`).
    File,
    /// An executable file, `100755`.
    Executable,
    /// A directory, `40000`.
    Dir,
    /// A symbolic link, `120000`.
    Symlink,
    /// A commit of another repository, `160000`.
    Submodule,
}

impl EntryKind {
    /// The kind with this octal mode; none for one that Git does not know.
    fn from_mode(mode: &[u8]) -> Option<Self> {
        Some(match mode {
            b"100644" | b"100664" => EntryKind::File,
            b"100755" => EntryKind::Executable,
            b"40000" | b"040000" => EntryKind::Dir,
            b"120000" => EntryKind::Symlink,
            b"160000" => EntryKind::Submodule,
            _ => return None,
        })
    }

    /// The mode as trees spell it.
    pub fn mode(self) -> &'static str {
        match self {
            EntryKind::File => "100644",
            EntryKind::Executable => "100755",
            EntryKind::Dir => "40000",
            EntryKind::Symlink => "120000",
            EntryKind::Submodule => "160000",
        }
    }

    /// The kind of the object it points at; a submodule's is in another repository.
    pub fn object_kind(self) -> ObjectKind {
        match self {
            EntryKind::Dir => ObjectKind::Tree,
            EntryKind::Submodule => ObjectKind::Commit,
            _ => ObjectKind::Blob,
        }
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// Its name: any bytes but NUL and `/`.
    pub name: &'a [u8],
    /// The object it points at.
    pub id: ObjectId,
}

/// A tree object as Git stores it: entries `<mode> <name>\0<id>` in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    raw: Vec<u8>,
}

impl Tree {
    /// The tree of these bytes, which must be well-formed and in Git's order, every name once.
    pub(super) fn decode(raw: Vec<u8>) -> Option<Self> {
        let mut previous: Option<TreeEntry<'_>> = None;
        let mut rest = &raw[..];
        while !rest.is_empty() {
            let (entry, tail) = split_entry(rest)?;
            if let Some(previous) = previous
                && order(key(&previous), key(&entry)) != Ordering::Less
            {
                return None;
            }
            previous = Some(entry);
            rest = tail;
        }
        Some(Tree { raw })
    }

    /// The bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The bytes, owned.
    pub(super) fn into_raw(self) -> Vec<u8> {
        self.raw
    }

    /// The entries in Git's order: by name, a directory as if its name ended with `/`.
    pub fn iter(&self) -> impl Iterator<Item = TreeEntry<'_>> {
        entries(&self.raw)
    }

    /// The entry of this name; takes time proportional to the tree's size.
    pub fn get(&self, name: &[u8]) -> Option<TreeEntry<'_>> {
        self.iter().find(|entry| entry.name == name)
    }
}

/// The entries of raw bytes; ends early where they are malformed.
pub(super) fn entries(raw: &[u8]) -> impl Iterator<Item = TreeEntry<'_>> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (entry, tail) = split_entry(rest)?;
        rest = tail;
        Some(entry)
    })
}

/// The first entry and what follows it.
pub(super) fn split_entry(raw: &[u8]) -> Option<(TreeEntry<'_>, &[u8])> {
    let space = raw.iter().take(8).position(|&b| b == b' ')?;
    let kind = EntryKind::from_mode(&raw[..space])?;
    let named = &raw[space + 1..];
    let end = named.iter().position(|&b| b == 0)?;
    let name = &named[..end];
    if name.is_empty() || name.contains(&b'/') {
        return None;
    }
    let id = named.get(end + 1..end + 21)?;
    let entry = TreeEntry { kind, name, id: ObjectId::from_bytes(id.try_into().ok()?) };
    Some((entry, &named[end + 21..]))
}

/// What decides an entry's place: its name, and whether it is a directory.
pub(super) fn key<'a>(entry: &TreeEntry<'a>) -> (&'a [u8], bool) {
    (entry.name, entry.kind == EntryKind::Dir)
}

/// Git's order of tree entries: bytes, a directory's name followed by `/`.
pub(super) fn order(a: (&[u8], bool), b: (&[u8], bool)) -> Ordering {
    let shared = a.0.len().min(b.0.len());
    // The end of a file's name counts as NUL, that of a directory's as a slash.
    let after = |(name, dir): (&[u8], bool)| name.get(shared).copied().unwrap_or(if dir { b'/' } else { 0 });
    a.0[..shared]
        .cmp(&b.0[..shared])
        .then_with(|| after(a).cmp(&after(b)))
        .then_with(|| a.0.len().cmp(&b.0.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(&str, &str)]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|(mode, name)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 20]].concat())
            .collect()
    }

    #[test]
    fn order_and_form_are_checked() {
        for (entries, good) in [
            (&[("100644", "a"), ("100644", "b")][..], true),
            (&[("100644", "a.b"), ("40000", "a"), ("100644", "a0")], true),
            (&[("40000", "a"), ("100644", "a.b")], false),
            (&[("100644", "a"), ("40000", "a")], true),
            (&[("100644", "a"), ("100644", "a")], false),
            (&[("100643", "a")], false),
            (&[("100644", "")], false),
            (&[("100644", "a/b")], false),
        ] {
            assert_eq!(Tree::decode(raw(entries)).is_some(), good, "{entries:?}");
        }
        let whole = raw(&[("120000", "link"), ("160000", "module")]);
        assert_eq!(Tree::decode(whole.clone()).unwrap().get(b"module").unwrap().kind, EntryKind::Submodule);
        assert_eq!(Tree::decode(whole[..whole.len() - 1].to_vec()), None);
    }
}
