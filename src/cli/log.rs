use clap::Args;
use serde::Serialize;

use super::CliError;
use super::age::{age_of, now};
use super::history::value_of;
use super::local::Local;
use super::options::{Options, OutputFormat};
use super::output::{Emphasis, Output};
use super::path_argument::path;
use crate::client::Place;
use crate::git::{Reader, Repository};
use crate::model::Revision;
use crate::wire::HistoryItem;

/// Show recent changes
///
/// With a path, the commits that changed its value, newest first. Without, all commits of the environment's
/// branch along its first parents; this reads the repository, so it needs --repo for now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit log /myapp/database/pool_size\n  \
    confgit log --repo ./data --env prod -n 5")]
pub struct Log {
    /// The path; all changes of the environment when not given
    path: Option<String>,
    /// At most so many commits
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// One commit of the log.
#[derive(Debug, Serialize)]
struct LogItem {
    revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The value of the version, for people.
    #[serde(skip)]
    value: Option<String>,
    updated_at: String,
    updated_by: String,
    message: String,
}

impl Log {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let most = self.limit as usize;
        let items = match &self.path {
            Some(text) => {
                let place = Place { path: path(text)?, env: options.env.clone() };
                let versions = options.target()?.history(&place, most)?;
                versions.into_iter().map(|version| of_version(&place, version)).collect()
            }
            None => match options.local()? {
                Some(local) => commits(&local, options.env.as_deref(), most)?,
                None => {
                    let message = "a log of all paths needs the project's directory for now: \
                        add --repo DIR where no server has it, name a path, or run `git log` in its config.git";
                    return Err(CliError::Usage(message.to_owned()));
                }
            },
        };
        if output.format() != OutputFormat::Table {
            return output.data(&items);
        }
        print(&items, output)
    }
}

fn of_version(place: &Place, version: HistoryItem) -> LogItem {
    LogItem {
        value: Some(value_of(&version)),
        revision: version.revision,
        sequence: Some(version.sequence),
        path: Some(place.path.to_string()),
        version: Some(version.version),
        updated_at: version.updated_at,
        updated_by: version.updated_by,
        message: version.message,
    }
}

/// The commits of an environment's branch along first parents, newest first.
fn commits(local: &Local, env: Option<&str>, most: usize) -> Result<Vec<LogItem>, CliError> {
    let environment = local.environment(env)?;
    let core = local.project.core();
    let unreadable = |error: crate::git::OpenError| CliError::Failed(error.to_string());
    let reader = Repository::open(core.dir.join("config.git")).map_err(unreadable)?.reader();
    let mut at = core.reading(&local.grant()).revision(&environment);
    let mut items = Vec::new();
    while let Some(revision) = at.filter(|_| items.len() < most) {
        let (item, parent) = of_commit(&reader, revision)?;
        items.push(item);
        at = parent;
    }
    Ok(items)
}

fn of_commit(reader: &Reader, revision: Revision) -> Result<(LogItem, Option<Revision>), CliError> {
    let commit = reader.commit(revision).map_err(crate::service::ServiceError::from)?;
    let item = LogItem {
        revision: revision.to_string(),
        sequence: None,
        path: None,
        version: None,
        value: None,
        updated_at: commit.time.to_string(),
        updated_by: commit.author.to_string(),
        message: commit.message.trim_end().to_owned(),
    };
    Ok((item, commit.parents.first().copied()))
}

/// Prints as `git log` does.
fn print(items: &[LogItem], output: &mut Output) -> Result<(), CliError> {
    let now = now();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            output.line("")?;
        }
        let numbers = match (item.version, item.sequence) {
            (Some(version), Some(sequence)) => format!("  (version {version}, sequence {sequence})"),
            _ => String::new(),
        };
        let commit = output.emphasized(&format!("commit {}", item.revision), Emphasis::Strong);
        output.line(format!("{commit}{}", output.emphasized(&numbers, Emphasis::Faint)))?;
        output.line(format!("Author: {}", item.updated_by))?;
        let age = output.emphasized(&format!("({})", age_of(now, &item.updated_at)), Emphasis::Faint);
        output.line(format!("Date:   {} {age}", item.updated_at))?;
        if let Some(value) = &item.value {
            output.line(format!("Value:  {value}"))?;
        }
        output.line("")?;
        for line in item.message.lines() {
            output.line(format!("    {line}").trim_end())?;
        }
    }
    Ok(())
}
