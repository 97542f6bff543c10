use std::collections::HashSet;

use super::request::{Edit, EditOp};
use super::stage::invalid;
use crate::model::{Path, Value};
use crate::service::ServiceError;

/// How many edits of one write may each need all those before it to be made first. Each of them reads its
/// document once more, and all other writers wait for that.
const MOST_IN_ORDER: usize = 10_000;

/// The edits of a write in runs: those of a run are made together. A file is a run of its own, and costs no more
/// than one.
pub(super) fn runs(edits: &[Edit]) -> Result<Vec<&[Edit]>, ServiceError> {
    let (mut runs, mut in_order, mut rest) = (Vec::new(), 0, edits);
    while let Some(first) = rest.first() {
        let (run, others) = rest.split_at(independent(rest).max(1));
        in_order += usize::from(run.len() == 1 && !matches!(first.op, EditOp::File { .. }));
        if in_order > MOST_IN_ORDER {
            let reason = format!(
                "more than {MOST_IN_ORDER} edits of this write have to be made one after the other; put patches, \
                 metadata and paths that come again in writes of their own"
            );
            return Err(invalid(&first.path, reason));
        }
        runs.push(run);
        rest = others;
    }
    Ok(runs)
}

/// A put of nothing but a value.
pub(super) fn plain_put(edit: &Edit) -> Option<(&Path, &Value)> {
    match &edit.op {
        EditOp::Put { value, metadata, as_text: false } if metadata.is_silent() && *value != Value::Null => {
            Some((&edit.path, value))
        }
        _ => None,
    }
}

/// Whether an edit can be made together with others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Put,
    Delete,
}

fn kind(edit: &Edit) -> Option<Kind> {
    match &edit.op {
        // What describes an entry goes with it, so that deleting both would delete one of them twice.
        EditOp::Delete if !edit.path.as_str().starts_with("/.confgit") => Some(Kind::Delete),
        _ => plain_put(edit).map(|_| Kind::Put),
    }
}

/// How many edits from the first are plain puts, or deletes, of one environment, no path above or at another's:
/// their order does not matter, so that they can be made together.
fn independent(edits: &[Edit]) -> usize {
    let Some(first) = edits.first() else { return 0 };
    let Some(wanted) = kind(first) else { return 0 };
    let (mut paths, mut above) = (HashSet::new(), HashSet::new());
    for (count, edit) in edits.iter().enumerate() {
        let path = &edit.path;
        let ancestors: Vec<Path> = std::iter::successors(path.parent(), Path::parent).collect();
        if kind(edit) != Some(wanted)
            || edit.environment != first.environment
            || above.contains(path)
            || paths.contains(path)
            || ancestors.iter().any(|ancestor| paths.contains(ancestor))
        {
            return count;
        }
        paths.insert(path.clone());
        above.extend(ancestors);
    }
    edits.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{ConfigurationFile, Precondition};

    fn edit(text: &str) -> Edit {
        let (name, rest) = text.split_at(1);
        let op = match name {
            "f" => {
                let file = ConfigurationFile::parse(&rest[1..]).unwrap();
                return Edit::file("base".into(), file, None);
            }
            "-" => EditOp::Delete,
            _ => EditOp::Put { value: Value::Bool(true), metadata: Box::default(), as_text: false },
        };
        let environment = if name == "p" { "prod" } else { "base" };
        let (path, precondition) = (rest.parse().unwrap(), Precondition::None);
        Edit { environment: environment.into(), path, layer_only: true, op, precondition }
    }

    fn lengths(edits: &str) -> Vec<usize> {
        let edits: Vec<Edit> = edits.split(' ').map(edit).collect();
        runs(&edits).unwrap().iter().map(|run| run.len()).collect()
    }

    #[test]
    fn what_does_not_depend_on_another_is_made_together() {
        for (edits, expected) in [
            ("+/a +/b +/c/d", &[3][..]),
            ("+/a +/a +/b", &[1, 2]),
            ("+/a/b +/c +/a", &[2, 1]),
            ("+/a +/c +/a/b", &[2, 1]),
            ("+/a p/b +/c", &[1, 1, 1]),
            ("f/a f/b +/c +/d -/e", &[1, 1, 2, 1]),
            ("-/a -/b/c -/b -/d +/d", &[2, 2, 1]),
            ("-/a -/.confgit/keys/a -/b", &[1, 1, 1]),
        ] {
            assert_eq!(lengths(edits), expected, "{edits}");
        }
    }

    #[test]
    fn edits_in_order_are_bounded_and_others_are_not() {
        let many = |text: &str| (0..=MOST_IN_ORDER).map(|_| edit(text)).collect::<Vec<_>>();
        assert!(runs(&many("-/a")).is_err() && runs(&many("+/a")).is_err());
        assert!(runs(&many("f/a")).is_ok());
    }
}
