//! The `confgit` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    confgit::cli::run()
}
