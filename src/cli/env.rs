use clap::{Args, Subcommand};

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::table::Table;
use crate::wire::{EnvironmentRollback, NewEnvironment, WrittenEnvironment};

/// List, make and roll back environments
///
/// An environment is a branch that holds what differs from the environment it inherits from.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
    confgit env list\n  \
    confgit env create eu --inherits prod\n  \
    confgit env rollback prod 2026-01-31T12:00:00Z -m 'back to before the release'"
)]
pub struct Env {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List the environments with their branches, heads and sizes
    List,
    /// Make an environment: its settings, and a branch that holds nothing yet
    Create {
        /// Its name
        name: String,
        /// The environment whose values show where this one has none
        #[arg(long, value_name = "ENV")]
        inherits: Option<String>,
        /// The branch that holds it; named like the environment when not given
        #[arg(long)]
        branch: Option<String>,
    },
    /// Give an environment back what its branch held, as a new commit
    Rollback {
        /// The environment
        name: String,
        /// The sequence, commit, tag or time whose content is wanted
        to: String,
        /// What the commit says
        #[arg(short, long, value_name = "TEXT")]
        message: Option<String>,
    },
}

impl Env {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        if options.env.is_some() {
            return Err(CliError::Usage(
                "`confgit env` names its environment itself: leave out --env".to_owned(),
            ));
        }
        let target = options.target()?;
        match self.command {
            EnvCommand::List => {
                let list = target.environments()?;
                if output.format() != OutputFormat::Table {
                    return output.data(&list);
                }
                let mut table =
                    Table::new(&["ENVIRONMENT", "BRANCH", "INHERITS", "HEAD", "ENTRIES", "PROBLEMS"], &[]);
                for environment in list.environments {
                    let head: String =
                        environment.revision.iter().flat_map(|head| head.chars().take(10)).collect();
                    let is_default = environment.name == list.default;
                    table.row(vec![
                        if is_default { format!("{} (default)", environment.name) } else { environment.name },
                        environment.branch,
                        environment.inherits.unwrap_or_default(),
                        head,
                        environment.entries.to_string(),
                        environment.problems.to_string(),
                    ]);
                }
                output.table(&table)
            }
            EnvCommand::Create { name, inherits, branch } => {
                let made = target.create_environment(NewEnvironment { name, branch, inherits })?;
                print(&made, "was made", output)
            }
            EnvCommand::Rollback { name, to, message } => {
                let back = target.roll_environment_back(&name, EnvironmentRollback { to, message })?;
                let said = match back.entries.len() {
                    0 => "holds that already".to_owned(),
                    1 => "was rolled back: 1 entry changed".to_owned(),
                    count => format!("was rolled back: {count} entries changed"),
                };
                print(&back, &said, output)
            }
        }
    }
}

fn print(written: &WrittenEnvironment, said: &str, output: &mut Output) -> Result<(), CliError> {
    if let (Some(number), OutputFormat::Table) = (written.proposal, output.format()) {
        return output.line(format!("others have to agree first: proposal {number} was made of it"));
    }
    if output.format() != OutputFormat::Table {
        return output.data(written);
    }
    output.line(format!("{} {said}  (sequence {})", written.env, written.sequence))?;
    let mut table = Table::bare(&[]);
    for entry in &written.entries {
        table.row(vec![format!("  {}", entry.path), format!("version {}", entry.version)]);
    }
    output.table(&table)
}
