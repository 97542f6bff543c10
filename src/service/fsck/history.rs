use std::fs;
use std::io::{self, ErrorKind};

use super::journal::Walked;
use super::{Check, Findings, Subject, counted};
use crate::git::Repository;
use crate::git::journal;
use crate::history::History;
use crate::model::{Limits, Sequence};
use crate::service::layout::{CONFIG_REPOSITORY, DERIVED, HISTORY_FILE};
use crate::service::moment::Moment;
use crate::service::prepare::follow_all;
use crate::service::progress::Progress;
use crate::service::recover::journal_error;
use crate::service::replay::Replay;
use crate::service::{FsckError, ServiceError};
use crate::settings::ProjectSettings;

/// How many differences are told.
const MOST_DIFFERENCES: usize = 20;

/// What to do about an index that is wrong.
const REBUILD: &str = "stop the server, delete derived/history, and start it again: it is rebuilt";

/// Compares the history index with one built from nothing: same change sets, versions and commits.
pub(super) fn check(
    subject: &Subject<'_>,
    walked: &Walked,
    settings: Option<&ProjectSettings>,
    progress: &mut dyn Progress,
) -> Result<Check, FsckError> {
    let mut findings = Findings::of("history");
    // A copy: opening an index cuts a torn tail off, and a server may be appending.
    let copy = subject.room.dir().join("history");
    match fs::copy(subject.dir.join(DERIVED).join(HISTORY_FILE), &copy) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            findings.note("there is no index; the next start builds it");
            return Ok(findings.end("nothing"));
        }
        Err(error) => return Err(error.into()),
    }
    let found = match History::open(&copy) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            findings.damaged(format!("{error}; {REBUILD}"));
            return Ok(findings.end("nothing"));
        }
        Err(error) => return Err(error.into()),
    };
    let covered = found.covered();
    let end = counted(covered.0 as usize, "change set");
    // Looked at once more, since the index may have grown after the references were read.
    let newest = journal_end(subject)?;
    if newest.is_some_and(|newest| covered > newest) {
        findings.damaged(format!(
            "it goes on to change set {covered}, but the journal ends with {}: the journal was set back, or the index is another project's; \
             restore refs/confgit/journal from a backup or a clone, or delete derived/history if the journal is right",
            newest.unwrap_or_default()
        ));
        return Ok(findings.end(end));
    }
    if covered < subject.moment.sequence {
        findings.note(format!("it ends with change set {covered}; the next start brings it up to date"));
    }
    let up_to = covered.min(subject.moment.sequence);
    if !walked.is_whole {
        findings.note("not compared: the journal cannot be read to its beginning");
    } else if !subject.config.shallow()?.is_empty() {
        findings
            .note("not compared version by version: older commits were cut off, so it cannot be built anew");
    } else {
        let limits = settings.map(|settings| settings.limits).unwrap_or_default();
        match rebuilt(subject, up_to, &limits, progress) {
            Ok(rebuilt) => {
                for difference in found.differences(&rebuilt, up_to, MOST_DIFFERENCES)? {
                    findings.damaged(format!("{difference}; {REBUILD}"));
                }
            }
            Err(error) => findings.damaged(format!("an index cannot be built to compare with: {error}")),
        }
    }
    Ok(findings.end(end))
}

fn journal_end(subject: &Subject<'_>) -> Result<Option<Sequence>, FsckError> {
    let repository = Repository::open(subject.dir.join(CONFIG_REPOSITORY))?;
    // Where the journal is damaged, another check says so.
    Ok(Moment::observe(&repository, &repository.reader()).ok().map(|moment| moment.sequence))
}

/// An index made from the journal and the commits alone.
fn rebuilt(
    subject: &Subject<'_>,
    up_to: Sequence,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<History, ServiceError> {
    let file = subject.room.dir().join("rebuilt");
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let history = History::open(&file)?;
    let Some(tip) = subject.moment.journal else { return Ok(history) };
    let reader = subject.config.reader();
    let mut change_sets = journal::read(&reader, tip, Sequence(0)).map_err(journal_error)?;
    change_sets.truncate(usize::try_from(up_to.0).map_err(io::Error::other)?);
    progress.begin("rebuilding the history index", change_sets.len() as u64);
    let mut replay = Replay::new(&reader, &history, limits);
    follow_all(&mut replay, &history, &change_sets, &mut |done| progress.advance(done))?;
    Ok(history)
}
