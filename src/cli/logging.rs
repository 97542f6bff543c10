use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::CliError;
use super::options::Options;
use super::output::may_color;

/// What a server logs, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct Logging {
    /// What is logged to standard error: error, warn, info, debug, or a level for each target
    #[arg(long, value_name = "LEVEL", env = "CONFGIT_LOG")]
    log: Option<String>,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Requests that take so many milliseconds are logged at the level info, all others at debug
    #[arg(long, value_name = "MS", env = "CONFGIT_LOG_SLOW_MS", default_value_t = 1_000)]
    log_slow_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Logging {
    /// From when on a request is slow.
    pub fn slow_request(&self) -> Duration {
        Duration::from_millis(self.log_slow_ms)
    }

    /// Sends what the program logs to standard error from now on.
    pub fn start(&self, options: &Options, default_level: &str) -> Result<(), CliError> {
        let level = self.log.as_deref().filter(|level| !level.is_empty()).unwrap_or(default_level);
        let filter = EnvFilter::try_new(level)
            .map_err(|error| CliError::Usage(format!("--log or CONFGIT_LOG: {error}")))?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let started = match self.log_format {
            LogFormat::Text => builder.with_ansi(io::stderr().is_terminal() && may_color(options)).try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        started.map_err(|error| CliError::Failed(format!("logging cannot start: {error}")))
    }
}
