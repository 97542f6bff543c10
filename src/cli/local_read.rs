use serde_json::value::RawValue;

use super::CliError;
use super::local::Local;
use crate::client::{ListItem, Listing, Moment, Node, Place};
use crate::model::{Diagnostic, Path, Version};
use crate::resolve::{Found, FoundEntry};
use crate::service::{EntryDetails, Point, Reading, VersionValue, WriteState};
use crate::wire::{Children, Entry, EnvironmentStatus, HistoryItem, Json, Parts, ProblemItem, Status};

impl Local {
    /// What stands at a path.
    pub fn node(&self, place: &Place, moment: &Moment) -> Result<Node, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        if let Moment::Version(version) = moment {
            let past =
                self.project.core().version(&self.grant(), &environment, &place.path, Version(*version))?;
            let found = FoundEntry { origin: environment.clone(), entry: past.entry.clone(), own: true };
            return Ok(Node::Entry(Box::new(entry(
                &environment,
                &place.path,
                &found,
                EntryDetails::default(),
            ))));
        }
        let reading = self.reading(moment, &environment, &place.path)?;
        Ok(match reading.find(&environment, &place.path)? {
            Found::Entry(found) => {
                let details = reading.details(&environment, &place.path);
                Node::Entry(Box::new(entry(&environment, &place.path, &found, details)))
            }
            Found::Object(object) => {
                let names = object.members().map(|(name, _)| name.to_string());
                let children = names.filter(|name| is_shown(&place.path, name)).collect();
                Node::Object(Children { path: place.path.to_string(), children })
            }
        })
    }

    /// All entries below a path.
    pub fn entries(&self, place: &Place, moment: &Moment) -> Result<Vec<Entry>, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let reading = self.reading(moment, &environment, &place.path)?;
        let mut entries = Vec::new();
        let mut add = |path: &Path, found: &FoundEntry| {
            let first = path.segments().next().unwrap_or_default();
            if is_shown(&place.path, &first) {
                entries.push(entry(&environment, path, found, reading.details(&environment, path)));
            }
            true
        };
        match reading.find(&environment, &place.path)? {
            Found::Entry(found) => drop(add(&place.path, &found)),
            Found::Object(object) => drop(object.visit(&place.path, &mut add)),
        }
        Ok(entries)
    }

    /// The bare value at a path.
    pub fn value(&self, place: &Place, moment: &Moment) -> Result<Json, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let reading = self.reading(moment, &environment, &place.path)?;
        Ok(match reading.find(&environment, &place.path)? {
            Found::Entry(found) => raw(found.entry.json()),
            Found::Object(object) => raw(&self.project.core().object_json(&place.path, &object)),
        })
    }

    /// The names right below a path.
    pub fn list(&self, place: &Place) -> Result<Listing, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let mut entries = Vec::new();
        if let Found::Object(object) =
            self.reading(&Moment::Now, &environment, &place.path)?.find(&environment, &place.path)?
        {
            for (name, found) in object.members().filter(|(name, _)| is_shown(&place.path, name)) {
                let Ok(path) = place.path.child(&name) else { continue };
                let (kind, version) = match &found {
                    Found::Entry(found) => ("entry", found.entry.version().map(|version| version.0)),
                    Found::Object(_) => ("object", None),
                };
                entries.push(ListItem {
                    name: name.to_string(),
                    path: path.to_string(),
                    kind: kind.to_owned(),
                    version,
                });
            }
        }
        Ok(Listing { path: place.path.to_string(), entries })
    }

    /// At most so many versions of an entry, newest first.
    pub fn history(&self, place: &Place, most: usize) -> Result<Vec<HistoryItem>, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let page = self.project.core().history(&self.grant(), &environment, &place.path, None, most)?;
        Ok(page.versions.into_iter().map(history_item).collect())
    }

    /// How the project is.
    pub fn status(&self) -> Status {
        let status = self.project.status(&self.grant());
        let (writable, reason) = match status.health.writes {
            WriteState::Possible => (status.health.history_ready, None),
            WriteState::Failing(reason) | WriteState::Broken(reason) => (false, Some(reason)),
        };
        let environments = status.branches.iter().map(|branch| EnvironmentStatus {
            name: branch.environment.to_string(),
            branch: branch.branch.to_string(),
            inherits: branch.inherits.as_ref().map(ToString::to_string),
            revision: branch.head.map(|head| head.to_string()),
            entries: branch.entries,
            files: branch.files,
            degraded: !branch.problems.is_empty(),
            problems: branch.problems.iter().map(problem_item).collect(),
        });
        let dir = &self.project.core().dir;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            project: dir
                .file_name()
                .map_or_else(|| dir.to_string_lossy(), |name| name.to_string_lossy())
                .into_owned(),
            sequence: status.sequence.0,
            oldest_sequence: status.oldest_sequence.0,
            writable,
            reason,
            parts: Parts {
                index: "ready".to_owned(),
                history: if status.health.history_ready { "ready" } else { "rebuilding" }.to_owned(),
                history_covered: status.health.history_covered.0,
                waiting_writes: status.health.waiting_writes,
            },
            environments: environments.collect(),
        }
    }

    fn reading(&self, moment: &Moment, environment: &str, path: &Path) -> Result<Reading, CliError> {
        let core = self.project.core();
        match moment {
            Moment::Now => Ok(core.reading(&self.grant())),
            Moment::At(point) => {
                Ok(core.reading_at(&self.grant(), &Point::parse(point), environment, path)?)
            }
            Moment::Version(_) => Err(CliError::Usage(
                "a version belongs to one entry: an object as it was has --at".to_owned(),
            )),
        }
    }
}

/// At the root, confgit's own files are left out, as the API does.
fn is_shown(at: &Path, name: &str) -> bool {
    !(at.is_root() && name == ".confgit")
}

/// An entry as `/api/config` shows it.
fn entry(environment: &str, path: &Path, found: &FoundEntry, details: EntryDetails) -> Entry {
    let stamp = found.entry.stamp();
    let json = |text: String| RawValue::from_string(text).ok();
    let is_bytes = found.entry.kind() == crate::snapshot::EntryKind::Bytes;
    Entry {
        path: path.to_string(),
        value: raw(found.entry.json()),
        encoding: is_bytes.then(|| "base64".to_owned()),
        version: stamp.map(|stamp| stamp.version.0),
        revision: stamp.map(|stamp| stamp.origin.revision.to_string()),
        sequence: stamp.map(|stamp| stamp.origin.sequence.0),
        origin: found.origin.to_string(),
        env: environment.to_owned(),
        updated_at: stamp.map(|stamp| stamp.origin.time.to_string()),
        updated_by: stamp.map(|stamp| stamp.origin.account.to_string()),
        description: details.description.and_then(json),
        owner: details.owner.and_then(json),
        schema: details.schema.and_then(json),
    }
}

fn history_item(version: VersionValue) -> HistoryItem {
    let record = version.record;
    HistoryItem {
        version: record.version.0,
        value: version.json.map_or_else(|| RawValue::NULL.to_owned(), |json| raw(&json)),
        encoding: version.is_bytes.then(|| "base64".to_owned()),
        deleted: record.deleted,
        revision: record.revision.to_string(),
        sequence: record.sequence.0,
        updated_at: record.time.to_string(),
        updated_by: record.account.to_string(),
        message: version.message,
    }
}

fn problem_item(diagnostic: &Diagnostic) -> ProblemItem {
    ProblemItem {
        path: diagnostic.path.as_ref().map(ToString::to_string),
        env: None,
        file: diagnostic.file.clone(),
        line: diagnostic.position.map(|position| position.line),
        column: diagnostic.position.map(|position| position.column),
        rule: Some(diagnostic.rule.name().to_owned()),
        message: diagnostic.message.clone(),
    }
}

/// A JSON text of ours as a raw value.
fn raw(json: &[u8]) -> Json {
    RawValue::from_string(String::from_utf8_lossy(json).into_owned())
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}
