use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::past::{plain_message, unless_pruned};
use super::{Point, Reading, ServiceError};
use crate::auth::ReadGrant;
use crate::document;
use crate::git::{ReadError, Reader};
use crate::model::{Limits, Path, Position, Value};
use crate::resolve::{
    Candidate, Followed, Found, FoundEntry, Has, Outcome, Resolver, Withheld, entries_seen,
};
use crate::snapshot::{Entry, Refers, Snapshot, base_path};

/// Why an environment shows what it shows at a path.
#[derive(Debug)]
pub struct Explanation {
    /// The path.
    pub path: Path,
    /// The environment asked.
    pub environment: Arc<str>,
    /// What readers see; none where nothing stands.
    pub found: Option<Found>,
    /// What each layer has, nearest first.
    pub layers: Vec<ExplainedLayer>,
    /// What services read there, where that is not what is written.
    pub finished: Option<Finished>,
    /// The references on the way to that, in the order in which they are met.
    pub references: Vec<Followed>,
}

/// What services read at a path.
#[derive(Debug)]
pub enum Finished {
    /// A value.
    Value(Value),
    /// A value that holds these secrets, and is not shown here.
    Withheld(BTreeSet<String>),
    /// Nothing, for it cannot be resolved.
    Unresolved(String),
}

/// What one layer has at the path, and where that comes from.
#[derive(Debug)]
pub struct ExplainedLayer {
    /// What it has, and what becomes of it.
    pub candidate: Candidate,
    /// The branch that holds the layer.
    pub branch: Arc<str>,
    /// How many entries an object has in this layer, of those that the reader sees.
    pub entries: Option<usize>,
    /// Where in its file the entry stands; none where the file cannot be read.
    pub position: Option<Position>,
    /// Whom Git names as the author of the commit that made the entry's version, and what the commit says; none
    /// where it is not known or not kept.
    pub commit: Option<(Arc<str>, String)>,
}

impl Core {
    /// Explains what an environment showed at a path at a point. Blocks.
    pub fn explain_at(
        &self,
        grant: &ReadGrant,
        point: &Point,
        environment: &Arc<str>,
        path: &Path,
    ) -> Result<(Reading, Explanation), ServiceError> {
        let mut reading = self.reading_at(grant, point, environment, std::slice::from_ref(path))?;
        // What a value refers to, and the templates it comes from, may stand anywhere.
        let view = reading.view(environment)?;
        let refers = match view.find(path) {
            Some(Found::Entry(found)) => found.entry.refers() != Refers::No,
            _ => false,
        };
        if refers || view.is_derived_above(path) {
            reading = self.reading_at(grant, point, environment, &[Path::root()])?;
        }
        let explanation = self.explain(&reading, environment, path)?;
        Ok((reading, explanation))
    }

    /// Explains what a reading shows at a path. Blocks.
    pub fn explain(
        &self,
        reading: &Reading,
        environment: &Arc<str>,
        path: &Path,
    ) -> Result<Explanation, ServiceError> {
        let view = reading.view(environment)?;
        let grant = reading.grant();
        grant.demand(environment, path).or_else(|refused| match view.find(path) {
            Some(_) => Ok(()),
            None => Err(refused),
        })?;
        let reader = self.repository.reader();
        let mut layers = Vec::new();
        for (candidate, layer) in view.candidates(path).into_iter().zip(view.layers()) {
            let branch = reading.environments().get(&candidate.environment).map(|found| found.branch.clone());
            let entries = match &candidate.has {
                Has::Object(object) => Some(entries_seen(view.sight().map(|sight| &**sight), path, object)),
                _ => None,
            };
            let mut explained = ExplainedLayer {
                entries,
                candidate,
                branch: branch.unwrap_or_default(),
                position: None,
                commit: None,
            };
            // What another environment holds and this one does not show is that one's to show.
            let is_shown = matches!(explained.candidate.outcome, Outcome::Shown | Outcome::Joined);
            if !is_shown && !grant.sees(&explained.candidate.environment, path) {
                continue;
            }
            // Nor is what stands above it told of to who may not read that.
            if let Has::Tombstone { at, .. } | Has::ValueAbove { at, .. } = &explained.candidate.has
                && !grant.sees(environment, at)
            {
                continue;
            }
            if let Some(entry) = explained.candidate.has.entry().cloned() {
                let at = match &explained.candidate.has {
                    Has::Tombstone { at, .. } | Has::ValueAbove { at, .. } => at,
                    _ => path,
                };
                explained.position = position_in(&reader, &layer.snapshot, entry.file(), at, &self.limits())?;
                explained.commit = self.made_by(grant, &reader, &entry)?;
            }
            layers.push(explained);
        }
        let limits = self.limits();
        let mut resolver = Resolver::new(&view, &Withheld, &limits);
        let (found, finished) = match resolver.find(path) {
            Ok(Some(Found::Entry(entry))) => {
                let finished = finished(&mut resolver, path, &entry);
                (Some(Found::Entry(entry)), finished)
            }
            Ok(found) => (found, None),
            Err(error) => (view.find(path), Some(Finished::Unresolved(error.to_string()))),
        };
        let references = match &found {
            Some(Found::Entry(entry)) => resolver.followed(path, entry),
            _ => Vec::new(),
        };
        Ok(Explanation {
            path: path.clone(),
            environment: environment.clone(),
            found,
            layers,
            finished,
            references,
        })
    }

    /// Whom Git names as the author of the commit that made an entry's version, and what the commit says; none where
    /// it is not known or not kept.
    pub(super) fn made_by(
        &self,
        grant: &ReadGrant,
        reader: &Reader,
        entry: &Entry,
    ) -> Result<Option<(Arc<str>, String)>, ServiceError> {
        let Some(stamp) = entry.stamp() else { return Ok(None) };
        let id = stamp.origin.revision;
        // A commit that was cut off is looked for once.
        if self.history.base().is_some() && !self.repository.still_reader()?.contains(id)? {
            return Ok(None);
        }
        let Some(commit) = unless_pruned(reader.commit(id))? else { return Ok(None) };
        let message = match self.may_be_told(grant, stamp.origin.sequence, id)? {
            true => plain_message(&commit.message),
            false => String::new(),
        };
        Ok(Some((commit.author.clone(), message)))
    }
}

/// What an entry comes to, where that is not what is written.
fn finished(resolver: &mut Resolver<'_>, path: &Path, found: &FoundEntry) -> Option<Finished> {
    if found.entry.refers() == Refers::No {
        return None;
    }
    match resolver.entry(path, found) {
        Ok(resolved) if !resolved.secrets.is_empty() => Some(Finished::Withheld(resolved.secrets)),
        Ok(resolved) => Some(Finished::Value(resolved.value)).filter(|_| resolver.is_followed(path, found)),
        Err(error) => Some(Finished::Unresolved(error.to_string())),
    }
}

/// Where in its file, as a layer has it, a path stands; none where the file cannot be read.
fn position_in(
    reader: &Reader,
    snapshot: &Snapshot,
    file: &str,
    path: &Path,
    limits: &Limits,
) -> Result<Option<Position>, ServiceError> {
    let Some(blob) = snapshot.file(file) else { return Ok(None) };
    let bytes = match reader.blob(blob, limits.document_bytes as u64) {
        Ok(bytes) => bytes,
        Err(ReadError::Missing { .. } | ReadError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found =
        base_path(file).ok().and_then(|base| document::position_of(file, &base, path, &bytes, limits));
    Ok(found)
}
