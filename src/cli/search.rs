use clap::Args;

use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::table::Table;
use super::{CliError, shown};
use crate::client::{Moment, Place};
use crate::wire::Entries;

/// Find values
///
/// Prints the entries in whose path or value every word is found, whatever its case. A word with a slash or a
/// wildcard is a pattern for the path: `*` is any part of a name, `**` any number of names.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit search pool_size\n  \
    confgit search '/myapp/**' db.internal --env prod\n  \
    confgit search 'database/*' --in /services --at 41")]
pub struct Search {
    /// The words
    #[arg(required = true)]
    words: Vec<String>,
    /// Only what is below this path
    #[arg(long = "in", value_name = "PATH", default_value = "/", hide_default_value = true)]
    within: String,
    /// As it was at a sequence, commit, tag or time
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
}

impl Search {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.within)?, env: options.env.clone() };
        let moment = self.at.map_or(Moment::Now, Moment::At);
        // What the shell gave as one word stays one.
        let quoted = |word: &String| {
            if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.clone() }
        };
        let words = self.words.iter().map(quoted).collect::<Vec<_>>().join(" ");
        let entries = options.target()?.search(&place, &moment, &words)?;
        if output.format() != OutputFormat::Table {
            return output.data(&Entries { path: place.path.to_string(), entries, next: None });
        }
        if entries.is_empty() {
            return Err(CliError::NothingFound(format!("nothing below {} has {words}", place.path)));
        }
        let mut table = Table::new(&["PATH", "VALUE", "ORIGIN"], &[1]);
        for entry in &entries {
            table.row(vec![entry.path.clone(), shown::inline_entry(entry), entry.origin.clone()]);
        }
        output.table(&table)
    }
}
