use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::CliError;
use super::first_start::FirstStart;
use super::logging::Logging;
use super::options::Options;
use crate::auth::Anonymous;
use crate::server::{self, CorsOrigins, ProjectDir, ServeOptions};

/// Serve projects
///
/// Answers HTTP until it is stopped with Ctrl-C or SIGTERM, then finishes what it accepted. Prints `listening
/// on ADDR` once it is ready. Callers need a key, unless --anonymous lets those on this machine in without.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit serve ./data\n  \
    confgit serve ./data --listen 0.0.0.0:8000 --log-format json\n  \
    confgit serve ./data --anonymous reader\n  \
    confgit serve ./shop ./web docs=/srv/other\n  \
    confgit serve /data/project --init --listen 0.0.0.0:8000")]
pub struct Serve {
    /// The projects' directories; the first answers at the root, each at /p/NAME, named like its directory
    #[arg(required = true, value_name = "[NAME=]DIR")]
    dirs: Vec<String>,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    listen: String,
    /// What callers without a key may do; they must call from this machine
    #[arg(long, value_name = "ROLE", default_value = "none")]
    anonymous: AnonymousRole,
    /// Pages of this origin may call from a browser; may be given several times
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    #[command(flatten)]
    first_start: FirstStart,
    #[command(flatten)]
    logging: Logging,
}

/// Where a server listens when nothing says so.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AnonymousRole {
    /// Nothing
    None,
    /// Read
    Reader,
    /// Everything
    Admin,
}

impl Serve {
    /// Runs the command.
    pub fn run(self, options: &Options) -> Result<(), CliError> {
        let cors =
            CorsOrigins::parse(&self.cors_origins).map_err(|error| CliError::Usage(error.to_string()))?;
        let _logged = self.logging.start(options, "info")?;
        let projects: Vec<ProjectDir> = self.dirs.iter().map(|dir| ProjectDir::parse(dir)).collect();
        let dirs: Vec<&Path> = projects.iter().map(|project| project.dir.as_path()).collect();
        self.first_start.prepare(&dirs)?;
        let anonymous = match self.anonymous {
            AnonymousRole::None => Anonymous::None,
            AnonymousRole::Reader => Anonymous::Reader,
            AnonymousRole::Admin => Anonymous::Admin,
        };
        run_until_stopped(ServeOptions {
            projects,
            listen: self.listen,
            anonymous,
            slow_request: self.logging.slow_request(),
            cors,
            on_ready: Box::new(|address| announce(address, "")),
        })
    }
}

/// Says on standard output that requests are answered, and what else there is to say. A server goes on when
/// nobody reads it.
pub fn announce(address: SocketAddr, more: &str) {
    use io::Write as _;
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "listening on {address}\n{more}").and_then(|()| stdout.flush());
}

/// How long a server that stops waits for work whose clients are gone; nothing that was accepted depends on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C or SIGTERM.
pub fn run_until_stopped(options: ServeOptions) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::Failed(format!("the server cannot run: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let served = runtime.block_on(async {
        let stopped = stop_signal().map_err(failed)?;
        Ok(server::serve(options, stopped).await?)
    });
    runtime.shutdown_timeout(PATIENCE);
    served
}

/// Resolves when somebody wants the process to end.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves when somebody wants the process to end.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler the process ends at once, which loses nothing that was acknowledged.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
