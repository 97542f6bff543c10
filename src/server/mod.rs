//! The running server: opens the projects, listens, and stops without losing what it accepted.

mod listen;
mod memory;
mod socket;
mod streams;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;

use crate::api::http::{App, BodyRoom, Http};
use crate::auth::Anonymous;
use crate::service::{OpenError, Project};
use crate::telemetry::Telemetry;

pub use crate::api::http::CorsOrigins;

/// What to serve, and how.
pub struct ServeOptions {
    /// The projects; the first answers at the root, each at `/p/{name}`.
    pub projects: Vec<ProjectDir>,
    /// Where to listen, such as `127.0.0.1:8000`; port 0 takes a free one.
    pub listen: String,
    /// What callers without a credential may do.
    pub anonymous: Anonymous,
    /// A request that takes so long is logged at the level `info`.
    pub slow_request: Duration,
    /// Pages of which other origins may call.
    pub cors: CorsOrigins,
    /// Called with the address once requests are answered.
    pub on_ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// A project's directory and the name it is served under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDir {
    /// The name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The directory.
    pub dir: PathBuf,
}

impl ProjectDir {
    /// A directory under its own name, or under the one that `NAME=DIR` gives it.
    ///
    /// ```
    /// use confgit::server::ProjectDir;
    /// assert_eq!(ProjectDir::parse("/srv/shop").name, "shop");
    /// assert_eq!(ProjectDir::parse("web=/srv/data").name, "web");
    /// assert_eq!(ProjectDir::parse("/srv/.my shop").name, "myshop");
    /// ```
    pub fn parse(text: &str) -> Self {
        if let Some((name, dir)) = text.split_once('=')
            && is_name(name)
            && !Path::new(text).is_dir()
        {
            return ProjectDir { name: name.to_owned(), dir: PathBuf::from(dir) };
        }
        let dir = PathBuf::from(text);
        // A path such as `.` has its name only once it is resolved.
        let full = std::path::absolute(&dir).unwrap_or_else(|_| dir.clone());
        let full = full.canonicalize().unwrap_or(full);
        let own = full.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        // What a URL cannot hold is left out; where nothing is left, any name will do.
        let usual: String = own.chars().filter(|c| is_usual(*c)).collect();
        let usual = usual.trim_start_matches('.');
        let name = if is_name(usual) { usual } else { "default" };
        ProjectDir { name: name.to_owned(), dir }
    }
}

fn is_usual(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(is_usual) && !name.starts_with('.')
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
    /// Two projects of one name.
    #[error("two projects are named `{name}`: give one of them another name with NAME=DIR")]
    SameName {
        /// The name.
        name: String,
    },
    /// Nothing to serve.
    #[error("name at least one project's directory")]
    NoProject,
}

/// Serves until `shutdown` resolves, then finishes what was accepted.
pub async fn serve(options: ServeOptions, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let ServeOptions { projects, listen, anonymous, slow_request, cors, on_ready } = options;
    check_names(&projects)?;
    let failed = |source| ServeError::Listen { listen: listen.clone(), source };
    let listener = TcpListener::bind(&listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if anonymous != Anonymous::None && !address.ip().is_loopback() {
        return Err(ServeError::AnonymousBeyondLoopback);
    }
    let (telemetry, room) = (Telemetry::new(SystemTime::now()), BodyRoom::default());
    let mut apps = Vec::new();
    for ProjectDir { name, dir } in projects {
        let metrics = telemetry.project(&name);
        let opened = tokio::task::spawn_blocking(move || Project::open(&dir, metrics)).await;
        let project = match opened {
            Ok(project) => Arc::new(project?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let (telemetry, room, cors) = (telemetry.clone(), room.clone(), cors.clone());
        apps.push(App { project, name: name.into(), anonymous, telemetry, slow_request, room, cors });
    }
    let cores: Vec<_> = apps.iter().map(|app: &App| app.project.core().clone()).collect();
    let first = apps.remove(0);
    let http = Http::new(first, apps);
    tracing::info!(%address, "listening");
    on_ready(address);
    cores.iter().for_each(|core| core.audit_trail().serving(true));
    // Watches have no end of their own, and would be waited for.
    let stop = async {
        shutdown.await;
        cores.iter().for_each(|core| core.end_watches());
    };
    tokio::select! {
        () = listen::accept(listener, http, stop) => {}
        never = memory::give_back() => match never {},
    }
    cores.iter().for_each(|core| core.audit_trail().serving(false));
    Ok(())
}

fn check_names(projects: &[ProjectDir]) -> Result<(), ServeError> {
    if projects.is_empty() {
        return Err(ServeError::NoProject);
    }
    for (index, project) in projects.iter().enumerate() {
        if projects[..index].iter().any(|other| other.name == project.name) {
            return Err(ServeError::SameName { name: project.name.clone() });
        }
    }
    Ok(())
}
