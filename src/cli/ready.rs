use clap::Args;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;

/// Tell whether the server is ready
///
/// Done when values can be read and written, failed when not, or not yet. It needs no key, and so serves as the
/// health check of a container that holds nothing but confgit.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit ready\n  confgit ready --server http://127.0.0.1:8000 && deploy"
)]
pub struct Ready {}

#[derive(serde::Serialize)]
struct Answer {
    ready: bool,
}

impl Ready {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let client = options.client_without_key()?;
        if !client.is_ready()? {
            let server = client.server();
            return Err(CliError::Failed(format!("{server} is not ready yet; `confgit status` says why")));
        }
        match output.format() {
            OutputFormat::Table => output.line("ready"),
            OutputFormat::Json | OutputFormat::Yaml => output.data(&Answer { ready: true }),
        }
    }
}
