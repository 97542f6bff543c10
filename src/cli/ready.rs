use std::time::{Duration, Instant};

use clap::Args;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;

/// Tell whether the server is ready
///
/// Done when values can be read and written, failed when not, or not yet. It needs no key, and so serves as the
/// health check of a container that holds nothing but confgit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit ready\n  \
    confgit serve ./data & confgit ready --wait 30 && deploy")]
pub struct Ready {
    /// Wait so many seconds for it
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    wait: u64,
}

/// How often a server that is waited for is asked.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(serde::Serialize)]
struct Answer {
    ready: bool,
}

impl Ready {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let client = options.client_without_key()?;
        let until = Instant::now() + Duration::from_secs(self.wait);
        loop {
            let is_late = Instant::now() >= until;
            match client.is_ready() {
                Ok(true) => break,
                Ok(false) if is_late => {
                    let server = client.server();
                    let message = format!("{server} is not ready yet; `confgit status` says why");
                    return Err(CliError::Failed(message));
                }
                Err(error) if is_late => return Err(error.into()),
                Ok(false) | Err(_) => std::thread::sleep(PAUSE),
            }
        }
        match output.format() {
            OutputFormat::Table => output.line("ready"),
            OutputFormat::Json | OutputFormat::Yaml => output.data(&Answer { ready: true }),
        }
    }
}
