mod objects;
mod point;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use super::ServiceError;
use super::core::Core;
use super::load::{Loader, Scope};
use super::page::PageRoom;
use super::read::{EntryDetails, Reading, details_in};
use super::trailers::is_read_again;
use crate::auth::ReadGrant;
use crate::git::{ReadError, Reader};
use crate::history::{HistoryError, VersionRecord};
use crate::index::{Branch, State};
use crate::model::{Environment, Environments, Path, Revision, Sequence, Version};
use crate::resolve::Found;
use crate::snapshot::{Entry, EntryKind, Snapshot, Stamp, metadata_path};
use crate::telemetry::Phase;

pub(super) use objects::MOST_SCANNED;
pub use objects::ObjectHistoryPage;
pub(super) use point::Located;
pub use point::Point;

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
    /// Its value as JSON; none for a delete, and for a version whose commit was pruned.
    pub json: Option<bytes::Bytes>,
    /// Whether the JSON is base64 of bytes.
    pub is_bytes: bool,
    /// What the commit says, without trailers; empty when it was pruned.
    pub message: String,
}

impl VersionValue {
    fn bytes(&self) -> usize {
        self.json.as_ref().map_or(0, bytes::Bytes::len)
    }
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
    /// What an environment was around some paths at a point. Nothing else is read: of the environments, the
    /// reading knows this one and those it inherits from. Blocks.
    pub fn reading_at(
        &self,
        grant: &ReadGrant,
        point: &Point,
        environment: &str,
        paths: &[Path],
    ) -> Result<Reading, ServiceError> {
        self.require_history()?;
        let reader = self.repository.reader();
        let located = self.locate(&reader, point)?;
        self.reading_of(grant, &reader, &located, (&self.environments(), environment), paths)
    }

    /// The same at a point that was found, of these environments.
    pub(super) fn reading_of(
        &self,
        grant: &ReadGrant,
        reader: &Reader,
        located: &Located,
        (environments, environment): (&Environments, &str),
        paths: &[Path],
    ) -> Result<Reading, ServiceError> {
        let unknown = || ServiceError::unknown_environment(environments, environment);
        let asked = environments.get(environment).ok_or_else(unknown)?;
        let sequence = located.sequence;
        let chain: Vec<Environment> = environments.chain(&asked.name).cloned().collect();
        let mut branches = HashMap::new();
        let none = HashSet::new();
        for Environment { branch, .. } in &chain {
            let (head, unmade) = match located.pins.get(branch) {
                Some(pin) => (Some(pin.head), &pin.unmade),
                None => (self.history.head_at(branch, sequence)?, &none),
            };
            let snapshot = match head {
                Some(head) => self.past_snapshot(reader, (head, paths), (branch, sequence, unmade))?,
                None => Arc::default(),
            };
            branches.insert(branch.clone(), Branch { head, snapshot, ..Branch::default() });
        }
        // A chain of environments that were checked is itself one; and nothing but the chain may be shown.
        let rules = environments.rules().clone();
        let environments = Environments::new(chain, &asked.name)
            .map_err(|error| std::io::Error::other(error.to_string()))?
            .with_rules(rules);
        Ok(Reading::of(State::new(sequence, Arc::new(environments), branches), grant))
    }

    /// What a commit holds around a path, stamped with what its branch says of it after a change set, the
    /// commits that are not made yet left aside.
    fn past_snapshot(
        &self,
        reader: &Reader,
        (commit, paths): (Revision, &[Path]),
        (branch, sequence, unmade): (&str, Sequence, &HashSet<Revision>),
    ) -> Result<Arc<Snapshot>, ServiceError> {
        let loaded =
            self.loaded(reader, commit, paths).map_err(|error| match (error, self.history.base()) {
                // History was cut since it was looked up.
                (ReadError::Missing { .. }, Some(oldest)) if sequence < oldest => {
                    ServiceError::NotKept { what: format!("change set {sequence}"), oldest }
                }
                (ReadError::Missing { .. }, _) => ServiceError::NoSuchPoint {
                    reason: format!("the commit {commit} of {branch} was pruned from the repository"),
                },
                (other, _) => other.into(),
            })?;
        let mut failure = None;
        let stamped =
            loaded.restamped(&mut |path| match self.history.as_of(branch, path, sequence, unmade) {
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

    /// What a commit holds around some paths, and what describes them there.
    pub(super) fn loaded(
        &self,
        reader: &Reader,
        commit: Revision,
        paths: &[Path],
    ) -> Result<Arc<Snapshot>, ReadError> {
        let is_whole = paths.iter().any(Path::is_root);
        let _alone = is_whole.then(|| self.whole_loads.lock().unwrap_or_else(PoisonError::into_inner));
        // What is asked for by many paths at once is hardly asked for again.
        let [path] = paths else { return self.load_around(reader, commit, paths) };
        if let Some(snapshot) = self.past.get(commit, path) {
            return Ok(snapshot);
        }
        let begun = std::time::Instant::now();
        let snapshot = self.load_around(reader, commit, paths)?;
        self.metrics.took(Phase::PastLoad, begun.elapsed());
        self.past.insert(commit, path, snapshot.clone());
        Ok(snapshot)
    }

    fn load_around(
        &self,
        reader: &Reader,
        commit: Revision,
        paths: &[Path],
    ) -> Result<Arc<Snapshot>, ReadError> {
        let limits = self.limits();
        let loader = Loader { reader, limits: &limits };
        // What describes an entry is as old as the entry.
        let described = paths.iter().filter_map(|path| metadata_path(path).ok());
        let all: Vec<Path> = paths.iter().cloned().chain(described).collect();
        Ok(Arc::new(loader.load(commit, Scope::Around(&all))?))
    }

    /// One version of an entry in the layer of an environment. Blocks.
    pub fn version(
        &self,
        grant: &ReadGrant,
        environment: &str,
        path: &Path,
        version: Version,
    ) -> Result<PastEntry, ServiceError> {
        self.require_history()?;
        let environment = self.environment(environment)?;
        grant.demand(&environment.name, path)?;
        let found =
            self.history.version(&environment.branch, path, version).map_err(|error| match error {
                HistoryError::Pruned { .. } => ServiceError::Pruned { path: path.clone(), version },
                HistoryError::Io(error) => error.into(),
            })?;
        let Some(record) = found else {
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
        let snapshot =
            self.loaded(&reader, record.held_by, std::slice::from_ref(path)).map_err(
                |error| match error {
                    ReadError::Missing { .. } => ServiceError::Pruned { path: path.clone(), version },
                    other => other.into(),
                },
            )?;
        let Some(entry) = snapshot.entry(path) else {
            let reason = format!("commit {} no longer shows {path}", record.held_by);
            return Err(ServiceError::NoSuchPoint { reason });
        };
        let entry = Arc::new(Entry::clone(&entry).stamped(stamp_of(&record)));
        Ok(PastEntry { entry, details: details_in(&snapshot, path), record })
    }

    /// The versions of an entry in the layer of an environment, newest first. Blocks.
    pub fn history(
        &self,
        grant: &ReadGrant,
        environment: &str,
        path: &Path,
        below: Option<Version>,
        limit: usize,
    ) -> Result<HistoryPage, ServiceError> {
        self.require_history()?;
        let environment = self.environment(environment)?;
        grant.demand(&environment.name, path)?;
        let records = self.history.versions(&environment.branch, path, below, limit)?;
        if records.is_empty() && self.history.last_version(&environment.branch, path).0 == 0 {
            return Err(self.not_in_layer(&environment, path));
        }
        let reader = self.repository.reader();
        let (mut versions, mut room) = (Vec::new(), PageRoom::default());
        for record in records {
            let value = self.value_of(grant, &reader, path, record)?;
            if !room.takes(value.bytes()) {
                break;
            }
            versions.push(value);
        }
        let next = versions.last().map(|last| &last.record).filter(|last| !last.is_oldest);
        Ok(HistoryPage { next: next.map(|last| last.version), versions })
    }

    /// What a version says; of one that was pruned, nothing but that it was.
    fn value_of(
        &self,
        grant: &ReadGrant,
        reader: &Reader,
        path: &Path,
        record: VersionRecord,
    ) -> Result<VersionValue, ServiceError> {
        let snapshot = if record.deleted {
            None
        } else {
            unless_pruned(self.loaded(reader, record.held_by, std::slice::from_ref(path)))?
        };
        let entry = snapshot.and_then(|snapshot| snapshot.entry(path));
        // Where another commit holds the value, its own is not kept, or only until it is taken away.
        let is_kept = record.held_by == record.revision;
        let commit = if is_kept { unless_pruned(reader.commit(record.revision))? } else { None };
        let message = match commit {
            Some(commit) if self.may_be_told(grant, record.sequence, record.revision)? => {
                plain_message(&commit.message)
            }
            _ => String::new(),
        };
        let is_bytes = entry.as_ref().is_some_and(|entry| entry.kind() == EntryKind::Bytes);
        Ok(VersionValue { json: entry.map(|entry| entry.json().clone()), is_bytes, message, record })
    }

    pub(super) fn require_history(&self) -> Result<(), ServiceError> {
        if self.history_ready() { Ok(()) } else { Err(ServiceError::NotReady { part: "the history index" }) }
    }

    pub(super) fn environment(&self, name: &str) -> Result<Environment, ServiceError> {
        let state = self.index.load();
        let found = state.environments.get(name).cloned();
        found.ok_or_else(|| ServiceError::unknown_environment(&state.environments, name))
    }

    /// The error for a path that the layer never had, naming where the value comes from.
    pub(super) fn not_in_layer(&self, environment: &Environment, path: &Path) -> ServiceError {
        let state = self.index.load();
        let inherited_from = match state.view(&environment.name).and_then(|view| view.find(path)) {
            Some(Found::Entry(found)) if !found.own => Some(found.origin),
            Some(Found::Object(_)) => {
                return ServiceError::NoEntry { path: path.clone(), environment: environment.name.clone() };
            }
            _ => None,
        };
        ServiceError::NotFound { path: path.clone(), environment: environment.name.clone(), inherited_from }
    }
}

/// What was read; none where somebody pruned it from the repository.
pub(super) fn unless_pruned<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ReadError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn stamp_of(record: &VersionRecord) -> Stamp {
    let origin = crate::snapshot::Origin {
        sequence: record.sequence,
        revision: record.revision,
        time: record.time,
        account: record.account.clone(),
    };
    Stamp { version: record.version, origin: Arc::new(origin) }
}

/// A commit message without its last paragraph, where that is confgit's trailers.
pub(super) fn plain_message(message: &str) -> String {
    let message = message.trim_end();
    match message.rsplit_once("\n\n") {
        Some((text, trailers)) if trailers.lines().all(is_trailer) => text.to_owned(),
        _ => message.to_owned(),
    }
}

fn is_trailer(line: &str) -> bool {
    line.starts_with("Account: ") || line.starts_with("Request-Id: ") || is_read_again(line)
}
