use clap::Args;

use super::CliError;
use super::options::Options;
use super::output::Output;
use super::path_argument::written_path;
use super::set::{expect_version, print};
use crate::client::Place;

/// Take a value away
///
/// Removes the entry at the path, or everything below it, from the environment. Where a parent environment
/// has a value too, that one shows again; `--hide` makes the path have no value here whatever parents say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit unset /myapp/database/timeout --env prod\n  \
    confgit unset myapp.cache -m 'the cache is gone'\n  \
    confgit unset /myapp/motd --env prod --hide")]
pub struct Unset {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// What the commit says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Hide what a parent environment has there as well
    #[arg(long)]
    hide: bool,
    /// Only if the path has this version
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

impl Unset {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: written_path(&self.path)?, env: options.env.clone() };
        let expect = expect_version(self.if_version);
        let written = options.target()?.delete(&place, self.hide, self.message, expect)?;
        print(&written, None, output)
    }
}
