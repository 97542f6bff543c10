use clap::Args;

use super::CliError;
use super::error::place_of_item;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::table::Table;
use crate::wire;

/// Tell how the server is
///
/// Whether it can be read and written, its environments and their branches, and every problem in the
/// configuration with its file and line.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit status\n  confgit status --server https://config.example.com -o json"
)]
pub struct Status {}

/// How many digits of a commit's name are shown.
const SHORT: usize = 10;

impl Status {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let status = options.target()?.status()?;
        if output.format() != OutputFormat::Table {
            return output.data(&status);
        }
        output.table(&summary(&status))?;
        for refused in &status.refused_settings {
            output.line(format!("settings not in force: {}", place_of_item(refused)))?;
        }
        output.line("")?;
        output.table(&environments(&status))?;
        for environment in &status.environments {
            for problem in &environment.problems {
                output.line(format!("{}: {}", environment.name, place_of_item(problem)))?;
            }
        }
        Ok(())
    }
}

fn summary(status: &wire::Status) -> Table {
    let mut table = Table::bare(&[1]);
    let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    row("project", status.project.clone());
    row("version", status.version.clone());
    let kept = match status.oldest_sequence {
        0 | 1 => String::new(),
        oldest => format!(", history from {oldest} on"),
    };
    row("sequence", format!("{}{kept}", status.sequence));
    row("history", format!("{}, up to sequence {}", status.parts.history, status.parts.history_covered));
    row(
        "writes",
        match (&status.reason, status.writable) {
            (Some(reason), _) => format!("not possible: {reason}"),
            (None, true) => format!("possible, {} waiting", status.parts.waiting_writes),
            (None, false) => "not possible".to_owned(),
        },
    );
    table
}

fn environments(status: &wire::Status) -> Table {
    let mut table = Table::new(&["ENVIRONMENT", "BRANCH", "INHERITS", "HEAD", "ENTRIES", "PROBLEMS"], &[]);
    for environment in &status.environments {
        let head: String = environment.revision.iter().flat_map(|head| head.chars().take(SHORT)).collect();
        table.row(vec![
            environment.name.clone(),
            environment.branch.clone(),
            environment.inherits.clone().unwrap_or_default(),
            head,
            environment.entries.to_string(),
            environment.problems.len().to_string(),
        ]);
    }
    table
}
