use clap::Args;

use super::age::{age_of, now};
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::table::Table;
use super::{CliError, shown};
use crate::client::Place;
use crate::wire::HistoryItem;

/// List the versions of a value, or of all below a path
///
/// Newest first: when each version was made, by whom, its value and what its commit says. Versions count
/// within the environment that --env names; a value that is inherited has its history where it comes from.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit history /myapp/database/pool_size\n  \
    confgit history /myapp -n 50\n  \
    confgit history myapp.database.pool_size --env prod -n 5 -o json")]
pub struct History {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// At most so many versions
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl History {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let versions = options.target()?.history(&place, self.limit as usize)?;
        if output.format() != OutputFormat::Table {
            return output.data(&versions);
        }
        let now = now();
        let is_object = versions.iter().any(|version| version.path.is_some());
        let mut table = if is_object {
            Table::new(&["PATH", "VERSION", "AGE", "AUTHOR", "VALUE", "MESSAGE"], &[0, 4, 5])
        } else {
            Table::new(&["VERSION", "AGE", "AUTHOR", "VALUE", "MESSAGE"], &[3, 4])
        };
        for version in &versions {
            let mut cells: Vec<String> = version.path.iter().cloned().collect();
            cells.extend([
                version.version.to_string(),
                age_of(now, &version.updated_at),
                version.updated_by.clone(),
                value_of(version),
                version.message.lines().next().unwrap_or_default().to_owned(),
            ]);
            table.row(cells);
        }
        output.table(&table)
    }
}

/// The value of a version on one line.
pub fn value_of(version: &HistoryItem) -> String {
    match version {
        HistoryItem { deleted: true, .. } => "(deleted)".to_owned(),
        HistoryItem { encoding: Some(_), value, .. } => shown::bytes(value),
        HistoryItem { value, .. } => shown::inline(value),
    }
}
