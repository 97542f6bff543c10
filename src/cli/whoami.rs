use clap::Args;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;

/// Tell who the server takes you for
///
/// The account that the key belongs to, the project, and what it may do there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit whoami\n  confgit whoami --server https://config.example.com/p/shop -o json"
)]
pub struct Whoami {}

impl Whoami {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let me = options.target()?.whoami()?;
        if output.format() != OutputFormat::Table {
            return output.data(&me);
        }
        let may = match &me.may[..] {
            [] => "do nothing".to_owned(),
            [only] => only.clone(),
            [others @ .., last] => format!("{} and {last}", others.join(", ")),
        };
        let key = if me.anonymous { ", without a key" } else { "" };
        output.line(format!("{} on {}{key}: may {may}", me.account, me.project))
    }
}
