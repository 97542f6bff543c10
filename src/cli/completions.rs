use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::output::Output;
use super::{CliError, complete};

/// Print the completions of a shell
///
/// Prints a script that teaches the shell the commands and options of confgit, and to ask the server or project
/// for paths, environments and versions while they are typed. It belongs to this version of confgit, so let the
/// shell's start-up file ask for it rather than keep a copy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(confgit completions bash)\n  \
    source <(confgit completions zsh)\n  \
    confgit completions fish | source")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self, output: &mut Output) -> Result<(), CliError> {
        let shells = Shells::builtins();
        let unknown = || CliError::Failed(format!("there are no completions for {}", self.shell));
        let completer = shells.completer(&self.shell.to_string()).ok_or_else(unknown)?;
        let mut script = Vec::new();
        let (name, program) = ("confgit", "confgit");
        let written = completer.write_registration(complete::VARIABLE, name, name, program, &mut script);
        written.map_err(CliError::Output)?;
        output.bytes(&script)
    }
}
