//! The running server: opens the projects, listens, and stops without losing what it accepted.

mod listen;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;

use crate::api::http::{App, BodyRoom, Http};
use crate::auth::Anonymous;
use crate::service::{OpenError, Project};
use crate::telemetry::Telemetry;

/// What to serve, and how.
pub struct ServeOptions {
    /// The projects' directories; the first answers at the root.
    pub dirs: Vec<PathBuf>,
    /// Where to listen, such as `127.0.0.1:8000`; port 0 takes a free one.
    pub listen: String,
    /// What callers without a credential may do.
    pub anonymous: Anonymous,
    /// A request that takes so long is logged at the level `info`.
    pub slow_request: Duration,
    /// Called with the address once requests are answered.
    pub on_ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A project cannot be opened.
    #[error(transparent)]
    Project(#[from] OpenError),
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: String,
        /// Why not.
        source: io::Error,
    },
    /// No key needed, and not only this machine can call.
    #[error("anonymous access is for loopback only: listen on 127.0.0.1, or give callers keys")]
    AnonymousBeyondLoopback,
    /// This version serves one project.
    #[error("{given} directories are given; this version serves one project")]
    SeveralProjects {
        /// How many.
        given: usize,
    },
}

/// Serves until `shutdown` resolves, then finishes what was accepted.
pub async fn serve(options: ServeOptions, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let ServeOptions { dirs, listen, anonymous, slow_request, on_ready } = options;
    let [dir] =
        <[PathBuf; 1]>::try_from(dirs).map_err(|dirs| ServeError::SeveralProjects { given: dirs.len() })?;
    let failed = |source| ServeError::Listen { listen: listen.clone(), source };
    let listener = TcpListener::bind(&listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if anonymous != Anonymous::None && !address.ip().is_loopback() {
        return Err(ServeError::AnonymousBeyondLoopback);
    }
    let telemetry = Telemetry::new(SystemTime::now());
    let name: Arc<str> =
        dir.file_name().map_or_else(|| "default".into(), |name| name.to_string_lossy()).into();
    let metrics = telemetry.project(&name);
    let opened = tokio::task::spawn_blocking(move || Project::open(&dir, metrics)).await;
    let project = match opened {
        Ok(project) => Arc::new(project?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let http =
        Http::new(App { project, name, anonymous, telemetry, slow_request, room: BodyRoom::default() });
    tracing::info!(%address, "listening");
    on_ready(address);
    listen::accept(listener, http, shutdown).await;
    Ok(())
}
