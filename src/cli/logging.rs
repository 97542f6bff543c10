use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::CliError;
use super::options::Options;
use super::output::may_color;
use crate::telemetry::trace::Exporter;

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
    /// Send traces to this OpenTelemetry collector, as OTLP over HTTP; such as http://localhost:4318
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// What the server is called in traces
    #[arg(long, value_name = "NAME", env = "OTEL_SERVICE_NAME", default_value = "confgit")]
    otel_service_name: String,
}

/// What is logged and sent, until dropped: then what waits to be sent is.
#[must_use]
pub struct Logged {
    _exporter: Option<Exporter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Logging {
    fn service_name(&self) -> &str {
        if self.otel_service_name.is_empty() { "confgit" } else { &self.otel_service_name }
    }

    /// From when on a request is slow.
    pub fn slow_request(&self) -> Duration {
        Duration::from_millis(self.log_slow_ms)
    }

    /// Sends what the program logs to standard error from now on, and its traces to where they are wanted.
    pub fn start(&self, options: &Options, default_level: &str) -> Result<Logged, CliError> {
        let level = self.log.as_deref().filter(|level| !level.is_empty()).unwrap_or(default_level);
        let filter = EnvFilter::try_new(level)
            .map_err(|error| CliError::Usage(format!("--log or CONFGIT_LOG: {error}")))?;
        let endpoint = self.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
        let exporter = endpoint.map(|endpoint| Exporter::new(endpoint, self.service_name())).transpose();
        let exporter = exporter.map_err(|error| {
            CliError::Usage(format!("--otlp-endpoint or OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))
        })?;
        let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
        let log = match self.log_format {
            LogFormat::Text => log.with_ansi(io::stderr().is_terminal() && may_color(options)).boxed(),
            LogFormat::Json => log.json().flatten_event(true).boxed(),
        };
        let subscriber = tracing_subscriber::registry()
            .with(log.with_filter(filter))
            .with(exporter.as_ref().map(Exporter::layer));
        subscriber.try_init().map_err(|error| CliError::Failed(format!("logging cannot start: {error}")))?;
        Ok(Logged { _exporter: exporter })
    }
}
