use super::journal::{Walked, shown};
use super::{Check, Findings, Subject, counted};

/// Looks where the journal has each branch. One that somebody moved from outside is a warning: the next start
/// takes it in as a change set of its own.
pub(super) fn check(subject: &Subject<'_>, walked: &Walked) -> Check {
    let mut findings = Findings::of("refs");
    let torn = subject.moment.torn.iter().map(|name| ("config.git", name));
    for (repository, name) in torn.chain(subject.meta_torn.iter().map(|name| ("meta.git", name))) {
        findings
            .damaged(format!("{repository}: the file of {name} is damaged, and nothing tells what it said"));
    }
    let mut heads: Vec<_> = walked.heads.iter().collect();
    heads.sort();
    for (name, expected) in heads.into_iter().filter(|(name, _)| !subject.moment.torn.contains(name)) {
        let actual = subject.moment.refs.get(name).copied();
        if actual != *expected {
            findings.warn(format!(
                "config.git: {name} is at {}, and the journal leaves it at {}: it was moved from outside, and the next start takes that in",
                shown(actual),
                shown(*expected)
            ));
        }
    }
    if !walked.is_whole {
        findings.note("the journal could not be read to its beginning, so not every branch was compared");
    }
    findings.end(counted(subject.moment.refs.len() + subject.meta_refs.len(), "reference"))
}
