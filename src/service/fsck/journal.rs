use std::collections::HashMap;

use super::{Check, Findings, Subject, counted};
use crate::git::{Reader, journal};
use crate::model::{Revision, Sequence, Timestamp};
use crate::service::recover::journal_error;
use crate::service::refs::branch_ref;

/// What the journal says in the end.
#[derive(Default)]
pub(super) struct Walked {
    /// Whether all of it could be read.
    pub is_whole: bool,
    /// Where it leaves each branch it tells of, by full name of the reference.
    pub heads: HashMap<String, Option<Revision>>,
}

/// Walks the whole chain: subjects and lines are as confgit writes them, sequences follow one another, times
/// do not run backwards, each move of a branch begins where the one before it ended.
pub(super) fn check(subject: &Subject<'_>) -> (Check, Walked) {
    let mut findings = Findings::of("journal");
    let mut walked = Walked::default();
    if let Some(disorder) = &subject.disorder {
        findings.damaged(disorder);
    }
    let Some(tip) = subject.moment.journal else {
        if subject.disorder.is_none() {
            findings.note("there is none yet; the first start makes it from the commits");
            walked.is_whole = true;
        }
        return (findings.end("nothing"), walked);
    };
    let reader = subject.config.reader();
    let commits = walk(&reader, tip, &mut findings, &mut walked);
    let covered = format!(
        "{}, {}",
        counted(subject.moment.sequence.0 as usize, "change set"),
        counted(commits, "commit")
    );
    (findings.end(covered), walked)
}

fn walk(reader: &Reader, tip: Revision, findings: &mut Findings, walked: &mut Walked) -> usize {
    /// What a branch's earlier move has to end with, and the change set that wants it.
    type Wanted = (Option<Revision>, Sequence);
    let mut wanted: HashMap<String, Wanted> = HashMap::new();
    let mut later: Option<(Timestamp, Sequence)> = None;
    let (mut commits, mut first) = (0, Sequence(0));
    for batch in journal::batches(reader, tip) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                findings.damaged(journal_error(error).to_string());
                return commits;
            }
        };
        commits += 1;
        for change_set in batch.change_sets.iter().rev() {
            let (time, sequence) = (change_set.time, change_set.sequence);
            if let Some((after, next)) = later.filter(|(after, _)| time > *after) {
                findings.damaged(format!(
                    "change set {next} is of {after}, before change set {sequence} of {time}"
                ));
            }
            (later, first) = (Some((time, sequence)), sequence);
            for step in change_set.moves.iter().rev() {
                let name = branch_ref(&step.branch);
                walked.heads.entry(name.clone()).or_insert(step.new);
                if let Some((old, by)) = wanted.insert(name, (step.old, sequence))
                    && old != step.new
                {
                    let branch = &step.branch;
                    findings.damaged(format!(
                        "change set {by} moves {branch} from {}, but change set {sequence} leaves it at {}",
                        shown(old),
                        shown(step.new)
                    ));
                }
            }
        }
    }
    for (name, (old, by)) in wanted.into_iter().filter(|(_, (old, _))| old.is_some() && first == Sequence(1))
    {
        findings
            .damaged(format!("change set {by} moves {name} from {}, where nothing brought it", shown(old)));
    }
    walked.is_whole = true;
    commits
}

/// A head as people read it.
pub(super) fn shown(head: Option<Revision>) -> String {
    head.map_or_else(|| "nothing".to_owned(), |head| head.to_string())
}
