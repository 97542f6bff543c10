use super::CliError;
use super::local::Local;
use crate::client::{Listing, Moment, Node, Place};
use crate::model::{Path, Version};
use crate::present;
use crate::resolve::{Found, FoundEntry};
use crate::service::{Point, Reading};
use crate::wire::{Children, Entry, Explanation, HistoryItem, Json, Status};

impl Local {
    /// What stands at a path.
    pub fn node(&self, place: &Place, moment: &Moment) -> Result<Node, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        if let Moment::Version(version) = moment {
            let past =
                self.project.core().version(&self.grant(), &environment, &place.path, Version(*version))?;
            let found = FoundEntry { origin: environment.clone(), entry: past.entry.clone(), own: true };
            return Ok(Node::Entry(Box::new(present::entry(
                &environment,
                &place.path,
                &found,
                past.details,
            ))));
        }
        let reading = self.reading(moment, &environment, &place.path)?;
        Ok(match reading.find(&environment, &place.path)? {
            Found::Entry(found) => {
                let details = reading.details(&environment, &place.path);
                Node::Entry(Box::new(present::entry(&environment, &place.path, &found, details)))
            }
            Found::Object(object) => {
                let names = object.members().map(|(name, _)| name.to_string());
                let children = names.filter(|name| present::is_shown(&place.path, name)).collect();
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
            if present::is_shown(&place.path, &first) {
                let details = reading.details(&environment, path);
                entries.push(present::entry(&environment, path, found, details));
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
            Found::Entry(found) => present::raw(found.entry.json()),
            Found::Object(object) => present::raw(&self.project.core().object_json(&place.path, &object)),
        })
    }

    /// The names right below a path.
    pub fn list(&self, place: &Place, moment: &Moment) -> Result<Listing, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let reading = self.reading(moment, &environment, &place.path)?;
        let found = reading.find(&environment, &place.path)?;
        let object = match &found {
            Found::Object(object) => Some(object),
            Found::Entry(_) => None,
        };
        Ok(present::listing(&place.path, object, None, usize::MAX))
    }

    /// At most so many versions of an entry, or of what is below an object, newest first.
    pub fn history(&self, place: &Place, most: usize) -> Result<Vec<HistoryItem>, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let core = self.project.core();
        if core.is_object_history(&environment, &place.path)? {
            let page = core.object_history(&self.grant(), &environment, &place.path, None, most)?;
            let items = page.versions.into_iter();
            return Ok(items.map(|(path, version)| present::history_item(version, Some(&path))).collect());
        }
        let page = core.history(&self.grant(), &environment, &place.path, None, most)?;
        Ok(page.versions.into_iter().map(|version| present::history_item(version, None)).collect())
    }

    /// Why an environment shows what it shows at a path.
    pub fn explain(&self, place: &Place, at: Option<&str>) -> Result<Explanation, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let moment = at.map_or(Moment::Now, |at| Moment::At(at.to_owned()));
        let reading = self.reading(&moment, &environment, &place.path)?;
        let explained = self.project.core().explain(&self.grant(), &reading, &environment, &place.path)?;
        Ok(present::explanation(&explained))
    }

    /// How the project is.
    pub fn status(&self) -> Status {
        present::status(&self.project.status(&self.grant()), &self.name())
    }

    pub(super) fn reading(
        &self,
        moment: &Moment,
        environment: &str,
        path: &Path,
    ) -> Result<Reading, CliError> {
        let core = self.project.core();
        match moment {
            Moment::Now => Ok(core.reading(&self.grant())),
            Moment::At(point) => Ok(core.reading_at(
                &self.grant(),
                &Point::parse(point),
                environment,
                std::slice::from_ref(path),
            )?),
            Moment::Version(_) => Err(CliError::Usage(
                "a version belongs to one entry: an object as it was has --at".to_owned(),
            )),
        }
    }
}
