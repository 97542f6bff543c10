//! Trailers of commits that are read again: `Promoted-From: <environment> <commit> <path>` says what was promoted, and
//! `Restored: <commit>` what a branch was rolled back to.

use crate::model::{Path, Revision};

const NAME: &str = "Promoted-From: ";
const RESTORED: &str = "Restored: ";

/// The line, without its end.
pub(super) fn promoted_from(environment: &str, revision: Revision, path: &Path) -> String {
    format!("{NAME}{environment} {revision} {path}")
}

/// What a commit says to have been promoted from an environment: the commit, and at or below which path.
pub(super) fn promotion_of(message: &str, environment: &str) -> Option<(Revision, Path)> {
    let mut found = trailers(message)?.filter_map(|line| {
        let mut words = line.strip_prefix(NAME)?.splitn(3, ' ');
        (words.next()? == environment).then_some(())?;
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    found.next()
}

/// The line of a rollback, without its end.
pub(super) fn restored(revision: Revision) -> String {
    format!("{RESTORED}{revision}")
}

/// What a commit says its branch was rolled back to.
pub(super) fn restored_of(message: &str) -> Option<Revision> {
    trailers(message)?.find_map(|line| line.strip_prefix(RESTORED)?.parse().ok())
}

/// The lines of the last paragraph, where there are others before it. A path may end with a blank.
fn trailers(message: &str) -> Option<impl Iterator<Item = &str>> {
    Some(message.trim_end_matches('\n').rsplit_once("\n\n")?.1.split('\n'))
}

/// Whether a line is one of these trailers.
pub(super) fn is_read_again(line: &str) -> bool {
    line.starts_with(NAME) || line.starts_with(RESTORED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_is_read_back_and_only_from_the_trailers() {
        let revision: Revision = "0123456789012345678901234567890123456789".parse().unwrap();
        for text in ["/", "/a b/c", "/x%2Fy", "/a "] {
            let path: Path = text.parse().unwrap();
            let line = promoted_from("dev", revision, &path);
            let message = format!("promote dev\n\nAccount: ann\n{line}\n");
            assert_eq!(promotion_of(&message, "dev"), Some((revision, path)));
            assert_eq!((promotion_of(&message, "de"), restored_of(&message)), (None, None));
            assert_eq!(
                promotion_of(&format!("{line}\n\nAccount: ann\n"), "dev"),
                None,
                "what somebody wrote"
            );
        }
        let back = format!("roll back\n\nAccount: ann\n{}\n", restored(revision));
        assert_eq!((restored_of(&back), promotion_of(&back, "dev")), (Some(revision), None));
        for bad in ["", "Promoted-From: dev", "a\n\nPromoted-From: dev x /", "a\n\nPromoted-From: dev"] {
            assert_eq!(promotion_of(bad, "dev"), None, "{bad}");
        }
    }
}
