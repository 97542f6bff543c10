use std::collections::HashSet;
use std::io;

use super::record::{Before, VersionItem};
use super::{History, Inner};
use crate::model::{Path, Sequence};

impl History {
    /// Where this index says something else than another about change sets up to a number, as sentences for
    /// people; it stops after `limit`. Order within the files does not matter.
    pub fn differences(&self, other: &History, up_to: Sequence, limit: usize) -> io::Result<Vec<String>> {
        let (ours, theirs) = (self.read(), other.read());
        let mut found = Vec::new();
        for sequence in (1..=up_to.0).map(Sequence) {
            let offsets = (ours.change_set_offset(sequence)?, theirs.change_set_offset(sequence)?);
            if ours.change_set_at(offsets.0)? != theirs.change_set_at(offsets.1)? {
                found.push(format!("change set {sequence} is another one"));
            }
            if found.len() >= limit {
                return Ok(found);
            }
        }
        let mut seen = HashSet::new();
        for (inner, rest) in [(&*ours, &*theirs), (&*theirs, &*ours)] {
            for (branch, path) in inner.paths.keys() {
                let name = inner.branches.get(*branch)?;
                if found.len() >= limit {
                    return Ok(found);
                }
                if !seen.insert((name.clone(), path.clone())) {
                    continue;
                }
                let both = if std::ptr::eq(inner, &*ours) { (inner, rest) } else { (rest, inner) };
                found.extend(difference(both, &name, path, up_to)?);
            }
        }
        Ok(found)
    }
}

/// Where two indexes tell the versions of one path differently.
fn difference(
    (ours, theirs): (&Inner, &Inner),
    branch: &str,
    path: &Path,
    up_to: Sequence,
) -> io::Result<Option<String>> {
    let (mut here, mut there) = (newest(ours, branch, path, up_to)?, newest(theirs, branch, path, up_to)?);
    loop {
        match (&here, &there) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) if says(a) == says(b) => {
                (here, there) = (before(ours, a)?, before(theirs, b)?);
            }
            _ => {
                let (here, there) = (tell(here.as_ref()), tell(there.as_ref()));
                return Ok(Some(format!("{path} of branch {branch}: {here}, expected {there}")));
            }
        }
    }
}

/// The newest version that a change set up to a number made.
fn newest(inner: &Inner, branch: &str, path: &Path, up_to: Sequence) -> io::Result<Option<VersionItem>> {
    let Some(line) = inner.line(branch, path).filter(|line| line.version > 0) else { return Ok(None) };
    let mut item = Some(inner.version_at(line.last)?);
    while let Some(newer) = item.as_ref().filter(|item| item.sequence > up_to) {
        item = before(inner, newer)?;
    }
    Ok(item)
}

fn before(inner: &Inner, item: &VersionItem) -> io::Result<Option<VersionItem>> {
    match item.before {
        Before::At { previous, .. } if item.version > 1 => inner.version_at(previous).map(Some),
        _ => Ok(None),
    }
}

fn says(item: &VersionItem) -> (u64, bool, Sequence, crate::model::Revision) {
    (item.version, item.deleted, item.sequence, item.revision)
}

fn tell(item: Option<&VersionItem>) -> String {
    match item {
        None => "no version".to_owned(),
        Some(item) => {
            let what = if item.deleted { "a delete " } else { "" };
            format!(
                "version {} is {what}of change set {} by commit {}",
                item.version, item.sequence, item.revision
            )
        }
    }
}
