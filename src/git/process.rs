use std::process::Command;

use super::repository::Repository;

impl Repository {
    /// The `git` of this machine at work in this repository, behind whatever else wants a processor. It knows nothing of
    /// other settings of this machine than those of the repository.
    pub fn git_command(&self) -> Command {
        let mut command = program("nice");
        command.args(["-n", "10", "git", "-c", "safe.directory=*"]);
        alone(&mut command);
        command.current_dir(self.dir());
        command
    }
}

/// The shell, by its place: a program that has to be looked for with other variables than our own costs a copy of this
/// process.
const SHELL: &str = "/bin/sh";

/// A program that a shell finds and becomes.
pub(super) fn program(name: &str) -> Command {
    program_within(name, ":")
}

/// The same within limits, which commands of the shell set before.
pub(super) fn program_within(name: &str, limits: &str) -> Command {
    let mut command = Command::new(SHELL);
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), name]);
    command
}

/// Takes away all variables but the one that says where programs are.
pub(super) fn alone(command: &mut Command) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
}
