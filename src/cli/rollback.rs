use clap::Args;

use super::CliError;
use super::options::Options;
use super::output::Output;
use super::path_argument::written_path;
use super::set::print_made;
use crate::client::Place;

/// Give a value back what it was
///
/// Writes the value that the path had in an older version. This is a new commit and a new version: nothing
/// that happened since is lost.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit history /myapp/database/pool_size\n  \
    confgit rollback /myapp/database/pool_size 3")]
pub struct Rollback {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// The version whose value is wanted, as `history` lists it
    version: u64,
}

impl Rollback {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: written_path(&self.path)?, env: options.env.clone() };
        let target = options.target()?;
        let written = target.rollback(&place, self.version)?;
        print_made(&target, &place, &written, output)
    }
}
