use super::CliError;
use super::local::{Local, value_of};
use crate::auth::{Action, AdminGrant, WriteGrant};
use crate::client::{Comparison, Expect, Moment, PatchKind, Place, Sides, Written};
use crate::model::{Path, Version};
use crate::patch::Patch;
use crate::present;
use crate::resolve::Found;
use crate::service::{self, EditOp, PathPage, Point, Search, ServiceError, environment_rollback};
use crate::wire::{
    Commit, CommitDetails, Diff, Entry, EnvironmentRollback, Environments, Json, NewEnvironment, Whoami,
    WrittenEnvironment,
};

/// All of a list.
const EVERYTHING: PathPage = PathPage { after: None, limit: usize::MAX };

impl Local {
    /// What differs between two sides.
    pub fn diff(&self, comparison: &Comparison) -> Result<Diff, CliError> {
        let (core, grant, path) = (self.project.core(), self.grant(), &comparison.path);
        let moment = |env: Option<&str>, point: Option<&str>| -> Result<service::Moment, ServiceError> {
            Ok(service::Moment { environment: self.environment(env)?, point: point.map(Point::parse) })
        };
        let found = match &comparison.sides {
            Sides::Versions { env, from, to } => {
                let environment = self.environment(env.as_deref())?;
                core.diff_versions(&grant, &environment, path, (from.map(Version), to.map(Version)))?
            }
            Sides::Moments { env, from, to } => {
                let from = moment(env.as_deref(), Some(from))?;
                let to = moment(env.as_deref(), to.as_deref())?;
                core.diff(&grant, (&from, &to), path, &EVERYTHING)?
            }
            Sides::Environments { from, to } => {
                let (from, to) = (moment(Some(from), None)?, moment(Some(to), None)?);
                core.diff(&grant, (&from, &to), path, &EVERYTHING)?
            }
        };
        Ok(present::diff(&found))
    }

    /// At most so many commits of an environment, or of all, that changed something at or below a path.
    pub fn commits(&self, env: Option<&str>, path: &Path, most: usize) -> Result<Vec<Commit>, CliError> {
        let mut all: Vec<Commit> = Vec::new();
        let mut before = None;
        loop {
            let page = self.project.core().commits(&self.grant(), env, path, before, most - all.len())?;
            all.extend(page.commits.iter().map(present::commit));
            before = page.next;
            if before.is_none() || all.len() >= most {
                return Ok(all);
            }
        }
    }

    /// One commit with all that it changed.
    pub fn commit(&self, revision: &str, env: Option<&str>) -> Result<CommitDetails, CliError> {
        let view = self.project.core().commit(&self.grant(), &Point::parse(revision), env, &EVERYTHING)?;
        Ok(present::commit_details(&view))
    }

    /// The entries below a path that are looked for.
    pub fn search(&self, place: &Place, moment: &Moment, words: &str) -> Result<Vec<Entry>, CliError> {
        let nothing = || CliError::Usage("name a word to look for".to_owned());
        let search = Search::parse(words).ok_or_else(nothing)?;
        let environment = self.environment(place.env.as_deref())?;
        let reading = self.reading(moment, &environment, &place.path)?;
        let found = match reading.find(&environment, &place.path)? {
            Found::Object(object) => {
                service::page(&object, &place.path, None, usize::MAX, Some(&search)).entries
            }
            Found::Entry(found) if search.matches(&place.path, &found.entry) => {
                vec![(place.path.clone(), found)]
            }
            Found::Entry(_) => Vec::new(),
        };
        let entry = |(path, found): &(Path, _)| {
            present::entry(&environment, path, found, reading.details(&environment, path))
        };
        Ok(found.iter().map(entry).collect())
    }

    /// The environments.
    pub fn environments(&self) -> Environments {
        let default = self.project.core().environments().default_name().clone();
        present::environments(&default, &self.project.status(&self.grant()).branches)
    }

    /// Makes an environment.
    pub fn create_environment(&self, new: NewEnvironment) -> Result<WrittenEnvironment, CliError> {
        let NewEnvironment { name, branch, inherits } = new;
        let made = self.project.create_environment(service::NewEnvironment {
            grant: AdminGrant::local(self.account.clone()),
            branch: branch.unwrap_or_else(|| name.clone()).into(),
            name: name.as_str().into(),
            inherits: inherits.map(Into::into),
        })?;
        Ok(present::written_environment(&name, &made))
    }

    /// Brings an environment back to what it held.
    pub fn roll_environment_back(
        &self,
        env: &str,
        EnvironmentRollback { to, message }: EnvironmentRollback,
    ) -> Result<WrittenEnvironment, CliError> {
        let grant = WriteGrant::local(self.account.clone());
        let write = environment_rollback(self.project.core(), grant, env, &to, message)?;
        Ok(present::written_environment(env, &self.project.write_blocking(write)?))
    }

    /// Changes what stands at a path, and below it, by a patch.
    pub fn patch(
        &self,
        place: &Place,
        (kind, patch): (PatchKind, &Json),
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, CliError> {
        let document = value_of(patch)?;
        let malformed =
            |reason| ServiceError::Patch { path: place.path.clone(), reason: Box::new(reason), heir: None };
        let patch = match kind {
            PatchKind::Merge => Patch::Merge(document),
            PatchKind::Operations => Patch::operations(&document).map_err(malformed)?,
        };
        self.write(place, EditOp::Patch(patch), message, expect)
    }

    /// Who is calling: whoever holds the files.
    pub fn whoami(&self) -> Whoami {
        Whoami {
            account: self.account.to_string(),
            anonymous: false,
            may: Action::ALL.map(|action| action.name().to_owned()).into(),
            project: self.name(),
        }
    }
}
