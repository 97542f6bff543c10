use std::collections::HashMap;

use clap::Args;

use super::CliError;
use super::change::{Summary, print_change};
use super::error::place_of_item;
use super::layer_change::LayerChange;
use super::options::{Options, OutputFormat};
use super::output::{Emphasis, Output};
use super::path_argument::written_path;
use super::value_argument::{self, ValueFormat};
use crate::client::{Expect, Place};
use crate::model::Value;
use crate::wire::{self, PreviewedEnvironment};

/// How many paths that change with others are named for each environment.
const MOST_NAMED: usize = 10;

/// Show what a write would change, without making it
///
/// Shows for every environment what it would show: what is written, what is inherited, and what changes with it through
/// references and templates. What would make an environment wrong is told as a write would be refused for it, with the
/// exit code 4. VALUE is read as `confgit set` reads it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit preview /myapp/database/pool_size 20\n  \
    confgit preview /.confgit/variables/DB_HOST db2.internal --env staging\n  \
    confgit preview /myapp/cache --delete\n  \
    confgit preview /myapp/database @database.yaml -o json")]
pub struct Preview {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// The value, `-` for standard input, or @FILE
    #[arg(allow_negative_numbers = true, required_unless_present = "delete")]
    value: Option<String>,
    /// Show what taking away what stands at the path would change
    #[arg(long, conflicts_with_all = ["value", "string", "format"])]
    delete: bool,
    /// Take the value as a string, even where it is JSON
    #[arg(long, conflicts_with = "format")]
    string: bool,
    /// What the value is written in; of a file, its extension says so
    #[arg(long, value_name = "FORMAT")]
    format: Option<ValueFormat>,
}

impl Preview {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: written_path(&self.path)?, env: options.env.clone() };
        let value = self.value.as_deref().map(|value| value_argument::value(value, self.string, self.format));
        let value = value.transpose()?;
        if value == Some(Value::Null) {
            return Err(CliError::Usage(
                "null is no value: --delete shows what taking it away changes".to_owned(),
            ));
        }
        let change = LayerChange { path: place.path.clone(), value, expect: Expect::Anything };
        let preview = options.target()?.preview(&place, vec![change])?;
        if output.format() == OutputFormat::Table {
            print(&preview, output)?;
        } else {
            output.data(&preview)?;
        }
        match preview.problems.len() {
            0 => Ok(()),
            count => Err(CliError::Invalid { count }),
        }
    }
}

/// Prints what each environment would show, and what would be wrong.
pub fn print(preview: &wire::Preview, output: &mut Output) -> Result<(), CliError> {
    if preview.environments.is_empty() {
        output.line("no environment would show anything else")?;
    }
    for (names, environment) in groups(&preview.environments)? {
        let mut summary = Summary::default();
        environment.changes.iter().for_each(|change| summary.add(change));
        let names = output.emphasized(&names.join(", "), Emphasis::Strong);
        output.line(format!("{names}: {}", summary.text()))?;
        environment.changes.iter().try_for_each(|change| print_change(change, output))?;
        let listed = environment.changes.len();
        if environment.entries > listed {
            output.line(format!("  and {} more entries", environment.entries - listed))?;
        }
        let through = &environment.through;
        if !through.is_empty() {
            let more = through.len().saturating_sub(MOST_NAMED);
            let named = through.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            output.line(format!("  changing with it: {named}{more}"))?;
        }
        output.line("")?;
    }
    for problem in &preview.problems {
        let title = output.emphasized("refused", Emphasis::Removed);
        output.line(format!("{title}: {}", place_of_item(problem)))?;
    }
    Ok(())
}

/// Environments that would show the same changes are shown once.
fn groups(
    environments: &[PreviewedEnvironment],
) -> Result<Vec<(Vec<&str>, &PreviewedEnvironment)>, CliError> {
    let (mut groups, mut known) = (Vec::<(Vec<&str>, &PreviewedEnvironment)>::new(), HashMap::new());
    for environment in environments {
        let said = serde_json::to_string(&(environment.entries, &environment.changes, &environment.through));
        let said = said.map_err(|error| CliError::Failed(error.to_string()))?;
        let index = *known.entry(said).or_insert(groups.len());
        match groups.get_mut(index) {
            Some((names, _)) => names.push(&environment.env),
            None => groups.push((vec![&environment.env], environment)),
        }
    }
    Ok(groups)
}
