use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::output::Output;
use super::{Cli, CliError};

/// Print the completions of a shell
///
/// Prints a script that teaches the shell the commands and options of confgit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(confgit completions bash)\n  \
    confgit completions zsh > ~/.zfunc/_confgit\n  \
    confgit completions fish > ~/.config/fish/completions/confgit.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self, output: &mut Output) -> Result<(), CliError> {
        // The generator panics where its writer fails, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "confgit", &mut script);
        output.bytes(&script)
    }
}
