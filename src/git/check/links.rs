use crate::git::object::ObjectKind;
use crate::git::{EMPTY_TREE, EntryKind, commit, tree};
use crate::model::ObjectId;

/// Calls back with every object that this one leads to, and the kind it is taken for; answers whether the
/// content is well-formed. The parents of a commit at a shallow boundary are left out.
pub(super) fn each_link(
    kind: ObjectKind,
    content: &[u8],
    is_boundary: bool,
    found: &mut dyn FnMut(ObjectId, ObjectKind),
) -> bool {
    match kind {
        ObjectKind::Blob => true,
        ObjectKind::Commit => {
            let Some((tree, parents)) = commit::links(content) else { return false };
            // Git knows this one without storing it.
            if tree != EMPTY_TREE {
                found(tree, ObjectKind::Tree);
            }
            for parent in parents.into_iter().filter(|_| !is_boundary) {
                found(parent, ObjectKind::Commit);
            }
            true
        }
        ObjectKind::Tree => {
            let mut rest = content;
            while !rest.is_empty() {
                let Some((entry, tail)) = tree::split_entry(rest) else { return false };
                if entry.kind != EntryKind::Submodule && entry.id != EMPTY_TREE {
                    found(entry.id, entry.kind.object_kind());
                }
                rest = tail;
            }
            true
        }
        ObjectKind::Tag => match tag_target(content) {
            Some((id, kind)) => {
                found(id, kind);
                true
            }
            None => false,
        },
    }
}

/// What an annotated tag points at: gitformat-signature(5) shows the form.
fn tag_target(content: &[u8]) -> Option<(ObjectId, ObjectKind)> {
    let mut lines = std::str::from_utf8(content.get(..content.len().min(64))?).ok()?.lines();
    let id = lines.next()?.strip_prefix("object ")?.parse().ok()?;
    let kind = match lines.next()?.strip_prefix("type ")? {
        "commit" => ObjectKind::Commit,
        "tree" => ObjectKind::Tree,
        "blob" => ObjectKind::Blob,
        "tag" => ObjectKind::Tag,
        _ => return None,
    };
    Some((id, kind))
}
