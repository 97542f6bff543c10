use clap::Args;
use serde::Serialize;

use super::CliError;
use super::age::{age_of, now};
use super::change::print_change;
use super::history::value_of;
use super::options::{Options, OutputFormat};
use super::output::{Emphasis, Output};
use super::path_argument::path;
use super::target::Target;
use crate::client::Place;
use crate::model::Path;
use crate::wire::{Commit, CommitDetails, HistoryItem};

/// Show recent changes
///
/// The commits of the environment's branch along first parents, newest first; with a path, those that changed
/// something at or below it, and of a single value its versions. `-p` shows what each commit changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit log -n 5\n  \
    confgit log /myapp --env prod -p\n  \
    confgit log /myapp/database/pool_size\n  \
    confgit log --all -o json")]
pub struct Log {
    /// The path; all changes when not given
    path: Option<String>,
    /// At most so many commits
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// The commits of all environments
    #[arg(long)]
    all: bool,
    /// The entries that each commit changed, with their old and new values
    #[arg(short, long)]
    patch: bool,
}

/// One version of the log of a value.
#[derive(Debug, Serialize)]
struct LogItem {
    revision: String,
    sequence: u64,
    path: String,
    version: u64,
    /// The value of the version, for people.
    #[serde(skip)]
    value: String,
    updated_at: String,
    updated_by: String,
    message: String,
}

impl Log {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let target = options.target()?;
        let most = self.limit as usize;
        let path = self.path.as_deref().map_or_else(|| Ok(Path::root()), path)?;
        if self.all && options.env.is_some() {
            return Err(CliError::Usage("--all shows every environment: leave out --env".to_owned()));
        }
        if !path.is_root() && !self.patch && !self.all {
            let place = Place { path: path.clone(), env: options.env.clone() };
            let versions = target.history(&place, most)?;
            // A history of several paths is that of an object: its commits tell more.
            if versions.iter().all(|version| version.path.is_none()) {
                return print_versions(&place, versions, output);
            }
        }
        let default = match (&options.env, self.all) {
            (None, false) => Some(target.environments()?.default),
            _ => None,
        };
        let env = options.env.as_deref().or(default.as_deref());
        let commits = target.commits(env, &path, most)?;
        if self.patch {
            return print_patches(&target, &commits, &path, output);
        }
        if output.format() != OutputFormat::Table {
            return output.data(&commits);
        }
        for (index, commit) in commits.iter().enumerate() {
            print_commit(commit, index, self.all, output)?;
        }
        Ok(())
    }
}

fn print_versions(place: &Place, versions: Vec<HistoryItem>, output: &mut Output) -> Result<(), CliError> {
    let items: Vec<LogItem> = versions.into_iter().map(|version| of_version(place, version)).collect();
    if output.format() != OutputFormat::Table {
        return output.data(&items);
    }
    for (index, item) in items.iter().enumerate() {
        let numbers = format!("  (version {}, sequence {})", item.version, item.sequence);
        print_head(index, (&item.revision, &numbers), (&item.updated_by, &item.updated_at), output)?;
        output.line(format!("Value:  {}", item.value))?;
        print_message(&item.message, output)?;
    }
    Ok(())
}

fn of_version(place: &Place, version: HistoryItem) -> LogItem {
    LogItem {
        value: value_of(&version),
        revision: version.revision,
        sequence: version.sequence,
        path: place.path.to_string(),
        version: version.version,
        updated_at: version.updated_at,
        updated_by: version.updated_by,
        message: version.message,
    }
}

/// Prints commits with the entries at or below a path that each changed.
fn print_patches(
    target: &Target,
    commits: &[Commit],
    path: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let is_below = |text: &str| text.parse::<Path>().is_ok_and(|changed| path.is_prefix_of(&changed));
    let mut all: Vec<CommitDetails> = Vec::new();
    for (index, commit) in commits.iter().enumerate() {
        let mut details = target.commit(&commit.revision, Some(&commit.env))?;
        details.changes.retain(|change| is_below(&change.path));
        if output.format() != OutputFormat::Table {
            all.push(details);
            continue;
        }
        print_commit(commit, index, true, output)?;
        if !details.changes.is_empty() {
            output.line("")?;
        }
        details.changes.iter().try_for_each(|change| print_change(change, output))?;
    }
    if output.format() == OutputFormat::Table { Ok(()) } else { output.data(&all) }
}

/// Prints a commit as `git log` does.
fn print_commit(commit: &Commit, index: usize, with_env: bool, output: &mut Output) -> Result<(), CliError> {
    let env = if with_env { format!("{}, ", commit.env) } else { String::new() };
    let entries =
        if commit.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", commit.entries) };
    let numbers = format!("  ({env}sequence {}, {entries})", commit.sequence);
    let author = match commit.author == commit.updated_by {
        true => commit.author.clone(),
        false => format!("{} (taken in for {})", commit.author, commit.updated_by),
    };
    print_head(index, (&commit.revision, &numbers), (&author, &commit.updated_at), output)?;
    print_message(&commit.message, output)
}

fn print_head(
    index: usize,
    (revision, numbers): (&str, &str),
    (author, time): (&str, &str),
    output: &mut Output,
) -> Result<(), CliError> {
    if index > 0 {
        output.line("")?;
    }
    let commit = output.emphasized(&format!("commit {revision}"), Emphasis::Strong);
    output.line(format!("{commit}{}", output.emphasized(numbers, Emphasis::Faint)))?;
    output.line(format!("Author: {}", author.replace(char::is_control, " ")))?;
    let age = output.emphasized(&format!("({})", age_of(now(), time)), Emphasis::Faint);
    output.line(format!("Date:   {time} {age}"))
}

fn print_message(message: &str, output: &mut Output) -> Result<(), CliError> {
    output.line("")?;
    // A message is no command to the terminal.
    let plain = |line: &str| line.replace(char::is_control, " ");
    message.lines().try_for_each(|line| output.line(format!("    {}", plain(line)).trim_end()))
}
