use std::cmp::Ordering;
use std::sync::Arc;

use super::core::Core;
use super::page::PathPage;
use super::past::Located;
use super::read::Reading;
use super::{Point, ServiceError};
use crate::auth::ReadGrant;
use crate::git::{ReadError, Reader};
use crate::model::{Environment, Path, Revision, Sequence, Version};
use crate::resolve::{Found, FoundEntry, View};
use crate::snapshot::{base_path, is_configuration};

/// What is compared: an environment, now or at a point.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The environment.
    pub environment: Arc<str>,
    /// When; now when none.
    pub point: Option<Point>,
}

/// One side of a comparison, as it was found.
#[derive(Debug, Clone)]
pub struct Side {
    /// The environment.
    pub environment: Arc<str>,
    /// The last change set in it.
    pub sequence: Sequence,
    /// The head of the environment's own branch.
    pub revision: Option<Revision>,
    /// The version, where versions of one entry are compared.
    pub version: Option<Version>,
}

/// An entry that is not the same on both sides.
#[derive(Debug, Clone)]
pub struct EntryChange {
    /// Where.
    pub path: Path,
    /// What stood there.
    pub old: Option<FoundEntry>,
    /// What stands there.
    pub new: Option<FoundEntry>,
}

impl EntryChange {
    /// How much its values are.
    pub(super) fn bytes(&self) -> usize {
        [&self.old, &self.new].into_iter().flatten().map(|found| found.entry.json().len()).sum()
    }
}

/// What differs at or below a path, a page of it.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The path.
    pub path: Path,
    /// The side that is compared.
    pub from: Side,
    /// The side it is compared with.
    pub to: Side,
    /// The entries, in the order of their paths.
    pub changes: Vec<EntryChange>,
    /// The path after which the next page begins; none at the end.
    pub next: Option<Path>,
}

/// How many changed places are compared one by one; where there are more, everything is read.
const MOST_PLACES: usize = 256;
/// How many changed files are looked through to find them.
const MOST_FILES: usize = 10_000;

impl Core {
    /// What differs between two moments at or below a path: views, so that what an environment inherits counts.
    /// Only what Git says has changed is read of the past. Blocks.
    pub fn diff(
        &self,
        grant: &ReadGrant,
        (from, to): (&Moment, &Moment),
        path: &Path,
        page: &PathPage,
    ) -> Result<Difference, ServiceError> {
        // Found once: between the search for what changed and the look at it, the present goes on and tags move.
        let present = self.reading(grant);
        let reader = self.repository.reader();
        let (from_located, to_located) = (self.located(&reader, from)?, self.located(&reader, to)?);
        let looks = [(from, from_located.as_ref()), (to, to_located.as_ref())];
        let places = self.changed_places(&reader, &present, looks, path)?;
        let (old, old_side) = self.look_at(&reader, &present, looks[0], &places)?;
        let (new, new_side) = self.look_at(&reader, &present, looks[1], &places)?;
        let (before_view, after_view) = (old.view(&from.environment)?, new.view(&to.environment)?);
        let mut changes = Vec::new();
        let mut is_there = path.is_root();
        for place in &places {
            let before = entries_below(&before_view, place);
            let after = entries_below(&after_view, place);
            is_there |= !before.is_empty() || !after.is_empty();
            compare(before, after, &mut changes);
        }
        if !is_there && places.first() == Some(path) {
            let environment = to.environment.clone();
            grant.demand(&environment, path)?;
            return Err(ServiceError::NotFound { path: path.clone(), environment, inherited_from: None });
        }
        let (changes, next) = page.cut(changes, |change| &change.path, EntryChange::bytes);
        Ok(Difference { path: path.clone(), from: old_side, to: new_side, changes, next })
    }

    /// What two versions of an entry say; version 0 is nothing, and so is a delete. Blocks.
    pub fn diff_versions(
        &self,
        grant: &ReadGrant,
        environment: &str,
        path: &Path,
        (from, to): (Option<Version>, Option<Version>),
    ) -> Result<Difference, ServiceError> {
        let named = self.environment(environment)?;
        grant.demand(&named.name, path)?;
        let to = to.unwrap_or_else(|| self.history.last_version(&named.branch, path));
        let from = from.unwrap_or(Version(to.0.saturating_sub(1)));
        let (old, old_side) = self.version_side(grant, &named, path, from)?;
        let (new, new_side) = self.version_side(grant, &named, path, to)?;
        let mut changes = Vec::new();
        let list = |found: Option<FoundEntry>| found.map(|found| (path.clone(), found)).into_iter().collect();
        compare(list(old), list(new), &mut changes);
        Ok(Difference { path: path.clone(), from: old_side, to: new_side, changes, next: None })
    }

    fn version_side(
        &self,
        grant: &ReadGrant,
        environment: &Environment,
        path: &Path,
        version: Version,
    ) -> Result<(Option<FoundEntry>, Side), ServiceError> {
        let side = |sequence, revision| Side {
            environment: environment.name.clone(),
            sequence,
            revision,
            version: Some(version),
        };
        if version.0 == 0 && self.history.last_version(&environment.branch, path).0 > 0 {
            return Ok((None, side(Sequence(0), None)));
        }
        match self.version(grant, &environment.name, path, version) {
            Ok(past) => {
                let side = side(past.record.sequence, Some(past.record.revision));
                let found = FoundEntry::own(environment.name.clone(), past.entry);
                Ok((Some(found), side))
            }
            Err(ServiceError::Gone { .. }) => {
                let record = self.history.version(&environment.branch, path, version)?;
                let sequence = record.as_ref().map(|record| record.sequence).unwrap_or_default();
                Ok((None, side(sequence, record.map(|record| record.revision))))
            }
            Err(other) => Err(other),
        }
    }

    /// The point of a moment, found; none for now.
    fn located(&self, reader: &Reader, moment: &Moment) -> Result<Option<Located>, ServiceError> {
        let Some(point) = &moment.point else { return Ok(None) };
        self.require_history()?;
        self.locate(reader, point).map(Some)
    }

    fn look_at(
        &self,
        reader: &Reader,
        present: &Reading,
        (moment, located): (&Moment, Option<&Located>),
        places: &[Path],
    ) -> Result<(Reading, Side), ServiceError> {
        let reading = match located {
            None => present.clone(),
            Some(located) => {
                let named = (present.environments(), &*moment.environment);
                self.reading_of(present.grant(), reader, located, named, places)?
            }
        };
        reading.view(&moment.environment)?;
        let side = Side {
            environment: moment.environment.clone(),
            sequence: reading.state().sequence,
            revision: reading.revision(&moment.environment),
            version: None,
        };
        Ok((reading, side))
    }

    /// The places at or below a path where the two moments can differ: of the same environment, those whose files
    /// changed; of two environments, all.
    fn changed_places(
        &self,
        reader: &Reader,
        present: &Reading,
        [(from, old), (to, new)]: [(&Moment, Option<&Located>); 2],
        path: &Path,
    ) -> Result<Vec<Path>, ServiceError> {
        let everything = Ok(vec![path.clone()]);
        if from.environment != to.environment || (old.is_none() && new.is_none()) {
            return everything;
        }
        present.view(&from.environment)?;
        let chain: Vec<Environment> = present.environments().chain(&from.environment).cloned().collect();
        let mut places = Vec::new();
        let (old, new) = (self.heads_at(present, old, &chain)?, self.heads_at(present, new, &chain)?);
        for (old, new) in old.into_iter().zip(new) {
            match changed_files(reader, old, new) {
                Ok(files) => places.extend(files.iter().filter_map(|file| place_of(file, path))),
                // Reading it will say what is missing, or that it is too much.
                Err(_) => return everything,
            }
        }
        let outermost = outermost(places);
        if outermost.len() > MOST_PLACES { everything } else { Ok(outermost) }
    }

    /// The heads of a chain of environments at a point that was found, or in the present.
    fn heads_at(
        &self,
        present: &Reading,
        located: Option<&Located>,
        chain: &[Environment],
    ) -> Result<Vec<Option<Revision>>, ServiceError> {
        match located {
            None => Ok(chain.iter().map(|environment| present.revision(&environment.name)).collect()),
            Some(located) => {
                chain.iter().map(|environment| self.located_head(located, &environment.branch)).collect()
            }
        }
    }
}

/// Places of which none is below another: what lies below one is looked at with it.
pub(super) fn outermost(mut places: Vec<Path>) -> Vec<Path> {
    places.sort();
    let mut outermost: Vec<Path> = Vec::new();
    for place in places {
        if !outermost.last().is_some_and(|above| above.is_prefix_of(&place)) {
            outermost.push(place);
        }
    }
    outermost
}

/// The configuration files in which two commits differ.
fn changed_files(
    reader: &Reader,
    old: Option<Revision>,
    new: Option<Revision>,
) -> Result<Vec<String>, ReadError> {
    let tree = |head: Option<Revision>| head.map(|head| Ok(reader.commit(head)?.tree)).transpose();
    let changes = reader.changed_files(tree(old)?, tree(new)?, MOST_FILES)?.files;
    Ok(changes.into_iter().map(|change| change.path).filter(|file| is_configuration(file)).collect())
}

/// Where a file can change what stands at or below a path.
fn place_of(file: &str, path: &Path) -> Option<Path> {
    let base = base_path(file).ok()?;
    if base.is_prefix_of(path) { Some(path.clone()) } else { path.is_prefix_of(&base).then_some(base) }
}

/// All entries that a view shows at or below a path.
pub(super) fn entries_below(view: &View, path: &Path) -> Vec<(Path, FoundEntry)> {
    let mut entries = Vec::new();
    match view.find(path) {
        None => {}
        Some(Found::Entry(found)) => entries.push((path.clone(), found)),
        Some(Found::Object(object)) => {
            object.visit(path, &mut |path, found| {
                entries.push((path.clone(), found.clone()));
                true
            });
        }
    }
    entries
}

/// Adds what differs between two lists that are sorted by path.
pub(super) fn compare(
    old: Vec<(Path, FoundEntry)>,
    new: Vec<(Path, FoundEntry)>,
    changes: &mut Vec<EntryChange>,
) {
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let Some(path) = before.as_ref().or(after.as_ref()).map(|(path, _)| path.clone()) else { return };
        let (old, new) = (before.map(|(_, found)| found), after.map(|(_, found)| found));
        let is_same = matches!((&old, &new), (Some(old), Some(new)) if old.entry.same_value(&new.entry));
        if !is_same {
            changes.push(EntryChange { path, old, new });
        }
    }
}
