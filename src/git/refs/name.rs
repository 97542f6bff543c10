/// A name that no reference may have: git-check-ref-format(1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name of a reference under `refs/`")]
pub struct RefNameError {
    /// The name given.
    pub name: String,
}

/// The longest name in bytes: longer ones do not fit a path together with `.lock`.
const MAX_BYTES: usize = 1024;
/// The longest part between slashes, with `.lock` a file name of 255 bytes.
const MAX_PART_BYTES: usize = 250;

/// Checks a full name such as `refs/heads/main`.
pub fn check_name(name: &str) -> Result<(), RefNameError> {
    let bad_part = |part: &str| {
        part.is_empty() || part.starts_with('.') || part.ends_with(".lock") || part.len() > MAX_PART_BYTES
    };
    let bad_char = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let bad = !name.starts_with("refs/")
        || name.len() > MAX_BYTES
        || name.split('/').any(bad_part)
        || name.split('/').count() < 3
        || name.contains(bad_char)
        || name.contains("..")
        || name.contains("@{")
        || name.ends_with('.');
    if bad { Err(RefNameError { name: name.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["refs/heads/main", "refs/heads/a/b.c", "refs/confgit/journal", "refs/heads/ünï"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "main",
            "HEAD",
            "refs/heads",
            "refs/heads/",
            "refs/heads/../x",
            "refs/heads/.x",
            "refs/heads/x.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a b",
            "refs/heads/a\n",
            "refs/heads/a:b",
            "refs/heads/a@{1}",
            "refs/heads/a.",
            "/refs/heads/a",
            "refs//heads",
            "refs/heads/a\\b",
            "refs/heads/*",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
