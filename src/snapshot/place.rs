use crate::model::{Path, PathError};

/// Where the metadata of entries lies: that of `/a/b` is the object `/.confgit/keys/a/b`.
pub const METADATA_ROOT: &str = "/.confgit/keys";

/// Where variables lie: `${NAME}` is the value at `/.confgit/variables/NAME`.
pub const VARIABLES: &str = "/.confgit/variables";

const STRUCTURED: [&str; 4] = ["yaml", "yml", "json", "toml"];
const DROPPED: [&str; 5] = ["yaml", "yml", "json", "toml", "txt"];

/// Whether a file of a branch is configuration: no component of its name starts with a dot, but for
/// the folder `.confgit` at the top.
pub fn is_configuration(file: &str) -> bool {
    let inside = file.strip_prefix(".confgit/").unwrap_or(file);
    inside.split('/').all(|component| !component.is_empty() && !component.starts_with('.'))
}

/// The path at which a file's content stands: its name without `.yaml .yml .json .toml .txt`.
///
/// ```
/// use confgit::snapshot::base_path;
/// assert_eq!(base_path("myapp/database.yaml").unwrap().as_str(), "/myapp/database");
/// assert_eq!(base_path("certs/tls.crt").unwrap().as_str(), "/certs/tls.crt");
/// ```
pub fn base_path(file: &str) -> Result<Path, PathError> {
    let stem = match file.rsplit_once('.') {
        Some((stem, extension))
            if DROPPED.contains(&extension) && !stem.ends_with('/') && !stem.is_empty() =>
        {
            stem
        }
        _ => file,
    };
    Path::from_segments(stem.split('/'))
}

/// Where the metadata of an entry lies.
pub fn metadata_path(entry: &Path) -> Result<Path, PathError> {
    Path::from_segments([".confgit", "keys"].into_iter().map(Into::into).chain(entry.segments()))
}

/// The structured documents that would stand at a path, in the order in which they are looked for.
pub(super) fn document_names(base: &Path) -> impl Iterator<Item = String> {
    let stem = file_stem(base);
    let extensions = if stem.is_some() { &STRUCTURED[..] } else { &[] };
    let stem = stem.unwrap_or_default();
    extensions.iter().map(move |extension| format!("{stem}.{extension}"))
}

/// The path as a file name without extension; none for the root and for segments that no file may have.
fn file_stem(path: &Path) -> Option<String> {
    let mut stem = String::new();
    for segment in path.segments() {
        if segment.contains('/') {
            return None;
        }
        if !stem.is_empty() {
            stem.push('/');
        }
        stem.push_str(&segment);
    }
    (!stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_paths() {
        for (file, path) in [
            ("a.yaml", "/a"),
            ("a/b.yml", "/a/b"),
            ("a/b.c.json", "/a/b.c"),
            ("motd.txt", "/motd"),
            ("x.toml", "/x"),
            ("tls.key", "/tls.key"),
            ("Makefile", "/Makefile"),
            ("a.yaml/b", "/a.yaml/b"),
            ("100%.txt", "/100%25"),
        ] {
            assert_eq!(base_path(file).unwrap().as_str(), path, "{file}");
        }
    }

    #[test]
    fn dot_names_are_no_configuration() {
        for (file, expected) in [
            ("a.yaml", true),
            (".confgit/keys/a.yaml", true),
            (".gitignore", false),
            ("a/.hidden/b.yaml", false),
            (".confgit/.x", false),
            ("a/.confgit/b.yaml", false),
            (".github/x.yml", false),
        ] {
            assert_eq!(is_configuration(file), expected, "{file}");
        }
    }
}
