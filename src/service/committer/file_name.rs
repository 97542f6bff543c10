use crate::git::check_file_name;
use crate::model::Path;

/// The longest name of a file or folder that common file systems take, less room for an extension.
const MOST_BYTES: usize = 240;

/// The name, without extension, of a file that would stand at this path; none when a segment cannot be the
/// name of a file.
pub(super) fn stem_for(path: &Path) -> Option<String> {
    let mut stem = String::new();
    for (index, segment) in path.segments().enumerate() {
        let hidden = segment.starts_with('.') && !(index == 0 && segment == ".confgit");
        if hidden || segment.contains('/') || segment.len() > MOST_BYTES || check_file_name(&segment).is_err()
        {
            return None;
        }
        if index > 0 {
            stem.push('/');
        }
        stem.push_str(&segment);
    }
    (!stem.is_empty()).then_some(stem)
}

/// Where a new document for an entry (or the members of an object) goes: its path, and the name of the file.
/// A segment that cannot be the name of a file becomes a key of the document above it.
pub(super) fn new_document_for(path: &Path, is_object: bool) -> Option<(Path, String)> {
    let wanted = match path.parent() {
        Some(parent) if !is_object && !parent.is_root() => parent,
        _ => path.clone(),
    };
    let mut base = wanted;
    loop {
        if let Some(stem) = stem_for(&base).filter(|stem| stem != ".confgit") {
            return Some((base, format!("{stem}.yaml")));
        }
        base = base.parent()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_named_after_the_parent() {
        for (path, is_object, expected) in [
            ("/a/b/c", false, Some("a/b.yaml")),
            ("/a", false, Some("a.yaml")),
            ("/a/b", true, Some("a/b.yaml")),
            ("/a/.hidden/c", false, Some("a.yaml")),
            ("/a/x%2Fy/c", false, Some("a.yaml")),
            ("/.hidden/c", false, None),
            ("/git~1./a/b", false, None),
            ("/x/.git\u{200c}/b", false, Some("x.yaml")),
            ("/.confgit/variables/DB_HOST", false, Some(".confgit/variables.yaml")),
            ("/.confgit/x", false, None),
        ] {
            let found = new_document_for(&path.parse().unwrap(), is_object).map(|(_, file)| file);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
