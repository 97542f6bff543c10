use std::collections::HashMap;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::load::{Loader, Scope};
use super::project::Core;
use super::read::{EntryDetails, Reading, details_in};
use super::{ServiceError, replay};
use crate::auth::ReadGrant;
use crate::git::Reader;
use crate::history::VersionRecord;
use crate::index::{Branch, State};
use crate::model::{Environment, ObjectId, Path, Revision, Sequence, Timestamp, Version};
use crate::snapshot::{Entry, EntryKind, Snapshot, Stamp, metadata_path};

/// How many entries of old snapshots are kept, over all paths.
const CACHED_ENTRIES: u64 = 200_000;

/// Parts of old commits that were read lately.
pub(super) struct PastCache(Cache<(Revision, Path), Arc<Snapshot>, ByEntries>);

#[derive(Debug, Clone)]
struct ByEntries;

impl quick_cache::Weighter<(Revision, Path), Arc<Snapshot>> for ByEntries {
    fn weight(&self, _: &(Revision, Path), snapshot: &Arc<Snapshot>) -> u64 {
        snapshot.root().entries() as u64 + 1
    }
}

impl Default for PastCache {
    fn default() -> Self {
        PastCache(Cache::with_weighter(1_000, CACHED_ENTRIES, ByEntries))
    }
}

/// A moment in the life of a project, as `at=` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// After this change set.
    Sequence(Sequence),
    /// At this moment.
    Time(Timestamp),
    /// At this commit.
    Commit(Revision),
    /// At the commit that a tag names.
    Tag(String),
}

impl Point {
    /// Reads `at=`: a number is a sequence, 40 hexadecimal digits are a commit, RFC 3339 is a time, anything
    /// else is the name of a tag.
    ///
    /// ```
    /// use confgit::service::Point;
    /// assert!(matches!(Point::parse("42"), Point::Sequence(_)));
    /// assert!(matches!(Point::parse("2026-01-31T12:00:00Z"), Point::Time(_)));
    /// assert!(matches!(Point::parse("v1.2"), Point::Tag(_)));
    /// ```
    pub fn parse(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Point::Sequence(Sequence(number));
        }
        if let Ok(id) = text.parse::<ObjectId>() {
            return Point::Commit(id);
        }
        match text.parse() {
            Ok(time) => Point::Time(time),
            Err(_) => Point::Tag(text.to_owned()),
        }
    }
}

/// A change set, and the branch that is to be seen at a commit of its own.
type Located = (Sequence, Option<(Arc<str>, Revision)>);

/// An entry as it was in one version.
#[derive(Debug, Clone)]
pub struct PastEntry {
    /// The entry, with the version's stamp.
    pub entry: Arc<Entry>,
    /// What described it then.
    pub details: EntryDetails,
    /// The version's record.
    pub record: VersionRecord,
}

/// One line of a path's history.
#[derive(Debug, Clone)]
pub struct VersionValue {
    /// The version.
    pub record: VersionRecord,
    /// Its value as JSON; none for a delete.
    pub json: Option<bytes::Bytes>,
    /// Whether the JSON is base64 of bytes.
    pub is_bytes: bool,
    /// What the commit says, without trailers.
    pub message: String,
}

/// A page of history, newest first.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The versions.
    pub versions: Vec<VersionValue>,
    /// The version below which the next page begins; none at the end.
    pub next: Option<Version>,
}

impl Core {
    /// The project around a path as it was at a point. Blocks.
    pub fn reading_at(
        &self,
        _grant: &ReadGrant,
        point: &Point,
        path: &Path,
    ) -> Result<Reading, ServiceError> {
        self.require_history()?;
        let reader = self.repository.reader();
        let (sequence, pinned) = self.locate(&reader, point)?;
        let state = self.index.snapshot();
        let mut branches = HashMap::new();
        for environment in state.environments.iter() {
            let branch = &environment.branch;
            let head = match &pinned {
                Some((other, commit)) if other == branch => Some(*commit),
                _ => self.history.head_at(branch, sequence)?,
            };
            let snapshot = match head {
                Some(head) => self.past_snapshot(&reader, head, path, branch, sequence)?,
                None => Arc::default(),
            };
            branches.insert(branch.clone(), Branch { head, snapshot });
        }
        Ok(Reading::of(State::new(sequence, state.environments.clone(), branches)))
    }

    /// The change set that a point names, and for a commit the branch that is pinned to it.
    fn locate(
        &self,
        reader: &Reader,
        point: &Point,
    ) -> Result<Located, ServiceError> {
        let newest = self.history.covered();
        match point {
            Point::Sequence(sequence) if *sequence <= newest => Ok((*sequence, None)),
            Point::Sequence(sequence) => {
                let reason = format!("there is no change set {sequence} yet; the newest is {newest}");
                Err(ServiceError::NoSuchPoint { reason })
            }
            Point::Time(time) => match self.history.sequence_at(*time)? {
                Sequence(0) => {
                    let reason = format!("{time} is before the first change set of this project");
                    Err(ServiceError::NoSuchPoint { reason })
                }
                sequence => Ok((sequence, None)),
            },
            Point::Commit(id) => self.locate_commit(reader, *id),
            Point::Tag(name) => match self.repository.find_ref(&format!("refs/tags/{name}"))?.id() {
                Some(id) => {
                    let commit = reader.peel_to_commit(id).map_err(|_| ServiceError::NoSuchPoint {
                        reason: format!("the tag `{name}` does not name a commit"),
                    })?;
                    self.locate_commit(reader, commit.id)
                }
                None => {
                    let reason = format!(
                        "`{name}` is no change set, commit, tag or time: write a sequence number, 40 hexadecimal digits, the name of a tag, or RFC 3339"
                    );
                    Err(ServiceError::NoSuchPoint { reason })
                }
            },
        }
    }

    fn locate_commit(
        &self,
        reader: &Reader,
        id: Revision,
    ) -> Result<Located, ServiceError> {
        let unknown =
            || ServiceError::NoSuchPoint { reason: format!("the commit {id} is not in this project") };
        let commit = reader.commit(id).map_err(|_| unknown())?;
        // The change set was accepted in the second that the commit names, or, for pushed commits, later.
        let mut sequence = self.history.sequence_at(Timestamp::from_millis(commit.time.as_millis() + 999))?;
        while let Some(change_set) = self.history.change_set(sequence)? {
            if change_set.moves.iter().any(|step| step.new == Some(id)) {
                return Ok((sequence, None));
            }
            if change_set.time.as_seconds() < commit.time.as_seconds() {
                break;
            }
            sequence = Sequence(sequence.0 - 1);
        }
        self.locate_pushed(reader, id).and_then(|found| found.ok_or_else(unknown))
    }

    /// Finds a commit that is no branch's head after any change set: one in the middle of a push.
    fn locate_pushed(
        &self,
        reader: &Reader,
        id: Revision,
    ) -> Result<Option<Located>, ServiceError> {
        let mut sequence = self.history.covered();
        while let Some(change_set) = self.history.change_set(sequence)? {
            for step in &change_set.moves {
                let Some(new) = step.new else { continue };
                if replay::first_parent_chain(reader, step.old, new)?.contains(&id) {
                    return Ok(Some((sequence, Some((step.branch.clone(), id)))));
                }
            }
            sequence = Sequence(sequence.0 - 1);
        }
        Ok(None)
    }

    fn past_snapshot(
        &self,
        reader: &Reader,
        commit: Revision,
        path: &Path,
        branch: &str,
        sequence: Sequence,
    ) -> Result<Arc<Snapshot>, ServiceError> {
        let loaded = self.loaded(reader, commit, path)?;
        let mut failure = None;
        let stamped = loaded.restamped(&mut |path| match self.history.as_of(branch, path, sequence) {
            Ok(record) => record.map(|record| stamp_of(&record)),
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(Arc::new(stamped)),
        }
    }

    fn loaded(&self, reader: &Reader, commit: Revision, path: &Path) -> Result<Arc<Snapshot>, ServiceError> {
        let key = (commit, path.clone());
        if let Some(snapshot) = self.past.0.get(&key) {
            return Ok(snapshot);
        }
        let loader = Loader { reader, limits: &self.settings.limits };
        // What describes an entry is as old as the entry.
        let mut paths = vec![path.clone()];
        paths.extend(metadata_path(path));
        let snapshot = Arc::new(loader.load(commit, Scope::Around(&paths))?);
        self.past.0.insert(key, snapshot.clone());
        Ok(snapshot)
    }

    /// One version of an entry in the layer of an environment. Blocks.
    pub fn version(
        &self,
        _grant: &ReadGrant,
        environment: &str,
        path: &Path,
        version: Version,
    ) -> Result<PastEntry, ServiceError> {
        self.require_history()?;
        let environment = self.environment(environment)?;
        let Some(record) = self.history.version(&environment.branch, path, version)? else {
            let newest = self.history.last_version(&environment.branch, path);
            if newest.0 == 0 {
                return Err(self.not_in_layer(&environment, path));
            }
            let environment = environment.name.clone();
            return Err(ServiceError::NoVersion { path: path.clone(), environment, version, newest });
        };
        if record.deleted {
            return Err(ServiceError::Gone { path: path.clone(), version });
        }
        let reader = self.repository.reader();
        let snapshot = self.loaded(&reader, record.revision, path)?;
        let Some(entry) = snapshot.entry(path) else {
            let reason = format!("commit {} no longer shows {path}", record.revision);
            return Err(ServiceError::NoSuchPoint { reason });
        };
        let entry = Arc::new(Entry::clone(&entry).stamped(stamp_of(&record)));
        Ok(PastEntry { entry, details: details_in(&snapshot, path), record })
    }

    /// The versions of an entry in the layer of an environment, newest first. Blocks.
    pub fn history(
        &self,
        _grant: &ReadGrant,
        environment: &str,
        path: &Path,
        below: Option<Version>,
        limit: usize,
    ) -> Result<HistoryPage, ServiceError> {
        self.require_history()?;
        let environment = self.environment(environment)?;
        let records = self.history.versions(&environment.branch, path, below, limit)?;
        if records.is_empty() && self.history.last_version(&environment.branch, path).0 == 0 {
            return Err(self.not_in_layer(&environment, path));
        }
        let reader = self.repository.reader();
        let next = records.last().filter(|last| last.version.0 > 1).map(|last| last.version);
        let versions = records.into_iter().map(|record| {
            let entry =
                if record.deleted { None } else { self.loaded(&reader, record.revision, path)?.entry(path) };
            let message = plain_message(&reader.commit(record.revision)?.message);
            let is_bytes = entry.as_ref().is_some_and(|entry| entry.kind() == EntryKind::Bytes);
            Ok(VersionValue { json: entry.map(|entry| entry.json().clone()), is_bytes, message, record })
        });
        Ok(HistoryPage { versions: versions.collect::<Result<_, ServiceError>>()?, next })
    }

    fn require_history(&self) -> Result<(), ServiceError> {
        if self.history_ready() { Ok(()) } else { Err(ServiceError::NotReady { part: "the history index" }) }
    }

    pub(super) fn environment(&self, name: &str) -> Result<Environment, ServiceError> {
        let state = self.index.load();
        let found = state.environments.get(name).cloned();
        found.ok_or_else(|| ServiceError::unknown_environment(&state.environments, name))
    }

    /// The error for a path that the layer never had, naming where the value comes from.
    fn not_in_layer(&self, environment: &Environment, path: &Path) -> ServiceError {
        let state = self.index.load();
        let inherited_from = match state.view(&environment.name).and_then(|view| view.find(path)) {
            Some(crate::resolve::Found::Entry(found)) if !found.own => Some(found.origin),
            _ => None,
        };
        ServiceError::NotFound { path: path.clone(), environment: environment.name.clone(), inherited_from }
    }
}

fn stamp_of(record: &VersionRecord) -> Stamp {
    let origin = crate::snapshot::Origin {
        sequence: record.sequence,
        revision: record.revision,
        time: record.time,
        account: record.account.clone(),
    };
    Stamp { version: record.version, origin: Arc::new(origin) }
}

/// A commit message without its last paragraph, where that is confgit's trailers.
fn plain_message(message: &str) -> String {
    let message = message.trim_end();
    match message.rsplit_once("\n\n") {
        Some((text, trailers))
            if trailers
                .lines()
                .all(|line| line.starts_with("Account: ") || line.starts_with("Request-Id: ")) =>
        {
            text.to_owned()
        }
        _ => message.to_owned(),
    }
}
