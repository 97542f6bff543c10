//! The yardstick for reads: the least that an HTTP server of the same library can do.
//!
//! One axum handler that answers every GET with the same bytes, through `axum::serve` as it comes: no look at the
//! key, no look-up, no headers of its own. What confgit does beyond it is what the ratio shows. That for clones is
//! `git http-backend`, behind the same server.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::header;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::BenchError;
use super::git_backend;
use super::load::Origin;
use super::process::{Process, Usage};

/// What a yardstick answers.
pub enum Serves {
    /// The same text.
    Body(String),
    /// Clones of a repository.
    Git(PathBuf),
}

/// Serves until standard input ends, which it does when the bench that started it is gone.
pub fn serve_yardstick(listen: SocketAddr, serves: Serves) -> Result<(), BenchError> {
    if !listen.ip().is_loopback() {
        return Err(BenchError::NotLoopback(listen));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(BenchError::io("starting a runtime"))?.block_on(async {
        let router = match serves {
            Serves::Body(body) => {
                let body = Bytes::from(body);
                let handler = async move || ([(header::CONTENT_TYPE, "application/json")], body.clone());
                Router::new().fallback(handler)
            }
            Serves::Git(repository) => git_backend::router(repository),
        };
        let listener = TcpListener::bind(listen).await.map_err(BenchError::io("listening"))?;
        let address = listener.local_addr().map_err(BenchError::io("listening"))?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {address}").map_err(BenchError::io("writing the address"))?;
        stdout.flush().map_err(BenchError::io("writing the address"))?;
        axum::serve(listener, router)
            .with_graceful_shutdown(stdin_closed())
            .await
            .map_err(BenchError::io("serving"))
    })
}

async fn stdin_closed() {
    let waited = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new()));
    // Whatever ended the reading, nobody is left to serve.
    let _ = waited.await;
}

/// The yardstick in a process of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Yardstick {
    process: Process,
    origin: Origin,
}

impl Yardstick {
    /// Starts it with the body it shall answer with.
    pub async fn start(program: &Path, work: &Path, body: &str) -> Result<Self, BenchError> {
        let arguments = ["bench", "yardstick", "--listen", "127.0.0.1:0", "--body", body];
        let mut process = Process::start(program, &arguments, work.join("yardstick.log"))?;
        let address = process.listening().await?;
        Ok(Yardstick { process, origin: Origin::new(address, None) })
    }

    /// Starts one that serves a repository.
    pub async fn start_git(program: &Path, work: &Path, repository: &Path) -> Result<Self, BenchError> {
        let repository = repository.to_string_lossy();
        let arguments = ["bench", "yardstick", "--listen", "127.0.0.1:0", "--git", &repository];
        let mut process = Process::start(program, &arguments, work.join("yardstick-git.log"))?;
        let address = process.listening().await?;
        Ok(Yardstick { process, origin: Origin::new(address, None) })
    }

    /// Its address.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What its process has used.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        self.process.usage()
    }
}
