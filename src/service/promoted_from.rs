//! The trailer of a commit that says what was promoted: `Promoted-From: <environment> <commit> <path>`.

use crate::model::{Path, Revision};

const NAME: &str = "Promoted-From: ";

/// The line, without its end.
pub(super) fn promoted_from(environment: &str, revision: Revision, path: &Path) -> String {
    format!("{NAME}{environment} {revision} {path}")
}

/// What a commit says to have been promoted from an environment: the commit, and at or below which path.
pub(super) fn promotion_of(message: &str, environment: &str) -> Option<(Revision, Path)> {
    let (_, trailers) = message.trim_end().rsplit_once("\n\n")?;
    let mut found = trailers.lines().filter_map(|line| {
        let mut words = line.strip_prefix(NAME)?.splitn(3, ' ');
        (words.next()? == environment).then_some(())?;
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    found.next()
}

/// Whether a line is this trailer.
pub(super) fn is_promoted_from(line: &str) -> bool {
    line.starts_with(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_is_read_back_and_only_from_the_trailers() {
        let revision: Revision = "0123456789012345678901234567890123456789".parse().unwrap();
        for text in ["/", "/a b/c", "/x%2Fy"] {
            let path: Path = text.parse().unwrap();
            let line = promoted_from("dev", revision, &path);
            let message = format!("promote dev\n\nAccount: ann\n{line}\n");
            assert_eq!(promotion_of(&message, "dev"), Some((revision, path)));
            assert_eq!(promotion_of(&message, "de"), None);
            assert_eq!(
                promotion_of(&format!("{line}\n\nAccount: ann\n"), "dev"),
                None,
                "what somebody wrote"
            );
        }
        for bad in ["", "Promoted-From: dev", "a\n\nPromoted-From: dev x /", "a\n\nPromoted-From: dev"] {
            assert_eq!(promotion_of(bad, "dev"), None, "{bad}");
        }
    }
}
