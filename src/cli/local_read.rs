use super::CliError;
use super::local::Local;
use crate::auth::SecretGrant;
use crate::bundle::BundleFormat;
use crate::client::{Export, Listing, Moment, Node, Place};
use crate::document::{self, Format};
use crate::model::{Path, Value, Version};
use crate::present;
use crate::resolve::{Found, FoundEntry};
use crate::service::{Bundle, Content, Point, Reading, Wanted};
use crate::wire::{Children, Entry, Explanation, HistoryItem, Json, Status};

impl Local {
    /// What stands at a path.
    pub fn node(&self, place: &Place, moment: &Moment) -> Result<Node, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        if let Moment::Version(version) = moment {
            let past =
                self.project.core().version(&self.grant(), &environment, &place.path, Version(*version))?;
            let found = FoundEntry::own(environment.clone(), past.entry.clone());
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

    /// The bare value at a path, as services read it.
    pub fn value(&self, place: &Place, moment: &Moment) -> Result<Json, CliError> {
        self.finished(place, moment, true)
    }

    fn finished(&self, place: &Place, moment: &Moment, with_secrets: bool) -> Result<Json, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        // What references name may stand anywhere.
        let reading = self.reading(moment, &environment, &Path::root())?;
        let core = self.project.core();
        let wanted = Wanted { environment, layer_only: false, path: place.path.clone() };
        let mut value = core.resolved(&reading, &wanted)?;
        if let Content::Withheld(secrets) = &value.content {
            if !with_secrets {
                return Err(core.withheld_keys(&reading, &wanted)?.into());
            }
            let secrets = secrets.clone();
            value = core.revealed(&SecretGrant::local(), &reading, &wanted, &secrets)?;
        }
        match value.content {
            Content::Plain(body) => Ok(present::raw(&body.json)),
            Content::Revealed(revealed) => Ok(present::raw(&revealed.expose().0)),
            Content::Withheld(_) => {
                Err(CliError::Failed("the secrets changed meanwhile; try again".to_owned()))
            }
        }
    }

    /// All that services read below a path, as one text for another tool.
    pub fn export(&self, place: &Place, wanted: &Export) -> Result<Vec<u8>, CliError> {
        let format = match wanted.format {
            "env" => BundleFormat::Env,
            "properties" => BundleFormat::Properties,
            "k8s-configmap" => BundleFormat::ConfigMap,
            "k8s-secret" => BundleFormat::Secret,
            _ if wanted.name.is_some() => return Err(no_name()),
            document => return self.document(place, wanted, document),
        };
        if wanted.name.is_some() && !matches!(format, BundleFormat::ConfigMap | BundleFormat::Secret) {
            return Err(no_name());
        }
        self.bundle(place, wanted, (format, wanted.with_secrets))
    }

    fn bundle(
        &self,
        place: &Place,
        wanted: &Export,
        (format, with_secrets): (BundleFormat, bool),
    ) -> Result<Vec<u8>, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let reading = self.reading(&wanted.moment, &environment, &Path::root())?;
        let core = self.project.core();
        let (of_path, name) =
            (Wanted { environment, layer_only: false, path: place.path.clone() }, wanted.name.as_deref());
        match core.bundle(&reading, (&of_path, name), format)? {
            Bundle::Text(text) => Ok(text.into_bytes()),
            Bundle::Withheld(_) if !with_secrets => Err(core.withheld_keys(&reading, &of_path)?.into()),
            Bundle::Withheld(secrets) => {
                let grant = SecretGrant::local();
                let text = core.revealed_bundle(&grant, &reading, (&of_path, name), format, &secrets)?;
                Ok(text.into_bytes())
            }
        }
    }

    fn document(&self, place: &Place, wanted: &Export, format: &'static str) -> Result<Vec<u8>, CliError> {
        let Export { moment, with_secrets, .. } = wanted;
        let json = self.finished(place, moment, *with_secrets)?;
        let value = Value::from_json(json.get()).map_err(|error| CliError::Failed(error.to_string()))?;
        let format = match (format, &value) {
            ("text", Value::Object(_)) => {
                let (name, moment) = (None, moment.clone());
                let lines = Export { format, with_secrets: *with_secrets, name, moment };
                return self.bundle(place, &lines, (BundleFormat::Lines, *with_secrets));
            }
            ("text", Value::String(text)) => return Ok(text.clone().into_bytes()),
            ("text", value) => return Ok(value.to_json().into_bytes()),
            ("yaml", _) => Format::Yaml,
            ("toml", _) => Format::Toml,
            _ => Format::Json,
        };
        document::emit(format, &value)
            .map_err(|error| CliError::Failed(format!("{} cannot be written so: {error}", place.path)))
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
        if core.is_object_history(&self.grant(), &environment, &place.path)? {
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
        let (core, grant) = (self.project.core(), self.grant());
        let explained = match at {
            Some(at) => core.explain_at(&grant, &Point::parse(at), &environment, &place.path)?.1,
            None => core.explain(&core.reading(&grant), &environment, &place.path)?,
        };
        Ok(present::explanation(&explained))
    }

    /// How the project is.
    pub fn status(&self) -> Status {
        self.project.core().check_environments();
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

fn no_name() -> CliError {
    CliError::Usage("--name is that of an object of Kubernetes: this format has none".to_owned())
}
